# SPDX-License-Identifier: GPL-2.0
"""A vmlinux: its sections, its symbols, and what is at an address."""

import bisect
import re
from collections import namedtuple
from io import BytesIO

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

Section = namedtuple("Section", "name type flags address offset size")
Symbol = namedtuple("Symbol", "address size name type")


class BadImage(Exception):
    """This file cannot be checked."""


def read_elf(path):
    """A 64-bit little-endian ELF file, as pyelftools has it."""
    try:
        elf = ELFFile(BytesIO(path.read_bytes()))
    except OSError as error:
        raise BadImage(f"{path}: {error.strerror}") from None
    except ELFError:
        elf = None
    if not elf or elf.elfclass != 64 or not elf.little_endian:
        raise BadImage(f"{path} is no 64-bit little-endian ELF file")
    return elf


class Vmlinux:
    # Beginnings of names that are no symbols of the kernel's.
    local_names = ("$", ".L")

    def __init__(self, path):
        self.path = path
        elf = read_elf(path)
        self.data = elf.stream.getvalue()
        self.sections = [
            Section(section.name, section["sh_type"], section["sh_flags"],
                    section["sh_addr"], section["sh_offset"],
                    section["sh_size"]) for section in elf.iter_sections()]
        self.by_name = {section.name: section for section in self.sections}
        table = elf.get_section_by_name(".symtab")
        if not table:
            raise BadImage(f"{path} has no symbols")
        self._symbols(table)
        # What the boot code will put where there is nothing yet.
        self._relocated = self.relocations(elf)
        self._owners = {}

    def relocations(self, elf):
        return {}

    def _symbols(self, table):
        self.symbols: dict = {}
        functions: dict = {}
        objects: dict = {}
        percpu: dict = {}
        for entry in table.iter_symbols():
            kind, index = entry["st_info"]["type"], entry["st_shndx"]
            if kind in ("STT_SECTION", "STT_FILE") or not entry.name or (
                    entry.name.startswith(self.local_names)):
                continue
            symbol = Symbol(entry["st_value"], entry["st_size"], entry.name,
                            kind)
            self.symbols.setdefault(symbol.name, symbol)
            # Others are in no section: SHN_ABS.
            if not isinstance(index, int):
                continue
            home = self.sections[index]
            if home.name == ".data..percpu":
                where = percpu
            elif home.flags & SH_FLAGS.SHF_EXECINSTR:
                where = functions
            else:
                where = objects
            old = where.get(symbol.address)
            if not old or self._rank(symbol) > self._rank(old):
                where[symbol.address] = symbol
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
        return (not mark, symbol.type == "STT_FUNC",
                symbol.type == "STT_OBJECT", symbol.size > 0)

    def section_at(self, address):
        for section in self.sections:
            if (section.flags & SH_FLAGS.SHF_ALLOC and
                    section.name != ".data..percpu" and
                    section.address <= address < section.address +
                    section.size):
                return section
        return None

    def read(self, address, size):
        """The number at an address; None if the file has none there."""
        if size == 8 and address in self._relocated:
            return self._relocated[address]
        section = self.section_at(address)
        if not section or section.type == "SHT_NOBITS":
            return None
        offset = section.offset + address - section.address
        return int.from_bytes(self.data[offset:offset + size], "little")

    def signed(self, address):
        value = self.read(address, 4)
        return value - (1 << 32) if value >> 31 else value

    def constant(self, address):
        """Is what is there the same at all times after boot?"""
        section = self.section_at(address)
        return bool(section and section.type != "SHT_NOBITS" and
                    (section.name.startswith(".rodata") or
                     not section.flags & SH_FLAGS.SHF_WRITE) and
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
        elif section.flags & SH_FLAGS.SHF_EXECINSTR:
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
        return bool(section and section.flags & SH_FLAGS.SHF_EXECINSTR)

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
