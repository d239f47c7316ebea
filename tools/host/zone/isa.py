# SPDX-License-Identifier: GPL-2.0
"""What instructions do to addresses, as far as it takes to say what memory
entry code touches and where it goes.

A value is what a register may hold:

  ("c", n)           the number n, perhaps an address
  ("a", n)           an address in the object at address n
  ("s", base, off)   an address on a stack; off is None if not known
  ("p", n, exact)    a per-CPU address, of the per-CPU symbol at n
  ("m", name, off)   a pointer that was read from name, plus off
  ("t", n, size)     what was read from the constant table at address n
  ("j", base, table, size, shift)  base + (element of table << shift)
  ("o", values)      one of these, of which at least one is a "t"
  ("ret",)           where the function returns to
  ("status",)        riscv: the status register as it was saved
  ("mode",)          what says whether user mode was interrupted: flags, or that
                     bit of the status register
  ("u",)             anything else
"""

import re

UNKNOWN = ("u",)
RETURN = ("ret",)
STATUS = ("status",)
# What was interrupted, in the pseudo-register "mode". "flags" may have it, too.
FLAGS, USER_MODE, KERNEL_MODE = ("mode",), ("c", 3), ("c", 0)
MASK = (1 << 64) - 1


def signed(n, bits=64):
    n &= (1 << bits) - 1
    return n - (1 << bits) if n >> (bits - 1) else n


def is_address(n):
    """Is this a kernel address, and no small negative number?"""
    return n >> 47 == (1 << 17) - 1 and n < (1 << 64) - (1 << 20)


def add(a, b):
    if a[0] == "c" and b[0] == "c":
        return ("c", (a[1] + b[1]) & MASK)
    if b[0] in "sp" and a[0] != "s" or (a[0] == "c" and not is_address(a[1])):
        a, b = b, a
    step = signed(b[1]) if b[0] == "c" else None
    if a[0] == "s":
        known = step is not None and a[2] is not None
        return ("s", a[1], a[2] + step if known else None)
    if a[0] == "p":
        if b[0] in "ca":
            return ("p", (a[1] + b[1]) & MASK, a[2] and b[0] == "c")
        # A pointer to per-CPU memory that was allocated: not the first chunk.
        return ("p", a[1], False) if a[1] else UNKNOWN
    if a[0] == "m":
        known = step is not None and a[2] is not None
        return ("m", a[1], a[2] + step if known else None)
    for base, other in ((a, b), (b, a)):
        if base[0] == "a" or (base[0] == "c" and is_address(base[1])):
            if other[0] == "c":
                return ("a", (base[1] + other[1]) & MASK)
            return ("a", base[1])
    return UNKNOWN


def negate(a):
    return ("c", -a[1] & MASK) if a[0] == "c" else UNKNOWN


def merge(a, b):
    """What may be either."""
    if a == b:
        return a
    if a[0] == b[0] == "s":
        return ("s", a[1] if a[1] == b[1] else "joined", None)
    if a[0] == b[0] == "p" and a[1] == b[1]:
        return ("p", a[1], False)
    if a[0] == b[0] == "m" and a[1] == b[1]:
        return ("m", a[1], None)
    if "t" in a[0] + b[0] or "o" in a[0] + b[0]:
        values = {v for x in (a, b) for v in (x[1] if x[0] == "o" else (x,))}
        if len(values) <= 4 and all(v[0] in "ct" for v in values):
            return ("o", tuple(sorted(values)))
    # A null pointer is not followed.
    for one, other in ((a, b), (b, a)):
        if one == ("c", 0) and other[0] in "asm":
            return other
        if one[0] == "a" and other == ("c", one[1]):
            return one
    return UNKNOWN


class State:
    """Registers, and what is on the stack where that is known."""
    __slots__ = ("regs", "slots")

    def __init__(self, regs=None, slots=None):
        self.regs = regs if regs is not None else {}
        self.slots = slots if slots is not None else {}

    def copy(self):
        return State(dict(self.regs), dict(self.slots))

    def get(self, reg):
        return self.regs.get(reg, UNKNOWN)

    def set(self, reg, value):
        if value == UNKNOWN:
            self.regs.pop(reg, None)
        else:
            self.regs[reg] = value

    def merge(self, other):
        """Makes this what either may be; was it less before?"""
        changed = False
        for mine, others in ((self.regs, other.regs),
                             (self.slots, other.slots)):
            for name in list(mine):
                value = merge(mine[name], others.get(name, UNKNOWN))
                if value != mine[name]:
                    changed = True
                    if value == UNKNOWN:
                        del mine[name]
                    else:
                        mine[name] = value
        return changed

    def key(self):
        return (tuple(sorted(self.regs.items())),
                tuple(sorted(self.slots.items(), key=repr)))


class Isa:
    """What the architectures have in common. Each has its own in
    tools/arch/<arch>/zone.py, with these and with

    entry_state()         the State in which the hardware enters the kernel
    step(state, insn)     carries out an instruction; returns where it goes, and
                          the memory that it accesses as (how, address, operand)
    called(state, following), pushed_jump(state, following)
                          a call, of a function or to push an address
    """
    # Registers: those of a function's arguments, those that it saves, and the
    # one of its result.
    arguments: list
    saved: list
    result: str
    # Where the return address is, if not on the stack.
    link: tuple = ()
    # What a call leaves as it is, whoever is called.
    sp = "sp"
    kept: tuple = ("sp", "mode")
    # Instructions: branches that name their target; branches that are always
    # taken; the RMW of an entry hook.
    direct: re.Pattern
    unconditional: re.Pattern
    transition: re.Pattern

    def __init__(self, image):
        self.image = image
        # A load from here gives the CPU's per-CPU offset.
        self.offsets = {image.address(name) for name in
                        ("__per_cpu_offset",)} - {None}

    def load(self, state, where, size):
        kind = where[0]
        if size != 8 and kind not in "ca":
            return UNKNOWN
        if kind == "s":
            # What an earlier entry has left there, or the caller.
            return state.slots.get(where[1:], ("m", "stack", 0))
        if kind in "ca":
            name, _ = self.image.object(where[1])
            if self.image.address(name) in self.offsets:
                return ("p", 0, True)
            if self.image.constant(where[1]):
                if kind == "a":
                    return ("t", where[1], size)
                value = self.image.read(where[1], size)
                return UNKNOWN if value is None else ("c", value)
            return ("m", self.name(where), 0) if size == 8 else UNKNOWN
        if kind in "pm":
            return ("m", self.name(where), 0)
        return UNKNOWN

    def store(self, state, where, value, size):
        if where[0] != "s":
            return
        if where[2] is None:
            for slot in [s for s in state.slots if s[0] == where[1]]:
                del state.slots[slot]
        elif value == UNKNOWN or size != 8:
            state.slots.pop(where[1:], None)
        else:
            state.slots[where[1:]] = value

    def name(self, where):
        """What is at an address, for people and for the rules."""
        kind = where[0]
        if kind == "s":
            return "stack"
        if kind in "ca":
            name, offset = self.image.object(where[1])
            return f"{name}+{offset:#x}" if offset else name
        if kind == "p":
            if not where[1]:
                return "per-CPU"
            name, offset = self.image.object(where[1], percpu=True)
            return f"{name}+{offset:#x}" if offset else name
        if kind == "m":
            offset = "?" if where[2] is None else f"{where[2]:#x}"
            return f"{where[1]}->{offset}"
        return "?"

    def table_length(self, insn):
        """How many entries the jump table of a switch has; None if that is not
        known."""
        return None

    def tail_returned(self, state):
        """What was jumped to has returned, to our caller."""

    def become_stack(self, value, insn):
        """What is put into the stack pointer is a stack from here on."""
        if value[0] == "s":
            return value
        return ("s", f"{insn.address:#x}", 0)
