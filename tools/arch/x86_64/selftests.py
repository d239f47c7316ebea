# SPDX-License-Identifier: GPL-2.0
"""The kernel's selftests that x86_64 runs, and how."""

import re
import subprocess
from pathlib import Path

from host.common import die
from host.selftests_variant import Variant

# Through the vdso 32-bit programs enter by SYSCALL on AMD's CPUs, by SYSENTER on
# Intel's.
VARIANTS = {
    "amd": Variant("max", "pti=off"),
    "amd-pti": Variant("max", "pti=on"),
    "amd-pti-4level": Variant("max", "pti=on no5lvl"),
    "intel": Variant("max,vendor=GenuineIntel", "pti=off"),
    "intel-pti": Variant("max,vendor=GenuineIntel", "pti=on"),
    # Some tests go to CPU 0 by themselves: here that is tracked as well.
    "track": Variant("max", "pti=off cpuword.track=all"),
    # No CPU is tracked; and membarrier's tests want all of its commands, of
    # which nohz_full= takes one away.
    "untracked": Variant("max", "pti=off", isolated=False),
}
TARGETS = "x86 membarrier rseq"
# What some of the programs end in: both kinds have to be built.
ENDS = ("_32", "_64")


def cpus(name):
    """How many CPUs a test runs on: a tracer and its tracee are quicker on one."""
    return 1 if name.startswith("x86/") else 3


def libraries():
    """The C library that they are linked with: {name in the guest: path}."""
    files = {}
    for bits, loader in (("64", "lib64/ld-linux-x86-64.so.2"),
                         ("32", "lib/ld-linux.so.2")):
        for name in (loader, f"lib{bits}/libc.so.6", f"lib{bits}/libm.so.6",
                     f"lib{bits}/libgcc_s.so.1"):
            path = Path(subprocess.run(
                ["gcc", f"-m{bits}", f"-print-file-name={Path(name).name}"],
                capture_output=True, text=True, check=True).stdout.strip())
            if not path.is_absolute():
                die(f"gcc does not find the {bits}-bit {Path(name).name}")
            files[name] = path
    return files


def excused(output):
    """True if a failure is QEMU's: RF in the flags that an INT3 saved is all that is wrong. QEMU (as
    of 10.0) sets it in what an interrupt saves; so it is set after the return,
    and INT3 saves it, if the interrupt came between the return and the INT3."""
    failures = [line for line in output if line.startswith("[FAIL]")]
    return bool(failures) and all(
        match and int(match[1], 16) | 1 << 16 == int(match[2], 16)
        for match in (re.search(r"Reg \d+ mismatch: requested (0x\w+); got "
                                r"(0x\w+)$", line) for line in failures))
