# SPDX-License-Identifier: GPL-2.0
"""What the Makefile says of its variables, and without a target."""

import os
import subprocess
import unittest

from host.arch import ARCHES, MACHINES
from host.common import KERNELS, ROOT

ALL, MACHINE = " ".join(sorted(ARCHES)), " ".join(sorted(MACHINES))


def make(*args):
    """(exit status, its output) of a run that executes nothing but help."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("ARCH", "KERNEL", "JOBS", "VARIANT",
                                   "MAKEFLAGS", "MAKELEVEL")}
    result = subprocess.run(["make", *args], cwd=ROOT, env=environment,
                            text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.returncode, result.stdout


class Variables(unittest.TestCase):
    def refused(self, *args):
        status, said = make("--dry-run", *args)
        self.assertEqual(status, 2, said)
        self.assertRegex(said, r"^Makefile:\d+: \*\*\* .*\.  Stop\.\n$")
        return said.partition("*** ")[2].removesuffix(".  Stop.\n")

    def test_arch(self):
        for args, valid in ((["ARCH=sparc"], ALL),
                            (["kunit", "ARCH=sparc"], ALL),
                            (["kunit", "ARCH=all"], ALL),
                            (["demo", "ARCH=um"], MACHINE),
                            (["bench", "ARCH=um"], f"{MACHINE} all"),
                            (["help", "ARCH="], ALL),
                            (["help", "ARCH=um arm64"], ALL)):
            with self.subTest(args):
                self.assertEqual(
                    self.refused(*args), args[-1] + " is not supported here; "
                    f"valid: {valid}")

    def test_kernel(self):
        for value in ("6.11", "", "6.12 6.12"):
            with self.subTest(value):
                self.assertEqual(
                    self.refused("help", f"KERNEL={value}"),
                    f"KERNEL={value} is not supported; valid: "
                    f"{' '.join(KERNELS)}")

    def test_the_kernels_source_is_got(self):
        for kernel in KERNELS:
            said = make("--dry-run", "tree", f"KERNEL={kernel}")[1]
            self.assertIn(f"tools/setup.sh {kernel} um\n", said)

    def test_jobs(self):
        for value in ("0", "-1", "x", ""):
            with self.subTest(value):
                self.assertEqual(self.refused("help", f"JOBS={value}"),
                                 f"JOBS={value} is not a number of jobs")

    def test_what_is_valid(self):
        for args in (["demo", "ARCH=arm64"], ["kunit", "ARCH=um"],
                     ["bench", "ARCH=all"], ["test", "JOBS=3"],
                     ["kunit", f"KERNEL={KERNELS[0]}"],
                     ["port-check", "ARCH=sparc"]):
            with self.subTest(args):
                self.assertEqual(make("--dry-run", *args)[0], 0)


class Help(unittest.TestCase):
    def test_alone_it_says_what_to_start_with(self):
        status, said = make("--no-print-directory")
        self.assertEqual(status, 0)
        first, rest = said.split("\n\n", 1)
        self.assertEqual(first, "To start with: make demo, make test")
        self.assertEqual(rest, make("--no-print-directory", "help")[1])

    def test_every_target_is_listed(self):
        text = (ROOT / "Makefile").read_text()
        phony = text.partition(".PHONY:")[2].partition("help:")[0]
        listed = [line.split()[0] for line in
                  make("help")[1].partition("\n\n")[0].splitlines()]
        self.assertEqual(sorted(phony.replace("\\", "").split()),
                         sorted(listed))
