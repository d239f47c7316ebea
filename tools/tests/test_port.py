# SPDX-License-Identifier: GPL-2.0
"""A new architecture is a folder, a header and patches: in a copy of the
repository one is added, and every command has to know it."""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from host.common import KERNELS, ROOT

FACTS = """
srcarch = "toy"
cross = "toy-linux-gnu-"

[machine]

[kunit.variants]
default = { cpu = "max" }
track = { append = "cpuword.track=all" }
"""
PATCH = """Subject: toy: Select HAVE_CPUWORD

---
--- a/arch/toy/Kconfig
+++ b/arch/toy/Kconfig
@@ -1 +1,2 @@
 config TOY
+	select HAVE_CPUWORD
"""


class Port(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.root = Path(scratch.name) / "cpuword"
        shutil.copytree(ROOT, cls.root, ignore=shutil.ignore_patterns(
            ".git", "build", "__pycache__"))
        cls.folder = cls.root / "tools" / "arch" / "toy"
        cls.folder.mkdir()
        cls.write("tools/arch/toy/arch.toml", FACTS)

    @classmethod
    def write(cls, name, text):
        file = cls.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run_here(self, *command):
        return subprocess.run(command, cwd=self.root, text=True,
                              capture_output=True)

    def ask(self, expression):
        """What the package of the copy says."""
        done = self.run_here(sys.executable, "-c", f"""
import sys
sys.path.insert(0, "tools")
from host import arch, kernel, overlay
from host.command import test
print({expression})""")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_make_takes_it(self):
        for target in ("kunit", "demo", "dangerzone", "torture"):
            done = self.run_here("make", "-n", target, "ARCH=toy")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("toy", done.stdout)
        self.assertIn("toy", self.run_here("make", "-n", "test").stdout)

    def test_make_refuses_what_is_no_folder(self):
        done = self.run_here("make", "-n", "kunit", "ARCH=nil")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("valid: ", done.stderr)
        self.assertIn("toy", done.stderr)

    def test_setup_reads_its_packages(self):
        self.write("tools/arch/toy/packages", "wrong toy-gcc gcc-toy\n")
        done = self.run_here("tools/setup.sh", "toy")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("tools/arch/toy/packages: wrong", done.stderr)

    def test_its_facts_are_read(self):
        self.assertEqual(self.ask("arch.ARCHES['toy'].cross"), "toy-linux-gnu-")
        self.assertEqual(self.ask("'toy' in arch.MACHINES"), "True")
        self.assertEqual(self.ask("arch.having('noise').keys() >= {'toy'}"),
                         "False")

    def test_an_unknown_fact_is_refused(self):
        self.addCleanup(self.write, "tools/arch/toy/arch.toml", FACTS)
        self.write("tools/arch/toy/arch.toml", 'colour = "blue"\n' + FACTS)
        done = self.run_here("tools/cpuword", "port-check", "--arch", "toy")
        self.assertEqual(done.returncode, 1)
        self.assertIn("arch/toy/arch.toml: there is no colour; valid: ",
                      done.stderr)

    def test_it_is_tested(self):
        steps = self.ask("[s.name for s in test.DAILY + test.LONG]")
        self.assertIn("'kunit/toy/default'", steps)
        self.assertIn("'torture-short/toy'", steps)

    def test_what_it_lacks_is_skipped_and_said(self):
        done = self.run_here(sys.executable, "-c", """
import sys
sys.path.insert(0, "tools")
from host.command import test
for step in test.DAILY + test.LONG:
    if step.name.endswith("/toy") and not step.command:
        print([r.skipped for r in step.run("6.12", 1)])""")
        self.assertEqual(done.returncode, 0, done.stderr)
        for what in ("demo/toy: skipped, tools/arch/toy has no guest.h",
                     "dangerzone/toy: skipped, tools/arch/toy has no zone.py",
                     "bench/toy: skipped, tools/arch/toy has no guest.h"):
            self.assertIn(f"{what}\n[1]\n", done.stdout)

    def test_its_files_are_laid_over_the_kernel(self):
        self.write("tools/arch/toy/kunit/config", "CONFIG_TOY=y\n")
        self.write("tools/arch/toy/kunit/toy_kunit.c", "\n")
        self.write("arch/toy/include/asm/cpuword.h", "\n")
        laid = self.ask("list(overlay.overlay())")
        for file in ("kernel/cpuword/kunit/arch/toy/toy_kunit.c",
                     "arch/toy/include/asm/cpuword.h"):
            self.assertIn(f"'{file}'", laid)
        self.assertIn("toy/kunit/config",
                      self.ask("kernel.config_files('toy', '', '')"))

    def test_port_check_says_what_is_missing(self):
        def missing():
            done = self.run_here("tools/cpuword", "port-check", "--arch", "toy")
            lines = [line.split(maxsplit=1)[1]
                     for line in done.stdout.splitlines()
                     if line.lstrip().startswith("MISSING")]
            self.assertEqual(done.returncode, 1 if lines else 0)
            return lines

        shutil.rmtree(self.folder / "kunit", ignore_errors=True)
        shutil.rmtree(self.root / "arch" / "toy", ignore_errors=True)
        (self.folder / "packages").unlink(missing_ok=True)
        header = "arch/toy/include/asm/cpuword.h"
        patch = "a patch of arch/toy/Kconfig, for select HAVE_CPUWORD"
        self.assertEqual(missing(), ["tools/arch/toy/packages",
                                     "tools/arch/toy/kunit/config", header,
                                     patch])
        self.write("tools/arch/toy/packages", "")
        self.write("tools/arch/toy/kunit/config", "")
        self.write(header, "\n")
        self.assertEqual(missing(), [patch])
        series = self.root / "patches" / KERNELS[0] / "series"
        self.write(series.parent / "toy.patch", PATCH)
        before = series.read_text()
        self.addCleanup(series.write_text, before)
        series.write_text(f"{before}toy.patch\n")
        self.assertEqual(missing(), [])


if __name__ == "__main__":
    unittest.main()
