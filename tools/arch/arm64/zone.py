# SPDX-License-Identifier: GPL-2.0
"""The danger zone of arm64: its instructions, what its kernel patches, and the
seeded faults that it alone has."""

import re
import struct

from host.zone import image, isa, selftest
from host.zone.isa import (MASK, RETURN, UNKNOWN, State, add, is_address, merge,
                           negate, signed)

# An alternative with a callback: ARM64_CB_BIT.
CALLBACK = 1 << 15
R_AARCH64_RELATIVE = 1027


class Isa(isa.Isa):
    arguments = [f"x{i}" for i in range(8)]
    saved = [f"x{i}" for i in range(19, 30)]
    result = "x0"
    link = ("x30",)
    direct = re.compile(r"b|cb|tb")
    unconditional = re.compile(r"(b|br|ret)$")
    transition = re.compile(r"ldadda?l?$|stl?xr$")

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
            return ("jump", insn.target), []
        if op == "bl":
            return ("call", insn.target), []
        if re.match(r"b\.|cbn?z$|tbn?z$", op):
            return ("branch", insn.target), []
        if re.fullmatch(r"blr(aa|ab)?z?", op):
            return ("icall", self.get(state, args[0])), []
        if re.fullmatch(r"br(aa|ab)?z?", op):
            return ("ijump", self.get(state, args[0])), []
        index = next((i for i, arg in enumerate(args) if arg[:1] == "["), None)
        if index is not None:
            return ("next",), self.memory(state, insn, index)
        if op in ("ldr", "ldrsw") and insn.target is not None:
            where = ("c", insn.target)
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
            result = ("c", insn.target if insn.target is not None
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

    def table_length(self, insn):
        function = self.image.function(insn.address)
        address = insn.address
        while address > max(function.address, insn.address - 64):
            address -= 4
            before = self.image.insn(address)
            if before and before.op == "cmp" and before.args[1][0] == "#":
                return int(before.args[1][1:], 0) + 1
        return None


class Image(image.Image):
    arch = "arm64"
    machine = "EM_AARCH64"
    Isa = Isa
    assembly = ("__entry", "__entry_tramp")
    no_kprobes = ("__kprobes", "__noinstr", "__entry", "__irqentry", "__hyp")
    elsewhere = ".rodata.text"
    before_function = 16
    alternative_form = "<iiHBB"

    def relocations(self, elf):
        table = elf.get_section_by_name(".rela.dyn")
        return {entry["r_offset"]: entry["r_addend"] & MASK
                for entry in (table.iter_relocations() if table else ())
                if entry["r_info_type"] == R_AARCH64_RELATIVE}

    def alternative(self, feature, length, new_length):
        return (feature & ~CALLBACK, length, new_length,
                bool(feature & CALLBACK))

    def branches(self, data):
        for number, (word,) in enumerate(struct.iter_unpack(
                "<I", data[:len(data) & ~3])):
            if word >> 26 & 31 == 5:
                yield 4 * number, signed(word, 26) * 4


SELFTEST = selftest.Facts(
    base=0xffff800080000000, percpu=0xffff800081000000,
    variants=[[], ["LSE"]],
    places=[["EL1"]],
    faults={"switch": ("memory", "global"),
            "other_pointer": ("indirect", None)},
    harmless=["replacement_end", "pointer_of_rule", "bad_mode"],
    missing={"compat": "does not reach the entry hook"})
