# SPDX-License-Identifier: GPL-2.0
"""What setup.sh says of its arguments, and of what is missing. It is a copy,
and finds no apt-get: nothing is ever installed here. What it installs, on bare
systems, is for tools/cpuword setup-test."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from host.common import ROOT


class Setup(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.top = Path(scratch.name)
        self.path = self.top / "bin"
        self.path.mkdir()
        self.put("tools/setup.sh", (ROOT / "tools/setup.sh").read_text())
        self.put("patches/6.12/series", "")
        self.put("patches/7.3/series", "")
        self.put("patches/7.3/source", "trixie-backports 7.3.4-1 0123\n")
        self.put("tools/arch/x86_64/packages", "")
        self.put("tools/arch/um/arch.toml", "")
        self.put("tools/arch/other/packages",
                 "command other-gcc gcc-other\n")
        self.provide("bash", "dirname", "uname", "sed", "python3",
                     "patch")

    def put(self, name, text):
        file = self.top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def provide(self, *names):
        """Commands that are in PATH: those of the host, or do-nothing ones."""
        for name in names:
            there = shutil.which(name)
            if there:
                (self.path / name).symlink_to(there)
            else:
                self.put(f"bin/{name}", "#!/bin/sh\n").chmod(0o755)

    def setup(self, *args):
        """(exit status, what it says)"""
        result = subprocess.run(
            [shutil.which("bash"), self.top / "tools/setup.sh", *args],
            env={"PATH": str(self.path)}, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return result.returncode, result.stdout

    def refused(self, *args):
        status, said = self.setup(*args)
        self.assertEqual(status, 1)
        self.assertTrue(said.startswith("setup: "), said)
        self.assertEqual(said.count("\n"), 1, said)
        return said.removeprefix("setup: ").strip()

    def test_an_argument_that_is_none(self):
        for args, name in ((["sparc"], "sparc"), (["um", "sparc"], "sparc"),
                           # These come alone.
                           (["um", "apply"], "apply"),
                           (["litmus", "noise"], "noise"),
                           (["um", "bare"], "bare")):
            with self.subTest(args):
                self.assertEqual(
                    self.refused(*args),
                    f"{name} is not supported; valid: other um x86_64 6.12 7.3 "
                    "checks clang litmus model selftests series; alone: noise "
                    "apply bare")

    def test_an_architectures_packages(self):
        self.assertIn("gcc-other", self.refused("other"))
        self.assertIn("gcc-other", self.refused())
        self.assertNotIn("gcc-other", self.refused("um"))
        self.put("tools/arch/other/packages", "library other libother\n")
        self.assertEqual(self.refused("other"), "tools/arch/other/packages: "
                         "library is neither command nor qemu")

    def test_the_source_of_a_kernel(self):
        source = "linux-source-7.3"
        self.assertIn(source, self.refused("7.3", "um"))
        self.assertIn(source, self.refused())
        self.assertNotIn(source, self.refused("6.12", "um"))
        self.put(f"build/tools/{source}/usr/src/{source}.tar.xz", "")
        self.assertNotIn(source, self.refused("7.3", "um"))

    def test_nothing_is_missing(self):
        self.assertEqual(self.setup("apply"), (0, ""))

    def test_what_is_missing_is_named(self):
        (self.path / "patch").unlink()
        self.assertEqual(self.refused("apply"), "not a Debian system, install "
                         "by hand what is missing: patch")

    def test_another_host(self):
        (self.path / "uname").unlink()
        self.put("bin/uname", "#!/bin/bash\necho aarch64\n").chmod(0o755)
        self.assertEqual(self.refused("um"),
                         "the host has to be x86_64, this is aarch64")
        self.assertEqual(self.setup("apply"), (0, ""))
