# SPDX-License-Identifier: GPL-2.0
"""What of sparse's output make checks takes for a finding."""

import unittest
from pathlib import Path

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
