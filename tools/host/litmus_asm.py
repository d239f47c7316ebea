# SPDX-License-Identifier: GPL-2.0
"""Makes tests for herd7 of what the compiler makes of tools/litmus/*.c: each is
compiled with the flags of the kernel, disassembled, and put into the syntax
of herd7 instruction by instruction. What orders nothing may be replaced by its
like, and so may a DSB NSH that completes a TLBI; the rest is left as it is or
refused."""

import re
import shlex
import subprocess

from host.edit import Bad
from host.common import BUILD, ROOT, die
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
        self.falls_to_end = False
        # It may become a NOP while the test runs.
        self.patched = False


def number(text):
    """A 64-bit immediate in decimal: herd7 reads no hexadecimal ones."""
    value = int(text, 0)
    return value - (1 << 64) if value >= 1 << 63 else value


class Arm64:
    model = "AArch64"
    # The kernel patches itself to one or the other.
    flavours = ["lse", "llsc"]
    # How herd7 is told of what is no load and no store.
    events = {"fetches": ["-variant", "self"],
              "walks": ["-variant", "vmsa,fatal"]}
    # What a CPU's caches do for those who patch text, by CTR_EL0.
    caches = [(), ("IDC",), ("DIC", "IDC")]
    argument = "X{}"
    objdump = []
    branch = re.compile(r"b|b\.\w+|cbn?z|tbn?z")
    jump = "b"

    @staticmethod
    def unpatched(objdump, file, flavour):
        """The addresses of branches that the kernel has patched to NOPs."""
        if flavour == "llsc":
            return set()
        relocations = objdump("-r", file).partition("[.altinstructions]")[2]
        relocations = relocations.partition("RELOCATION RECORDS")[0]
        found = re.findall(r"PREL32 +(\S+?)(?:\+0x(\w+))?$", relocations, re.M)
        for site, how in zip(found[::2], found[1::2]):
            if site[0] != ".text" or how[0] != "alt_cb_patch_nops":
                raise Bad(f"an alternative of a kind that is not known: {how}")
        return {int(offset or "0", 16) for _, offset in found[::2]}

    @staticmethod
    def constant(kind, name):
        """An argument as in tools/litmus/arm64.h, if it is no variable."""
        page = name.partition("_")[2]
        return {"insn *": f"P0:{name}", "insn ": name.upper(),
                "pte *": f"PTE({page})",
                "pte ": f"(oa:PA({page}),valid:0)"}.get(kind)

    @staticmethod
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


class Riscv:
    model = "RISCV"
    flavours = [""]
    # Its model knows loads, stores and fences.
    events = {}
    argument = "x1{}"
    objdump = ["-M", "numeric"]
    branch = re.compile(r"j|b(eq|ne|lt|ge|ltu|geu|eqz|nez|ltz|gez)")
    jump = "j"

    @staticmethod
    def unpatched(_objdump, _file, _flavour):
        return set()

    @staticmethod
    def constant(_kind, _name):
        return None

    @staticmethod
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


ARCHES = {"arm64": Arm64, "riscv": Riscv}
# What a test may be about other than loads and stores.
EVENTS = list(Arm64.events)


class Compiler:
    """The compiler of one architecture, as make calls it in build/. That takes
    a configured kernel and no built one."""

    def __init__(self, arch, kernel, jobs):
        self.arch = arch
        self.syntax = ARCHES[arch]
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
            f"{self.prefix}gcc", "-I{own}", f"-I{ROOT}/core", f"-I{ROOT}/include",
            f"-I{ROOT}/arch/{arch}/include", f"-I{ROOT}/tools/litmus",
            *(flag for flag in shlex.split(found[2])
              if not flag.startswith("-Wp,")),
            # A frame would be memory that herd7 knows nothing of.
            "-fomit-frame-pointer", "-Wno-missing-prototypes",
            "-Wno-missing-declarations"]

    def caches(self, events):
        """What is to be defined for each kind of cache that a test is of."""
        return self.syntax.caches if events == "fetches" else [()]

    def objdump(self, *args):
        return subprocess.run([f"{self.prefix}objdump", *args], text=True,
                              stdout=subprocess.PIPE, check=True).stdout

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

    def initial_word(self, file):
        dump = self.objdump("-s", "-j", ".litmus", file)
        word = re.search(r"^ 0000 (\w{8}) (\w{8})", dump, re.M)
        return int.from_bytes(bytes.fromhex(word[1] + word[2]), "little")

    def test(self, name, source, file, flavour, caches):
        """The test for herd7."""
        parameters = {process: ARGUMENT.findall(args)
                      for process, args in PROCESS.findall(source)}
        code = self.disassemble(file, flavour)
        if code.keys() != parameters.keys():
            raise Bad("not all of its processes are in the object file")

        uses = [var for args in parameters.values() for _, var in args]
        state = []
        for process, args in parameters.items():
            for i, (kind, var) in enumerate(args):
                register = f"{process[1:]}:{self.syntax.argument.format(i)}"
                constant = self.syntax.constant(kind, var)
                if constant:
                    state.append(f"{register}={constant};")
                    continue
                first = (self.initial_word(file) if var == "w" else
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
        return (f"{self.syntax.model} {name}\n{cache_type}{{\n" +
                "\n".join(dict.fromkeys(state)) + "\n}\n" +
                "".join(f" {row} ;\n" for row in rows) + exists[1] + "\n")

    def disassemble(self, file, flavour):
        """The instructions of each process."""
        unpatched = self.syntax.unpatched(self.objdump, file, flavour)
        code = {}
        body = None
        patched = False
        for line in self.objdump("-d", "-z", "--no-show-raw-insn",
                                 *self.syntax.objdump, file).splitlines():
            symbol = re.match(r"\w+ <(.*)>:$", line)
            patched |= bool(symbol) and symbol[1] == PATCHED
            if symbol and not patched and not symbol[1].startswith(".L"):
                body = []
                if re.fullmatch(r"P\d", symbol[1]):
                    code[symbol[1]] = body
            found = re.match(r" *(\w+):\t(\S+)\s*(.*)", line)
            if not found or body is None:
                continue
            address, op = int(found[1], 16), found[2]
            text = re.sub(r"\s*//.*|\s*# .*", "", found[3])
            target = re.search(r"(\w+) <[^>]*>$", text)
            text = re.sub(r"(\w+) <[^>]*>$", "TARGET", text)
            args = [arg.strip() for arg in
                    re.split(r",(?![^\[]*\])", text)] if text else []
            if address in unpatched:
                op, args, target = "nop", [], None
            if target and not self.syntax.branch.fullmatch(op):
                raise Bad(f"{op} {text} leaves the test")
            body.append(Instruction(address, op, args,
                                    target and int(target[1], 16)))
            body[-1].patched, patched = patched, False
        for body in code.values():
            cut_loops(body, self.syntax.jump)
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
            branches = self.syntax.branch.fullmatch(insn.op)
            target = (f"END_{process[1:]}" if insn.target is None
                      else f"L{insn.target:x}_{process[1:]}")
            if insn.op == "ret":
                lines.append(f"{self.syntax.jump} END_{process[1:]}")
            else:
                args = [target if arg == "TARGET" else arg
                        for arg in insn.args]
                if branches and "TARGET" not in insn.args:
                    raise Bad(f"{insn.op} has no target")
                lines += self.syntax.translate(insn.op, args, lines[-1:])
            if insn.falls_to_end:
                lines.append(f"{self.syntax.jump} END_{process[1:]}")
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
