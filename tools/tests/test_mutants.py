# SPDX-License-Identifier: GPL-2.0
"""The list of mutants, and what the levels say of them."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from host.command import mutants
from host.common import KERNELS
from tests import last_words

GOOD = """\
# A comment.
one: the barrier is gone
  core/word.h
  - smp_mb__after_atomic();
  model defer tso
  um word*

two: nothing is deferred
  core/core.c
  - return true;
  + return false;
  + /* never */
  kunit x86_64/pti defer
"""


class ReadMutants(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.file = Path(scratch.name) / "some.mut"
        patcher = mock.patch.object(mutants, "ROOT", Path(scratch.name))
        patcher.start()
        self.addCleanup(patcher.stop)

    def read(self, text):
        self.file.write_text(text)
        return mutants.read_mutants(self.file)

    def test_entries(self):
        one, two = self.read(GOOD)
        self.assertEqual((one.name, one.what, one.file, one.old, one.new),
                         ("one", "the barrier is gone", "core/word.h",
                          ["smp_mb__after_atomic();"], []))
        self.assertEqual(one.levels, [("model", ["defer", "tso"]),
                                      ("um", ["word*"])])
        self.assertEqual(two.new, ["return false;", "/* never */"])
        self.assertEqual(two.levels, [("kunit", ["x86_64/pti", "defer"])])

    def test_what_is_wrong_is_said_with_its_line(self):
        for old, new, said in (
                ("one: the", "one the", "some.mut:2: not 'name: what is wrong'"),
                ("one: the barrier is gone\n", "", "some.mut:2: it is of no mutant"),
                ("  model defer tso", "  modle defer tso",
                 "some.mut:5: neither a file"),
                ("  - return true;\n", "", "some.mut: two has no file, no '-'"),
                ("  kunit x86_64/pti defer\n", "",
                 "some.mut: two has no file, no '-' or no level")):
            with self.subTest(said):
                self.file.write_text(GOOD.replace(old, new))
                self.assertTrue(last_words(
                    mutants.read_mutants, self.file).startswith(said))

    def test_chosen_by_the_cheapest_level_or_the_one_asked_for(self):
        read = self.read(GOOD)

        def names(only, level):
            return [(mutant.name, how)
                    for mutant, how, _ in mutants.chosen(read, only, level)]

        self.assertEqual(names([], ""), [("one", "model"), ("two", "kunit")])
        self.assertEqual(names([], "um"), [("one", "um")])
        self.assertEqual(names(["t*"], ""), [("two", "kunit")])
        self.assertEqual(names(["t*"], "model"), [])


class Noticed(unittest.TestCase):
    """A tool that fails proves nothing: only what it tests does."""

    def test_litmus(self):
        self.assertEqual(mutants.of_litmus(
            "# defer  Never  Sometimes  0.1  FAILED\n"
            "# sync   Never  Never      0.1\n"
            "# walk   Never  no answer  0.1  FAILED\n"), [("defer", "Sometimes")])

    def test_model(self):
        self.assertEqual(mutants.of_model(
            "# defer  sc  32  4  0.1  violates lost  FAILED\n"
            "# pin    tso  32  4  0.1  no answer in 300 seconds  FAILED\n"),
            [("defer", "sc", "lost")])

    def test_kunit(self):
        self.assertEqual(mutants.of_kunit(
            "  failed: word/word_defer\n  crashed\n  no report from kunit.py\n"),
            ["failed: word/word_defer", "crashed"])
        self.assertEqual(mutants.of_kunit(
            "  failed: word/word_defer\nx86_64/default (no build)\n"), [])
        self.assertEqual(mutants.of_kunit(
            "  the kernel reported: Kernel panic - IO-APIC + timer\n"), [])

    def test_dangerzone(self):
        self.assertEqual(mutants.of_dangerzone(
            "  ok 1 entry foo\n"
            "  # entry bar: 1 finding\n"
            "  not ok 2 entry bar\n"
            "not ok 1 x86_64\n"), ["entry bar: 1 finding"])


class OwnMutants(unittest.TestCase):
    def test_all_can_be_read(self):
        self.assertGreater(len(mutants.all_mutants(KERNELS[0])), 100)
