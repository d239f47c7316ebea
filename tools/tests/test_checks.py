# SPDX-License-Identifier: GPL-2.0
"""What of sparse's output make checks takes for a finding."""

import unittest
from pathlib import Path
from unittest import mock

from host import checkpatch
from host.command.checks import our_warnings

LINUX = Path("/build/linux")


class OurWarnings(unittest.TestCase):
    def found(self, line):
        return list(our_warnings(line, LINUX, ["kernel/cpuword/core.c"],
                                 {("mm/percpu.c", "7")}))

    def test_a_file_of_ours(self):
        self.assertTrue(self.found(
            "/build/linux/kernel/cpuword/core.c:3:5: warning: symbol 'x'"))
        self.assertEqual(self.found(
            "mm/../kernel/cpuword/core.c:3:5: warning: symbol 'x'"),
            ["kernel/cpuword/core.c:3:5: warning: symbol 'x'"])

    def test_a_line_of_ours(self):
        self.assertTrue(self.found("mm/percpu.c:7:1: warning: odd"))
        self.assertFalse(self.found("mm/percpu.c:8:1: warning: odd"))

    def test_errors_stop_it(self):
        self.assertTrue(self.found("mm/slab.c:8:1: error: odd"))
        self.assertFalse(self.found(
            "mm/slab.c:8:1: error: incompatible types in comparison"))

    def test_other_lines(self):
        self.assertFalse(self.found("  CHECK   kernel/cpuword/core.c"))


class Checkpatch(unittest.TestCase):
    SPACING = "WARNING:SPACING: odd\n"

    def found(self, status, output):
        with mock.patch.object(checkpatch, "output_of",
                               lambda *_: (status, output)):
            return checkpatch.checkpatch(LINUX, "0001-a.patch")

    def test_by_file(self):
        good = f"arch/x86/entry/cpuword.h:7: {self.SPACING}"
        bad = f"arch/x86/entry/calling.h:7: {self.SPACING}"
        self.assertEqual(self.found(1, good), "")
        self.assertEqual(self.found(1, good + bad), bad)
        # Another type; the changelog, which is in no file.
        for line in ("arch/x86/entry/cpuword.h:7: ERROR:TRAILING_WHITESPACE: x\n",
                     f":7: {self.SPACING}"):
            self.assertEqual(self.found(1, line), line)

    def test_what_is_no_finding(self):
        self.assertEqual(self.found(0, ""), "")
        self.assertEqual(self.found(2, "perl: odd\n"), "perl: odd\n")
        self.assertEqual(self.found(2, ""), "0001-a.patch: exit status 2\n")
