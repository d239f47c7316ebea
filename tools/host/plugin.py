# SPDX-License-Identifier: GPL-2.0
"""QEMU's plugins that count instructions."""

import re
import subprocess

from host.common import BUILD, LOGS, ROOT, die, must


def symbols_of(kernel):
    """Pairs of a symbol and its address, in hexadecimal."""
    for line in (kernel.build_dir / "System.map").open():
        address, _, symbol = line.split()
        yield symbol, address


def plugin(name, arch=None):
    """Builds a QEMU plugin that counts instructions, one that is, or knows those,
    of an architecture; returns its path."""
    folders = [*([arch.folder] if arch else []), ROOT / "tools" / "qemu"]
    full = f"{name}-{arch.name}" if arch else name
    binary = BUILD / f"qemu_{full}.so"
    source = next(path for path in (folder / f"{name}.c" for folder in folders)
                  if path.exists())
    sources = [source, *(path for folder in folders
                         for path in folder.glob("*.h"))]
    if not binary.exists() or any(s.stat().st_mtime > binary.stat().st_mtime
                                  for s in sources):
        must(f"{name}.c",
             ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-fvisibility=hidden",
              *(f"-I{folder}" for folder in folders), "-o", binary, source],
             LOGS / f"qemu_{full}.log")
    return binary


def qemu_version(arch):
    text = subprocess.run([arch.qemu, "--version"], capture_output=True,
                          text=True, check=True).stdout
    return re.search(r"version (\d+)\.(\d+)\S*", text)


def need_qemu(arch):
    version = qemu_version(arch)
    if (int(version[1]), int(version[2])) < (9, 1):
        die(f"counting instructions takes QEMU 9.1; this is {version[0]}")
