# SPDX-License-Identifier: GPL-2.0
"""A vmlinux, as the checker of the danger zone sees it: disassembly, and the
tables of what the kernel patches."""

import struct
from collections import namedtuple

from elftools.elf.constants import SH_FLAGS

from host import lookup, objdump
from host.arch import MACHINES
from host.zone.isa import MASK
from host.zone.vmlinux import BadImage, Vmlinux, read_elf

JumpLabel = namedtuple("JumpLabel", "target key on_target")
# site..site+length may be replaced by replacement..replacement+new_length.
Alternative = namedtuple("Alternative",
                         "site length replacement new_length feature callback")

BUGFLAG_WARNING = 1


def open_image(path):
    """The Image of a kernel, by the architecture that it is for."""
    machine = read_elf(path)["e_machine"]
    for arch in MACHINES:
        zone = lookup.module(arch, "zone")
        if zone and zone.Image.machine == machine:
            return zone.Image(path)
    raise BadImage(f"{path} is for a machine that is not supported")


class Image(Vmlinux):
    """What the architectures have in common. Each has its own in
    tools/arch/<arch>/zone.py, with these:"""

    # The name of its folder, and what ELF calls it.
    arch: str
    machine: str
    # What its instructions do.
    Isa: type
    # Sections of text, as in <name>_text_start. Entry code is in these.
    text = ("__noinstr", "__entry", "__irqentry", "__entry_tramp")
    # In these it keeps to no calling convention.
    assembly: tuple
    # Kprobes are refused there: arch_populate_kprobe_blacklist().
    no_kprobes: tuple
    # A section of text that the kernel does not run in place.
    elsewhere = ""
    # How far before a function its ftrace site may be, in bytes.
    before_function = 0
    # The table of alternatives, and an entry in it.
    alternatives_table = ".altinstructions"
    alternative_form: str
    # The feature of an alternative whose original never runs.
    always: int | None = None

    def __init__(self, path):
        super().__init__(path)
        self.prefix = MACHINES[self.arch].cross
        self._insns = {}
        self._tables()

    def alternative(self, feature, length, new_length, *_rest):
        """(feature, length, new length, is there a callback?) by an entry's
        numbers after its two addresses."""
        raise NotImplementedError

    def branches(self, data):
        """(offset, distance) of what may be direct branches, all of them."""
        raise NotImplementedError

    def late_alternatives(self):
        """What is patched at run time, too."""
        return set()

    # What is patched.

    def _between(self, start, end, form):
        start, end = self.symbols.get(start), self.symbols.get(end)
        if not start or not end:
            return
        size = struct.calcsize(form)
        yield from range(start.address, end.address - size + 1, size)

    def _tables(self):
        self.jump_labels = {}
        for entry in self._between("__start___jump_table",
                                   "__stop___jump_table", "<iiq"):
            offset = self.read(entry + 8, 8)
            key = (entry + 8 + (offset & ~3)) & MASK
            self.jump_labels[entry + self.signed(entry)] = JumpLabel(
                entry + 4 + self.signed(entry + 4), key, not offset & 1)
        self.static_calls = {}
        for entry in self._between("__start_static_call_sites",
                                   "__stop_static_call_sites", "<ii"):
            self.static_calls[entry + self.signed(entry)] = (
                entry + 4 + self.signed(entry + 4)) & ~3
        self.ftrace = {self.read(entry, 8) for entry in self._between(
            "__start_mcount_loc", "__stop_mcount_loc", "<Q")}
        self._bugs()
        self._blacklist()
        self._alternatives()
        self.late = self.late_alternatives()

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
                if not self.executable(where):
                    break
                flags = self.read(entry + (10 if size == 12 else 4), 2)
                entries[where] = flags
            else:
                self.bugs = entries
                return

    def _blacklist(self):
        """Where the kernel refuses kprobes: populate_kprobe_blacklist() and
        arch_populate_kprobe_blacklist()."""
        self.no_kprobe = []
        for area in self.no_kprobes:
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
            self._kprobe_able[address] = not (
                section and section.name == self.elsewhere or any(
                    start <= address < end for start, end in self.no_kprobe))
        return self._kprobe_able[address]

    def ftrace_site(self, function):
        """Is there a site that belongs to the entry of this function?"""
        for delta in range(-self.before_function, 12, 4):
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
        self.alternatives: dict = {}
        self.replacement_of = {}
        section = self.by_name.get(self.alternatives_table)
        if not section:
            return
        size = struct.calcsize(self.alternative_form)
        for offset in range(0, section.size - size + 1, size):
            site, new, *rest = struct.unpack_from(
                self.alternative_form, self.data, section.offset + offset)
            entry = section.address + offset
            site, new = entry + site, entry + 4 + new
            feature, length, new_length, callback = self.alternative(*rest)
            alternative = Alternative(site, length, new, new_length, feature,
                                      callback)
            self.alternatives.setdefault(site, []).append(alternative)
            if new_length and not callback:
                self.replacement_of[new] = alternative

    def callers(self, function):
        """Where text calls or jumps to a function."""
        for section in self.sections:
            if not section.flags & SH_FLAGS.SHF_EXECINSTR or (
                    section.type == "SHT_NOBITS"):
                continue
            data = self.data[section.offset:section.offset + section.size]
            for offset, distance in self.branches(data):
                if section.address + offset + distance == function:
                    yield section.address + offset

    # Text.

    def _disassemble(self, start, end):
        try:
            for _, insn in objdump.disassemble(self.prefix, self.path,
                                               start=start, end=end):
                self._insns[insn.address] = insn
        except objdump.Failed as error:
            raise BadImage(str(error)) from None

    def insn(self, address):
        """The instruction at an address; None if there is none."""
        if address not in self._insns:
            section = self.section_at(address)
            if not section or not section.flags & SH_FLAGS.SHF_EXECINSTR:
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
            self._disassemble(start, max(end, address + 1))
            if address not in self._insns:
                self._disassemble(address, max(end, address + 1))
        return self._insns.get(address)

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

    def load_replacements(self):
        """Disassembles them all at once."""
        section = self.by_name.get(".altinstr_replacement")
        if section and section.size:
            self._disassemble(section.address, section.address + section.size)

    def load(self, start, end):
        """Disassembles a whole area at once."""
        start, end = self.address(start), self.address(end)
        if start and end and start < end:
            self._disassemble(start, end)

    def insns(self):
        return list(self._insns.values())
