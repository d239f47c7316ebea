# SPDX-License-Identifier: GPL-2.0
"""Lays this repository over a kernel tree and applies patches/<version>/series.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from host import common
from host import patches as patch_files
from host.common import ROOT, die
from host.lookup import find

# Where each part of the repository goes in a kernel tree.
LAYOUT = {
    "Kconfig": "kernel/cpuword/Kconfig",
    "core": "kernel/cpuword",
    "include": "include",
    "arch": "arch",
    "kunit": "kernel/cpuword/kunit",
    "torture": "kernel/cpuword/torture",
    "docs/kernel": "Documentation/core-api/cpuword",
    # What only one architecture has of the tests.
    **{f"tools/arch/{folder.name}/kunit": f"kernel/cpuword/kunit/arch/{folder.name}"
       for folder in sorted((ROOT / "tools" / "arch").glob("*"))},
}
# What editors and failed patches leave behind.
LITTER = re.compile(r"~$|\.(orig|rej|swp|pyc)$|^\.#|^__pycache__$")


def read(path):
    """(content, mode) of a file, None where there is none."""
    try:
        return path.read_bytes(), path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def write(path, file):
    """Creates, replaces or (file is None) removes; never leaves half a file."""
    if file is None:
        path.unlink(missing_ok=True)
        return
    content, mode = file
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.new")
    try:
        temp.write_bytes(content)
        temp.chmod(mode)
        temp.replace(path)
    except OSError:
        temp.unlink(missing_ok=True)
        raise


def prune(directory, top):
    """Removes directory and the parents that this leaves empty, up to top."""
    while directory != top:
        try:
            directory.rmdir()
        except OSError:
            return
        directory = directory.parent


def overlay():
    """{path in the kernel tree: (content, mode)} of all files we add."""
    files = {}
    for here, there in LAYOUT.items():
        source, target = ROOT / here, Path(there)
        found = [source] if source.is_file() else sorted(source.rglob("*"))
        for path in found:
            relative = path.relative_to(source)
            if path.is_file() and not any(map(LITTER.search, relative.parts)):
                files[str(target / relative)] = read(path)
    if not files:
        die(f"nothing to lay over a kernel tree in {ROOT}")
    return files


def series(version):
    """The patches in order; none is fine. One is the version's own, or else that
    of all versions."""
    folder = ROOT / "patches"
    try:
        lines = (folder / version / "series").read_text().splitlines()
    except FileNotFoundError:
        return []
    names = [line.split("#")[0].split() for line in lines]
    patches = []
    for name in (name[0] for name in names if name):
        patch = find(folder, version, name)
        if not patch:
            die(f"patches/{version}/series names {name}, which is neither there "
                "nor in patches/common")
        patches.append(patch)
    return patches


def touched(patches):
    """The paths which the patches change, create or delete."""
    return set().union(*(patch_files.read(patch).changes for patch in patches))


def steps(patches, originals):
    """(patch, {path: (content, mode) or None}) as each patch in turn leaves the
    files that it changes, which are among the originals; computed aside, so that
    a patch which does not apply leaves no trace. Exact context only: a hunk that
    needs fuzz has to be looked at."""
    if patches and not shutil.which("patch"):
        die("patch(1) is needed; install the package patch")
    with tempfile.TemporaryDirectory(prefix="cpuword-") as folder:
        scratch = Path(folder)
        for path, original in originals.items():
            if original:
                write(scratch / path, original)
        for patch in patches:
            paths = touched([patch])
            if paths:
                apply_patch(patch, scratch)
            yield patch, {path: read(scratch / path) for path in paths}


def apply_patch(patch, folder):
    result = subprocess.run(
        ["patch", "-p1", "--fuzz=0", "--forward", "--batch",
         "--no-backup-if-mismatch", "--reject-file=-", "-d", folder, "-i", patch],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env={**os.environ, "LC_ALL": "C"})
    if result.returncode:
        die(f"{patch.relative_to(ROOT)} does not apply: "
            + failure(result.stdout))


def patched(patches, originals):
    """{path: (content, mode) or None} once the whole series is applied."""
    files = dict(originals)
    for _, changed in steps(patches, originals):
        files.update(changed)
    return files


def failure(output):
    """The line of patch(1)'s output that says what went wrong, and the file."""
    file = ""
    for line in output.splitlines():
        name = re.match(r"patching file (\S+)|can't find file to patch", line)
        if name and not name[1]:
            name = re.search(r"^\|\+\+\+ [^/]+/(\S+)", output, re.M)
            return f"{name[1] if name else 'its file'} is not there"
        if name:
            file = f"{name[1]}: "
        elif re.search(r"FAILED|malformed|previously applied", line):
            return file + line.strip()
    return " ".join(output.split())


def planned(version, original):
    """The files to add, the patches, and the files that those change as
    original(path) gives them."""
    added = overlay()
    patches = series(version)
    paths = touched(patches)
    for path in sorted(paths & added.keys()):
        die(f"a patch changes {path}, which the repository adds itself")
    return added, patches, {path: original(path) for path in sorted(paths)}


# --- Debian's source package ---

def tarball(version):
    """The installed one, or that of "setup.sh <version>" in build/tools."""
    package = f"linux-source-{version}"
    installed = Path(f"/usr/src/{package}.tar.xz")
    own = common.BUILD / "tools" / package / str(installed).lstrip("/")
    return own if own.exists() and not installed.exists() else installed


def untar(source, folder, log):
    """Unpacks that into a folder."""
    # -m: files dated now. With the dates of the tarball, make would take what it
    # built from an older one for up to date.
    if common.run(f"unpacking {source.name}",
                  ["tar", "-xJmf", source, "-C", folder,
                   "--strip-components=1"], log):
        die(f"cannot unpack {source}; see {log}")


# --- our own tree ---

class Tree:
    """build/<version>: linux/ is the tree, orig/ has the files which patches
    changed as they were, and overlay.json says which files are ours. Both are
    written before the tree is: an interrupted run leaves nothing unknown."""

    def __init__(self, version):
        self.version = version
        self.tarball = tarball(version)
        self.base = common.BUILD / version
        self.linux = self.base / "linux"
        self.orig = self.base / "orig"
        self.state_file = self.base / "overlay.json"
        self.written = self.removed = 0

    def load(self):
        try:
            state = json.loads(self.state_file.read_text())
            return state["tarball"], set(state["ours"])
        except (OSError, ValueError, KeyError):
            return None, set()

    def save(self, identity, ours):
        state = {"tarball": identity, "ours": sorted(ours)}
        write(self.state_file, (json.dumps(state, indent=1).encode(), 0o644))

    def unpack(self, identity):
        unpacked, old = self.base / ".unpack", self.base / ".old"
        for leftover in (unpacked, old):
            shutil.rmtree(leftover, ignore_errors=True)
        unpacked.mkdir()
        try:
            untar(self.tarball, unpacked, common.LOGS / "tree.log")
            self.state_file.unlink(missing_ok=True)
            shutil.rmtree(self.orig, ignore_errors=True)
            if self.linux.exists():
                self.linux.rename(old)
            unpacked.rename(self.linux)
            self.save(identity, set())
        finally:
            for leftover in (unpacked, old):
                shutil.rmtree(leftover, ignore_errors=True)

    def update(self, path, file):
        if read(self.linux / path) == file:
            return
        write(self.linux / path, file)
        if file is None:
            prune((self.linux / path).parent, self.linux)
            self.removed += 1
        else:
            self.written += 1

    def lay(self):
        try:
            stat = self.tarball.stat()
        except FileNotFoundError:
            die(f"{self.tarball} is missing; run: tools/setup.sh "
                f"{self.version}")
        identity = [stat.st_size, stat.st_mtime_ns]
        if self.load()[0] != identity or not self.linux.is_dir():
            self.unpack(identity)
        _, ours = self.load()

        def original(path):
            if path in ours:
                return None
            return read(self.orig / path) or read(self.linux / path)

        added, patches, originals = planned(self.version, original)
        for path in added:
            if path not in ours and (self.linux / path).exists():
                die(f"{path} is a file of the kernel's: change it in patches/")
        changed = patched(patches, originals)
        new = added.keys() | {p for p in changed if not originals[p]}

        for path, file in originals.items():
            if file and not (self.orig / path).exists():
                write(self.orig / path, file)
        self.save(identity, ours | new)

        for path, file in {**added, **changed}.items():
            self.update(path, file)
        for path in ours - new:
            self.update(path, None)
        for saved in [p for p in self.orig.rglob("*") if p.is_file()]:
            path = str(saved.relative_to(self.orig))
            if path not in originals:
                self.update(path, read(saved))
                saved.unlink()
                prune(saved.parent, self.orig)
        self.save(identity, new)


def tree(version):
    common.check_kernel(version)
    this = Tree(version)
    this.base.mkdir(parents=True, exist_ok=True)
    with open(this.base / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        this.lay()
    print(f"{this.linux.relative_to(ROOT)}: {this.written} files written, "
          f"{this.removed} removed")


# --- a tree of the user's ---

def kernel_version(kdir):
    """The supported version that the tree in kdir is of."""
    if not kdir.is_dir():
        die(f"{kdir} is not a directory")
    makefile = read(kdir / "Makefile")
    found = dict(re.findall(rb"^(VERSION|PATCHLEVEL) *= *(\d+)",
                            makefile[0] if makefile else b"", re.M))
    if len(found) < 2 or not all((kdir / name).is_file()
                                 for name in ("Kconfig", "Kbuild")):
        die(f"{kdir} is not a kernel source tree")
    version = f"{found[b'VERSION'].decode()}.{found[b'PATCHLEVEL'].decode()}"
    if version not in common.KERNELS:
        die(f"{kdir} is Linux {version}; supported: "
            + " ".join(common.KERNELS))
    return version


def check_writable(path):
    """write() needs the directory, or the closest one there is."""
    directory = path.parent
    while not directory.is_dir():
        directory = directory.parent
    if not os.access(directory, os.W_OK | os.X_OK):
        die(f"{directory} is not writable")


def apply(kdir):
    if not kdir:
        die("which kernel tree? make apply KDIR=path")
    kdir = Path(kdir)
    version = kernel_version(kdir)
    added, patches, originals = planned(version, lambda p: read(kdir / p))
    for path in added:
        if (kdir / path).exists():
            die(f"{kdir / path} exists already: is cpuword in this tree?")
    for path, original in originals.items():
        if original and b"cpuword" in original[0].lower():
            die(f"{kdir / path} mentions cpuword already")
    changed = patched(patches, originals)
    for path in [*added, *changed]:
        check_writable(kdir / path)

    done = []
    try:
        for path, file in {**added, **changed}.items():
            done.append(path)
            write(kdir / path, file)
    except BaseException as error:
        for path in reversed(done):
            write(kdir / path, originals.get(path))
            prune((kdir / path).parent, kdir)
        if isinstance(error, OSError):
            die(f"{error}; {kdir} is as it was")
        raise
    print(f"{kdir}: Linux {version}, {len(added)} files added, "
          f"{len(changed)} changed")
