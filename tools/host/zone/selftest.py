# SPDX-License-Identifier: GPL-2.0
"""Seeded faults: kernels of a few lines, each with one fault in the danger
zone, which has to be found."""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from host import lookup
from host.arch import FOLDERS, MACHINES
from host.common import ROOT, die

SCRIPT = ROOT / "tools" / "zone" / "selftest.lds"


@dataclass
class Facts:
    """What an architecture has, beside its selftest.S: SELFTEST of its zone.py.
    The faults and the like are those that not all have."""
    # Where text and per-CPU variables are linked to.
    base: int
    percpu: int
    # What else a fault is tried with.
    variants: list = field(default_factory=lambda: [[]])
    # Where else it may be.
    places: list = field(default_factory=list)
    faults: dict = field(default_factory=dict)
    # (fault, place) that is none.
    allowed: set = field(default_factory=set)
    harmless: list = field(default_factory=list)
    missing: dict = field(default_factory=dict)


# Fault: the kind and the name of what is found.
FAULTS = {
    "jump_label": ("jump-label", "running_key"),
    "ftrace": ("ftrace", "traced_noinstr"),
    "kprobe": ("kprobe", "probed"),
    "replacement": ("memory", "global"),
    "indirect": ("indirect", None),
    "call": ("call", "instrumentable"),
    "tail_call": ("call", "instrumentable"),
    "memory": ("memory", "global"),
    "store": ("memory", "global"),
    "pointer": ("memory", None),
    "spilled": ("memory", "global"),
    "branch": ("memory", "global"),
    "code": ("code", None),
    # There are rules for these, which do not hold.
    "freed": ("memory", "system_state"),
    "prints": ("call", "__warn_printk"),
}
# Faults that let the kernel go on as if the hook had been passed, and others
# that are in one place only: all that is found.
MISSED = {("call", "instrumentable"), ("memory", "global")}
ELSEWHERE = {
    "mode": MISSED,
    "unread": MISSED,
    "cold": {("memory", "global")},
}
# What else is found then.
ALSO = {"__SCK__func": ["call"]}
# What looks like faults.
HARMLESS = ["frozen_key", "image", "dies", "warns", "recursion"]
# Fault: what the failing check says.
MISSING = {"no_hook": "does not reach the entry hook",
           "no_exit": "no exit hook is reached",
           "returns": "__stack_chk_fail may return",
           "patcher": "called by instrumentable"}


def build(arch, facts, symbols, directory):
    """Assembles and links the kernel of an architecture; returns its path."""
    prefix = MACHINES[arch].cross
    kernel, file = directory / "vmlinux", directory / "vmlinux.o"
    for command in (
            [f"{prefix}as", *(f"--defsym={name}=1" for name in symbols),
             "-I", SCRIPT.parent, "-o", file, FOLDERS / arch / "selftest.S"],
            [f"{prefix}ld", f"--defsym=BASE={facts.base:#x}",
             f"--defsym=PERCPU={facts.percpu:#x}", "-T", SCRIPT, "-o", kernel,
             file]):
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


def tests_of(facts, variant):
    """(what is defined, what should be found) of each test."""
    yield variant, None
    for fault in HARMLESS + facts.harmless:
        yield [f"FAULT_{fault}", *variant], None
    for where in [[], ["EXIT"], ["WORK"], *facts.places]:
        for fault, found in (FAULTS | facts.faults).items():
            if (fault, *where) not in facts.allowed:
                yield [f"FAULT_{fault}", *where, *variant], found
    for fault, found in ELSEWHERE.items():
        # They are in the hook that is in C.
        if "ASM_HOOK" not in variant:
            yield [f"FAULT_{fault}", *variant], found
    for fault, says in (MISSING | facts.missing).items():
        yield [f"FAULT_{fault}", *variant], says


def run(arch, report_of, tests):
    """Tries all faults, each of which is a test in this group."""
    facts = lookup.module(arch, "zone").SELFTEST
    with (tempfile.TemporaryDirectory() as scratch,
          tests.group(arch) as group):
        for variant in facts.variants:
            for symbols, expected in tests_of(facts, variant):
                kernel = build(arch, facts, symbols, Path(scratch))
                group.test(" ".join(symbols).lower() or "no fault",
                           wrong(report_of(kernel), expected))
