# SPDX-License-Identifier: GPL-2.0
"""What is known of the kernel's text before anything is followed."""

import bisect

from host.zone.image import BUGFLAG_WARNING
from host.zone.isa import MASK


class Text:
    def __init__(self, image, rules):
        self.image = image
        self.rules = rules
        self.isa = image.Isa(image)
        self._towards = {}
        self._returning = {}
        self._replacing = {}
        for area in image.text:
            image.load(f"{area}_text_start", f"{area}_text_end")
        image.load_replacements()
        self._replacements = sorted(
            (new.replacement, new.replacement + new.new_length, new)
            for news in image.alternatives.values() for new in news
            if new.new_length and not new.callback)
        self._leads_out = self._callers_of_exits()

    def assembly(self, address):
        if any(self.image.within(address, f"{area}_text_start",
                                 f"{area}_text_end")
               for area in self.image.assembly):
            return True
        function = self.image.function(address)
        return bool(function and (
            self.rules.find("asm", function.name) or
            any(function.name == rule.pattern
                for rule in self.rules.of("start"))))

    def replacement(self, address):
        """The alternative that this text is a replacement of."""
        if address not in self._replacing:
            at = bisect.bisect_right(self._replacements,
                                     (address, MASK, None)) - 1
            start, end, new = self._replacements[at] if at >= 0 else (0, 0, 0)
            self._replacing[address] = new if start <= address < end else None
        return self._replacing[address]

    def home(self, address):
        """Where the kernel executes this text."""
        new = self.replacement(address)
        return new.site if new else address

    def symbol(self, address):
        function = self.image.function(address)
        return function.name if function else f"{address:#x}"

    def base(self, address):
        """The name, without what the compiler has added to it."""
        return self.symbol(address).split(".")[0]

    def _callers_of_exits(self):
        """The functions that an exit hook may be reached from, by name."""
        callers: dict = {}
        for insn in self.image.insns():
            if insn.target is None or not self.isa.direct.match(insn.op):
                continue
            for name in {self.symbol(insn.target), self.base(insn.target)}:
                callers.setdefault(name, set()).add(self.symbol(insn.address))
        found = {rule.pattern for rule in self.rules.of("exit")}
        pending = list(found)
        while pending:
            for name in callers.get(pending.pop(), ()):
                if name not in found:
                    found.add(name)
                    pending.append(name)
        return found

    def leads_out(self, address):
        return (self.symbol(address) in self._leads_out or
                self.base(address) in self._leads_out)

    def is_hook(self, name):
        return self.rules.find("hook", name)

    def decided(self, address):
        """Has a function with an entry hook found that it does not need it?
        So it is if it has read the word and can no longer reach the RMW."""
        name = self.base(address)
        if not self.is_hook(name):
            return False
        if name not in self._towards:
            self._towards[name] = self._reaching(name)
        return address not in self._towards[name]

    def _reaching(self, name):
        """Where in a function a transition may still come."""
        image = self.image
        before: dict = {}
        hooks: list = []
        for address in image.addresses_of(name):
            insn = image.insn(address)
            ways = [] if self.isa.unconditional.match(insn.op) else [insn.next]
            if insn.target is not None:
                ways.append(insn.target)
                if image.is_function(insn.target) and self.is_hook(
                        self.base(insn.target)):
                    hooks.append(address)
            if address in image.jump_labels:
                ways = [insn.next, image.jump_labels[address].target]
            for new in image.alternatives.get(address, ()):
                ways.append(address + new.length)
            # In the image it is no per-CPU word.
            if self.isa.transition.match(insn.op) and not (
                    insn.target and image.section_at(insn.target)):
                hooks.append(address)
            for way in ways:
                before.setdefault(way, []).append(address)
        found = set(hooks)
        while hooks:
            for address in before.get(hooks.pop(), ()):
                if address not in found:
                    found.add(address)
                    hooks.append(address)
        return found

    def last(self, insn):
        """Is this the last instruction of a function?"""
        function = self.image.function(insn.address)
        return function.size and (self.following(insn) ==
                                  function.address + function.size)

    def following(self, insn):
        new = self.replacement(insn.address)
        if new and insn.next >= new.replacement + new.new_length:
            return new.site + new.length
        return insn.next

    def returns(self, function):
        """May a function return?  What it calls may, but at its end."""
        if function not in self._returning:
            self._returning[function] = True
            self._returning[function] = self._may_return(function)
        return self._returning[function]

    def _may_return(self, function):
        name = self.base(function)
        seen, work = set(), [function]
        while work:
            address = work.pop()
            if address in seen:
                continue
            seen.add(address)
            insn = self.image.insn(address)
            if not insn:
                return True
            flow, _ = self.isa.step(self.isa.entry_state(), insn)
            ways = [insn.next]
            if flow[0] in ("ret", "user", "ijump"):
                return True
            if flow[0] == "bad" or flow[0] == "trap" and not (
                    self.image.bugs.get(address, 0) & BUGFLAG_WARNING):
                continue
            if flow[0] in ("call", "jump") and self.image.is_function(
                    flow[1]) and self.base(flow[1]) != name:
                if flow[0] == "jump" or self.last(insn):
                    if self.returns(flow[1]):
                        return True
                    ways = []
            elif flow[0] == "jump":
                ways = [flow[1]]
            elif flow[0] in ("branch", "mode"):
                ways.append(flow[1])
            if address in self.image.jump_labels:
                ways.append(self.image.jump_labels[address].target)
            work += ways
        return False

    def warns(self, address):
        """Does everything that follows come to a WARN() or a BUG()?"""
        seen: set = set()
        work = [address]
        while work:
            address = work.pop()
            insn = self.image.insn(address)
            if not insn or len(seen) > 64:
                return False
            if address in seen or address in self.image.bugs:
                continue
            seen.add(address)
            flow, _ = self.isa.step(self.isa.entry_state(), insn)
            if flow[0] in ("branch", "mode"):
                work += [insn.next, flow[1]]
            elif flow[0] in ("next", "jump"):
                work.append(flow[1] if flow[0] == "jump" else insn.next)
            else:
                return False
        return True
