# SPDX-License-Identifier: GPL-2.0
"""The annotations of a model, and what CBMC answers."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from host.command import model
from host.edit import Bad

MODEL = """\
// SPDX-License-Identifier: GPL-2.0
/*
 * A model.
 *
 * CPUs: 3
 * Retries: 2
 * Configurations: 64 32
 * Weakened: lost: word.h: smp_mb(); ->
 * Weakened: twice under tso: some.c: run() -> run(); run()
 */
void cpu0(void) { run(); }
"""


class ReadModel(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        top = Path(scratch.name)
        self.file = top / "some.c"
        for name, text in {"core/core.c": "int core;\n",
                           "core/word.h": "/* smp_mb(); */ smp_mb();\n",
                           "core/param.h": "\n",
                           "include/linux/cpuword.h": "\n",
                           "include/linux/cpuword_state.h": "\n",
                           "include/linux/cpuword_ct.h": "\n"}.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        for name, value in (("ROOT", top), ("MADE", top / "made")):
            patcher = mock.patch.object(model, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)

    def read(self, text=MODEL, memory=("sc", "tso"), configs=model.CONFIGS,
             weakened=True):
        self.file.write_text(text)
        return model.read_model(self.file, memory, configs, weakened)

    def test_checks(self):
        self.assertEqual(
            [(check.name, check.memory, check.config, check.expect, check.nmis)
             for check in self.read()],
            [("some", "sc", "64", "", True), ("some", "tso", "64", "", True),
             ("some", "sc", "32", "", True), ("some", "tso", "32", "", False),
             ("some+0", "sc", "64", "reach", True),
             ("some+1", "sc", "64", "lost", True),
             ("some+2", "tso", "64", "twice", True)])

    def test_settings_are_defined(self):
        check = self.read()[0]
        self.assertEqual(check.settings, {"CPUs": "3", "Retries": "2",
                                          "Configurations": "64 32"})
        self.assertEqual(model.defines(check, "-DX"),
                         ["-DCPUS=3", "-DRETRIES=2", "-DX"])

    def test_without_nmis(self):
        text = MODEL.replace(" * CPUs", " * NMIs: none\n * CPUs")
        self.assertFalse(any(check.nmis for check in self.read(text)))

    def test_chosen(self):
        self.assertEqual([check.name for check in self.read(weakened=False)],
                         ["some"] * 4)
        self.assertEqual([check.name for check in self.read(memory=["tso"])],
                         ["some", "some", "some+2"])
        self.assertEqual([check.config for check in self.read(configs=["32"])],
                         ["32", "32"])

    def test_weakened_is_a_copy(self):
        checks = {check.name: check for check in self.read()}
        # Not in the first comment of a file.
        self.assertEqual((checks["some+1"].include / "word.h").read_text(),
                         "/* smp_mb(); */ \n")
        changed = checks["some+2"].source.read_text()
        self.assertIn("cpu0(void) { run(); run(); }", changed)
        self.assertIn("Weakened: twice under tso: some.c: run() ->", changed)
        self.assertEqual(self.file.read_text(), MODEL)

    def test_a_change_that_does_not_fit_is_a_failure(self):
        for old, new, said in (
                ("word.h: smp_mb()", "word.h: smp_rmb()", "'smp_rmb();' is 0"),
                ("word.h:", "words.h:", "words.h is none of core.c")):
            with self.subTest(said):
                check = self.read(MODEL.replace(old, new))[5]
                self.assertIn(said, check.seen)
                self.assertFalse(check.ok())

    def test_a_configuration_that_is_none(self):
        with self.assertRaisesRegex(Bad, "its configurations are not all of"):
            self.read(MODEL.replace("64 32", "128"))

    def test_what_is_to_be_seen(self):
        plain, reach, lost = (self.read()[i] for i in (0, 4, 5))
        for check, seen in ((plain, "holds"), (reach, "all reached"),
                            (lost, "violates lost")):
            self.assertFalse(check.ok())
            check.seen = seen
            self.assertTrue(check.ok())
        lost.seen = "violates twice"
        self.assertFalse(lost.ok())


class Verdict(unittest.TestCase):
    def test_answers(self):
        self.assertEqual(model.verdict(
            "[main.1] line 3 lost: no work: SUCCESS\nVERIFICATION SUCCESSFUL\n"),
            ([], ""))
        self.assertEqual(model.verdict(
            "[main.1] line 3 lost: no work: FAILURE\n"
            "[main.2] twice: work: FAILURE\n"
            "[f.unwind.0] line 9 unwinding assertion loop 0: FAILURE\n"
            "VERIFICATION FAILED\n"),
            (["lost", "twice", "unwinding assertion loop 0"], ""))
        self.assertEqual(model.verdict("x\nfile.c:3: Error: odd\ny\n"),
                         (None, "file.c:3: Error: odd"))
        self.assertEqual(model.verdict("no answer in 300 seconds\n"),
                         (None, "no answer in 300 seconds"))
        self.assertEqual(model.verdict(""), (None, "no output"))
