# SPDX-License-Identifier: GPL-2.0
"""The danger zone of x86_64: its instructions, what its kernel patches, and the
seeded faults that it alone has."""

import re
import tempfile

from host import objdump
from host.zone import image, isa, selftest
from host.zone.isa import (FLAGS, MASK, RETURN, UNKNOWN, State, add, is_address,
                           merge, negate)

# What it replaces is only run before it does: X86_FEATURE_ALWAYS.
ALWAYS = 3 * 32 + 21
FLAG_NOT = 1


class Isa(isa.Isa):
    sp = "rsp"
    kept = ("rsp", "mode")
    direct = re.compile(r"call|j")
    unconditional = re.compile(r"(jmp|ret)$")
    transition = re.compile(r"lock x?add")
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
            address = ("c", insn.target or 0)
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
        target = insn.target if insn.target is not None else int(target, 0)
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


class Image(image.Image):
    arch = "x86_64"
    machine = "EM_X86_64"
    Isa = Isa
    assembly = ("__entry",)
    no_kprobes = ("__kprobes", "__noinstr", "__entry")
    alternative_form = "<iiIBB"
    always = ALWAYS

    def alternative(self, feature, length, new_length):
        if feature >> 16 & FLAG_NOT:
            return f"!{feature & 0xffff}", length, new_length, False
        return feature & 0xffff, length, new_length, False

    def late_alternatives(self):
        section = self.by_name.get(".smp_locks")
        if not section:
            return set()
        return {entry + self.signed(entry) for entry in range(
            section.address, section.address + section.size - 3, 4)}

    def branches(self, data):
        for found in re.finditer(rb"[\xe8\xe9](?=(....))", data, re.S):
            yield found.start(), 5 + int.from_bytes(found[1], "little",
                                                    signed=True)

    def insn(self, address):
        found = super().insn(address)
        if found and (found.op == ".byte" or
                      found.op.startswith("rex") and not found.args):
            found = self._insns[address] = self._overlapping(address)
        return found

    def _overlapping(self, address):
        """An instruction that has a symbol inside: objdump stops there."""
        section = self.section_at(address)
        offset = section.offset + address - section.address
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.data[offset:offset + 16])
            file.flush()
            insns = [insn for _, insn in objdump.disassemble(
                self.prefix, file.name, "-D", "-b", "binary",
                "-m", "i386:x86-64", f"--adjust-vma={address:#x}",
                start=address, end=address + 16)]
        return insns[0]


SELFTEST = selftest.Facts(
    base=0xffffffff81000000, percpu=0,
    variants=[[], ["ASM_HOOK"]],
    faults={"static_call": ("static-call", "__SCK__func"),
            "late_alternative": ("late-alternative", ".smp_locks"),
            "thunk": ("indirect", None),
            "return_thunk": ("kprobe", "retbleed_return_thunk")},
    # A rule allows it there.
    allowed={("late_alternative", "WORK")},
    harmless=["infeasible", "profiled"])
