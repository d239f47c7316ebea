# SPDX-License-Identifier: GPL-2.0
"""The ways through x86's entry code as it is in a kernel's memory."""

import fnmatch
import re
from collections import namedtuple

from host import lookup

AREA = "__entry_text_start", "__entry_text_end"
ENTRIES = ("asm_*", "entry_SYSCALL_64", "entry_SYSCALL_compat",
           "entry_SYSENTER_compat")
NO_ENTRY = "asm_load_gs_index"
# The rest of a system call follows the call of these; an exception returns by
# way of the first of the others, and the second is nothing but a return.
HANDLERS = "do_syscall_64", "do_SYSENTER_32", "do_fast_syscall_32"
RETURNS = "swapgs_restore_regs_and_return_to_usermode", "entry_SYSCALL32_ignore"
# C code that comes before the handler.
BEFORE = "sync_regs", "fixup_bad_iret", "handle_interrupted_saferet"
MITIGATIONS = ("entry_untrain_ret", "srso_alias_untrain_ret", "entry_ibpb",
               "clear_bhb_loop")

# An instruction that matters: what kind it is, and of what it is, or how it
# accesses memory.
Step = namedtuple("Step", "kind what insn")
# From a symbol, or an address, to a C function, or "return" for IRET and SYSRET.
Way = namedtuple("Way", "start steps end")


class LiveImage(lookup.module("x86_64", "zone").Image):
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
    return image.object(insn.target, percpu=True)[0] if (
        insn.target is not None) else "?"


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
        return "branch", insn.target
    if insn.op in ("ret", "retq"):
        return "ret", None
    if insn.op not in ("call", "jmp"):
        return "next", None
    if insn.target is None:
        return "indirect", None
    name = image.function(insn.target).name
    if name.endswith("return_thunk"):
        return "ret", None
    if "indirect" in name:
        return "indirect", None
    if name in MITIGATIONS:
        return "mitigation", name
    if image.inside(insn.target):
        return insn.op, insn.target
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
            if (insn.op == "call" and insn.target is not None and
                    self.image.inside(insn.address) and
                    self.image.function(insn.target).name in HANDLERS):
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
        return next(self.image.function(insn.target).name
                    for insn in self.image.insns() if insn.next == start)

    def _plain(self, insn):
        def name(found):
            value = int(found[0].lstrip("$"), 16) & (1 << 64) - 1
            return "%s+%#x" % self.image.object(value)

        if insn.op.startswith(("j", "call")):
            return insn.op
        text = insn.text.split("#")[0].strip()
        if insn.target is not None:
            where = self.image.object(insn.target, "%gs:" in text)
            text = re.sub(r"-?0x[\da-f]+\(%rip\)", "%s+%#x" % where, text)
        return re.sub(r"\$?0xffffffff[\da-f]{8}|-0x7[\da-f]{7}(?=\()", name,
                      text)
