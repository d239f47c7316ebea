# SPDX-License-Identifier: GPL-2.0
"""What an architecture still lacks: what has to be there, and what may be, with
what is skipped without it. docs/kernel/porting.rst says how to write each."""

import argparse

from host import arch, common, overlay
from host.common import ROOT, die

# Facts and files of tools/arch/<name>, and what is skipped without them.
OPTIONAL = [
    ("machine", "everything that boots in QEMU: all except KUnit"),
    ("noise", "make demo, and the sources part of make bench"),
    ("stacks", "names of senders whose stacks are the architecture's"),
    ("bench", "make bench"),
    ("qemu.h", "the broadcast part of make bench"),
    ("zone.py", "make dangerzone"),
    ("selftest.S", "the self-test of make dangerzone"),
    ("common/rules", "exceptions of make dangerzone"),
    ("litmus.py", "make litmus of what the compiler makes of the code"),
    ("guest.h", "make demo, bench, torture, selftests, and params"),
    ("kunit/Makefile", "KUnit suites of its own"),
    ("kunit/kunit_arch.h", "the KUnit case of a stale instruction"),
    ("kunit/user_arch.h", "KUnit cases for its own ways into the kernel"),
    ("parameters", "boot parameters of its own, in the checks of params"),
    ("common/mutants", "mutants of its hooks"),
]


def needed(name, kernel):
    """What has to be there: (what, is it)."""
    folder = arch.FOLDERS / name
    facts = arch.ARCHES.get(name)
    for file in ("arch.toml", "packages", "kunit/config"):
        yield f"tools/arch/{name}/{file}", (folder / file).is_file()
    if facts and not facts.machine:
        return      # it has no hooks
    srcarch = facts.srcarch if facts else name
    header = f"arch/{srcarch}/include/asm/cpuword.h"
    yield header, (ROOT / header).is_file()
    select = f"arch/{srcarch}/Kconfig"
    yield (f"a patch of {select}, for select HAVE_CPUWORD",
           select in overlay.touched(overlay.series(kernel)))


def optional(name):
    """What may be there: (what, is it, what is skipped without it)."""
    folder = arch.FOLDERS / name
    facts = arch.ARCHES.get(name)
    for what, skipped in OPTIONAL:
        there = (facts.has(what) if facts else
                 "." in what and (folder / what).exists())
        yield what, there, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", required=True)
    parser.add_argument("--kernel", default=common.KERNELS[0])
    args = parser.parse_args()
    common.check_kernel(args.kernel)
    if not args.arch.replace("_", "").isalnum():
        die(f"ARCH={args.arch} is no name of an architecture; there are: "
            + " ".join(arch.ARCHES))
    missing = 0
    print("needed:")
    for what, there in needed(args.arch, args.kernel):
        missing += not there
        print(f"  {'there  ' if there else 'MISSING'}  {what}")
    print("optional:")
    for what, there, skipped in optional(args.arch):
        print(f"  {'there  ' if there else 'absent '}  {what:20}"
              f"{'' if there else f'  skipped: {skipped}'}".rstrip())
    print(f"\n{missing} missing")
    return 1 if missing else 0
