# SPDX-License-Identifier: GPL-2.0
"""The directives of litmus tests, and what herd7 answers."""

import tempfile
import unittest
from pathlib import Path

from host.command import litmus
from host.edit import Bad

TEST = """\
C mp
(*
 * Result: Never
 *
 * Weakened: P0: smp_wmb(); ->
 * Weakened: P1: smp_load_acquire(y) -> READ_ONCE(*y)
 * Strengthened: word.h: relaxed -> acquire
 *)
{}

P0(int *x, int *y)
{
	WRITE_ONCE(*x, 1);
	smp_wmb();
	WRITE_ONCE(*y, 1);
}

P1(int *x, int *y)
{
	int r0 = smp_load_acquire(y);
	int r1 = READ_ONCE(*x);
}

exists (1:r0=1 /\\ 1:r1=0)
"""


class Directives(unittest.TestCase):
    def test_changes(self):
        self.assertEqual(litmus.changes(TEST, True), [
            ("", ("", "", "")),
            ("+1", ("P0", "smp_wmb();", "")),
            ("+2", ("P1", "smp_load_acquire(y)", "READ_ONCE(*y)")),
            ("+3", ("word.h", "relaxed", "acquire"))])

    def test_without_the_weakened(self):
        self.assertEqual(litmus.changes(TEST, False), [("", ("", "", ""))])

    def test_a_test_that_cannot_fail_is_none(self):
        with self.assertRaisesRegex(Bad, "no line 'Weakened:'"):
            litmus.changes("C x\n", False)

    def test_weaken_changes_one_process(self):
        text = TEST.replace("int r1", "smp_wmb();\n\tint r1").replace(
            "P0(int", "void P0(int")
        changed = litmus.weaken(text, "P0", "smp_wmb();", "smp_rmb();")
        self.assertEqual(changed, text.replace("smp_wmb();\n\tWRITE",
                                               "smp_rmb();\n\tWRITE"))

    def test_weaken_whatever_the_white_space(self):
        changed = litmus.weaken(TEST.replace("r0 = smp", "r0 =\n\t\tsmp"), "P1",
                                "int r0 = smp_load_acquire(y);", "int r0 = 0;")
        self.assertIn("\tint r0 = 0;\n", changed)

    def test_weaken_needs_one_occurrence(self):
        for process, old, said in (("P2", "x", "there is no P2"),
                                   ("P1", "smp_mb()", "'smp_mb\\(\\)' is 0 times"),
                                   ("P0", "WRITE_ONCE", "is 2 times in P0")):
            with self.subTest(said), self.assertRaisesRegex(Bad, said):
                litmus.weaken(TEST, process, old, "")


class ReadTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.file = Path(scratch.name) / "mp.litmus"

    def read(self, text):
        self.file.write_text(text)
        return litmus.read_test(self.file, ["model"], True)

    def test_variants_show_the_opposite(self):
        text = TEST.replace(" * Strengthened: word.h: relaxed -> acquire\n", "")
        plain, first, second = self.read(text)
        self.assertEqual((plain.name, plain.expected, plain.text),
                         ("mp", "Never", text))
        self.assertEqual((first.name, first.expected, first.change),
                         ("mp+1", "Sometimes", "P0: smp_wmb(); ->"))
        self.assertTrue(first.text.startswith("C mp+1\n{}"))
        self.assertNotIn("smp_wmb", first.text)
        self.assertIn("r0 = READ_ONCE(*y);", second.text)
        self.assertEqual(second.model, ["model"])

    def test_what_is_missing_is_said(self):
        for old, new, said in (
                ("Result: Never", "Result: Rarely", "no line 'Result: Never'"),
                ("C mp", "C sb", "its first line is not 'C mp'"),
                ("Strengthened: word.h", "Weakened: P7", "there is no P7")):
            with self.subTest(said), self.assertRaisesRegex(Bad, said):
                self.read(TEST.replace(old, new))


class Verdict(unittest.TestCase):
    def test_answers(self):
        for output, seen in (
                ("Test mp\nObservation mp Never 0 3\n", "Never"),
                ("Observation mp+1 Sometimes 1 3\n", "Sometimes"),
                ("Observation mp Always 1 0\n", "Sometimes"),
                ("", "no answer"),
                ("Flag data-race\nObservation mp Never 0 3\n",
                 "Flag data-race"),
                ("Warning: odd\nObservation mp Never 0 3\n", "Warning: odd"),
                ("Flag Assuming-common-inner-shareable-domain\n"
                 "Observation mp Never 0 3\n", "Never")):
            with self.subTest(output):
                self.assertEqual(litmus.verdict(output), seen)
