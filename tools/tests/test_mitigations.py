# SPDX-License-Identifier: GPL-2.0
"""What mitigations need of x86's entry code: ways through it that are right,
and each of the faults made in them."""

import unittest
from types import SimpleNamespace

from host import lookup

mitigations = lookup.module("x86_64", "mitigations")
live_text = lookup.module("x86_64", "live_text")

# As a guest has said it, less what does not matter.
SKYLAKE = """\
@@ cpu cpu family	: 6
@@ cpu flags		: fpu smap pti fsgsbase
@@ cpu bugs		: cpu_meltdown spectre_v1 spectre_v2 mds swapgs retbleed
@@ vulnerability mds: Vulnerable: Clear CPU buffers attempted, no microcode
@@ vulnerability retbleed: Mitigation: IBRS
@@ vulnerability spec_rstack_overflow: Not affected
@@ vulnerability spectre_v1: Mitigation: usercopy/swapgs barriers and __user pointer sanitization
@@ vulnerability spectre_v2: Mitigation: IBRS; BHI: SW loop, KVM: SW loop
"""
OFF = """\
@@ cpu cpu family	: 6
@@ cpu flags		: fpu smap
@@ cpu bugs		: spectre_v1
@@ vulnerability mds: Not affected
@@ vulnerability retbleed: Vulnerable
@@ vulnerability spec_rstack_overflow: Not affected
@@ vulnerability spectre_v1: Vulnerable: __user pointer sanitization and usercopy barriers only; no swapgs barriers
@@ vulnerability spectre_v2: Vulnerable
"""
ZEN = OFF.replace("family	: 6", "family	: 23").replace(
    "retbleed: Vulnerable", "retbleed: Mitigation: untrained return thunk; SMT")

IMAGE = SimpleNamespace(function=lambda address: SimpleNamespace(name=address))


def needs(text, tracked=True):
    return mitigations.Needs(text.splitlines(), tracked)


def way(start, end, text, function="error_entry"):
    """A way, of words that are a kind or kind:what."""
    insn = SimpleNamespace(address=function)
    steps = []
    for word in text.split():
        kind, _, what = word.partition(":")
        steps.append(live_text.Step(kind, what, insn))
    return live_text.Way(start, tuple(steps), end)


EXIT = "swapgs_restore_regs_and_return_to_usermode"
# (needs, check, way): nothing is wrong with these.
GOOD = [
    (needs(SKYLAKE), mitigations.check_entry, way(
        "entry_SYSCALL_64", "do_syscall_64",
        "swapgs gs:cpu_tss_rw gs:cpuword cr3 stack:store wrmsr "
        "call:clear_bhb_loop")),
    (needs(SKYLAKE), mitigations.check_entry, way(
        "asm_exc_page_fault", "exc_page_fault",
        "branch swapgs lfence gs:cpuword cr3 wrmsr c:sync_regs")),
    # The kernel was interrupted.
    (needs(SKYLAKE), mitigations.check_entry, way(
        "asm_exc_page_fault", "exc_page_fault", "branch lfence ret")),
    (needs(OFF), mitigations.check_entry, way(
        "entry_SYSCALL_64", "do_syscall_64", "swapgs gs:cpuword stack:store")),
    (needs(OFF, tracked=False), mitigations.check_entry, way(
        "entry_SYSCALL_64", "do_syscall_64", "swapgs stack:store")),
    (needs(ZEN), mitigations.check_entry, way(
        "entry_SYSCALL_64", "do_syscall_64",
        "swapgs gs:cpuword call:entry_untrain_ret stack:store")),
    (needs(SKYLAKE), mitigations.check_exit, way(
        EXIT, "return", "wrmsr cr3 gs:cpuword swapgs verw iretq")),
    (needs(OFF), mitigations.check_exit, way(
        EXIT, "return", "gs:cpuword swapgs iretq")),
    (needs(OFF, tracked=False), mitigations.check_exit, way(
        EXIT, "return", "stack:load swapgs iretq")),
]


def broken(check, this, need):
    return {rule for rule, wrong in check(this, need, IMAGE) if wrong}


class Ways(unittest.TestCase):
    def test_good_ones(self):
        for need, check, this in GOOD:
            with self.subTest(f"{need}: {this.start} {this.end}"):
                rules = list(check(this, need, IMAGE))
                self.assertTrue(rules)
                self.assertEqual(broken(check, this, need), set())

    def test_each_fault_breaks_its_rule(self):
        for check, what, change, rule in mitigations.FAULTS:
            with self.subTest(f"{what}: {rule}"):
                self.assertTrue(any(
                    rule in broken(check, this._replace(
                        steps=tuple(change(this.steps))), need)
                    for need, its, this in GOOD if its is check))

    def test_each_rule_has_a_fault(self):
        rules = {rule for need, check, this in GOOD
                 for rule, _ in check(this, need, IMAGE)}
        self.assertEqual(rules, {rule for *_, rule in mitigations.FAULTS})


class Needs(unittest.TestCase):
    def test_what_the_guest_says(self):
        for text, tracked, said in (
                (SKYLAKE, True, "tracked pti fence_user fence_kernel verw ibrs "
                                "bhb"),
                # A write of CR3 will do.
                (SKYLAKE, False, "pti fence_kernel verw ibrs bhb"),
                (SKYLAKE.replace(" pti", ""), False,
                 "fence_user fence_kernel verw ibrs bhb"),
                (OFF, True, "tracked"), (OFF, False, "nothing"),
                (ZEN, False, "entry_untrain_ret"),
                (ZEN.replace("overflow: Not affected",
                             "overflow: Mitigation: Safe RET"), False,
                 "entry_untrain_ret"),
                (ZEN.replace(": 23", ": 25").replace(
                    "overflow: Not affected", "overflow: Mitigation: Safe RET"),
                 False, "srso_alias_untrain_ret"),
                (OFF.replace("retbleed: Vulnerable",
                             "retbleed: Mitigation: IBPB"), False,
                 "entry_ibpb")):
            with self.subTest(said):
                self.assertEqual(str(needs(text, tracked)), said)
