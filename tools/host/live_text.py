# SPDX-License-Identifier: GPL-2.0
"""The ways through x86's entry code as it is in a kernel's memory, and what the
mitigations of the CPU's bugs need of them."""

import fnmatch
import re
from collections import namedtuple

from host.zone.image import Image

AREA = "__entry_text_start", "__entry_text_end"
ENTRIES = ("asm_*", "entry_SYSCALL_64", "entry_SYSCALL_compat",
           "entry_SYSENTER_compat")
NO_ENTRY = "asm_load_gs_index"
SYSCALLS = ("entry_SYS*", "asm_int80_emulation")
# The rest of a system call follows the call of these; an exception returns by
# way of the first of the others, and the second is nothing but a return.
HANDLERS = "do_syscall_64", "do_SYSENTER_32", "do_fast_syscall_32"
RETURNS = "swapgs_restore_regs_and_return_to_usermode", "entry_SYSCALL32_ignore"
# C code that comes before the handler.
BEFORE = "sync_regs", "fixup_bad_iret", "handle_interrupted_saferet"
MITIGATIONS = ("entry_untrain_ret", "srso_alias_untrain_ret", "entry_ibpb",
               "clear_bhb_loop")
USER_PAGES = "cpu_tss_rw", "cpuword"

# An instruction that matters: what kind it is, and of what it is, or how it
# accesses memory.
Step = namedtuple("Step", "kind what insn")
# From a symbol, or an address, to a C function, or "return" for IRET and SYSRET.
Way = namedtuple("Way", "start steps end")


class LiveImage(Image):
    """A vmlinux with the entry text of a guest that runs it."""

    def area(self):
        start, end = (self.address(name) for name in AREA)
        return start, end - start

    def put(self, text):
        start, _ = self.area()
        section = self.section_at(start)
        with open(self.path, "r+b") as file:
            file.seek(section.offset + start - section.address)
            file.write(text)
        self._insns.clear()
        self.load(*AREA)

    def inside(self, address):
        return self.within(address, *AREA)

    def place(self, address):
        function = self.function(address)
        return f"{function.name}+{address - function.address:#x}"


def per_cpu(image, insn):
    """The variable that an operand with %gs is of."""
    return image.object(insn.comment, percpu=True)[0] if (
        insn.comment is not None) else "?"


def step(image, insn):
    """What an instruction does that matters here; None if nothing does."""
    op, args = insn.op, insn.args
    if re.match(r"(nop|lea|endbr|cs nop)", op) or (
            op.startswith("xchg") and args == ["%ax", "%ax"]):
        return None
    if op in ("swapgs", "lfence", "verw", "wrmsr", "iretq", "sysretq",
              "sysretl"):
        return Step(op, "", insn)
    if op.startswith("mov") and args[-1:] == ["%cr3"]:
        return Step("cr3", "", insn)
    if op.startswith("j") and not op.startswith("jmp"):
        return Step("branch", "", insn)
    if "%gs:" in insn.text:
        return Step("gs", per_cpu(image, insn), insn)
    memory = [arg for arg in args if "(" in arg]
    if memory:
        stores = args[-1] == memory[-1] and not re.match(
            r"(test|cmp|bt[lq]?$|push|verw)", op)
        stack = "%rsp" in memory[0]
        return Step("stack" if stack else "memory",
                    "store" if stores else "load", insn)
    if op.startswith(("push", "call")):
        return Step("stack", "store", insn)
    return None


def leads(image, insn, this):
    """Where an instruction leads: (how, address or name)."""
    if this and this.kind in ("iretq", "sysretq", "sysretl"):
        return "end", "return"
    if this and this.kind == "branch":
        return "branch", insn.comment
    if insn.op in ("ret", "retq"):
        return "ret", None
    if insn.op not in ("call", "jmp"):
        return "next", None
    if insn.comment is None:
        return "indirect", None
    name = image.function(insn.comment).name
    if name.endswith("return_thunk"):
        return "ret", None
    if "indirect" in name:
        return "indirect", None
    if name in MITIGATIONS:
        return "mitigation", name
    if image.inside(insn.comment):
        return insn.op, insn.comment
    return ("c", name) if name in BEFORE else ("end", name)


def ways(image, start):
    """Every way from here to a C handler or out of the kernel."""
    address = image.address(start) if isinstance(start, str) else start
    found, work = [], [(address, (), (), frozenset())]
    while work:
        # Where it is, where it returns to, what it has done and where it was.
        address, back, steps, seen = work.pop()
        insn = image.insn(address)
        if (address, back) in seen or insn.op in ("ud2", "int3"):
            continue
        seen |= {(address, back)}
        this = step(image, insn)
        steps += (this,) if this else ()
        how, where = leads(image, insn, this)
        if how == "end":
            found.append(Way(start, steps, where))
            continue
        if how == "branch":
            work.append((where, back, steps, seen))
        elif how == "mitigation":
            steps += (Step("call", where, insn),)
        elif how != "next" and how not in ("call", "jmp"):
            steps += (Step(how, where, insn),)
        address = insn.next
        if how == "call":
            address, back = where, (*back, address)
        elif how == "jmp":
            address = where
        elif how == "ret" or insn.op == "jmp":
            if not back:
                continue
            *back, address = back
        work.append((address, tuple(back), steps, seen))
    return found


class Text:
    """All ways of one kernel."""

    def __init__(self, image):
        self.image = image
        names = sorted(name for name in image.symbols
                       if image.inside(image.address(name)) and
                       name != NO_ENTRY and
                       any(fnmatch.fnmatch(name, entry) for entry in ENTRIES)
                       and image.is_function(image.address(name)) and
                       not re.search(r"_(safe_stack|after_hwframe)$", name))
        self.entries = [way for name in names for way in ways(image, name)]
        self.exits = [way for start in (*RETURNS, *self._after_handlers())
                      for way in ways(image, start)]

    def _after_handlers(self):
        """Where the system calls' handlers return to."""
        for insn in self.image.insns():
            if (insn.op == "call" and insn.comment is not None and
                    self.image.inside(insn.address) and
                    self.image.function(insn.comment).name in HANDLERS):
                yield insn.next

    def plain(self):
        """What is executed, as text that does not depend on where it is."""
        return {(self._name(way.start), way.end,
                 tuple(self._plain(this.insn) for this in way.steps))
                for way in (*self.entries, *self.exits)}

    def _name(self, start):
        if isinstance(start, str):
            return start
        # A place that a handler returns to: the handler says which.
        return next(self.image.function(insn.comment).name
                    for insn in self.image.insns() if insn.next == start)

    def _plain(self, insn):
        def name(found):
            value = int(found[0].lstrip("$"), 16) & (1 << 64) - 1
            return "%s+%#x" % self.image.object(value)

        if insn.op.startswith(("j", "call")):
            return insn.op
        text = insn.text.split("#")[0].strip()
        if insn.comment is not None:
            where = self.image.object(insn.comment, "%gs:" in text)
            text = re.sub(r"-?0x[\da-f]+\(%rip\)", "%s+%#x" % where, text)
        return re.sub(r"\$?0xffffffff[\da-f]{8}|-0x7[\da-f]{7}(?=\()", name,
                      text)


# --- What a CPU needs ---

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
