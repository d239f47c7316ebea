# SPDX-License-Identifier: GPL-2.0
"""What the kernel's own tests say on the console."""

import unittest

from host.selftests_kernel import loaded, loads, parse


class Parse(unittest.TestCase):
    def results(self, text):
        return parse(text.splitlines())

    def test_initcalls(self):
        self.assertEqual(self.results("""\
[    0.512345] initcall jump_label_test+0x0/0x90 returned 0 after 12 usecs
[    0.512345] initcall test_static_call_init+0x0/0x40 returned -22 after 1 usecs
[    0.512345] initcall other_init+0x0/0x40 returned -22 after 1 usecs
"""), {"initcall/jump_label_test": True,
       "initcall/test_static_call_init": False})

    def test_the_result_of_a_tracer_may_be_on_a_later_line(self):
        self.assertEqual(self.results("""\
[    1.000000] Testing tracer function: PASSED
[    1.000000][    T1] Testing dynamic ftrace: .. filter: (1 0 0) PASSED
[    1.000000] Testing tracer irqsoff: 
[    1.200000] something else
[    1.300000] PASSED
[    1.400000] Testing tracer wakeup: .. no entries found ..FAILED!
"""), {"ftrace/tracer function": True, "ftrace/dynamic ftrace": True,
       "ftrace/tracer irqsoff": True, "ftrace/tracer wakeup": False})

    def test_events_and_again_traced(self):
        self.assertEqual(self.results("""\
[    2.000000] Testing event sched_switch: OK
[    2.000000] Testing event system irq: OK
[    2.100000] Running tests again, along with the function tracer
[    2.200000] Testing event sched_switch: OK
"""), {"event/sched_switch": True, "event/system irq": True,
       "event/sched_switch, traced": True})

    def test_no_result_is_a_failure(self):
        self.assertEqual(self.results("""\
Testing event one: 
Testing event two: OK
Testing event three: 
"""), {"event/one": False, "event/two": True, "event/three": False})

    def test_kprobes(self):
        self.assertEqual(self.results("""\
    ok 1 test_kprobe
    not ok 2 test_kretprobe
    ok 3 sample
"""), {"kprobes/test_kprobe": True, "kprobes/test_kretprobe": False})

    def test_bpf(self):
        self.assertEqual(self.results("""\
[    3.0] no stamp of ours
[    3.000000] test_bpf: #0 TAX jited:1 25 24 26 PASS
[    3.000000] test_bpf: #1 TXA jited:1 FAIL (1 times)
[    3.000000] test_bpf: #2 ALU64 PASS
[    3.100000] test_bpf: Summary: 1053 PASSED, 0 FAILED, [1041/1041 JIT'ed]
[    3.200000] test_bpf: test_tail_calls: Summary: 9 PASSED, 1 FAILED, [10/10 JIT'ed]
"""), {"bpf/TAX": True, "bpf/TXA": False, "bpf/ALU64": True,
       "bpf/Summary: 1053 PASSED, 0 FAILED, [1041/1041 JIT'ed]": True,
       "bpf/test_tail_calls: Summary: 9 PASSED, 1 FAILED, [10/10 JIT'ed]":
       False})

    def test_vmalloc(self):
        self.assertEqual(self.results("""\
Summary: fix_size_alloc_test passed: 200 failed: 0 repeat: 1 loops: 200 avg: 9
Summary: long_busy_list_alloc_test passed: 199 failed: 1 repeat: 1 loops: 200
"""), {"vmalloc/fix_size_alloc_test": True,
       "vmalloc/long_busy_list_alloc_test": False})

    def test_what_failed_once_has_failed(self):
        lines = ["    ok 1 test_kprobe", "    not ok 1 test_kprobe"]
        for text in (lines, lines[::-1]):
            self.assertEqual(parse(text), {"kprobes/test_kprobe": False})


class Modules(unittest.TestCase):
    def test_loads(self):
        self.assertIn("test_kprobes.ko", list(loads()))
        self.assertIn("test_vmalloc.ko nr_threads=3 test_loop_count=200 "
                      "sequential_test_order=1", list(loads()))

    def test_loaded(self):
        self.assertEqual(loaded("load test_kprobes.ko", 0),
                         ("load/test_kprobes.ko", 0))
        self.assertEqual(loaded("load test_kprobes.ko", 22),
                         ("load/test_kprobes.ko", 22))
        # It never stays loaded.
        self.assertEqual(loaded("load test_vmalloc.ko nr_threads=3", 11),
                         ("load/test_vmalloc.ko", 0))
        self.assertEqual(loaded("load test_vmalloc.ko nr_threads=3", 0)[1], 1)
        self.assertEqual(loaded("unload test_kprobes.ko", 16),
                         ("unload/test_kprobes.ko", 16))
