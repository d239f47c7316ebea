# SPDX-License-Identifier: GPL-2.0
"""What the mitigations of x86 CPUs' bugs need of the ways through the entry
code, and CPU models that have these bugs."""

import fnmatch
import re
from dataclasses import dataclass

from host import lookup

live_text = lookup.module("x86_64", "live_text")
HANDLERS, MITIGATIONS, Step = (live_text.HANDLERS, live_text.MITIGATIONS,
                               live_text.Step)
SYSCALLS = ("entry_SYS*", "asm_int80_emulation")
USER_PAGES = "cpu_tss_rw", "cpuword"


@dataclass
class Machine:
    """A CPU model, and the kernel's parameters."""
    cpu: str
    append: str = ""


# Some mitigations need features that TCG does not have. These are a matter of
# MSRs, which it ignores, so a model may claim them all the same; but not what
# else it has of features that TCG would have to carry out.
def claims(model, features, without):
    return ",".join([model, "x-force-features=on",
                     *(f"+{name}" for name in features.split()),
                     *(f"-{name}" for name in without.split())])


MACHINES = {
    "skylake": Machine("Skylake-Client-v1"),
    "skylake-nopti": Machine("Skylake-Client-v1", "pti=off"),
    "skylake-off": Machine("Skylake-Client-v1", "mitigations=off"),
    "skylake-nospectre-v1": Machine("Skylake-Client-v1", "nospectre_v1"),
    "skylake-ibrs": Machine(claims(
        "Skylake-Client-v1", "spec-ctrl md-clear",
        "pcid invpcid tsc-deadline hle rtm xsavec")),
    "icelake-bhi": Machine("Icelake-Server-v1", "spectre_v2=retpoline,lfence"),
    "zen1": Machine("EPYC-v1"),
    "zen1-ibpb": Machine(claims(
        "EPYC-v2", "ibpb",
        "fxsr-opt misalignsse osvw topoext nrip-save xsavec"), "retbleed=ibpb"),
    "zen3": Machine("EPYC-Milan-v1"),
    "zen3-pti": Machine("EPYC-Milan-v1", "pti=on"),
}


class Needs:
    """What the text has to have, by what the guest has said of its CPU and of
    the mitigations that it has chosen."""

    def __init__(self, lines, tracked):
        def words(name):
            return next((line.split(":", 1)[1].split() for line in lines
                         if line.startswith(f"@@ cpu {name}")), [])

        found = (re.match(r"@@ vulnerability (\w+): (.*)", line)
                 for line in lines)
        said = {match[1]: match[2] for match in found if match}
        flags, bugs = words("flags"), words("bugs")
        self.tracked = tracked
        self.pti = "pti" in flags
        barriers = "swapgs barriers and" in said["spectre_v1"] and (
            "fsgsbase" in flags or "smap" not in flags or
            "cpu_meltdown" in bugs)
        self.fence_kernel = barriers
        # A write of CR3 will do, if nothing uses GS before it.
        self.fence_user = barriers and "swapgs" in bugs and (
            not self.pti or tracked)
        self.verw = any("Clear CPU buffers" in text for text in said.values())
        self.ibrs = said["retbleed"] == "Mitigation: IBRS"
        self.bhb = "BHI: SW loop" in said["spectre_v2"]
        # Of the calls that untrain returns, these.
        self.untrain = set()
        if "untrained return thunk" in said["retbleed"]:
            self.untrain.add("entry_untrain_ret")
        if "Safe RET" in said["spec_rstack_overflow"]:
            self.untrain = {"entry_untrain_ret"
                            if int(words("cpu family")[0]) < 0x19 else
                            "srso_alias_untrain_ret"}
        if "IBPB" in said["retbleed"]:
            self.untrain = {"entry_ibpb"}

    def __str__(self):
        names = [name for name in ("tracked", "pti", "fence_user",
                                   "fence_kernel", "verw", "ibrs", "bhb")
                 if getattr(self, name)]
        return " ".join(names + sorted(self.untrain)) or "nothing"


def at(steps, *kinds):
    return [i for i, this in enumerate(steps) if this.kind in kinds]


def word(steps):
    return [i for i, this in enumerate(steps)
            if this.kind == "gs" and this.what == "cpuword"]


def by_paranoid_entry(way, image):
    return any(image.function(this.insn.address).name == "paranoid_entry"
               for this in way.steps)


def from_user(way):
    """Was user mode interrupted, or does this pretend that it was?"""
    return way.end in HANDLERS or any(
        this.kind == "c" and this.what != "handle_interrupted_saferet"
        for this in way.steps) or is_nmi(way)


def is_nmi(way):
    # From user mode it has nothing before SWAPGS that could return.
    return (way.start == "asm_exc_nmi" and way.end == "exc_nmi" and
            bool(at(way.steps, "swapgs")) and not at(way.steps, "ret"))


def check_entry(way, needs, image):
    """Yields (rule, what is wrong, or "") for each rule that applies."""
    steps, user = way.steps, from_user(way)
    paranoid = by_paranoid_entry(way, image)
    handler = len(steps)
    first_c = next(iter(at(steps, "c")), handler)
    words = word(steps)

    if needs.fence_user if not paranoid else needs.fence_kernel:
        # User mode may control which way a branch is predicted to go.
        for i in at(steps, "swapgs"):
            if at(steps[:i], "branch"):
                fence = next(iter(at(steps[i:], "lfence", "cr3")), handler)
                early = at(steps[i:][:fence], "gs")
                yield ("no GS between SWAPGS and LFENCE or CR3",
                       early and steps[i:][early[0]])
    if user and not needs.fence_user:
        fences = at(steps, "lfence")
        yield "no LFENCE that is not needed", fences and steps[fences[0]]
    if needs.fence_kernel and not user and not paranoid and at(steps, "ret"):
        yield ("LFENCE where SWAPGS is left out",
               not at(steps, "lfence") and steps[-1])

    if user:
        switches = at(steps, "cr3")
        yield ("CR3 is written" if needs.pti else "CR3 is not written",
               len(switches) != needs.pti and steps[first_c - 1])
        if switches and needs.pti:
            yield ("before CR3 nothing but the TSS and the word",
                   next((this for this in steps[:switches[0]]
                         if this.kind in ("memory", "c") or
                         this.kind == "gs" and this.what not in USER_PAGES),
                        ""))
        yield ("GS is the kernel's where it is used",
               next((steps[i] for i in at(steps, "gs")
                     if len(at(steps[:i], "swapgs")) % 2 == 0), ""))
    if user and needs.tracked and not is_nmi(way):
        switch = next(iter(at(steps, "cr3")), first_c)
        yield ("the word is looked at, before CR3",
               (not words or words[-1] > switch) and steps[first_c - 1])
    else:
        yield "the word is left alone", words and steps[words[0]]

    if user or paranoid:
        untrained = [i for i, this in enumerate(steps)
                     if this.kind == "call" and this.what in needs.untrain]
        if needs.untrain or needs.ibrs:
            # Where the kernel was interrupted IBRS may be on: LFENCE.
            on = at(steps, "wrmsr") or (
                at(steps, "lfence")[-1:] if paranoid else [])
            first = next(iter(untrained or on), first_c)
            early = at(steps[:first], "ret", "indirect", "c")
            yield ("no RET or indirect branch before returns are untrained",
                   early and steps[early[0]])
            yield ("the word is done before returns are untrained",
                   words and words[-1] > first and steps[words[-1]])
        if needs.untrain:
            yield "returns are untrained", not untrained and steps[-1]
        if needs.ibrs and user:
            yield "IBRS is set", not at(steps, "wrmsr") and steps[first_c - 1]
    if needs.bhb and user and any(fnmatch.fnmatch(way.start, name)
                                  for name in SYSCALLS):
        cleared = [i for i, this in enumerate(steps)
                   if this.what == "clear_bhb_loop"]
        late = cleared and at(steps[cleared[-1]:], "branch", "indirect", "gs")
        yield ("branch history is cleared last",
               (not cleared or late) and steps[-1])


def check_exit(way, needs, _image):
    """As check_entry()."""
    steps, words = way.steps, word(way.steps)
    last = steps[-1]
    verws, swaps, switches = (at(steps, kind)
                              for kind in ("verw", "swapgs", "cr3"))
    plain = way.start != "entry_SYSCALL32_ignore"

    yield ("VERW" if needs.verw else "no VERW",
           bool(verws) != needs.verw and last)
    if verws:
        yield ("no memory after VERW but the frame is read",
               next((this for this in steps[verws[-1] + 1:]
                     if this.kind in ("gs", "memory", "c", "call", "cr3") or
                     this.kind == "stack" and this.what == "store"), ""))
    yield ("GS is the kernel's where it is used",
           next((steps[i] for i in at(steps, "gs")
                 if len(at(steps[:i], "swapgs")) % 2), ""))
    if not plain:
        return
    # By way of the espfix stack there and back again.
    yield ("CR3 is written" if needs.pti else "CR3 is not written",
           len(switches) != (len(swaps) if needs.pti else 0) and last)
    if switches and needs.pti:
        yield ("after CR3 nothing but the word",
               next((this for this in
                     steps[switches[0] + 1:(switches[1:] or [None])[0]]
                     if this.kind in ("memory", "c", "call") or
                     this.kind == "gs" and this.what != "cpuword"), ""))
    if needs.tracked:
        low = switches[0] if switches else 0
        high = min(swaps[0], *verws) if verws else swaps[0]
        yield ("the word changes between CR3 and SWAPGS",
               (not words or words[0] < low or words[-1] > high) and last)
    else:
        yield "the word is left alone", words and steps[words[0]]
    if needs.ibrs:
        cleared = at(steps, "wrmsr")
        late = cleared and at(steps[cleared[0]:], "ret", "indirect", "c")
        yield ("IBRS is cleared, and then no RET or indirect branch",
               (not cleared or late) and last)


# --- Faults, to see that they are found ---

def without(*kinds):
    def change(steps):
        return [this for this in steps if not (
            this.kind in kinds or this.kind == "call" and this.what in kinds)]
    return change


def word_after(kind, last=True):
    """What touches the word comes after the last, or first, of this kind."""
    def change(steps):
        words, found = word(steps), at(steps, kind)
        if not words or not found or words[-1] > found[-1]:
            return steps
        where = found[-1 if last else 0] + 1
        moved = [steps[i] for i in words]
        return [this for this in steps[:where] if this not in moved] + (
            moved + list(steps[where:]))
    return change


def word_before(kind):
    def change(steps):
        words, found = word(steps), at(steps, kind)
        if not words or not found or words[0] < found[0]:
            return steps
        moved = [steps[i] for i in words]
        return list(steps[:found[0]]) + moved + [
            this for this in steps[found[0]:] if this not in moved]
    return change


def early(kind, what=""):
    """Something of this kind comes first."""
    return lambda steps: [Step(kind, what, steps[0].insn), *steps]


def late(kind, what):
    return lambda steps: [*steps[:-1], Step(kind, what, steps[-1].insn),
                          steps[-1]]


# (check, what is wrong, how; the rule that finds it).
FAULTS = [
    (check_entry, "no LFENCE", without("lfence"),
     "no GS between SWAPGS and LFENCE or CR3"),
    (check_entry, "no LFENCE", without("lfence"),
     "LFENCE where SWAPGS is left out"),
    (check_entry, "an LFENCE", early("lfence"),
     "no LFENCE that is not needed"),
    (check_entry, "CR3 is not written", without("cr3"), "CR3 is written"),
    (check_entry, "CR3 is written", early("cr3"), "CR3 is not written"),
    (check_entry, "memory is accessed at once", early("memory"),
     "before CR3 nothing but the TSS and the word"),
    (check_entry, "GS is used at once", early("gs"),
     "GS is the kernel's where it is used"),
    (check_entry, "the word changes after CR3", word_after("cr3"),
     "the word is looked at, before CR3"),
    (check_entry, "the word is used", late("gs", "cpuword"),
     "the word is left alone"),
    (check_entry, "RET at once", early("ret"),
     "no RET or indirect branch before returns are untrained"),
    (check_entry, "the word changes late", word_after("call"),
     "the word is done before returns are untrained"),
    (check_entry, "nothing is untrained", without(*MITIGATIONS),
     "returns are untrained"),
    (check_entry, "IBRS stays off", without("wrmsr"), "IBRS is set"),
    (check_entry, "branch history stays", without("clear_bhb_loop"),
     "branch history is cleared last"),
    (check_exit, "no VERW", without("verw"), "VERW"),
    (check_exit, "VERW", early("verw"), "no VERW"),
    (check_exit, "the word changes after VERW", word_after("verw"),
     "no memory after VERW but the frame is read"),
    (check_exit, "the word changes after SWAPGS", word_after("swapgs", False),
     "GS is the kernel's where it is used"),
    (check_exit, "CR3 is not written", without("cr3"), "CR3 is written"),
    (check_exit, "CR3 is written", early("cr3"), "CR3 is not written"),
    (check_exit, "the TSS is used after CR3", late("gs", "cpu_tss_rw"),
     "after CR3 nothing but the word"),
    (check_exit, "the word changes before CR3", word_before("cr3"),
     "the word changes between CR3 and SWAPGS"),
    (check_exit, "the word is used", early("gs", "cpuword"),
     "the word is left alone"),
    (check_exit, "IBRS stays on", without("wrmsr"),
     "IBRS is cleared, and then no RET or indirect branch"),
    (check_exit, "RET at last", late("ret", ""),
     "IBRS is cleared, and then no RET or indirect branch"),
]
