# SPDX-License-Identifier: GPL-2.0
"""The trace protocol, read from a recorded console: data/noise.log is x86_64's
demo with deferral off, cut, with some lines from elsewhere; data/fences.log is
in the form of riscv's."""

import unittest
from pathlib import Path

from host.noise.trace import Run, has_fences

DATA = Path(__file__).parent / "data"
PATCHING = ("on_each_cpu_deferrable", "text_poke_bp_batch", "text_poke_finish",
            "arch_jump_label_transform_apply", "static_key_enable_cpuslocked")


def read(name, change=lambda text: text):
    return Run(change((DATA / name).read_text()).splitlines(), name)


class Noise(unittest.TestCase):
    def setUp(self):
        self.run_ = read("noise.log")
        self.load = self.run_.loads["static-key"]

    def test_hello(self):
        self.assertEqual(
            (self.run_.release, self.run_.machine, self.run_.isolated),
            ("6.12.117", "x86_64", [1, 2, 3]))
        self.assertEqual(self.run_.missing, ["riscv/sbi_call"])
        self.assertTrue(self.run_.traced)

    def test_who_sends_is_not_known_without_the_event(self):
        run = read("noise.log", lambda text: text.replace(
            "@@ missing riscv/sbi_call", "@@ missing ipi/ipi_send_cpumask"))
        self.assertFalse(run.traced)

    def test_skipped_says_why(self):
        self.assertEqual(self.run_.skipped,
                         {"bpf": "bpf(): No such file or directory"})

    def test_done(self):
        self.assertEqual((self.load.count, self.load.start,
                          self.load.milliseconds), (40, 3207438, 1620))

    def test_interrupts_are_what_readings_grew_by(self):
        self.assertEqual(self.load.interrupts[1], {
            "function call": 3120, "reschedule": 0, "timer": 3,
            "IO-APIC 4-edge ttyS0": 1})
        self.assertEqual(self.load.interrupts[2]["reschedule"], 1)

    def test_spinner(self):
        self.assertEqual(self.load.loops[1], 3544364 - 3133553)
        self.assertEqual(self.load.switches[1], 3)
        self.assertFalse(self.load.running[1])

    def test_gaps(self):
        self.assertEqual(self.load.gaps[1], 3)
        self.assertEqual(self.load.longest[1], 13940.373)
        self.assertEqual(self.load.histogram[1], [0, 0, 0, 0, 1, 0, 2])
        self.assertEqual(self.load.gap_times[1], [
            (3422440, 69), (3422701, 7282), (3429990, 34)])

    def test_ipis_go_to_the_isolated_cpus_of_the_mask(self):
        for cpu in (1, 2, 3):
            self.assertEqual(self.load.sent[cpu]["function call", PATCHING],
                             3120)
        self.assertNotIn(0, self.load.sent)
        self.assertEqual(self.load.by_source(1), {"text patching": 3120})
        self.assertEqual(self.load.by_source(2),
                         {"text patching": 3120, "RCU": 2})
        self.assertEqual(self.load.by_source(3),
                         {"text patching": 3120, "page split": 1})
        self.assertEqual(self.load.ipis(2), 3122)
        self.assertEqual(self.load.deferrable(2), 3120)
        self.assertEqual(self.load.sent_of_kind("reschedule", 2), 2)

    def test_events_have_their_times(self):
        patching = self.load.events[0]
        self.assertEqual((patching.cpus, patching.count, patching.every),
                         ([1, 2, 3], 3120, 8))
        self.assertEqual(patching.at, [3422440, 3423364, 3424113])

    def test_queued_calls_but_perfs(self):
        self.assertEqual(sum(self.load.queued[1].values()), 3120)
        self.assertFalse(self.load.queued[3])

    def test_deferrals(self):
        self.assertEqual(self.load.deferred[3], {"accepted": 7, "refused": 1})
        self.assertEqual([event.kind for event in self.load.events
                          if event.cpus == [3]],
                         ["function call", "deferral", "refusal", "timer"])

    def test_entries_and_timers(self):
        self.assertEqual(self.load.entries, {2: 5})
        self.assertEqual(self.load.timers[3], {"tick_nohz_handler": 4})

    def test_lost_events_are_said(self):
        self.assertFalse(self.run_.lost)
        for field in ("overrun", "commit overrun", "dropped events"):
            with self.subTest(field):
                self.assertTrue(read("noise.log", lambda text: text.replace(
                    f"\n{field}: 0", f"\n{field}: 1")).lost)

    def test_no_load_without_its_end(self):
        run = read("noise.log", lambda text: text.partition("@@ done")[0])
        self.assertEqual(run.loads, {})


class Fences(unittest.TestCase):
    def test_none_is_for_a_cpu_where_the_firmware_counted_none(self):
        run = read("fences.log")
        load = run.loads["module"]
        self.assertEqual(load.by_source(1), {"instruction cache": 5, "RCU": 1})
        self.assertEqual(load.by_source(2), {})
        self.assertEqual([e.cpus for e in load.events], [[1], [1]])
        self.assertTrue(has_fences(run))
        self.assertFalse(has_fences(read("noise.log")))

    def test_no_more_than_the_firmware_counted(self):
        load = read("fences.log").loads["module"]
        self.assertEqual(load.fences[1], {"fence.i": 3})
        self.assertEqual(load.arrived(1), 1 + 3)
        self.assertEqual(load.deferrable(1), 3)
