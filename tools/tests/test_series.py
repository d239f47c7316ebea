# SPDX-License-Identifier: GPL-2.0
"""What the files of patches say, the commits that are made of them, and the
mails. The repository and the tree are small ones, in a temporary directory."""

import json
import re
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from host import common, overlay
from host import patches as patch_files
from host import series as series_module
from host.command import bisect
from host.command import series as command
from host.series import NOBODY, STOCK, TIP, Series
from tests import last_words
from tests.test_overlay import KERNEL, REPOSITORY, Case, lay_out

ONE = "Subject: one: Build it\nAdds: kernel/cpuword/\n\n" + \
    REPOSITORY["patches/6.12/one.patch"].replace("why\n", "Why.\n\n---\n 1 file\n\n")
TWO = "Subject: two: Call it\nAdds: include/linux/cpuword.h\n\nWhy, too.\n\n" \
    "Fixes: 123456789abc (\"x\")\n---\n" + REPOSITORY["patches/6.12/two.patch"]
THREE = "Subject: three: Say it\nAdds: Documentation/\n\nIn words.\n"


class Files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        patcher = mock.patch.object(patch_files, "ROOT", self.root)
        patcher.start()
        self.addCleanup(patcher.stop)

    def file(self, text, name="a.patch"):
        lay_out(self.root, {name: text})
        return self.root / name

    def read(self, text, name="a.patch"):
        return patch_files.read(self.file(text, name))

    def refused(self, text):
        return last_words(patch_files.read, self.file(text))

    def test_all_of_it(self):
        patch = self.read(TWO)
        self.assertEqual(patch.subject, "two: Call it")
        self.assertEqual(patch.adds, ["include/linux/cpuword.h"])
        self.assertEqual(patch.changelog,
                         'Why, too.\n\nFixes: 123456789abc ("x")')
        self.assertEqual(patch.changes, {"arch/x86/entry.S", "kernel/gone.c",
                                         "kernel/new.c"})

    def test_files_alone(self):
        patch = self.read(THREE.replace("Adds", "Adds: kernel/x\nAdds"))
        self.assertEqual(patch.adds, ["kernel/x", "Documentation/"])
        self.assertEqual(patch.changelog, "In words.")
        self.assertFalse(patch.changes)

    def test_no_header(self):
        patch = self.read(REPOSITORY["patches/6.12/two.patch"])
        self.assertEqual(patch.subject, "")
        self.assertEqual(len(patch.changes), 3)

    def test_no_diffstat(self):
        self.assertEqual(self.read(ONE.replace("---\n 1 file\n\n", ""))
                         .changelog, "Why.")

    def test_what_is_no_header(self):
        for line in ("From: me", "Adds:", "Adds", "words"):
            with self.subTest(line):
                self.assertEqual(
                    self.refused(f"Subject: one\n{line}\n\nWhy.\n"),
                    f"a.patch:2: {line!r} is no header; valid: Subject Adds")
        self.assertEqual(self.refused("Subject: one\nSubject: two\n\n"),
                         "a.patch:2: a second Subject")

    def adders(self, files, **patches):
        """{path: the name of the patch}"""
        read = [self.read("Subject: x\n" + "".join(
            f"Adds: {name}\n" for name in names), f"{patch}.patch")
            for patch, names in patches.items()]
        return {path: patch.file.stem for path, patch in
                patch_files.adders(read, files).items()}

    def test_who_adds_what(self):
        files = ["k/Kconfig", "k/t/a.c", "k/t/b.c", "i/x.h"]
        self.assertEqual(
            self.adders(files, one=["k/"], two=["k/t/b.c"], three=["k/t/"]),
            {"k/Kconfig": "one", "k/t/a.c": "three", "k/t/b.c": "two"})

    def test_what_is_added_twice_or_not_there(self):
        for patches, said in (
                ({"one": ["k/"], "two": ["k/"]},
                 "two.patch and one.patch both add k/"),
                ({"one": ["k/a"], "two": ["k/a"]},
                 "two.patch and one.patch both add k/a"),
                ({"one": ["k/b"]}, "one.patch adds k/b, which is no file of ours "
                 "that is left to add"),
                ({"one": ["k/"], "two": ["k/a"]}, "one.patch adds k/, which is no "
                 "file of ours that is left to add"),
                ({"one": ["k"]}, "one.patch adds k, which is no file of ours that "
                 "is left to add")):
            with self.subTest(said):
                self.assertEqual(last_words(
                    lambda patches=patches: self.adders(["k/a"], **patches)),
                    said)


class Commits(Case):
    def setUp(self):
        super().setUp()
        lay_out(self.root, {"patches/6.12/series": "one.patch\ntwo.patch\n"
                            "three.patch\n", "patches/6.12/one.patch": ONE,
                            "patches/6.12/two.patch": TWO,
                            "patches/6.12/three.patch": THREE})
        tarball = self.top / "linux-source-6.12.tar.xz"
        with tarfile.open(tarball, "w:xz") as tar:
            (self.kernel / "link").symlink_to("Kbuild")
            (self.kernel / "Kbuild").chmod(0o755)
            tar.add(self.kernel, "linux-source-6.12")
        for owner, name, value in (
                (overlay, "tarball", lambda version: tarball),
                (command, "BUILD", self.root / "build"),
                (command, "ROOT", self.root),
                (command, "COVER", self.root / "patches" / "cover.txt")):
            patcher = mock.patch.object(owner, name, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        lay_out(self.root, {"patches/cover.txt": "Subject: All\n\nText.\n"})

    def made(self):
        series = Series("6.12", NOBODY)
        self.quietly(series.make)
        return series

    def show(self, series, *what):
        return series.git("show", "--format=", *what)

    def test_a_commit_a_patch(self):
        series = self.made()
        self.assertEqual(series.git("log", "--reverse", "--format=%s%n%an <%ae>",
                                    f"{STOCK}..{TIP}").splitlines(), [
            "one: Build it", "Nobody <nobody@example.org>",
            "two: Call it", "Nobody <nobody@example.org>",
            "three: Say it", "Nobody <nobody@example.org>"])
        changed = [self.show(series, "--name-only", commit).split()
                   for commit in series.commits()[1:]]
        self.assertEqual(changed, [
            ["kernel/Makefile", "kernel/cpuword/Kconfig",
             "kernel/cpuword/Makefile", "kernel/cpuword/core.c"],
            ["arch/x86/entry.S", "include/linux/cpuword.h", "kernel/gone.c",
             "kernel/new.c"], ["Documentation/core-api/cpuword/index.rst"]])

    def test_it_is_signed_off(self):
        series = self.made()
        self.assertEqual(
            series.git("log", "-1", "--format=%B", f"{TIP}~1"),
            'two: Call it\n\nWhy, too.\n\nFixes: 123456789abc ("x")\n'
            "Signed-off-by: Nobody <nobody@example.org>\n\n")

    def test_the_untouched_tree(self):
        series = self.made()
        modes = dict(reversed(line.split()[::3]) for line in series.git(
            "ls-tree", "-r", STOCK).splitlines())
        self.assertEqual(modes.keys(), {*KERNEL, "link"})
        self.assertEqual(modes["link"], "120000")
        self.assertEqual(modes["Kbuild"], "100755")
        self.assertEqual(modes["Kconfig"], "100644")

    def test_it_is_imported_once(self):
        before = self.made().commits()[0]
        self.assertEqual(self.made().commits()[0], before)
        tarball = overlay.tarball("6.12")
        tarball.touch()
        self.assertNotEqual(self.made().commits()[0], before)

    def test_half_a_tarball(self):
        tarball = overlay.tarball("6.12")
        whole = tarball.read_bytes()
        tarball.write_bytes(whole[:len(whole) // 2])
        self.assertIn(f"cannot unpack {tarball}: ", last_words(
            Series("6.12", NOBODY).make))
        self.assertFalse(Series("6.12", NOBODY).git_dir.exists())

    def test_a_file_that_no_patch_adds(self):
        lay_out(self.root, {"patches/6.12/two.patch": TWO.replace(
            "Adds: include/linux/cpuword.h\n", ""), "include/linux/b.h": "b\n"})
        self.assertEqual(last_words(Series, "6.12", NOBODY),
                         "no patch adds include/linux/b.h include/linux/cpuword.h")

    def test_a_patch_without_a_subject(self):
        lay_out(self.root, {"patches/6.12/two.patch":
                            REPOSITORY["patches/6.12/two.patch"]})
        self.assertEqual(last_words(Series, "6.12", NOBODY), "patches/6.12/"
                         "two.patch has no Subject: it cannot be sent")

    def test_a_patch_that_does_not_apply_leaves_the_series(self):
        before = self.made().commits()
        lay_out(self.root, {"patches/6.12/two.patch": TWO.replace("cld", "std")})
        self.assertIn("two.patch does not apply", last_words(
            Series("6.12", NOBODY).make))
        self.assertEqual(Series("6.12", NOBODY).commits(), before)

    def test_what_is_not_what_is_laid(self):
        series = Series("6.12", NOBODY)
        patched = overlay.patched
        with mock.patch.object(overlay, "patched", lambda p, o: dict(
                patched(p, o), Kconfig=(b"odd\n", 0o644))):
            self.assertIn("is not what make tree lays",
                          last_words(lambda: self.quietly(series.make)))

    def test_check_out(self):
        series = self.made()
        folder = self.top / "out"
        first, second = series.commits()[1:3]
        series.check_out(second, folder)
        self.assertTrue((folder / "kernel/new.c").exists())
        (folder / "Kconfig").write_text("somebody's\n")
        (folder / "Makefile").unlink()
        before = (folder / "kernel/Makefile").stat().st_mtime_ns
        series.check_out(first, folder)
        self.assertFalse((folder / "kernel/new.c").exists())
        self.assertEqual((folder / "Kconfig").read_text(), KERNEL["Kconfig"])
        self.assertEqual((folder / "Makefile").read_text(), KERNEL["Makefile"])
        # What is the same is not written: make would build it.
        self.assertEqual((folder / "kernel/Makefile").stat().st_mtime_ns, before)

    # --- mails ---

    def mails(self, base=None):
        folder = self.top / "mails"
        folder.mkdir()
        series = self.made()
        return series, command.write_mails(series, folder, base)

    def test_mails(self):
        series, mails = self.mails()
        self.assertEqual([mail.name for mail in mails], [
            "0000-cover-letter.patch", "0001-one-Build-it.patch",
            "0002-two-Call-it.patch", "0003-three-Say-it.patch"])
        letter = mails[0].read_text()
        self.assertIn("Subject: [PATCH 0/3] All\n\nText.\n\nNobody (3):\n", letter)
        self.assertNotIn("base-commit", letter)
        self.assertEqual(command.am(series, mails), "")

    def test_the_base(self):
        letter = self.mails("1" * 40)[1][0].read_text()
        self.assertEqual(re.findall("^base-commit: (.*)", letter, re.M),
                         ["1" * 40])

    def test_a_mail_that_is_not_what_was_committed(self):
        series, mails = self.mails()
        mails[1].write_text(mails[1].read_text().replace("+int word", "+int odd"))
        self.assertEqual(command.am(series, mails),
                         "what git am has made is not what make tree lays")
        mails[1].write_text(mails[1].read_text().replace(" obj-y = fork", " odd"))
        self.assertIn("git -C: ", last_words(command.am, series, mails))

    def test_where_mails_go(self):
        mails = self.mails()[1]
        out = self.top / "out"
        lay_out(out, {"0009-old.patch": "old"})
        command.replace_mails(out, mails)
        self.assertEqual(sorted(path.name for path in out.iterdir()),
                         [mail.name for mail in mails])
        lay_out(out, {"letter.txt": "mine"})
        self.assertIn("has other files than mails: letter.txt",
                      last_words(command.replace_mails, out, []))
        self.assertEqual(len(list(out.iterdir())), 5)

    # --- the cover letter ---

    def figures(self, part="entry"):
        return command.figures(part)

    def test_nothing_is_measured(self):
        text = self.figures()
        self.assertIn("x86_64: not measured; make bench ARCH=x86_64 PARTS=entry",
                      text)
        self.assertFalse(re.search(r"\d", text.replace("x86_64", "")))

    def test_what_is_measured(self):
        data = {"arch": "x86_64", "append": "", "qemu": "10.0", "entry": {
            "off": {"system call": 501}, "on": {"system call": 555}},
            "kernels": {"cpuword": {"release": "6.12.9"}}}
        lay_out(self.root, {"build/bench-x86_64-quick.json": json.dumps(data)})
        text = self.figures()
        self.assertRegex(text, r"x86_64, Linux 6\.12\.9, QEMU 10\.0 \(TCG\), "
                         r"\d{4}-\d\d-\d\d:")
        self.assertRegex(text, r"system call +501 +555")
        self.assertNotIn("x86_64: not measured", text)
        # Another part has not been measured, nor another command line.
        self.assertIn("x86_64: not measured", self.figures("getpid"))
        data["append"] = "pti=off"
        lay_out(self.root, {"build/bench-x86_64-quick.json": json.dumps(data)})
        self.assertIn("x86_64: not measured", self.figures())

    def test_cover(self):
        lay_out(self.root, {"patches/cover.txt": "Subject: A\n\nb {entry}\n\n"
                            "{entry}\n\nc\n"})
        subject, text = command.cover()
        self.assertEqual(subject, "A")
        self.assertRegex(text, r"(?s)^b \{entry\}\n\n.*not measured.*\n\nc$")
        for bad, said in (("Subject: A\n\n{speed}\n",
                           "patches/cover.txt: there is no table speed"),
                          ("A\n\nb\n", "does not begin with a Subject"),
                          ("Subject: A\nb\n", "does not begin with a Subject")):
            lay_out(self.root, {"patches/cover.txt": bad})
            self.assertIn(said, last_words(command.cover))


class Author(unittest.TestCase):
    def test_it_is_git_that_says(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(
                "os.environ", {"GIT_CONFIG_GLOBAL": f"{folder}/config",
                               "GIT_CONFIG_SYSTEM": "/dev/null"}), \
                mock.patch.object(series_module, "ROOT", Path(folder)):
            lay_out(Path(folder), {"config": "[user]\nname = A B\n"})
            self.assertEqual(last_words(series_module.author), "user.email is not "
                             "set, and every patch says who sends it: git config "
                             "--global user.email ...")
            lay_out(Path(folder), {"config": "[user]\nname = A B\nemail = a@b\n"})
            self.assertEqual(series_module.author(), ("A B", "a@b"))


class Maintainers(unittest.TestCase):
    def test_unlisted(self):
        entry = "CPU\nF:\tc/\n\nCPUWORD\nS:\tOdd\nF:\ta/*/x.h\nF:\tb/\n\nD\nF:\tc/\n"
        self.assertEqual(command.unlisted(entry, ["a/q/x.h", "b/c/d"]), [])
        missing = ["a/q/y.h", "a/q/r/x.h", "c/d"]
        self.assertEqual(command.unlisted(entry, missing), missing)
        self.assertEqual(command.unlisted("", ["a"]), ["a"])


class Order(unittest.TestCase):
    """Of the series as it is: nothing refers to a file of ours that a later
    patch adds."""

    INCLUDE = re.compile(r'^\+?#\s*include\s+[<"](.*)[>"]', re.M)
    SOURCE = re.compile(r'^\+?source "(.*)"', re.M)
    FOLDER = re.compile(r"^\+?obj-.*?[+:]?=(.*)", re.M)

    def every_series(self, files):
        """(patches, {path: the patch that adds it}) of each version."""
        for version in common.KERNELS:
            patches = [patch_files.read(file)
                       for file in overlay.series(version)]
            yield patches, patch_files.adders(patches, files)

    def test_nothing_comes_before_what_it_needs(self):
        files = overlay.overlay()
        for patches, adders in self.every_series(files):
            self.assertEqual(files.keys(), adders.keys())
            when = {path: patches.index(patch) for path, patch in adders.items()}
            looked = 0
            for number, patch in enumerate(patches):
                texts = {"": patch.file.read_text()} | {
                    path: files[path][0].decode() for path in adders
                    if adders[path] is patch}
                for path, text in texts.items():
                    for other in self.needs(path, text, files):
                        looked += 1
                        self.assertLessEqual(
                            when[other], number,
                            f"{patch.name}: {path} needs {other}")
            self.assertGreater(looked, 50)

    def needs(self, path, text, files):
        """The files of ours that a text refers to."""
        folder = path.rpartition("/")[0]
        for name in self.INCLUDE.findall(text):
            for where in ("include/", f"{folder}/"):
                if f"{where}{name}" in files:
                    yield f"{where}{name}"
        for name in self.SOURCE.findall(text):
            if name in files:
                yield name
        for names in self.FOLDER.findall(text):
            for name in names.split():
                for where in ("kernel/", f"{folder}/"):
                    if f"{where}{name}Makefile" in files:
                        yield f"{where}{name}Makefile"

    def test_who_selects_it_has_its_hooks(self):
        """And the callers of that architecture, x86's assembly apart."""
        files = overlay.overlay()
        for patches, adders in self.every_series(files):
            headers = [path for path in files
                       if re.fullmatch(r"arch/\w+/include/asm/cpuword\.h", path)]
            self.assertTrue(headers)
            for header in headers:
                patch = adders[header]
                kconfig = f"{header.partition('/include')[0]}/Kconfig"
                self.assertEqual(patch.changes, {kconfig})
                self.assertRegex(patch.file.read_text(),
                                 r"\n\+\tselect HAVE_CPUWORD\b")
                for before in patches[:patches.index(patch)]:
                    self.assertNotRegex(before.file.read_text(),
                                        rf"\+\+\+ b/{kconfig}\n(?s:.*)"
                                        r"\n\+\tselect HAVE_CPUWORD\b")


class Bisect(unittest.TestCase):
    def log(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        lay_out(Path(folder.name), {"log": text})
        return Path(folder.name) / "log"

    def test_warnings(self):
        self.assertEqual(bisect.warnings(self.log("""\
  CC      kernel/a.o
/x/kernel/a.c:12:3: warning: unused variable 'warning' [-Wunused-variable]
/x/kernel/a.c:19:3: warning: unused variable 'warning' [-Wunused-variable]
/x/kernel/a.c:19:3: note: here
WARNING: unmet direct dependencies detected for HAVE_CPUWORD
vmlinux.o: warning: objtool: f+0x1c: call to g() leaves .noinstr.text section
WARNING: modpost: missing MODULE_DESCRIPTION() in lib/a.o
""")), ["/x/kernel/a.c: warning: unused variable 'warning' [-Wunused-variable]",
                "WARNING: unmet direct dependencies detected for HAVE_CPUWORD",
                "vmlinux.o: warning: objtool: f: call to g() leaves "
                ".noinstr.text section",
                "WARNING: modpost: missing MODULE_DESCRIPTION() in lib/a.o"])

    def test_errors(self):
        self.assertEqual(bisect.errors(self.log("""\
  CC      kernel/a.o
/x/kernel/a.c:12:3: error: 'x' undeclared
make[3]: *** [scripts/Makefile.build:229: kernel/a.o] Error 1
""")), "it does not build\n/x/kernel/a.c:12:3: error: 'x' undeclared\n"
            "make[3]: *** [scripts/Makefile.build:229: kernel/a.o] Error 1")
        self.assertEqual(bisect.errors(self.log("odd\n")),
                         "it does not build\nodd")

    def test_which_architectures_a_patch_concerns(self):
        for paths, x86, arm64, um in (
                ({"arch/x86/mm/tlb.c"}, True, False, False),
                ({"arch/arm64/Kconfig", "Documentation/x"}, False, True, False),
                ({"arch/arm64/Kconfig", "mm/x.c"}, True, True, True),
                ({"MAINTAINERS", "Documentation/x"}, False, False, False)):
            with self.subTest(paths):
                self.assertEqual(
                    [bisect.concerns(arch, paths)
                     for arch in ("x86_64", "arm64", "um")], [x86, arm64, um])
