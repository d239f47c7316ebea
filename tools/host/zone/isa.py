# SPDX-License-Identifier: GPL-2.0
"""What instructions of x86-64, arm64 and riscv do to addresses, as far as it
takes to say what memory entry code touches and where it goes.

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
    """What the three have in common."""
    sp = "sp"

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

    def tail_returned(self, state):
        """What was jumped to has returned, to our caller."""

    def become_stack(self, value, insn):
        """What is put into the stack pointer is a stack from here on."""
        if value[0] == "s":
            return value
        return ("s", f"{insn.address:#x}", 0)


class X86(Isa):
    sp = "rsp"
    arguments = ["rdi", "rsi", "rdx", "rcx", "r8", "r9"]
    saved = ["rbx", "rbp", "r12", "r13", "r14", "r15"]
    result = "rax"
    gs_base = "this_cpu_off"

    names = {}
    for _r in ("ax", "bx", "cx", "dx"):
        names.update({f"r{_r}": ("r" + _r, 8), f"e{_r}": ("r" + _r, 4),
                      _r: ("r" + _r, 2), f"{_r[0]}l": ("r" + _r, 1),
                      f"{_r[0]}h": ("r" + _r, 1)})
    for _r in ("si", "di", "bp", "sp"):
        names.update({f"r{_r}": ("r" + _r, 8), f"e{_r}": ("r" + _r, 4),
                      _r: ("r" + _r, 2), f"{_r}l": ("r" + _r, 1)})
    for _r in range(8, 16):
        names.update({f"r{_r}": (f"r{_r}", 8), f"r{_r}d": (f"r{_r}", 4),
                      f"r{_r}w": (f"r{_r}", 2), f"r{_r}b": (f"r{_r}", 1)})
    memory = re.compile(r"(?:%(\w\w):)?(-?0x[\da-f]+|-?\d+)?"
                        r"(?:\(%?(\w+)?(?:,%(\w+),(\d))?\))?$")
    clobbers = {
        "cpuid": ("rax", "rbx", "rcx", "rdx"), "rdmsr": ("rax", "rdx"),
        "rdtsc": ("rax", "rdx"), "rdtscp": ("rax", "rdx", "rcx"),
        "xgetbv": ("rax", "rdx"), "cltq": ("rax",), "cwtl": ("rax",),
        "cqto": ("rdx",), "cltd": ("rdx",), "lodsq": ("rax", "rsi"),
        "lods": ("rax", "rsi"), "stos": ("rdi", "rcx"),
        "movsq": ("rdi", "rsi", "rcx"), "movs": ("rdi", "rsi", "rcx"),
        "movsb": ("rdi", "rsi", "rcx"), "movsl": ("rdi", "rsi", "rcx"),
        "scas": ("rdi", "rcx"), "cmps": ("rdi", "rsi", "rcx"),
        "rdpmc": ("rax", "rdx"), "vmcall": ("rax",), "vmmcall": ("rax",),
        "lahf": ("rax",),
    }
    no_dest = re.compile(r"(cmp|test|bt|push|verw|verr|ltr|lldt|lgdt|lidt|"
                         r"invpcid|invlpg|fx?rstor|prefetch|clflush|j|ucomi|"
                         r"out|int|nop)")
    loads_only = re.compile(r"(cmp|test|bt[bwlq]?$|push|verw|verr|ltr|lldt|"
                            r"lgdt|lidt|invpcid|fx?rstor|prefetch|call|jmp|"
                            r"mul|imul|div|idiv|ldmxcsr|swapgs|out)")
    keeps_flags = re.compile(r"mov|lea|push|pop|nop|xchg")
    returns = re.compile(r"__x86_return_thunk$|\w+_return_thunk$")
    # Drops the return address that the call has pushed, then returns.
    drops = re.compile(r"srso_(alias_)?safe_ret$")
    thunk = re.compile(r"__x86_indirect(?:_its)?(?:_call|_jump)?_thunk_(\w+)$")

    def __init__(self, image):
        super().__init__(image)
        self.offset_symbol = image.address(self.gs_base)

    def entry_state(self):
        return State({"rsp": ("s", "entry", 0)})

    def operand(self, state, text, insn):
        """("reg", name, size), ("imm", n) or ("mem", address)."""
        if text.startswith("$"):
            return ("imm", int(text[1:], 0) & MASK)
        if text.startswith("%"):
            name = text[1:]
            if name in self.names:
                return ("reg", *self.names[name])
            if ":" not in name:
                return ("special", name)
        found = self.memory.match(text.lstrip("*"))
        if not found:
            return ("mem", UNKNOWN)
        segment, disp, base, index, scale = found.groups()
        address = ("c", int(disp, 0) & MASK if disp else 0)
        if base == "rip":
            address = ("c", insn.comment or 0)
        elif base and base != "riz":
            address = add(state.get(base), address)
        if segment == "gs":
            # A per-CPU symbol is an offset here.
            if address[0] == "c":
                address = ("p", address[1], True)
            elif base and disp and int(disp, 0) > 0:
                address = ("p", int(disp, 0), False)
            elif address[0] != "p":
                address = UNKNOWN
        if index:
            value = state.get(index)
            if value[0] != "c" or scale != "1":
                value = (("c", value[1] * int(scale) & MASK)
                         if value[0] == "c" else UNKNOWN)
            # What is scaled is the index.
            if address[0] == "u" and scale == "1":
                address = add(value, ("c", int(disp, 0) & MASK if disp else 0))
                address = add(address, UNKNOWN)
            else:
                address = add(address, value)
        return ("mem", address)

    def value(self, state, operand, size=8):
        if operand[0] == "imm":
            return ("c", operand[1])
        if operand[0] == "reg":
            value = state.get(operand[1])
            if operand[2] == 8:
                return value
            if value[0] == "c":
                return ("c", value[1] & (1 << 8 * operand[2]) - 1)
            return UNKNOWN
        if operand[0] == "mem":
            where = operand[1]
            if where[0] == "p" and where[2] and (
                    where[1] == self.offset_symbol):
                return ("p", 0, True)
            return self.load(state, where, size)
        return UNKNOWN

    def assign(self, state, operand, value, insn, size=8):
        if operand[0] == "reg":
            if operand[2] == 4 and value[0] == "c":
                value = ("c", value[1] & 0xffffffff)
            elif operand[2] < 8:
                value = UNKNOWN
            if operand[1] == self.sp:
                value = self.become_stack(value, insn)
            state.set(operand[1], value)
        elif operand[0] == "mem":
            self.store(state, operand[1], value, size)

    def push(self, state, value):
        state.set("rsp", add(state.get("rsp"), ("c", -8 & MASK)))
        self.store(state, state.get("rsp"), value, 8)

    def pop(self, state):
        value = self.load(state, state.get("rsp"), 8)
        state.set("rsp", add(state.get("rsp"), ("c", 8)))
        return value

    @staticmethod
    def size_of(op, operands):
        for operand in operands:
            if operand[0] == "reg":
                return operand[2]
        return {"q": 8, "l": 4, "w": 2, "b": 1}.get(op[-1], 8)

    def step(self, state, insn):
        """Carries out an instruction; returns where it goes, and the memory
        that it accesses as (how, address, operand)."""
        lock, _, op = insn.op.rpartition(" ")
        lock = lock == "lock"
        texts = insn.args
        if op in ("(bad)", "int3"):
            return ("bad",), []
        if op in ("ud1", "ud2"):
            return ("trap",), []
        if op.startswith("nop") or op in ("endbr64", "pause", "lfence",
                                          "mfence", "sfence", "serialize",
                                          "swapgs", "wrmsr", "cli", "sti",
                                          "cld", "stac", "clac", "wbinvd",
                                          "hlt", "data16", "fwait",
                                          "cwtd", "leave", "lret", "xsetbv",
                                          "int", "monitor", "mwait", "mwaitx",
                                          "monitorx", "sldt", "sahf"):
            if op == "leave":
                state.set("rsp", self.become_stack(state.get("rbp"), insn))
                state.set("rbp", self.pop(state))
            return ("next",), []
        if op in ("iretq", "iret", "sysretq", "sysretl", "sysret", "sysexit",
                  "eretu", "erets"):
            return ("user",), []
        if op in ("ret", "retq"):
            value = self.pop(state)
            return (("jump", value[1]) if value[0] == "c" and
                    is_address(value[1]) else ("ret",)), []
        if re.fullmatch(r"(call|jmp)q?|j\w+|loop\w*", op):
            return self.branch(state, insn, op, texts)
        operands = [self.operand(state, text, insn) for text in texts]
        size = self.size_of(op, operands)
        if op == "testb" and operands[0] == ("imm", 3) and (
                operands[1][0] == "mem" and operands[1][1][0] in "sm"):
            # The privilege level in the CS that was saved.
            state.set("flags", FLAGS)
        elif not self.keeps_flags.match(op):
            state.set("flags", UNKNOWN)
        accesses = []
        for index, operand in enumerate(operands):
            if operand[0] != "mem" or op.startswith("lea"):
                continue
            last = index == len(operands) - 1
            how = "load"
            if last and not self.loads_only.match(op):
                how = ("store" if re.match(r"mov|set|stos|sgdt|sidt|str|fx?sav",
                                           op) else "rmw")
            if op.startswith(("xchg", "xadd", "cmpxchg")):
                how = "rmw"
            if how == "rmw" and re.match(r"and|btr", op):
                how = "rmw-and"
            if how.startswith("rmw") and not (lock or op.startswith("xchg")):
                # Not atomic: for the word a store that is not a transition.
                how = "store"
            accesses.append((how, operand[1], texts[index]))
        self.effect(state, insn, op, operands, size)
        return ("next",), accesses

    def branch(self, state, insn, op, texts):
        call = op.startswith("call")
        target = texts[0] if texts else ""
        if target.startswith("*"):
            operand = self.operand(state, target[1:], insn)
            accesses = ([("load", operand[1], target)]
                        if operand[0] == "mem" else [])
            value = self.value(state, operand)
            return (("icall" if call else "ijump"), value), accesses
        target = insn.comment if insn.comment is not None else int(target, 0)
        name = self.image.function(target)
        if name and name.address == target:
            found = self.thunk.match(name.name)
            if found:
                value = state.get(found[1])
                return (("icall" if call else "ijump"), value, target), []
            if (self.drops if call else self.returns).match(name.name):
                value = self.pop(state)
                return (("jump", value[1]) if value[0] == "c" and
                        is_address(value[1]) else ("ret", target)), []
        if call:
            return ("call", target), []
        if op in ("je", "jne") and state.get("flags") == FLAGS:
            return ("mode", target, op == "jne"), []
        return ("jump" if op.startswith("jmp") else "branch", target), []

    def effect(self, state, insn, op, operands, size):
        for reg in self.clobbers.get(op, ()):
            state.set(reg, UNKNOWN)
        if op in self.clobbers or not operands:
            return
        if op in ("push", "pushq"):
            self.push(state, self.value(state, operands[0]))
            return
        if op in ("pop", "popq"):
            value = self.pop(state)
            self.assign(state, operands[0], value, insn)
            return
        if op in ("pushf", "pushfq"):
            self.push(state, UNKNOWN)
            return
        if op in ("popf", "popfq"):
            self.pop(state)
            return
        if op.startswith("lea"):
            found = operands[0][1]
            # An address, not what is there; of "gs" there is none in it.
            self.assign(state, operands[1], found, insn)
            return
        if re.fullmatch(r"mov[qlwb]?|movabs", op):
            source, dest = operands
            value = (self.value(state, source, size)
                     if "special" not in (source[0], dest[0]) else UNKNOWN)
            self.assign(state, dest, value, insn, size)
            return
        if re.fullmatch(r"(add|sub|and|xor|or)[qlwb]?", op) and (
                len(operands) == 2):
            source, dest = operands
            a, b = self.value(state, dest, size), self.value(state, source,
                                                             size)
            kind = re.match(r"add|sub|and|xor|or", op)[0]
            if kind == "add":
                result = add(a, b)
            elif kind == "sub":
                result = add(a, negate(b))
            elif kind == "xor" and source == dest:
                result = ("c", 0)
            elif a[0] == b[0] == "c":
                result = ("c", {"and": a[1] & b[1], "xor": a[1] ^ b[1],
                                "or": a[1] | b[1]}[kind])
            elif kind == "and" and a[0] == "s":
                result = ("s", a[1], None)
            else:
                result = UNKNOWN
            self.assign(state, dest, result, insn, size)
            return
        if re.fullmatch(r"xchg[qlwb]?", op):
            a, b = (self.value(state, o, size) for o in operands)
            self.assign(state, operands[0], b, insn, size)
            self.assign(state, operands[1], a, insn, size)
            return
        if op.startswith("cmov"):
            a, b = (self.value(state, o, size) for o in operands)
            self.assign(state, operands[1], merge(a, b), insn, size)
            return
        if op.startswith("cmpxchg"):
            state.set("rax", UNKNOWN)
        if op.startswith("xadd"):
            self.assign(state, operands[0], UNKNOWN, insn, size)
        if re.match(r"(i?mul|i?div)[qlwb]?$", op) and len(operands) == 1:
            state.set("rax", UNKNOWN)
            state.set("rdx", UNKNOWN)
            return
        if self.no_dest.match(op) and not re.match(r"bt[rsc]", op):
            return
        self.assign(state, operands[-1], UNKNOWN, insn, size)

    def called(self, state, following):
        self.push(state, RETURN)

    def tail_returned(self, state):
        """What was jumped to has returned, to our caller."""
        self.pop(state)

    def pushed_jump(self, state, following):
        """A call that is only there to push an address."""
        self.push(state, ("c", following))


class Arm64(Isa):
    arguments = [f"x{i}" for i in range(8)]
    saved = [f"x{i}" for i in range(19, 30)]
    result = "x0"

    def entry_state(self):
        return State({"sp": ("s", "entry", 0)})

    @staticmethod
    def reg(text):
        text = text.strip()
        if re.fullmatch(r"[wx](\d+|zr)|w?sp", text):
            return "sp" if text.endswith("sp") else f"x{text[1:]}"
        if text == "lr":
            return "x30"
        if text == "fp":
            return "x29"
        return None

    def get(self, state, text):
        text = text.strip()
        if text.startswith("#"):
            return ("c", int(text[1:], 0) & MASK)
        reg = self.reg(text)
        if reg == "xzr":
            return ("c", 0)
        if not reg:
            return UNKNOWN
        value = state.get(reg)
        if text[0] == "w" and text != "wsp":
            if value[0] == "c":
                return ("c", value[1] & 0xffffffff)
            return value if value[0] == "t" else UNKNOWN
        return value

    def put(self, state, text, value, insn):
        reg = self.reg(text)
        if not reg or reg == "xzr":
            return
        if text.strip()[0] == "w" and value[0] not in "ct":
            value = UNKNOWN
        if reg == "sp":
            value = self.become_stack(value, insn)
        state.set(reg, value)

    def address(self, state, insn, index):
        """The address of operand index, and what write-back adds to it."""
        text = insn.args[index]
        inner = text[1:text.index("]")].split(",")
        base = self.get(state, inner[0])
        where = base
        if len(inner) > 1:
            offset = self.get(state, inner[1])
            if len(inner) > 2 and offset[0] == "c":
                shift = re.search(r"#(\d+)", inner[2])
                offset = ("c", offset[1] << int(shift[1]) & MASK if shift
                          else offset[1])
            elif len(inner) > 2 and offset[0] != "p":
                offset = UNKNOWN
            where = add(base, offset)
        if text.endswith("!"):
            self.put(state, inner[0], where, insn)
        elif index + 1 < len(insn.args) and text.endswith("]"):
            step = self.get(state, insn.args[index + 1])
            self.put(state, inner[0], add(base, step), insn)
        return where

    atomic = re.compile(r"(ldadd|ldclr|ldset|ldeor|ld[su](?:max|min)|swp|cas|"
                        r"stadd|stclr|stset|steor)(p?)(al?|l)?([bh])?$")

    def step(self, state, insn):
        op, args = insn.op, insn.args
        if op in ("udf", ".inst", "(bad)") or op.startswith("."):
            return ("bad",), []
        if op in ("eret", "eretaa", "eretab"):
            return ("user",), []
        if op in ("ret", "retaa", "retab"):
            value = state.get(self.reg(args[0]) if args else "x30")
            if value[0] == "c" and is_address(value[1]):
                return ("jump", value[1]), []
            return ("ret",), []
        if op == "brk":
            return ("trap",), []
        if op == "b":
            return ("jump", insn.comment), []
        if op == "bl":
            return ("call", insn.comment), []
        if re.match(r"b\.|cbn?z$|tbn?z$", op):
            return ("branch", insn.comment), []
        if re.fullmatch(r"blr(aa|ab)?z?", op):
            return ("icall", self.get(state, args[0])), []
        if re.fullmatch(r"br(aa|ab)?z?", op):
            return ("ijump", self.get(state, args[0])), []
        index = next((i for i, arg in enumerate(args) if arg[:1] == "["), None)
        if index is not None:
            return ("next",), self.memory(state, insn, index)
        if op in ("ldr", "ldrsw") and insn.comment is not None:
            where = ("c", insn.comment)
            self.put(state, args[0], self.load(state, where, 8) if
                     args[0][0] == "x" and op == "ldr" else UNKNOWN, insn)
            return ("next",), [("load", where, args[1])]
        if op == "dc" and args[0].strip() in ("zva", "gva", "gzva"):
            return ("next",), [("store", self.get(state, args[1]), args[1])]
        self.effect(state, insn, op, args)
        return ("next",), []

    def memory(self, state, insn, index):
        op, args = insn.op, insn.args
        values = [self.get(state, arg) for arg in args[:index]]
        where = self.address(state, insn, index)
        text = insn.args[index]
        size = 8
        first = args[0].strip()
        if first[:1] == "w" or first[:1] in "qdshbv":
            size = 4 if first[0] == "w" else 16
        suffix = re.search(r"(?<=r)(s?[bh])$|sw$", op)
        if suffix:
            size = {"b": 1, "h": 2, "w": 4}[op[-1]]
        found = self.atomic.match(op)
        if found:
            how = "rmw-and" if found[1] in ("ldclr", "stclr") else "rmw"
            for arg in args[:index] if found[1] == "cas" else (
                    args[1:index] if not found[1].startswith("st") else []):
                self.put(state, arg, UNKNOWN, insn)
            return [(how, where, text)]
        if op.startswith("prfm"):
            return [("load", where, text)]
        if op.startswith("ld"):
            count = index
            for i in range(count):
                value = self.load(state, add(where, ("c", size * i)), size) \
                    if size in (1, 2, 4, 8) else UNKNOWN
                if op.startswith("ldrs"):
                    value = (value if value[0] == "t" else
                             UNKNOWN if value[0] != "c" else
                             ("c", signed(value[1], 8 * size) & MASK))
                self.put(state, args[i], value, insn)
            return [("load", where, text)]
        if re.match(r"stl?xr|stl?xp", op):
            self.put(state, args[0], UNKNOWN, insn)
            return [("rmw", where, text)]
        for i, value in enumerate(values):
            self.store(state, add(where, ("c", size * i)), value, size)
        return [("store", where, text)]

    def shifted(self, state, args, at):
        """Operand at, with the shift or extension that may follow."""
        value = self.get(state, args[at])
        if len(args) <= at + 1:
            return value
        shift = re.match(r"(\w+)(?: #(\d+))?", args[at + 1].strip())
        amount = int(shift[2] or 0)
        if value[0] == "t" and shift[1] in ("sxtb", "sxth", "sxtw", "lsl",
                                            "uxtb", "uxth"):
            return ("t", value[1], value[2], amount)
        if value[0] == "c" and shift[1] == "lsl":
            return ("c", value[1] << amount & MASK)
        return UNKNOWN if amount or value[0] != "c" else value

    def effect(self, state, insn, op, args):
        if op in ("cmp", "cmn", "tst", "ccmp", "ccmn", "msr", "nop", "isb",
                  "dsb", "dmb", "sb", "tlbi", "hint", "paciasp", "autiasp",
                  "bti", "csdb", "dc", "ic", "at", "yield", "wfe", "wfi",
                  "pacibsp", "autibsp", "sevl", "sev", "clrex", "esb",
                  "xpaclri", "psb", "dgh", "smstart", "smstop"):
            if op in ("hint", "xpaclri"):
                state.set("x30", state.get("x30"))
            return
        if op in ("hvc", "smc"):
            for i in range(4):
                state.set(f"x{i}", UNKNOWN)
            return
        dest = args[0] if args else None
        if dest is None:
            return
        result = UNKNOWN
        if op in ("adrp", "adr"):
            result = ("c", insn.comment if insn.comment is not None
                      else int(args[1].lstrip("#"), 16))
        elif op == "mov":
            result = self.get(state, args[1])
        elif op in ("movz", "movn", "movk"):
            old = self.get(state, dest)
            shift = int(re.search(r"#(\d+)", args[2])[1]) if (
                len(args) > 2) else 0
            part = int(args[1].lstrip("#"), 0) << shift
            if op != "movk":
                result = ("c", part if op == "movz" else ~part & MASK)
            elif old[0] == "c":
                result = ("c", old[1] & ~(0xffff << shift) | part)
        elif op in ("add", "adds", "sub", "subs"):
            a, b = self.get(state, args[1]), self.shifted(state, args, 2)
            if a[0] == "c" and b[0] == "t":
                result = ("j", a[1], b[1], b[2], b[3] if len(b) > 3 else 0)
            else:
                result = add(a, b if op[0] == "a" else negate(b))
        elif op in ("and", "ands", "bic"):
            a = self.get(state, args[1])
            b = self.shifted(state, args, 2)
            if a[0] == b[0] == "c":
                result = ("c", a[1] & (b[1] if op != "bic" else ~b[1]))
            elif a[0] == "s":
                result = ("s", a[1], None)
        elif op == "orr" and self.get(state, args[1])[0] == "c":
            a, b = self.get(state, args[1]), self.shifted(state, args, 2)
            if b[0] == "c":
                result = ("c", a[1] | b[1])
        elif op in ("csel", "csinc", "csneg", "csinv"):
            if op == "csel":
                result = merge(self.get(state, args[1]),
                               self.get(state, args[2]))
        elif op == "mrs":
            register = args[1].strip()
            if register in ("tpidr_el1", "tpidr_el2"):
                result = ("p", 0, True)
            elif register == "sp_el0":
                result = ("m", "task", 0)
        self.put(state, dest, result, insn)

    def called(self, state, following):
        state.set("x30", RETURN)

    def pushed_jump(self, state, following):
        state.set("x30", ("c", following))


class Riscv(Isa):
    arguments = [f"a{i}" for i in range(8)]
    saved = [f"s{i}" for i in range(12)]
    result = "a0"
    sizes = {"b": 1, "h": 2, "w": 4, "d": 8}
    # The supervisor's previous privilege, in the status register.
    spp = 1 << 8

    def entry_state(self):
        return State({"sp": ("s", "entry", 0), "tp": ("m", "task", 0)})

    @staticmethod
    def get(state, text):
        text = text.strip()
        if text == "zero":
            return ("c", 0)
        if re.fullmatch(r"-?(0x[\da-f]+|\d+)", text):
            return ("c", int(text, 0) & MASK)
        return state.get("s0" if text == "fp" else text)

    def put(self, state, text, value, insn):
        text = text.strip()
        if text == "sp":
            value = self.become_stack(value, insn)
        elif text == "tp":
            value = ("m", "task", 0)
            state.set("flags", UNKNOWN)
        if text != "zero":
            state.set("s0" if text == "fp" else text, value)

    def address(self, state, text):
        found = re.match(r"(-?\w+)?\((\w+)\)", text)
        if not found:
            return UNKNOWN
        return add(self.get(state, found[2]),
                   ("c", int(found[1] or "0", 0) & MASK))

    branches = re.compile(r"b(eq|ne|lt|ge|ltu|geu|gt|le|gtu|leu)z?$")

    def step(self, state, insn):
        op, args = insn.op, insn.args
        if op in ("unimp", "(bad)", "c.unimp") or op.startswith("."):
            # .word: pause, and others that this assembler does not know.
            return (("next",) if op.startswith(".") else ("bad",)), []
        if op in ("sret", "mret"):
            return ("user",), []
        if op == "ret":
            value = state.get("ra")
            if value[0] == "c" and is_address(value[1]):
                return ("jump", value[1]), []
            return ("ret",), []
        if op == "ebreak":
            return ("trap",), []
        if op == "ecall":
            for i in range(8):
                state.set(f"a{i}", UNKNOWN)
            return ("next",), []
        if op in ("j", "tail"):
            return ("jump", insn.comment), []
        if op == "jal":
            return ("call", insn.comment), []
        if self.branches.match(op):
            if op in ("beqz", "bnez"):
                if self.get(state, args[0]) == FLAGS:
                    return ("mode", insn.comment, op == "beqz"), []
                if args[0] == "tp" and state.get("flags") == FLAGS:
                    return ("mode", insn.comment, op == "bnez"), []
            return ("branch", insn.comment), []
        if op in ("jr", "jalr"):
            text = args[-1]
            value = (self.address(state, text) if "(" in text
                     else self.get(state, text))
            if insn.comment is not None and "(" in text:
                value = ("c", insn.comment)
            call = op == "jalr" and args[0].strip() != "zero"
            if value[0] == "c":
                return ("call" if call else "jump", value[1]), []
            return ("icall" if call else "ijump", value), []
        found = re.fullmatch(r"l([bhwd])u?", op)
        if found:
            where = self.address(state, args[1])
            size = self.sizes[found[1]]
            if insn.comment is not None and where[0] == "c":
                where = ("c", insn.comment)
            self.put(state, args[0], self.load(state, where, size), insn)
            return ("next",), [("load", where, args[1])]
        found = re.fullmatch(r"s([bhwd])", op)
        if found:
            where = self.address(state, args[1])
            self.store(state, where, self.get(state, args[0]),
                       self.sizes[found[1]])
            return ("next",), [("store", where, args[1])]
        found = re.fullmatch(r"(amo(\w+)|lr|sc)\.[wd](\.\w+)?", op)
        if found:
            where = self.address(state, args[-1])
            self.put(state, args[0], UNKNOWN, insn)
            how = ("load" if found[1] == "lr" else
                   "rmw-and" if found[2] == "and" else "rmw")
            return ("next",), [(how, where, args[-1])]
        self.effect(state, insn, op, args)
        return ("next",), []

    def effect(self, state, insn, op, args):
        if op in ("nop", "fence", "fence.i", "fence.tso", "sfence.vma", "wfi",
                  "pause", "csrw", "csrs", "csrc", "csrwi", "csrsi", "csrci",
                  "hfence.vvma", "hfence.gvma", "wrs.nto"):
            if op in ("csrw", "csrs", "csrc"):
                return
            return
        if not args or op.startswith("v"):
            # Vector instructions write a scalar register at most.
            for arg in args:
                if re.fullmatch(r"[ast]\d+|ra|gp", arg):
                    state.set(arg, UNKNOWN)
            return
        dest, result = args[0], UNKNOWN
        if op == "auipc":
            result = ("c", (insn.address +
                            signed(int(args[1], 0) << 12, 32)) & MASK)
        elif op == "lui":
            result = ("c", signed(int(args[1], 0) << 12, 32) & MASK)
        elif op in ("li", "mv"):
            result = self.get(state, args[1])
        elif op in ("add", "addi", "c.add"):
            result = add(self.get(state, args[1]), self.get(state, args[2]))
        elif op == "sub":
            result = add(self.get(state, args[1]),
                         negate(self.get(state, args[2])))
        elif op in ("and", "andi", "or", "xor"):
            a, b = self.get(state, args[1]), self.get(state, args[2])
            if a[0] == b[0] == "c":
                result = ("c", {"and": a[1] & b[1], "andi": a[1] & b[1],
                                "or": a[1] | b[1], "xor": a[1] ^ b[1]}[op])
            elif op.startswith("and") and a[0] == "s":
                result = ("s", a[1], None)
            elif STATUS in (a, b) and "c" in (a[0], b[0]):
                bits = b[1] if a == STATUS else a[1]
                if op.startswith("and"):
                    result = (FLAGS if bits == self.spp else
                              STATUS if bits & self.spp else UNKNOWN)
                elif op == "or" and not bits & self.spp:
                    result = STATUS
        elif op in ("sll", "slli"):
            a, b = self.get(state, args[1]), self.get(state, args[2])
            if a[0] == b[0] == "c":
                result = ("c", a[1] << (b[1] & 63) & MASK)
        elif op in ("addw", "addiw", "sext.w"):
            values = [self.get(state, arg) for arg in args[1:]]
            if all(value[0] == "c" for value in values):
                result = ("c", signed(sum(v[1] for v in values), 32) & MASK)
        elif op in ("csrr", "csrrc", "csrrs") and args[1] == "sstatus":
            result = STATUS
        self.put(state, dest, result, insn)
        if op == "csrrw" and dest == args[2] == "tp":
            # What was in sscratch: nothing, if the kernel was interrupted.
            state.set("flags", FLAGS)

    def called(self, state, following):
        state.set("ra", RETURN)

    def pushed_jump(self, state, following):
        state.set("ra", ("c", following))


ISAS = {"x86_64": X86, "arm64": Arm64, "riscv": Riscv}
