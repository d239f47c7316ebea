# SPDX-License-Identifier: GPL-2.0
"""Tools that setup.sh unpacks aside, in build/tools."""

import shutil

from host.common import BUILD, die


def find(command, own, word, libraries, options=()):
    """What runs a command: the one in PATH, or that of "setup.sh <word>" in the
    folder own, with its libraries and these options."""
    if shutil.which(command):
        return [command]
    if (own / "usr/bin" / command).exists():
        return [own / "usr/lib64/ld-linux-x86-64.so.2", "--library-path",
                ":".join(str(own / library) for library in libraries),
                own / "usr/bin" / command, *options]
    die(f"no {command}; run: tools/setup.sh {word}")


def find_herd():
    """The command that runs herd7."""
    own = BUILD / "tools" / "herd"
    return find("herd7", own, "litmus", ["usr/lib/x86_64-linux-gnu"],
                ["-set-libdir", own / "usr/share/herdtools7/herd"])


def find_cbmc():
    """The command that runs CBMC."""
    return find("cbmc", BUILD / "tools" / "cbmc", "model",
                ["usr/lib/x86_64-linux-gnu", "usr/lib"])
