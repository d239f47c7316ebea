# SPDX-License-Identifier: GPL-2.0
"""What runs in a machine: programs and the initramfs."""

import contextlib
import os
from pathlib import Path

from host.common import BUILD, LOGS, ROOT, must

GUEST = ROOT / "tools" / "guest"


def sources(arch, program):
    """The compiler's arguments for a program: tools/guest/<program>.c, or all of
    the folder of that name, with the library and the architecture's guest.h; and
    the headers that it depends on."""
    own, library = GUEST / program, GUEST / "lib"
    files = sorted([*GUEST.glob(f"{program}.c"), *own.glob("*.c"),
                    *library.glob("*.c")])
    headers = [*own.glob("*.h"), *library.glob("*.h"), arch.folder / "guest.h"]
    return ["-iquote", library, "-iquote", arch.folder, *files], headers


def build_guest(arch, kernel, tree, program):
    """Compiles a program with the tree's nolibc; returns the static binary. The
    uapi headers get a build directory of their own: they need no configured
    kernel."""
    out = BUILD / kernel / f"guest-{arch.name}"
    nolibc = tree / "tools/include/nolibc"
    log = LOGS / f"guest-{arch.name}.log"
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "usr/include/linux/unistd.h").exists():
        must(f"kernel headers for {arch.name} guests",
             ["make", "-C", tree, f"O={out}", f"ARCH={arch.name}",
              f"--jobs={os.cpu_count()}", "headers"], log)
    binary = out / program
    arguments, headers = sources(arch, program)
    depends = [*headers, *(a for a in arguments if isinstance(a, Path))]
    if not binary.exists() or any(d.stat().st_mtime > binary.stat().st_mtime
                                  for d in depends):
        must(f"{program} for {arch.name}",
             [f"{arch.cross}gcc", "-Os", "-Wall", "-Werror", "-static",
              "-nostdlib", "-nostdinc", "-ffreestanding",
              "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
              "-I", nolibc, "-I", out / "usr/include",
              "-include", nolibc / "nolibc.h",
              "-o", binary, *arguments, "-lgcc"], log)
    return binary


@contextlib.contextmanager
def initramfs(path, files):
    """The initramfs of one boot, which is removed after it."""
    write_initramfs(path, files)
    try:
        yield path
    finally:
        path.unlink()


def write_initramfs(path, files):
    """Writes a newc cpio archive of files ({name: path}), with the directories
    that they are in, and of the few nodes that PID 1 needs to print and to
    mount. cpio(1) archives a node that is there, and to make one takes root."""
    inode = 0

    def entry(name, mode, data=b"", rdev=(0, 0)):
        nonlocal inode
        inode += 1
        name = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev,
                  len(name), 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name
        return (head + b"\0" * (-len(head) % 4) +
                data + b"\0" * (-len(data) % 4))

    with open(path, "wb") as out:
        parents = {str(parent) for name in files
                   for parent in Path(name).parents if parent.name}
        for name in sorted({"dev", "proc", "sys", *parents}):
            out.write(entry(name, 0o40755))
        out.write(entry("dev/console", 0o20600, rdev=(5, 1)))
        for name, source in files.items():
            out.write(entry(name, 0o100755, Path(source).read_bytes()))
        out.write(entry("TRAILER!!!", 0))
