# SPDX-License-Identifier: GPL-2.0
"""Seeded faults: kernels of a few lines, each with one fault in the danger
zone, which has to be found."""

import subprocess
import tempfile
from pathlib import Path

from host.common import ROOT, die

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
    "table_alternative": ("memory", "global", "riscv"),
    "code": ("code", None),
    # There are rules for these, which do not hold.
    "freed": ("memory", "system_state"),
    "prints": ("call", "__warn_printk"),
    "return_thunk": ("kprobe", "retbleed_return_thunk", "x86_64"),
    "other_pointer": ("indirect", None, "arm64"),
}
# Faults that let the kernel go on as if the hook had been passed, and others that
# are in one place only: all that is found.
MISSED = {("call", "instrumentable"), ("memory", "global")}
ELSEWHERE = {
    "mode": MISSED,
    "unread": MISSED,
    "cold": {("memory", "global")},
}
# What else is found then.
ALSO = {"__SCK__func": ["call"]}
# What looks like faults.
HARMLESS = {
    None: ["frozen_key", "image", "dies", "warns", "recursion"],
    "x86_64": ["infeasible", "profiled"],
    "arm64": ["replacement_end", "pointer_of_rule", "bad_mode"],
    "riscv": [],
}
# Fault: what the failing check says.
MISSING = {"no_hook": "does not reach the entry hook",
           "no_exit": "no exit hook is reached",
           "returns": "__stack_chk_fail may return",
           "patcher": "called by instrumentable",
           "compat": "does not reach the entry hook"}
# What only one architecture has of these.
ONLY = {"compat": "arm64"}


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
    """What is wrong with a report that should have one fault, or these, or
    none, or what a failing check should say."""
    found = [(kind, what) for kind, what, _function in report.found]
    if isinstance(expected, str):
        return "" if expected in [trouble for _, trouble, _ in
                                  report.checks] else str(report.checks)
    if expected is None:
        bad = [f"{name}: {trouble}" for name, trouble, _ in report.checks
               if trouble]
        return f"{bad[0]}: {found}" if bad else ""
    if isinstance(expected, set):
        return "" if report.failed() and expected == set(found) else (
            f"is taken for {found}")
    kind, what = expected
    if not report.failed():
        return "is not found"
    if not any(kind == k and what in (None, w) for k, w in found) or any(
            k not in (kind, *ALSO.get(what, ())) for k, _ in found):
        return f"is taken for {found}"
    return ""


def tests_of(arch, variant):
    """(what is defined, what should be found) of each test."""
    yield variant, None
    for fault in HARMLESS[None] + HARMLESS[arch]:
        yield [f"FAULT_{fault}", *variant], None
    places = [[], ["EXIT"], ["WORK"]] + ([["EL1"]] if arch == "arm64" else [])
    for where in places:
        for fault, (kind, what, *only) in FAULTS.items():
            # The rules allow it there.
            if fault == "late_alternative" and where == ["WORK"]:
                continue
            if not only or arch in only:
                yield [f"FAULT_{fault}", *where, *variant], (kind, what)
    for fault, found in ELSEWHERE.items():
        # They are in the hook that is in C.
        if "ASM_HOOK" not in variant:
            yield [f"FAULT_{fault}", *variant], found
    for fault, says in MISSING.items():
        if ONLY.get(fault, arch) == arch:
            yield [f"FAULT_{fault}", *variant], says


def run(arch, prefix, report_of):
    """Tries all faults; returns (passed, failed)."""
    total = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for variant in LINKED[arch][2]:
            for symbols, expected in tests_of(arch, variant):
                kernel = build(arch, prefix, symbols, Path(scratch))
                trouble = wrong(report_of(kernel), expected)
                total += 1
                if trouble:
                    print(f"FAIL {arch} {' '.join(symbols)}: {trouble}")
                    failed += 1
    print(f"{'FAIL' if failed else 'ok  '} {arch}: {total - failed} of {total} "
          f"seeded faults are seen as they should be", flush=True)
    return total - failed, failed
