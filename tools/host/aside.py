# SPDX-License-Identifier: GPL-2.0
"""Tools that setup.sh unpacks aside, in build/tools."""

import shutil

from host.common import BUILD, die


def find_herd():
    """The command that runs herd7: the one in PATH, or that of setup.sh."""
    own = BUILD / "tools" / "herd"
    if shutil.which("herd7"):
        return ["herd7"]
    if (own / "usr/bin/herd7").exists():
        return [own / "usr/lib64/ld-linux-x86-64.so.2", "--library-path",
                own / "usr/lib/x86_64-linux-gnu", own / "usr/bin/herd7",
                "-set-libdir", own / "usr/share/herdtools7/herd"]
    die("no herd7; run: tools/setup.sh litmus")


def find_cbmc():
    """The command that runs CBMC: the one in PATH, or that of setup.sh."""
    own = BUILD / "tools" / "cbmc"
    if shutil.which("cbmc"):
        return ["cbmc"]
    if (own / "usr/bin/cbmc").exists():
        return [own / "usr/lib64/ld-linux-x86-64.so.2", "--library-path",
                f"{own}/usr/lib/x86_64-linux-gnu:{own}/usr/lib",
                own / "usr/bin/cbmc"]
    die("no cbmc; run: tools/setup.sh model")
