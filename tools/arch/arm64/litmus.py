# SPDX-License-Identifier: GPL-2.0
"""arm64's instructions in the syntax of herd7."""

import re

from host.edit import Bad
from host.litmus_asm import number

MODEL = "AArch64"
# The kernel patches itself to one or the other.
FLAVOURS = ["lse", "llsc"]
# How herd7 is told of what is no load and no store.
EVENTS = {"fetches": ["-variant", "self"], "walks": ["-variant", "vmsa,fatal"]}
# What a CPU's caches do for those who patch text, by CTR_EL0.
CACHES = [(), ("IDC",), ("DIC", "IDC")]
ARGUMENT = "X{}"
OBJDUMP = []
BRANCH = re.compile(r"b|b\.\w+|cbn?z|tbn?z")
JUMP = "b"
R_AARCH64_PREL32 = 261


def unpatched(elf, flavour):
    """The addresses of branches that the kernel has patched to NOPs."""
    if flavour == "llsc":
        return set()
    table = elf.get_section_by_name(".rela.altinstructions")
    symbols = elf.get_section_by_name(".symtab")
    found = []
    for entry in table.iter_relocations() if table else ():
        if entry["r_info_type"] == R_AARCH64_PREL32:
            symbol = symbols.get_symbol(entry["r_info_sym"])
            name = symbol.name or elf.get_section(symbol["st_shndx"]).name
            found.append((name, symbol["st_value"] + entry["r_addend"]))
    for (site, _), (how, _) in zip(found[::2], found[1::2]):
        if site != ".text" or how != "alt_cb_patch_nops":
            raise Bad(f"an alternative of a kind that is not known: {how}")
    return {address for _, address in found[::2]}


def constant(kind, name):
    """An argument as in litmus_events.h, if it is no variable."""
    page = name.partition("_")[2]
    return {"insn *": f"P0:{name}", "insn ": name.upper(),
            "pte *": f"PTE({page})",
            "pte ": f"(oa:PA({page}),valid:0)"}.get(kind)


def translate(op, args, after):
    # The model has one shareability domain and knows nothing of NSH: for it
    # that orders nothing. But the TLBI of this CPU alone it completes, as
    # ISH does that of all.
    if (op, args, after) == ("dsb", ["nsh"], ["tlbi vmalle1"]):
        return ["dsb ish"]
    args = [re.sub(r"#(-?\w+)", lambda m: f"#{number(m[1])}", arg)
            for arg in args]
    if op in ("nop", "prfm", "yield"):
        return []
    if op == "mov" and args[1][0] == "#" and abs(int(args[1][1:])) >> 16:
        return [f"mov {args[0]}, #0",
                f"orr {args[0]}, {args[0]}, {args[1]}"]
    if op == "movk":
        shift = int((args[2:] or ["lsl #0"])[0].split("#")[1])
        return [f"and {args[0]}, {args[0]}, #{~(0xffff << shift)}",
                f"orr {args[0]}, {args[0]}, #{int(args[1][1:]) << shift}"]
    return [f"{op} {', '.join(args)}"]
