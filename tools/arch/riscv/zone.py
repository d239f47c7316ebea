# SPDX-License-Identifier: GPL-2.0
"""The danger zone of riscv: its instructions, what its kernel patches, and the
seeded faults that it alone has."""

import re
import struct

from host.zone import image, isa, selftest
from host.zone.isa import (FLAGS, MASK, RETURN, STATUS, UNKNOWN, State, add,
                           is_address, negate, signed)


class Isa(isa.Isa):
    arguments = [f"a{i}" for i in range(8)]
    saved = [f"s{i}" for i in range(12)]
    result = "a0"
    link = ("ra",)
    kept = ("sp", "gp", "tp", "mode")
    direct = re.compile(r"j|b|tail")
    unconditional = re.compile(r"(j|ret)$")
    transition = re.compile(r"amoadd")
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
            return ("jump", insn.target), []
        if op == "jal":
            return ("call", insn.target), []
        if self.branches.match(op):
            if op in ("beqz", "bnez"):
                if self.get(state, args[0]) == FLAGS:
                    return ("mode", insn.target, op == "beqz"), []
                if args[0] == "tp" and state.get("flags") == FLAGS:
                    return ("mode", insn.target, op == "bnez"), []
            return ("branch", insn.target), []
        if op in ("jr", "jalr"):
            text = args[-1]
            value = (self.address(state, text) if "(" in text
                     else self.get(state, text))
            if insn.target is not None and "(" in text:
                value = ("c", insn.target)
            call = op == "jalr" and args[0].strip() != "zero"
            if value[0] == "c":
                return ("call" if call else "jump", value[1]), []
            return ("icall" if call else "ijump", value), []
        found = re.fullmatch(r"l([bhwd])u?", op)
        if found:
            where = self.address(state, args[1])
            size = self.sizes[found[1]]
            if insn.target is not None and where[0] == "c":
                where = ("c", insn.target)
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


class Image(image.Image):
    arch = "riscv"
    machine = "EM_RISCV"
    Isa = Isa
    local_names = (*image.Image.local_names, "L0")
    assembly = ("__irqentry",)
    no_kprobes = ("__kprobes", "__noinstr", "__irqentry")
    alternatives_table = ".alternative"
    alternative_form = "<iiHHI"

    def alternative(self, vendor, length, patch):
        return f"{vendor}:{patch}", length, length, False

    def branches(self, data):
        """Of JAL, and of AUIPC and JALR."""
        halves = struct.unpack(f"<{len(data) // 2}H", data[:len(data) & ~1])
        for number in range(len(halves) - 3):
            low, high = halves[number:number + 2]
            if low & 0x7f == 0x6f:
                word = low | high << 16
                yield 2 * number, (
                    (word >> 31) * -0x100000 | word & 0xff000 |
                    word >> 9 & 0x800 | word >> 20 & 0x7fe)
            elif low & 0x7f == 0x17 and halves[number + 2] & 0x7f == 0x67:
                upper = signed(low & 0xf000 | high << 16, 32)
                lower = signed(halves[number + 3] >> 4, 12)
                yield 2 * number, upper + lower


SELFTEST = selftest.Facts(
    base=0xffffffff80000000, percpu=0xffffffff81000000,
    faults={"table": ("memory", "global"),
            "table_alternative": ("memory", "global")})
