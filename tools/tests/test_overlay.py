# SPDX-License-Identifier: GPL-2.0
"""What is laid over a kernel tree: all of it or nothing. The repository and the
trees are small ones, in a temporary directory."""

import contextlib
import io
import os
import shutil
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from host import common, overlay
from host import patches as patch_files
from tests import last_words

KERNEL = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\n",
    "Kconfig": "mainmenu\n",
    "Kbuild": "obj-y += kernel/\n",
    "kernel/Makefile": "obj-y = fork.o\nobj-y += exit.o\n",
    "kernel/gone.c": "/* goes */\n",
    "arch/x86/entry.S": "entry:\n\tcld\n\tcall handler\n",
}
REPOSITORY = {
    "Kconfig": "config CPUWORD\n",
    "core/core.c": "int word;\n",
    "core/Makefile": "obj-y += core.o\n",
    "core/core.c.orig": "what a failed patch left\n",
    "include/linux/cpuword.h": "extern int word;\n",
    "docs/kernel/index.rst": "cpuword\n",
    "patches/6.12/series": "one.patch\n# a comment\ntwo.patch  # why\n",
    "patches/6.12/one.patch": """\
why
--- a/kernel/Makefile
+++ b/kernel/Makefile
@@ -1,2 +1,3 @@
 obj-y = fork.o
 obj-y += exit.o
+obj-y += cpuword/
""",
    "patches/6.12/two.patch": """\
--- a/arch/x86/entry.S
+++ b/arch/x86/entry.S
@@ -1,3 +1,4 @@
 entry:
 \tcld
+\tcall hook
 \tcall handler
--- a/kernel/gone.c
+++ /dev/null
@@ -1 +0,0 @@
-/* goes */
--- /dev/null
+++ b/kernel/new.c
@@ -0,0 +1 @@
+/* new */
""",
}
ADDED = {"kernel/cpuword/Kconfig", "kernel/cpuword/core.c",
         "kernel/cpuword/Makefile", "include/linux/cpuword.h",
         "Documentation/core-api/cpuword/index.rst"}
CHANGED = {"kernel/Makefile", "arch/x86/entry.S", "kernel/new.c"}


def lay_out(top, files):
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def snapshot(top):
    """Every file's content and mode, and every directory."""
    return {str(path.relative_to(top)): (path.stat().st_mode, path.is_file() and
                                         path.read_bytes())
            for path in top.rglob("*")}


class Case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.top = Path(scratch.name)
        self.root, self.kernel = self.top / "repository", self.top / "kernel"
        lay_out(self.root, REPOSITORY)
        lay_out(self.kernel, KERNEL)
        (self.kernel / "Kconfig").chmod(0o600)
        layout = {name: target for name, target in overlay.LAYOUT.items()
                  if (self.root / name).exists()}
        for owner, name, value in (
                (overlay, "ROOT", self.root), (overlay, "LAYOUT", layout),
                (patch_files, "ROOT", self.root),
                (common, "BUILD", self.root / "build"),
                (common, "LOGS", self.root / "build" / "log"),
                (common, "KERNELS", ["6.12"])):
            patcher = mock.patch.object(owner, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)

    def quietly(self, call, *args):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            call(*args)
        return said.getvalue()


class Apply(Case):
    def setUp(self):
        super().setUp()
        self.before = snapshot(self.kernel)

    def fails(self):
        """What apply() says; the tree is as it was."""
        said = last_words(overlay.apply, self.kernel)
        self.assertEqual(snapshot(self.kernel), self.before)
        return said

    def test_success(self):
        said = self.quietly(overlay.apply, self.kernel)
        self.assertEqual(said, f"{self.kernel}: Linux 6.12, 5 files added, "
                         "4 changed\n")
        after = snapshot(self.kernel)
        new = {name for name in after if name not in self.before
               and after[name][1] is not False}
        self.assertEqual(new, ADDED | {"kernel/new.c"})
        self.assertEqual(self.before.keys() - after.keys(), {"kernel/gone.c"})
        self.assertEqual(after["kernel/Makefile"][1],
                         b"obj-y = fork.o\nobj-y += exit.o\nobj-y += cpuword/\n")
        self.assertIn(b"call hook", after["arch/x86/entry.S"][1])
        for name in ("Makefile", "Kconfig", "Kbuild"):
            self.assertEqual(after[name], self.before[name])

    def test_twice(self):
        self.quietly(overlay.apply, self.kernel)
        self.before = snapshot(self.kernel)
        self.assertIn("is cpuword in this tree?", self.fails())

    def test_a_patch_that_does_not_apply(self):
        # The second file of the second patch: others have been tried by then.
        lay_out(self.kernel, {"kernel/gone.c": "/* not the same */\n"})
        self.before = snapshot(self.kernel)
        self.assertRegex(self.fails(),
                         r"^patches/6\.12/two\.patch does not apply: "
                         r"kernel/gone\.c: ")

    def test_a_patch_that_needs_fuzz(self):
        lay_out(self.kernel, {"kernel/Makefile":
                              "obj-y = sys.o\nobj-y += exit.o\n"})
        self.before = snapshot(self.kernel)
        self.assertIn("one.patch does not apply", self.fails())

    def test_a_file_is_not_there(self):
        (self.kernel / "arch/x86/entry.S").unlink()
        self.before = snapshot(self.kernel)
        self.assertIn("arch/x86/entry.S is not there", self.fails())

    def test_an_added_file_is_there(self):
        lay_out(self.kernel, {"include/linux/cpuword.h": "somebody's\n"})
        self.before = snapshot(self.kernel)
        self.assertIn("include/linux/cpuword.h exists already", self.fails())

    def test_a_patch_changes_what_is_added(self):
        patch = REPOSITORY["patches/6.12/one.patch"].replace(
            "kernel/Makefile", "kernel/cpuword/Makefile")
        lay_out(self.root, {"patches/6.12/one.patch": patch})
        self.assertIn("a patch changes kernel/cpuword/Makefile", self.fails())

    def test_a_patch_that_adds_and_changes_nothing(self):
        lay_out(self.root, {"patches/6.12/series": "one.patch\nthree.patch\n",
                            "patches/6.12/three.patch":
                            "Subject: three\nAdds: kernel/\n\nwhy\n"})
        self.quietly(overlay.apply, self.kernel)
        self.assertTrue((self.kernel / "kernel/cpuword/core.c").exists())

    def test_a_patch_that_does_nothing(self):
        lay_out(self.root, {"patches/6.12/two.patch": "Subject: two\n\nwhy\n"})
        self.assertEqual(self.fails(), "patches/6.12/two.patch changes nothing and "
                         "adds nothing")

    def test_a_patch_of_the_series_is_not_there(self):
        (self.root / "patches/6.12/two.patch").unlink()
        self.assertEqual(self.fails(), "patches/6.12/series names two.patch, which "
                         "is neither there nor in patches/common")

    def test_a_patch_of_all_versions(self):
        (self.root / "patches/common").mkdir()
        (self.root / "patches/6.12/two.patch").rename(
            self.root / "patches/common/two.patch")
        # The version's own comes first.
        lay_out(self.root, {"patches/common/one.patch": "not a patch"})
        self.assertEqual([path.parent.name for path in overlay.series("6.12")],
                         ["6.12", "common"])

    def test_a_directory_that_is_not_writable(self):
        # root may write anywhere: as access(2) would answer anybody else.
        closed = self.kernel / "arch" / "x86"
        access = os.access
        with mock.patch.object(os, "access", lambda path, mode: (
                Path(path) != closed and access(path, mode))):
            self.assertEqual(self.fails(), f"{closed} is not writable")

    def test_a_write_that_fails_is_undone(self):
        writes = len(ADDED | CHANGED | {"kernel/gone.c"})
        really = overlay.write
        for number in range(1, writes + 1):
            with self.subTest(number):
                left = number

                def write(path, file):
                    nonlocal left
                    if self.kernel in path.parents:
                        left -= 1
                        if left == 0:
                            raise OSError(28, "No space left on device")
                    really(path, file)

                with mock.patch.object(overlay, "write", write):
                    said = self.fails()
                self.assertIn("No space left on device", said)
                self.assertTrue(said.endswith("is as it was"))
                self.assertLess(left, 1)

    def test_an_interrupt_is_undone(self):
        really = overlay.write

        def write(path, file):
            if path == self.kernel / "kernel/new.c" and file:
                raise KeyboardInterrupt
            really(path, file)

        with mock.patch.object(overlay, "write", write):
            self.assertRaises(KeyboardInterrupt, overlay.apply, self.kernel)
        self.assertEqual(snapshot(self.kernel), self.before)

    def test_half_a_file_is_never_left(self):
        with mock.patch.object(Path, "chmod", side_effect=OSError(1, "no")):
            self.assertRaises(OSError, overlay.write, self.kernel / "Kbuild",
                              (b"half", 0o644))
        self.assertEqual(snapshot(self.kernel), self.before)

    def test_what_is_no_kernel_tree(self):
        for change, said in (
                ({"Makefile": "all:\n"}, "is not a kernel source tree"),
                ({"Makefile": "VERSION = 5\nPATCHLEVEL = 10\n"},
                 "is Linux 5.10; supported: 6.12")):
            with self.subTest(said):
                lay_out(self.kernel, change)
                self.before = snapshot(self.kernel)
                self.assertIn(said, self.fails())
        self.assertIn("is not a directory",
                      last_words(overlay.apply, self.top / "nowhere"))
        self.assertEqual(last_words(overlay.apply, ""),
                         "which kernel tree? make apply KDIR=path")


class OwnTree(Case):
    def setUp(self):
        super().setUp()
        self.tarball = self.top / "linux-source-6.12.tar.xz"
        self.pack()
        self.linux = self.root / "build" / "6.12" / "linux"
        init = overlay.Tree.__init__

        def with_tarball(tree, version):
            init(tree, version)
            tree.tarball = self.tarball

        patcher = mock.patch.object(overlay.Tree, "__init__", with_tarball)
        patcher.start()
        self.addCleanup(patcher.stop)

    def pack(self):
        with tarfile.open(self.tarball, "w:xz") as tar:
            tar.add(self.kernel, "linux-source-6.12")

    def tree(self):
        """(files written, files removed)"""
        said = self.quietly(overlay.tree, "6.12")
        return tuple(int(word) for word in said.split(": ")[-1].split()
                     if word.isdigit())

    def test_first_and_second_run(self):
        self.assertEqual(self.tree(), (8, 1))
        first = {name: (stat, (self.linux / name).stat().st_mtime_ns)
                 for name, stat in snapshot(self.linux).items()}
        self.assertEqual(self.tree(), (0, 0))
        self.assertEqual({name: (stat, (self.linux / name).stat().st_mtime_ns)
                          for name, stat in snapshot(self.linux).items()}, first)

    def test_a_changed_file_alone_is_written(self):
        self.tree()
        lay_out(self.root, {"core/core.c": "long word;\n"})
        self.assertEqual(self.tree(), (1, 0))
        self.assertEqual((self.linux / "kernel/cpuword/core.c").read_text(),
                         "long word;\n")

    def test_a_removed_file_disappears(self):
        self.tree()
        (self.root / "docs/kernel/index.rst").unlink()
        self.assertEqual(self.tree(), (0, 1))
        # Nor is there an empty directory.
        self.assertFalse((self.linux / "Documentation").exists())

    def test_a_removed_patch_gives_the_kernels_files_back(self):
        self.tree()
        lay_out(self.root, {"patches/6.12/series": "one.patch\n"})
        self.tree()
        for name in ("arch/x86/entry.S", "kernel/gone.c"):
            self.assertEqual((self.linux / name).read_text(), KERNEL[name])
        self.assertFalse((self.linux / "kernel/new.c").exists())
        self.assertIn("cpuword/", (self.linux / "kernel/Makefile").read_text())

    def test_a_patch_that_does_not_apply_leaves_the_tree(self):
        self.tree()
        before = snapshot(self.linux)
        lay_out(self.root, {
            "core/core.c": "new\n", "patches/6.12/two.patch":
            REPOSITORY["patches/6.12/two.patch"].replace("cld", "std")})
        self.assertIn("two.patch does not apply",
                      last_words(overlay.tree, "6.12"))
        self.assertEqual(snapshot(self.linux), before)

    def test_a_run_that_was_interrupted_can_be_finished_or_taken_back(self):
        really = overlay.write
        for stop in (0, 3, 5, 7):
            with self.subTest(stop):
                left = stop

                def write(path, file):
                    nonlocal left
                    if self.linux in path.parents:
                        left -= 1
                        if left < 0:
                            raise KeyboardInterrupt
                    really(path, file)

                with mock.patch.object(overlay, "write", write):
                    self.assertRaises(KeyboardInterrupt, self.tree)
                if stop % 2:
                    self.tree()
                    self.assertIn("cpuword/", (
                        self.linux / "kernel/Makefile").read_text())
                lay_out(self.root, {"patches/6.12/series": ""})
                self.tree()
                for name, text in KERNEL.items():
                    self.assertEqual((self.linux / name).read_text(), text)
                lay_out(self.root, {"patches/6.12/series":
                                    REPOSITORY["patches/6.12/series"]})
                shutil.rmtree(self.root / "build")

    def test_another_tarball_is_unpacked_anew(self):
        self.tree()
        lay_out(self.kernel, {"kernel/more.c": "more\n"})
        self.pack()
        self.tree()
        self.assertTrue((self.linux / "kernel/more.c").exists())

    def test_a_file_of_the_kernels_is_not_replaced(self):
        lay_out(self.kernel, {"include/linux/cpuword.h": "the kernel's\n"})
        self.pack()
        self.assertIn("include/linux/cpuword.h is a file of the kernel's",
                      last_words(overlay.tree, "6.12"))
