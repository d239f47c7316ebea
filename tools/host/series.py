# SPDX-License-Identifier: GPL-2.0
"""The series as commits, one a patch, in build/<version>/series.git. That has no
working tree: the commits are made of what the patches change, in memory."""

import fcntl
import lzma
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

from host import common, overlay
from host import patches as patch_files
from host.common import ROOT, die

# In the place of an author, of what is not sent.
NOBODY = ("Nobody", "nobody@example.org")
# Refs: the untouched tree, and the last patch.
STOCK, TIP = "refs/heads/stock", "refs/heads/series"


def output_of(command, **kwargs):
    """The standard output of a command that has to work."""
    done = subprocess.run(list(map(str, command)), capture_output=True,
                          **kwargs)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        die(f"{' '.join(map(str, command[:2]))}: "
            f"{said[-1] if said else 'it failed'}")
    return done.stdout


def author():
    """(name, address) that git is configured with."""
    found = []
    for key in ("user.name", "user.email"):
        done = subprocess.run(["git", "config", "--get", key], cwd=ROOT,
                              text=True, stdout=subprocess.PIPE)
        if not done.stdout.strip():
            die(f"{key} is not set, and every patch says who sends it: "
                f"git config --global {key} ...")
        found.append(done.stdout.strip())
    return tuple(found)


def committer(who, **more):
    """The environment in which this is who git takes us for."""
    return {**os.environ, "GIT_COMMITTER_NAME": who[0],
            "GIT_COMMITTER_EMAIL": who[1], **more}


def message(patch, who):
    """What is committed, signed off."""
    text = f"{patch.subject}\n\n{patch.changelog}\n".encode(
        errors="surrogateescape")
    return output_of(["git", "interpret-trailers", "--if-exists", "addIfDifferent",
                      "--trailer", f"Signed-off-by: {who[0]} <{who[1]}>"],
                     input=text)


class Import:
    """Writes commits, as a context: git takes all of them, or nothing."""

    def __init__(self, git_dir, who):
        self.who = f"{who[0]} <{who[1]}> {int(time.time())} +0000"
        # --done: with no "done" at the end of its input it changes nothing.
        self.proc: Any = subprocess.Popen(
            ["git", f"--git-dir={git_dir}", "fast-import", "--quiet",
             "--force", "--done"], stdin=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        _, said = self.proc.communicate(b"" if kind else b"done\n")
        if self.proc.returncode and not kind:
            die(f"git fast-import: {said.decode(errors='replace').strip()}")

    def line(self, text):
        self.proc.stdin.write(f"{text}\n".encode(errors="surrogateescape"))

    def data(self, data):
        self.line(f"data {len(data)}")
        self.proc.stdin.write(data + b"\n")

    def reset(self, ref, to):
        self.line(f"reset {ref}")
        self.line(f"from {to}^0\n")

    def commit(self, ref, text):
        self.line(f"commit {ref}")
        self.line(f"committer {self.who}")
        self.data(text)

    def file(self, path, mode, content):
        self.line(f"M {mode} inline {path}")
        self.data(content)

    def change(self, path, file):
        """The same for (content, mode), or None: there is no such file."""
        if file:
            content, mode = file
            self.file(path, "100755" if mode & 0o100 else "100644", content)
        else:
            self.line(f"D {path}")


class Series:
    def __init__(self, version, who=None):
        common.check_kernel(version)
        if not shutil.which("git"):
            die("git is needed; install the package git")
        self.version, self.who = version, who or author()
        self.base = common.BUILD / version
        self.git_dir = self.base / "series.git"
        self.tarball = overlay.tarball(version)
        self.patches = [patch_files.read(file)
                        for file in overlay.series(version)]
        self.files = overlay.overlay()
        for patch in self.patches:
            if not patch.subject:
                die(f"{patch.name} has no Subject: it cannot be sent")
        self.adders = patch_files.adders(self.patches, self.files)
        missing = sorted(self.files.keys() - self.adders.keys())
        if missing:
            die("no patch adds " + " ".join(missing))

    def git(self, *command, **kwargs):
        return output_of(["git", f"--git-dir={self.git_dir}", *command],
                         **kwargs).decode(errors="surrogateescape")

    def make(self):
        """Commits what has changed."""
        self.base.mkdir(parents=True, exist_ok=True)
        with open(self.base / ".series.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.import_stock()
            self.commit()

    def import_stock(self):
        """Commits the untouched tree, once for a tarball."""
        try:
            stat = self.tarball.stat()
        except FileNotFoundError:
            die(f"{self.tarball} is missing; run: tools/setup.sh {self.version}")
        text = f"{self.tarball.name} {stat.st_size} {stat.st_mtime_ns}"
        if self.git_dir.is_dir() and self.git(
                "log", "-1", "--format=%s", STOCK).strip() == text:
            return
        new = self.git_dir.with_suffix(".new")
        for leftover in (new, self.git_dir):
            shutil.rmtree(leftover, ignore_errors=True)
        output_of(["git", "init", "--quiet", "--bare", new])
        progress = common.Progress(f"importing {self.tarball.name}")
        try:
            with Import(new, self.who) as to, \
                    tarfile.open(self.tarball, "r|xz") as tar:
                to.commit(STOCK, text.encode())
                for member in tar:
                    path = member.name.partition("/")[2]
                    if member.issym():
                        to.file(path, "120000", member.linkname.encode())
                    elif member.isfile():
                        content: Any = tar.extractfile(member)
                        to.change(path, (content.read(), member.mode))
                    progress.tick()
        except (EOFError, lzma.LZMAError, tarfile.TarError) as error:
            die(f"cannot unpack {self.tarball}: {error}")
        new.rename(self.git_dir)
        progress.done("done")

    def stock_file(self, path):
        """(content, mode) of a file of the untouched tree, or None."""
        entry = self.git("ls-tree", STOCK, "--", path).split()
        if not entry:
            return None
        content = output_of(["git", f"--git-dir={self.git_dir}", "cat-file",
                             "blob", entry[2]])
        return content, int(entry[0], 8) & 0o777

    def commit(self):
        _, files, originals = overlay.planned(self.version, self.stock_file)
        adds: dict = {}
        for path, patch in self.adders.items():
            adds.setdefault(patch.file, []).append(path)
        by_file = {patch.file: patch for patch in self.patches}
        with Import(self.git_dir, self.who) as to:
            to.reset(TIP, STOCK)
            for file, changed in overlay.steps(files, originals):
                to.commit(TIP, message(by_file[file], self.who))
                for path, content in changed.items():
                    to.change(path, content)
                for path in adds.get(file, ()):
                    to.change(path, self.files[path])
        self.check_tree(overlay.patched(files, originals))

    def check_tree(self, changed):
        """The last commit has to be what is laid over a kernel tree."""
        index = {**os.environ, "GIT_INDEX_FILE": str(self.git_dir / "check")}
        self.git("read-tree", STOCK, env=index)
        lines = []
        for path, file in {**self.files, **changed}.items():
            if file:
                blob = self.git("hash-object", "-w", "--stdin",
                                input=file[0]).strip()
                mode = "100755" if file[1] & 0o100 else "100644"
                lines.append(f"{mode} {blob}\t{path}\n")
            else:
                lines.append(f"0 {'0' * 40}\t{path}\n")
        self.git("update-index", "--index-info", env=index,
                 input="".join(lines).encode())
        tree = self.git("write-tree", env=index).strip()
        if tree != self.tree(TIP):
            die(f"the last commit in {self.git_dir} is not what make tree lays")

    def tree(self, commit):
        return self.git("rev-parse", f"{commit}^{{tree}}").strip()

    def commits(self):
        """The untouched tree and a commit a patch."""
        return [self.git("rev-parse", STOCK).strip(),
                *self.git("rev-list", "--reverse", f"{STOCK}..{TIP}").split()]

    def check_out(self, commit, folder):
        """Makes the folder what a commit is; writes only what differs."""
        folder.mkdir(parents=True, exist_ok=True)
        self.git(f"--work-tree={folder}", "read-tree", "-u", "--reset", commit,
                 env={**os.environ,
                      "GIT_INDEX_FILE": f"{folder}.index"})
