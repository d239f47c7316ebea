# SPDX-License-Identifier: GPL-2.0
"""How far a build has come."""

import tempfile
import unittest
from pathlib import Path

from host.kernel import Objects


class Progress(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.log = Path(scratch.name) / "log"
        self.log.write_text("")
        # "make" says at once what it would compile.
        self.objects = Objects(
            ["printf", r"  CC      mm/b.o\n  AS [M]  lib/c.o\n%s%s%s%s\n",
             "all"], scratch.name, self.log)
        self.addCleanup(self.objects.close)

    def say(self, text):
        with open(self.log, "a") as log:
            log.write(text)

    def test_nothing_is_said_of_the_preparation(self):
        self.say("  CC      scripts/x.o\n  CC      arch/x86/asm.o\n")
        self.assertIsNone(self.objects.far())

    def test_each_file_counts_once_and_half_a_line_does_not(self):
        self.say("  CC      kernel/a.o\n  CC      kernel/a.o\n  CC      mm/b")
        self.objects.far()
        self.assertEqual(self.objects.done, {"kernel/a.o"})
        self.objects.asked.wait()
        self.assertEqual(self.objects.far(), "1 of 3 files")
        self.say(".o\n  LD      vmlinux.o\n")
        self.assertEqual(self.objects.far(), "2 of 3 files")
