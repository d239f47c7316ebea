# SPDX-License-Identifier: GPL-2.0
"""Seeded faults: kernels of a few lines, each with one fault in the danger
zone, which has to be found."""

import subprocess
import tempfile
from pathlib import Path

from common import ROOT, die

SOURCES = ROOT / "tools" / "dangerzone" / "selftest"
# Where text and per-CPU variables are linked to, and what else a fault is tried
# with.
LINKED = {
    "x86_64": (0xffffffff81000000, 0, [[], ["ASM_HOOK"]]),
    "arm64": (0xffff800080000000, 0xffff800081000000, [[], ["LSE"]]),
    "riscv": (0xffffffff80000000, 0xffffffff81000000, [[]]),
}
# Fault: the kind and the name of what is found, and the architectures that have
# it, if not all.
FAULTS = {
    "jump_label": ("jump-label", "running_key"),
    "static_call": ("static-call", "__SCK__func", "x86_64"),
    "ftrace": ("ftrace", "traced_noinstr"),
    "kprobe": ("kprobe", "probed"),
    "late_alternative": ("late-alternative", ".smp_locks", "x86_64"),
    "replacement": ("memory", "global"),
    "indirect": ("indirect", None),
    "thunk": ("indirect", None, "x86_64"),
    "call": ("call", "instrumentable"),
    "tail_call": ("call", "instrumentable"),
    "memory": ("memory", "global"),
    "store": ("memory", "global"),
    "pointer": ("memory", None),
    "spilled": ("memory", "global"),
    "branch": ("memory", "global"),
    "switch": ("memory", "global", "arm64"),
    "table": ("memory", "global", "riscv"),
    "code": ("code", None),
}
# What else is found then.
ALSO = {"__SCK__func": ["call"]}
# What looks like faults.
HARMLESS = {"x86_64": ["frozen_key", "infeasible"],
            "arm64": ["frozen_key", "replacement_end"]}
# Fault: what the failing check says.
MISSING = {"no_hook": "does not reach the entry hook",
           "no_exit": "no exit hook is reached"}


def build(arch, prefix, symbols, directory):
    """Assembles and links the kernel of an architecture; returns its path."""
    base, percpu, _ = LINKED[arch]
    kernel, file = directory / "vmlinux", directory / "vmlinux.o"
    for command in (
            [f"{prefix}as", *(f"--defsym={name}=1" for name in symbols),
             "-o", file, SOURCES / f"{arch}.S"],
            [f"{prefix}ld", f"--defsym=BASE={base:#x}",
             f"--defsym=PERCPU={percpu:#x}", "-T", SOURCES / "kernel.lds",
             "-o", kernel, file]):
        result = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        if result.returncode:
            die(f"{arch} {' '.join(symbols)}: {result.stdout.strip()}")
    return kernel


def wrong(report, expected):
    """What is wrong with a report that should have one fault, or none."""
    found = [(kind, what) for kind, what, _function in report.found]
    if expected is None:
        bad = [f"{name}: {trouble}" for name, trouble, _ in report.checks
               if trouble]
        return f"{bad[0]}: {found}" if bad else ""
    kind, what = expected
    if not report.failed():
        return "is not found"
    if not any(kind == k and what in (None, w) for k, w in found) or any(
            k not in (kind, *ALSO.get(what, ())) for k, _ in found):
        return f"is taken for {found}"
    return ""


def run(arch, prefix, report_of):
    """Tries all faults; returns (passed, failed)."""
    tests = []
    for variant in LINKED[arch][2]:
        tests.append((variant, None))
        tests += [([f"FAULT_{name}", *variant], None)
                  for name in HARMLESS.get(arch, ["frozen_key"])]
        for where in ([], ["EXIT"], ["WORK"]):
            for fault, (kind, what, *only) in FAULTS.items():
                # The rules allow it there.
                if fault == "late_alternative" and where == ["WORK"]:
                    continue
                if not only or arch in only:
                    tests.append(([f"FAULT_{fault}", *where, *variant],
                                  (kind, what)))
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for symbols, expected in tests:
            kernel = build(arch, prefix, symbols, scratch)
            trouble = wrong(report_of(kernel), expected)
            if trouble:
                print(f"FAIL {arch} {' '.join(symbols)}: {trouble}")
                failed += 1
        for fault, variant, says in (
                (fault, variant, says) for variant in LINKED[arch][2]
                for fault, says in MISSING.items()):
            symbols = [f"FAULT_{fault}", *variant]
            report = report_of(build(arch, prefix, symbols, scratch))
            tests.append(symbols)
            if says not in [trouble for _, trouble, _ in report.checks]:
                print(f"FAIL {arch} {' '.join(symbols)}: {report.checks}")
                failed += 1
    print(f"{'FAIL' if failed else 'ok  '} {arch}: {len(tests) - failed} of "
          f"{len(tests)} seeded faults are seen as they should be", flush=True)
    return len(tests) - failed, failed
