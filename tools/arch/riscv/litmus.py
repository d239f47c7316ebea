# SPDX-License-Identifier: GPL-2.0
"""riscv's instructions in the syntax of herd7."""

import re

from host.litmus_asm import number

MODEL = "RISCV"
FLAVOURS = [""]
# Its model knows loads, stores and fences.
EVENTS = {}
ARGUMENT = "x1{}"
OBJDUMP = ["-M", "numeric"]
BRANCH = re.compile(r"j|b(eq|ne|lt|ge|ltu|geu|eqz|nez|ltz|gez)")
JUMP = "j"


def unpatched(_elf, _flavour):
    return set()


def constant(_kind, _name):
    return None


def translate(op, args, _after):
    args = [str(number(arg)) if re.fullmatch(r"-?(0x)?[\da-f]+", arg)
            else arg for arg in args]
    op = op.replace("aqrl", "aq.rl")
    if op in ("add", "and", "or", "xor", "sll", "srl", "sra") and (
            args[2][0] != "x"):
        op += "i"
    # cpu_relax() divides, and drops the result, then pauses.
    if op in ("nop", "div") or (op, args) == (".word", ["16777231"]):
        return []
    if op == "mv":
        return [f"ori {args[0]},{args[1]},0"]
    if re.fullmatch(r"b(eq|ne|lt|ge)z", op):
        return [f"{op[:-1]} {args[0]},x0,{args[1]}"]
    return [f"{op} {','.join(args)}"]
