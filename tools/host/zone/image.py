# SPDX-License-Identifier: GPL-2.0
"""A vmlinux, as the checker of the danger zone sees it: symbols, disassembly,
and the tables of what the kernel patches."""

import bisect
import re
import struct
import subprocess
import tempfile
from collections import namedtuple

Section = namedtuple("Section", "name type flags address offset size")
Symbol = namedtuple("Symbol", "address size name type section")
JumpLabel = namedtuple("JumpLabel", "target key on_target")
# site..site+length may be replaced by replacement..replacement+new_length.
Alternative = namedtuple("Alternative",
                         "site length replacement new_length feature callback")

EXECUTABLE, WRITABLE = 4, 1
NOBITS = 8
BUGFLAG_WARNING = 1
# x86: X86_FEATURE_ALWAYS; what it replaces is only run before it does.
X86_ALWAYS = 3 * 32 + 21
X86_FLAG_NOT = 1
ARM64_CB = 1 << 15
R_AARCH64_RELATIVE = 1027


class BadImage(Exception):
    """This file cannot be checked."""


class Insn:
    """One instruction, as objdump prints it."""
    __slots__ = ("address", "next", "op", "args", "comment", "text")

    def __init__(self, address, op, args, comment, text):
        self.address = address
        self.next = None
        self.op = op
        self.args = args
        # The address that objdump has computed for a relative operand.
        self.comment = comment
        self.text = text


class Image:
    machines = {62: "x86_64", 183: "arm64", 243: "riscv"}

    def __init__(self, path, prefixes):
        self.path = path
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise BadImage(f"{path}: {error.strerror}") from None
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise BadImage(f"{path} is no 64-bit little-endian ELF file")
        machine = struct.unpack_from("<H", self.data, 18)[0]
        if machine not in self.machines:
            raise BadImage(f"{path} is for a machine that is not supported")
        self.arch = self.machines[machine]
        self.prefix = prefixes[self.arch]
        self._sections()
        self._symbols()
        self._relocations()
        self._owners = {}
        self._insns = {}
        self._tables()

    # The file.

    def _sections(self):
        offset, = struct.unpack_from("<Q", self.data, 40)
        size, count, names = struct.unpack_from("<HHH", self.data, 58)
        raw = [struct.unpack_from("<IIQQQQIIQQ", self.data, offset + i * size)
               for i in range(count)]
        strings = raw[names][4]
        self.sections = [Section(self._string(strings + s[0]), *s[1:6])
                         for s in raw]
        self.by_name = {s.name: s for s in self.sections}
        self._links = [s[6] for s in raw]

    def _string(self, offset):
        return self.data[offset:self.data.index(b"\0", offset)].decode()

    def _symbols(self):
        table = next((i for i, s in enumerate(self.sections)
                      if s.name == ".symtab"), None)
        if table is None:
            raise BadImage(f"{self.path} has no symbols")
        section = self.sections[table]
        strings = self.sections[self._links[table]].offset
        self.symbols = {}
        functions, objects, percpu = {}, {}, {}
        for name, info, _other, index, value, size in struct.iter_unpack(
                "<IBBHQQ", self.data[section.offset:
                                     section.offset + section.size]):
            kind = info & 15
            if not name or kind in (3, 4):
                continue
            name = self._string(strings + name)
            if name.startswith(("$", ".L")) or (
                    self.arch == "riscv" and name.startswith("L0")):
                continue
            symbol = Symbol(value, size, name, kind, index)
            self.symbols.setdefault(name, symbol)
            if not 0 < index < len(self.sections):
                continue
            home = self.sections[index]
            if home.name == ".data..percpu":
                where = percpu
            elif home.flags & EXECUTABLE:
                where = functions
            else:
                where = objects
            old = where.get(value)
            if not old or self._rank(symbol) > self._rank(old):
                where[value] = symbol
        self._functions = sorted(functions.items())
        self._objects = sorted(objects.items())
        self._percpu = sorted(percpu.items())
        self._starts = {name: [address for address, _ in getattr(self, name)]
                        for name in ("_functions", "_objects", "_percpu")}

    @staticmethod
    def _rank(symbol):
        """Of several symbols at an address the one that names it best."""
        mark = re.search(r"_(start|end|begin|stop)$|^__(start|stop|end)_",
                         symbol.name)
        return (not mark, symbol.type == 2, symbol.type == 1, symbol.size > 0)

    def _relocations(self):
        """What the boot code will put where there is nothing yet."""
        self._relocated = {}
        section = self.by_name.get(".rela.dyn")
        if section and self.arch == "arm64":
            for where, info, addend in struct.iter_unpack(
                    "<QQq", self.data[section.offset:
                                      section.offset + section.size]):
                if info & 0xffffffff == R_AARCH64_RELATIVE:
                    self._relocated[where] = addend & (1 << 64) - 1

    def section_at(self, address):
        for section in self.sections:
            if (section.flags & 2 and section.name != ".data..percpu" and
                    section.address <= address < section.address +
                    section.size):
                return section
        return None

    def read(self, address, size):
        """The number at an address; None if the file has none there."""
        if size == 8 and address in self._relocated:
            return self._relocated[address]
        section = self.section_at(address)
        if not section or section.type == NOBITS:
            return None
        offset = section.offset + address - section.address
        return int.from_bytes(self.data[offset:offset + size], "little")

    def signed(self, address):
        value = self.read(address, 4)
        return value - (1 << 32) if value >> 31 else value

    def constant(self, address):
        """Is what is there the same at all times after boot?"""
        section = self.section_at(address)
        return bool(section and section.type != NOBITS and
                    (section.name.startswith(".rodata") or
                     not section.flags & WRITABLE) and
                    not self.within(address, "__start_ro_after_init",
                                    "__end_ro_after_init"))

    def within(self, address, start, end):
        return (start in self.symbols and end in self.symbols and
                self.symbols[start].address <= address <
                self.symbols[end].address)

    def address(self, name):
        """Of "symbol" or "symbol+0x10"; None if there is no such symbol."""
        name, _, offset = name.partition("+")
        symbol = self.symbols.get(name)
        return symbol and symbol.address + int(offset or "0", 0)

    def _find(self, what, address):
        at = bisect.bisect_right(self._starts[what], address) - 1
        return getattr(self, what)[at][1] if at >= 0 else None

    def function(self, address):
        """The symbol that this text belongs to."""
        if address not in self._owners:
            self._owners[address] = self._find("_functions", address)
        return self._owners[address]

    def function_end(self, address):
        starts = self._starts["_functions"]
        at = bisect.bisect_right(starts, address)
        section = self.section_at(address)
        end = section.address + section.size if section else address
        return min(starts[at], end) if at < len(starts) else end

    def addresses_of(self, name):
        """Of the instructions of a function, and of the parts of it that the
        compiler has put elsewhere."""
        for symbol in self.symbols.values():
            if symbol.name.split(".")[0] != name or not self.executable(
                    symbol.address):
                continue
            address = symbol.address
            while address < symbol.address + symbol.size:
                yield address
                address = self.insn(address).next

    def is_function(self, address):
        found = self.function(address)
        return bool(found and found.address == address)

    def object(self, address, percpu=False):
        """(name, offset) of the variable, or the text, at an address."""
        section = self.section_at(address)
        if percpu:
            found = self._find("_percpu", address)
        elif not section:
            found = None
        elif section.flags & EXECUTABLE:
            found = self.function(address)
        else:
            found = self._find("_objects", address)
        if not found:
            return f"{address:#x}", 0
        return found.name, address - found.address

    def object_end(self, address):
        """Where the variable after the one at this address begins."""
        starts = self._starts["_objects"]
        at = bisect.bisect_right(starts, address)
        section = self.section_at(address)
        end = section.address + section.size
        return min(end, starts[at]) if at < len(starts) else end

    def executable(self, address):
        section = self.section_at(address)
        return bool(section and section.flags & EXECUTABLE)

    def stays(self, address):
        """Is this in the kernel image, which is mapped as long as the kernel
        runs, and not in what is freed after boot?"""
        section = self.section_at(address)
        return bool(section) and not self.within(address, "__init_begin",
                                                 "__init_end")

    def read_only(self, address):
        """Is nothing written there any more when init starts?"""
        return self.within(address, "__start_ro_after_init",
                           "__end_ro_after_init") or self.constant(address)

    # What is patched.

    def _between(self, start, end, form):
        start, end = self.symbols.get(start), self.symbols.get(end)
        if not start or not end:
            return
        size = struct.calcsize(form)
        for address in range(start.address, end.address - size + 1, size):
            yield address

    def _tables(self):
        self.jump_labels = {}
        for entry in self._between("__start___jump_table",
                                   "__stop___jump_table", "<iiq"):
            offset = self.read(entry + 8, 8)
            key = (entry + 8 + (offset & ~3)) & (1 << 64) - 1
            self.jump_labels[entry + self.signed(entry)] = JumpLabel(
                entry + 4 + self.signed(entry + 4), key, not offset & 1)
        self.static_calls = {}
        for entry in self._between("__start_static_call_sites",
                                   "__stop_static_call_sites", "<ii"):
            self.static_calls[entry + self.signed(entry)] = (
                entry + 4 + self.signed(entry + 4)) & ~3
        self.ftrace = set()
        for entry in self._between("__start_mcount_loc", "__stop_mcount_loc",
                                   "<Q"):
            self.ftrace.add(self.read(entry, 8))
        self._bugs()
        self._blacklist()
        self._alternatives()
        self.late = set()
        section = self.by_name.get(".smp_locks")
        if section and self.arch == "x86_64":
            self.late = {entry + self.signed(entry) for entry in range(
                section.address, section.address + section.size - 3, 4)}

    def _bugs(self):
        """Which traps are warnings, that execution goes on after."""
        self.bugs = {}
        start = self.symbols.get("__start___bug_table")
        end = self.symbols.get("__stop___bug_table")
        if not start or not end:
            return
        for size in (12, 8):
            entries = {}
            for entry in range(start.address, end.address - size + 1, size):
                where = entry + self.signed(entry)
                section = self.section_at(where)
                if not section or not section.flags & EXECUTABLE:
                    break
                flags = self.read(entry + (10 if size == 12 else 4), 2)
                entries[where] = flags
            else:
                self.bugs = entries
                return

    AREAS = {
        "x86_64": ("__kprobes", "__noinstr", "__entry"),
        "arm64": ("__kprobes", "__noinstr", "__entry", "__irqentry", "__hyp"),
        "riscv": ("__kprobes", "__noinstr", "__irqentry"),
    }

    def _blacklist(self):
        """Where the kernel refuses kprobes: populate_kprobe_blacklist() and
        arch_populate_kprobe_blacklist()."""
        self.no_kprobe = []
        for area in self.AREAS[self.arch]:
            start = self.symbols.get(f"{area}_text_start")
            end = self.symbols.get(f"{area}_text_end")
            if start and end and start.address < end.address:
                self.no_kprobe.append((start.address, end.address))
        for entry in self._between("__start_kprobe_blacklist",
                                   "__stop_kprobe_blacklist", "<Q"):
            address = self.read(entry, 8)
            if address:
                self.no_kprobe.append((address, self.function_end(address)))
        self._kprobe_able = {}

    def kprobe_able(self, address):
        if address not in self._kprobe_able:
            section = self.section_at(address)
            # arm64 keeps text there that is not the kernel's to run in place.
            self._kprobe_able[address] = not (
                section and section.name == ".rodata.text" or any(
                    start <= address < end for start, end in self.no_kprobe))
        return self._kprobe_able[address]

    def ftrace_site(self, function):
        """Is there a site that belongs to the entry of this function?"""
        for delta in range(-16 if self.arch == "arm64" else 0, 12, 4):
            site = function + delta
            if site not in self.ftrace:
                continue
            if delta >= 0:
                return self.function(site).address == function
            # NOPs in front of it, after what comes before it.
            before = self.function(site)
            if not before or site >= before.address + max(before.size, 4):
                return True
        return False

    def _alternatives(self):
        self.alternatives = {}
        self.replacement_of = {}
        name, form = {
            "x86_64": (".altinstructions", "<iiIBB"),
            "arm64": (".altinstructions", "<iiHBB"),
            "riscv": (".alternative", "<iiHHI"),
        }[self.arch]
        self.alternatives_table = name
        section = self.by_name.get(name)
        if not section:
            return
        size = struct.calcsize(form)
        for entry in range(section.address,
                           section.address + section.size - size + 1, size):
            site, new, *rest = struct.unpack_from(
                form, self.data, entry - section.address + section.offset)
            site, new = entry + site, entry + 4 + new
            callback = False
            if self.arch == "riscv":
                length = new_length = rest[1]
                feature = f"{rest[0]}:{rest[2]}"
            else:
                feature, length, new_length = rest
                if self.arch == "arm64":
                    callback = bool(feature & ARM64_CB)
                    feature &= ~ARM64_CB
                elif feature >> 16 & X86_FLAG_NOT:
                    feature = f"!{feature & 0xffff}"
                else:
                    feature &= 0xffff
            alternative = Alternative(site, length, new, new_length, feature,
                                      callback)
            self.alternatives.setdefault(site, []).append(alternative)
            if new_length and not callback:
                self.replacement_of[new] = alternative

    def callers(self, function):
        """Where text calls or jumps to a function."""
        for section in self.sections:
            if not section.flags & EXECUTABLE or section.type == NOBITS:
                continue
            data = self.data[section.offset:section.offset + section.size]
            for offset, target in self._branches(data):
                if section.address + offset + target == function:
                    yield section.address + offset

    def _branches(self, data):
        """(offset, distance) of what may be direct branches, all of them."""
        if self.arch == "x86_64":
            for found in re.finditer(rb"[\xe8\xe9](?=(....))", data, re.S):
                yield found.start(), 5 + int.from_bytes(found[1], "little",
                                                        signed=True)
        elif self.arch == "arm64":
            for number, (word,) in enumerate(struct.iter_unpack(
                    "<I", data[:len(data) & ~3])):
                if word >> 26 & 31 == 5:
                    yield 4 * number, ((word & 0x3ffffff ^ 0x2000000) -
                                       0x2000000) * 4
        else:
            halves = struct.unpack(f"<{len(data) // 2}H", data[:len(data) & ~1])
            for number in range(len(halves) - 3):
                low, high = halves[number:number + 2]
                if low & 0x7f == 0x6f:
                    word = low | high << 16
                    yield 2 * number, (
                        (word >> 31) * -0x100000 | word & 0xff000 |
                        word >> 9 & 0x800 | word >> 20 & 0x7fe)
                elif low & 0x7f == 0x17 and halves[number + 2] & 0x7f == 0x67:
                    upper = (low & 0xf000 | high << 16) ^ 0x80000000
                    lower = (halves[number + 3] >> 4) ^ 0x800
                    yield 2 * number, upper - 0x80000000 + lower - 0x800

    # Text.

    def _objdump(self, start, end, path=None, options=("-d",), one=False):
        result = subprocess.run(
            [f"{self.prefix}objdump", *options, "-z", "-w",
             "--no-show-raw-insn", f"--start-address={start:#x}",
             f"--stop-address={end:#x}", path or self.path], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if result.returncode:
            raise BadImage(result.stderr.strip().splitlines()[-1])
        last = None
        for line in result.stdout.splitlines():
            found = re.match(r" *([\da-f]+):\t(.*)", line)
            if not found:
                continue
            insn = self._parse(int(found[1], 16), found[2].strip())
            if last:
                last.next = insn.address
                if one:
                    return
            self._insns[insn.address] = last = insn
        if last and last.next is None:
            last.next = end

    PREFIXES = {"lock", "rep", "repz", "repnz", "notrack", "data16", "bnd",
                "addr32", "cs", "ds", "es", "ss", "gs", "fs", "rex.W"}

    # As objdump prints what it does not know.
    NEWER = {"repz clac": "eretu", "repnz clac": "erets"}

    def _parse(self, address, text):
        text = " ".join(text.split())
        text = self.NEWER.get(text, text)
        body = re.split(r"\s+(?:#|//)\s", f"{text} ", maxsplit=1)
        comment = None
        if len(body) > 1:
            found = re.match(r"([\da-f]{2,16})\s*<", body[1])
            comment = found and int(found[1], 16)
        words = body[0].strip().split(None, 1)
        op = words[0] if words else "(bad)"
        rest = words[1] if len(words) > 1 else ""
        while op in self.PREFIXES and rest:
            more, _, rest = rest.partition(" ")
            op = f"{op} {more}" if op in ("lock", "rep") else more
            if op.split()[-1] in self.PREFIXES:
                continue
            break
        found = re.search(r"\b([\da-f]+) <[^>]*>$", rest)
        if found:
            comment = int(found[1], 16)
            rest = rest[:found.start()] + f"{comment:#x}"
        args = [arg.strip() for arg in
                re.split(r",(?![^(\[{]*[)\]}])", rest)] if rest else []
        return Insn(address, op, args, comment, text)

    def insn(self, address):
        """The instruction at an address; None if there is none."""
        if address not in self._insns:
            section = self.section_at(address)
            if not section or not section.flags & EXECUTABLE:
                return None
            function = self.function(address)
            start = function.address if (
                function and function.address >= section.address) else address
            if address in self.replacement_of or section.name.startswith(
                    ".altinstr"):
                start = address
                new = self.replacement_of.get(address)
                end = address + new.new_length if new else address + 64
            else:
                end = self.function_end(address)
            self._objdump(start, max(end, address + 1))
            if address not in self._insns:
                self._objdump(address, max(end, address + 1))
        found = self._insns.get(address)
        if found and (found.op == ".byte" or found.op.startswith("rex") and
                      not found.args):
            self._overlapping(address)
            found = self._insns.get(address)
        return found

    def _overlapping(self, address):
        """Disassembles an instruction that has a symbol inside."""
        section = self.section_at(address)
        offset = section.offset + address - section.address
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.data[offset:offset + 16])
            file.flush()
            self._objdump(address, address + 16, file.name, [
                "-D", "-b", "binary", "-m", "i386:x86-64",
                f"--adjust-vma={address:#x}"], one=True)

    def load_replacements(self):
        """Disassembles them all at once."""
        section = self.by_name.get(".altinstr_replacement")
        if section and section.size:
            self._objdump(section.address, section.address + section.size)

    def load(self, start, end):
        """Disassembles a whole area at once."""
        start, end = self.address(start), self.address(end)
        if start and end and start < end:
            self._objdump(start, end)

    def insns(self):
        return list(self._insns.values())
