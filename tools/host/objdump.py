# SPDX-License-Identifier: GPL-2.0
"""Disassembles: what objdump prints, instruction by instruction."""

import re
import subprocess

from host.edit import Bad

SYMBOL = re.compile(r"[\da-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r" *([\da-f]+):\t(.*)")
# Of x86. They come before what they modify, and only KEPT change what it does.
PREFIXES = {"lock", "rep", "repz", "repnz", "notrack", "data16", "bnd",
            "addr32", "cs", "ds", "es", "ss", "gs", "fs", "rex.W"}
KEPT = ("lock", "rep")
# As it prints what it does not know.
NEWER = {"repz clac": "eretu", "repnz clac": "erets"}


class Failed(Bad):
    """objdump's last line of complaint."""


class Insn:
    """One instruction, as objdump prints it."""
    __slots__ = ("address", "next", "op", "args", "target", "text")

    def __init__(self, address, op, args, target, text):
        self.address = address
        self.next = None
        self.op = op
        self.args = args
        # The address that objdump has computed for a relative operand.
        self.target = target
        self.text = text


def parse(address, text):
    """The instruction that objdump prints so, without its address."""
    text = " ".join(text.split())
    text = NEWER.get(text, text)
    body, *comment = re.split(r"\s+(?:#|//)\s", f"{text} ", maxsplit=1)
    found = comment and re.match(r"([\da-f]{2,16})\s*<", comment[0])
    target = int(found[1], 16) if found else None
    op, _, rest = body.strip().partition(" ")
    op = op or "(bad)"
    while op in PREFIXES and rest:
        more, _, rest = rest.partition(" ")
        op = f"{op} {more}" if op in KEPT else more
    found = re.search(r"\b([\da-f]+) <[^>]*>$", rest)
    if found:
        target = int(found[1], 16)
        rest = rest[:found.start()] + f"{target:#x}"
    # A comma between brackets is part of an operand.
    args = ([arg.strip() for arg in re.split(r",(?![^(\[{]*[)\]}])", rest)]
            if rest else [])
    return Insn(address, op, args, target, text)


def disassemble(prefix, path, *options, start=None, end=None):
    """Yields (symbol, instruction), in order; the symbol is "" where there is
    none at the instruction. The next of the last one is end."""
    bounds = ([f"--start-address={start:#x}", f"--stop-address={end:#x}"]
              if end else [])
    result = subprocess.run(
        [f"{prefix}objdump", *(options or ["-d"]), "-z", "-w",
         "--no-show-raw-insn", *bounds, path], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode:
        raise Failed(result.stderr.strip().splitlines()[-1])
    symbol, last = "", None
    for line in result.stdout.splitlines():
        found = SYMBOL.match(line)
        if found:
            symbol = found[1]
        found = INSTRUCTION.match(line)
        if not found:
            continue
        insn = parse(int(found[1], 16), found[2])
        if last:
            last.next = insn.address
        last = insn
        yield symbol, insn
        symbol = ""
    if last:
        last.next = end
