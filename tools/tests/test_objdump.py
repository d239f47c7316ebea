# SPDX-License-Identifier: GPL-2.0
"""What objdump prints is read as it is meant."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from host import objdump


class Parse(unittest.TestCase):
    def check(self, text, op, args, target=None):
        insn = objdump.parse(0x10, text)
        self.assertEqual((insn.address, insn.op, insn.args, insn.target),
                         (0x10, op, args, target))

    def test_no_operands(self):
        self.check("ret", "ret", [])

    def test_commas_in_brackets_part_no_operands(self):
        self.check("mov    0x8(%rax,%rbx,4),%rcx", "mov",
                   ["0x8(%rax,%rbx,4)", "%rcx"])
        self.check("ldr\tx0, [x1, #8]", "ldr", ["x0", "[x1, #8]"])
        self.check("ld1\t{v0.16b, v1.16b}, [x1], #32", "ld1",
                   ["{v0.16b, v1.16b}", "[x1]", "#32"])
        self.check("ld\ta0,8(sp)", "ld", ["a0", "8(sp)"])

    def test_target_of_a_branch(self):
        self.check("jmp    ffffffff81000010 <f+0x10>", "jmp",
                   ["0xffffffff81000010"], 0xffffffff81000010)
        self.check("tbz\tw0, #3, 14 <P0+0x14>  // b.none", "tbz",
                   ["w0", "#3", "0x14"], 0x14)

    def test_target_in_a_comment(self):
        self.check("mov    0x10(%rip),%rax        # ffffffff82000000 <x>",
                   "mov", ["0x10(%rip)", "%rax"], 0xffffffff82000000)

    def test_comment_that_is_no_target(self):
        self.check("mov\tx0, #0x1234   \t// #4660", "mov", ["x0", "#0x1234"])

    def test_only_some_prefixes_are_kept(self):
        self.check("lock incq %gs:0x8", "lock incq", ["%gs:0x8"])
        self.check("rep stos %rax,%es:(%rdi)", "rep stos",
                   ["%rax", "%es:(%rdi)"])
        self.check("cs jmp 10 <f>", "jmp", ["0x10"], 0x10)
        self.check("lock", "lock", [])

    def test_what_objdump_does_not_know(self):
        self.check("repz clac", "eretu", [])
        self.check("repnz clac", "erets", [])


class Disassemble(unittest.TestCase):
    def test_symbols_and_ends(self):
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "test.o"
            subprocess.run(["as", "-o", file], check=True, text=True,
                           input="f: nop\nret\ng: nop\n")
            found = [(symbol, insn.address, insn.op) for symbol, insn in
                     objdump.disassemble("", file)]
            self.assertEqual(found, [("f", 0, "nop"), ("", 1, "ret"),
                                     ("g", 2, "nop")])
            part = [insn for _, insn in objdump.disassemble(
                "", file, start=1, end=3)]
            self.assertEqual([insn.next for insn in part], [2, 3])

    def test_no_such_file(self):
        with self.assertRaises(objdump.Failed):
            list(objdump.disassemble("", "/nonexistent"))
