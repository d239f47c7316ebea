# SPDX-License-Identifier: GPL-2.0
"""Makes tests for herd7 of what the compiler makes of tools/litmus/*.c: each is
compiled with the flags of the kernel, disassembled, and put into the syntax
of herd7 instruction by instruction. What orders nothing may be replaced by its
like, and so may a DSB NSH that completes a TLBI; the rest is left as it is or
refused."""

import re
import shlex
import subprocess
from io import BytesIO
from typing import Optional

from elftools.elf.elffile import ELFFile

from host import lookup, objdump
from host.arch import FOLDERS, MACHINES
from host.common import BUILD, ROOT, die
from host.edit import Bad
from host.kernel import Kernel

PROCESS = re.compile(r"^(?:void|var) (P\d)\(([^)]*)\)", re.M)
ARGUMENT = re.compile(r"(\w+ \*?)(\w+)")
# An instruction that is patched, in P0.
PATCHED = "text"


class Instruction:
    def __init__(self, address, op, args, target):
        self.address = address
        self.op = op
        self.args = args
        # Where a branch goes: an address, or None for the end of the test.
        self.target = target
        self.branches = target is not None
        self.falls_to_end = False
        # It may become a NOP while the test runs.
        self.patched = False


def number(text):
    """A 64-bit immediate in decimal: herd7 reads no hexadecimal ones."""
    value = int(text, 0)
    return value - (1 << 64) if value >= 1 << 63 else value


# What a test may be about other than loads and stores.
EVENTS = ["fetches", "walks"]


def initial_word(elf):
    return int.from_bytes(elf.get_section_by_name(".litmus").data()[:8],
                          "little")


class Compiler:
    """The compiler of one architecture, as make calls it in build/. That takes
    a configured kernel and no built one."""

    def __init__(self, arch, kernel, jobs):
        self.arch = arch
        self.syntax = lookup.module(arch, "litmus")
        self.build_dir = BUILD / kernel / f"kunit-{arch}"
        command = self.build_dir / "kernel/cpuword/.core.o.cmd"
        if not command.exists() and not Kernel(
                arch, kernel, jobs).compile("kernel/cpuword/core.o"):
            die(f"there is no kernel for {arch} to take the flags from")
        found = re.match(r"\S+ := (?:ccache )?(\S+-)gcc (.*?) -c -o ",
                         command.read_text())
        if not found:
            die(f"{command} is not as expected")
        self.prefix = found[1]
        # Ours come first: what is tested is the repository, not the build.
        self.command = [
            f"{self.prefix}gcc", "-I{own}", f"-I{ROOT}/core",
            f"-I{ROOT}/include",
            f"-I{ROOT}/arch/{MACHINES[arch].srcarch}/include",
            f"-I{ROOT}/tools/litmus", f"-I{FOLDERS / arch}",
            *(flag for flag in shlex.split(found[2])
              if not flag.startswith("-Wp,")),
            # A frame would be memory that herd7 knows nothing of.
            "-fomit-frame-pointer", "-Wno-missing-prototypes",
            "-Wno-missing-declarations"]

    def caches(self, events):
        """What is to be defined for each kind of cache that a test is of."""
        return self.syntax.CACHES if events == "fetches" else [()]

    def compile(self, source, own, defined):
        """The object file of source; headers in own replace the others."""
        file = source.with_suffix("." + "-".join([self.arch, *defined]) + ".o")
        command = [part.format(own=own) if part == "-I{own}" else part
                   for part in self.command]
        command += [f"-D{name}" for name in defined]
        result = subprocess.run([*command, "-c", "-o", file, source],
                                cwd=self.build_dir, text=True,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        if result.returncode:
            raise Bad("does not compile: " + re.sub(
                r"[\s\S]*?(?=error:)|\n[\s\S]*", "", result.stdout, count=2))
        return file

    def test(self, name, source, file, flavour, caches):
        """The test for herd7."""
        parameters = {process: ARGUMENT.findall(args)
                      for process, args in PROCESS.findall(source)}
        elf = ELFFile(BytesIO(file.read_bytes()))
        code = self.disassemble(file, elf, flavour)
        if code.keys() != parameters.keys():
            raise Bad("not all of its processes are in the object file")

        uses = [var for args in parameters.values() for _, var in args]
        state = []
        for process, args in parameters.items():
            for i, (kind, var) in enumerate(args):
                register = f"{process[1:]}:{self.syntax.ARGUMENT.format(i)}"
                constant = self.syntax.constant(kind, var)
                if constant:
                    state.append(f"{register}={constant};")
                    continue
                first = (initial_word(elf) if var == "w" else
                         1 if kind == "page *" else
                         0 if uses.count(var) > 1 else -1)
                state += [f"int64_t {var}={first};", f"{register}={var};"]

        columns = [[process, *self.listing(process, body)]
                   for process, body in code.items()]
        height = max(map(len, columns))
        widths = [max(map(len, column)) for column in columns]
        rows = [" | ".join(
            (column[i] if i < len(column) else "").ljust(width)
            for column, width in zip(columns, widths)) for i in range(height)]
        exists = re.search(r"^/\* (exists .*) \*/$", source, re.M)
        if not exists:
            raise Bad("no line '/* exists ... */'")
        cache_type = f"CacheType={' '.join(caches)}\n" if caches else ""
        return (f"{self.syntax.MODEL} {name}\n{cache_type}{{\n" +
                "\n".join(dict.fromkeys(state)) + "\n}\n" +
                "".join(f" {row} ;\n" for row in rows) + exists[1] + "\n")

    def disassemble(self, file, elf, flavour):
        """The instructions of each process."""
        unpatched = self.syntax.unpatched(elf, flavour)
        code: dict = {}
        body: Optional[list] = None
        patched = False
        for symbol, insn in objdump.disassemble(
                self.prefix, file, "-d", *self.syntax.OBJDUMP):
            patched = symbol == PATCHED
            if symbol and not patched and not symbol.startswith(".L"):
                body = []
                if re.fullmatch(r"P\d", symbol):
                    code[symbol] = body
            if body is None:
                continue
            op, args, target = insn.op, insn.args, insn.target
            if insn.address in unpatched:
                op, args, target = "nop", [], None
            branches = bool(self.syntax.BRANCH.fullmatch(op))
            if branches != (target is not None):
                raise Bad(insn.text + (" has no target" if branches else
                                       " leaves the test"))
            # listing() puts a label for the target.
            body.append(Instruction(insn.address, op,
                                    args[:-1] if branches else args, target))
            body[-1].patched = patched
        for body in code.values():
            cut_loops(body, self.syntax.JUMP)
        return code

    def listing(self, process, body):
        """The instructions in herd7's syntax, those that can be reached."""
        targets = {insn.target for insn in body if insn.target is not None}
        lines = []
        for insn in body:
            if insn.address in targets:
                lines.append(f"L{insn.address:x}_{process[1:]}: nop")
            if insn.patched:
                lines.append(f"{PATCHED}:")
            target = (f"END_{process[1:]}" if insn.target is None
                      else f"L{insn.target:x}_{process[1:]}")
            if insn.op == "ret":
                lines.append(f"{self.syntax.JUMP} END_{process[1:]}")
            else:
                args = [*insn.args, target] if insn.branches else insn.args
                lines += self.syntax.translate(insn.op, args, lines[-1:])
            if insn.falls_to_end:
                lines.append(f"{self.syntax.JUMP} END_{process[1:]}")
        return [*lines, f"END_{process[1:]}: nop"]


def cut_loops(body, jump):
    """Makes each way round a loop end the process there: a cmpxchg or a store
    conditional that failed, or a wait that has to go on. What such a run does
    in its next round, another run does in its first. Drops what is not reached,
    such as the other flavour of the atomics."""
    index = {insn.address: i for i, insn in enumerate(body)}
    state = {}

    def successors(i):
        insn = body[i]
        if insn.op == "ret":
            return []
        ways = []
        if insn.target is not None:
            if insn.target not in index:
                raise Bad(f"a branch to {insn.target:#x} leaves the function")
            ways.append(("target", index[insn.target]))
        if insn.op != jump or insn.patched:
            if i + 1 == len(body):
                raise Bad("a function has no end")
            ways.append(("next", i + 1))
        return ways

    def visit(i):
        state[i] = "open"
        for how, successor in successors(i):
            if successor not in state:
                visit(successor)
            elif state[successor] == "open" and how == "target":
                body[i].target = None
            elif state[successor] == "open":
                body[i].falls_to_end = True
        state[i] = "done"

    visit(0)
    body[:] = [insn for i, insn in enumerate(body) if i in state]
