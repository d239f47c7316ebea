# SPDX-License-Identifier: GPL-2.0
"""Follows kernel code from where the hardware enters it to the entry hook, and
from the exit hook to user mode, and says what it finds on the way."""

import bisect
import fnmatch
import re
from collections import namedtuple

from host.zone.image import BUGFLAG_WARNING, X86_ALWAYS
from host.zone.isa import (ISAS, KERNEL_MODE, MASK, UNKNOWN, USER_MODE, State,
                            merge, signed)

# Aliases of a page differ in the rest of their addresses.
PAGE_OFFSET = 0xfff
# Where a path is. In the danger zone: before the entry hook, or after an exit
# hook ("exit <hook>"); perhaps it has read the word there (LOOKED). In between
# it is in the kernel: from user mode (USER), in an NMI or the like that found
# RCU not watching (NMI), or in something that interrupted the kernel.
ENTRY, EXIT, LOOKED = "entry", "exit ", ", word read"
KERNEL, USER, NMI = "kernel", "kernel, user", "kernel, nmi"


def in_zone(phase):
    return not phase.startswith(KERNEL)


def on_entry(phase):
    return phase.startswith(ENTRY)


# facts: what has been verified, that a rule may ask for; see Rules.
Finding = namedtuple("Finding", "phase kind what function address text facts")
Rule = namedtuple("Rule", "kind pattern function condition facts reason line")


class BadRules(Exception):
    pass


class Rules:
    """What is stated about an architecture's entry code. A line each:

        kind pattern [in function] [if [no] symbol] [needs fact]: reason
    """
    # These allow a finding of that kind.
    ALLOW = {"memory", "jump-label", "static-call", "ftrace", "kprobe",
             "alternative", "late-alternative", "indirect", "call"}
    # These take something out of the check, too.
    WAIVE = ALLOW | {"hook", "ends", "back", "stop", "goes", "never", "off",
                     "mode-user"}
    # These say what is what.
    STRUCTURE = {"entry", "entry-nmi", "entry-kernel", "start", "word", "exit",
                 "release", "work", "hook", "decides", "ends", "back", "off",
                 "never", "boot", "stop", "nmi", "asm", "goes", "mode-user"}
    # What a rule may ask to be verified where it is used: it is the kernel that
    # was interrupted; a WARN() or a BUG() comes next; the address is in the
    # kernel image, where that stays.
    FACTS = {"kernel", "warning", "image"}
    # Never without.
    ALWAYS = {"ends": {"kernel"}, "back": {"kernel"}}

    def __init__(self, files, image):
        self.rules = []
        self.used = set()
        for file in files:
            for number, line in enumerate(file.read_text().splitlines(), 1):
                where = f"{file.name}:{number}"
                if line[:1].isspace() and self.rules and line.strip():
                    # A reason goes on.
                    last = self.rules[-1]
                    self.rules[-1] = last._replace(
                        reason=f"{last.reason} {line.strip()}")
                    continue
                if not line.strip() or line.startswith("#"):
                    continue
                self.rules.append(self._parse(line, where))
        for rule in self.rules:
            if not rule.reason:
                raise BadRules(f"{rule.line}: no reason")
        self.rules = [rule for rule in self.rules if not rule.condition or (
            rule.condition.split()[-1] in image.symbols) !=
            rule.condition.startswith("no ")]

        self.by_kind = {kind: [rule for rule in self.rules if rule.kind == kind]
                        for kind in self.ALLOW | self.STRUCTURE}
        self._found = {}

    def _parse(self, line, where):
        found = re.match(r"(\S+)\s+(\S+?)(?:\s+in\s+(\S+?))?"
                         r"(?:\s+if\s+((?:no\s+)?\S+?))?"
                         r"(?:\s+needs\s+(\S+?))?:(?:\s+(.*))?$", line)
        if not found:
            raise BadRules(f"{where}: not 'kind pattern: reason'")
        kind, pattern, function, condition, fact, reason = found.groups()
        if kind not in self.ALLOW | self.STRUCTURE:
            raise BadRules(f"{where}: kind {kind} is not known")
        facts = {fact} - {None} | self.ALWAYS.get(kind, set())
        if facts - self.FACTS:
            raise BadRules(f"{where}: {fact} cannot be verified")
        if kind == "memory" and "->" not in pattern and pattern != "?":
            facts.add("image")
        return Rule(kind, pattern, function, condition, frozenset(facts),
                    reason or "", where)

    def of(self, kind):
        return self.by_kind[kind]

    def find(self, kind, what, function="", path=(), facts=frozenset()):
        """The rule for this in a function, if any."""
        key = kind, what, function
        if key not in self._found:
            self._found[key] = [rule for rule in self.by_kind[kind]
                                if self._fits(rule, what, function)]
        for rule in self._found[key]:
            if rule.facts <= facts and self._called_by(rule, path):
                self.used.add(rule)
                return rule
        return None

    @staticmethod
    def _fits(rule, what, function):
        inner = rule.function and rule.function.split(">")[-1]
        parts, patterns = what.split("->"), rule.pattern.split("->")
        return ((not inner or fnmatch.fnmatchcase(function, inner)) and
                len(patterns) == len(parts) and
                all(map(fnmatch.fnmatchcase, parts, patterns)))

    @staticmethod
    def _called_by(rule, path):
        callers = rule.function.split(">")[:-1] if rule.function else ()
        return all(any(fnmatch.fnmatchcase(name.split(".")[0], caller)
                       for name in path) for caller in callers)


class Summary:
    """What following some code has shown."""

    def __init__(self):
        # Phase: the state in which the code returns to its caller.
        self.exits = {}
        # Finding: the functions that lead there.
        self.findings = {}
        # The functions whose entry hooks, and whose exit hooks, were reached.
        self.hooks = set()
        self.published = set()
        # (phase, address): what returns to user mode, and all instructions in
        # the danger zone.
        self.users = set()
        self.insns = set()

    def include(self, other, path, rules):
        for finding, chain in other.findings.items():
            chain = path + chain
            # Some are allowed only by way of certain callers.
            if finding.kind not in rules.ALLOW or not rules.find(
                    finding.kind, finding.what, finding.function, chain,
                    finding.facts):
                self.findings.setdefault(finding, chain)
        self.hooks |= other.hooks
        self.published |= other.published
        self.users |= other.users
        self.insns |= other.insns


class Walker:
    # Where the code keeps to no calling convention.
    ASSEMBLY = {"x86_64": ("__entry",), "arm64": ("__entry", "__entry_tramp"),
                "riscv": ("__irqentry",)}
    TEXT = ("__noinstr", "__entry", "__irqentry", "__entry_tramp")

    def __init__(self, image, rules):
        self.image = image
        self.rules = rules
        self.isa = ISAS[image.arch](image)
        self.hooks_in_assembly = image.address("ct_user_entered") is not None
        self.cache = {}
        self.active = set()
        self._towards = {}
        self._returning = {}
        # Rules that do not hold, and why.
        self.broken = {}
        self._replacing = {}
        self.words = [image.symbols[rule.pattern].address
                      for rule in rules.of("word")
                      if rule.pattern in image.symbols]
        for area in self.TEXT:
            image.load(f"{area}_text_start", f"{area}_text_end")
        image.load_replacements()
        self._replacements = sorted(
            (new.replacement, new.replacement + new.new_length, new)
            for news in image.alternatives.values() for new in news
            if new.new_length and not new.callback)
        self._leads_out = self._callers_of_exits()

    # What is known of text.

    def assembly(self, address):
        if any(self.image.within(address, f"{area}_text_start",
                                 f"{area}_text_end")
               for area in self.ASSEMBLY[self.image.arch]):
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
        callers = {}
        for insn in self.image.insns():
            if insn.comment is None or not re.match(
                    r"(call|j|b|tail|cb|tb)", insn.op):
                continue
            for name in {self.symbol(insn.comment), self.base(insn.comment)}:
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

    # Following code.

    def enter(self, address, phase=ENTRY, mode=UNKNOWN):
        """Follows what starts at an address, from user mode or (USER) from
        the kernel, or what has interrupted a mode; returns a Summary."""
        state = self.isa.entry_state()
        state.set("mode", mode)
        return self._run(address, phase, state)

    def _follow(self, address, phase, state):
        """The Summary of a function that is called in this state."""
        if not self.assembly(address):
            # What it gets: its arguments, and a stack.
            state = State({reg: state.regs[reg]
                           for reg in (*self.isa.arguments, self.isa.sp, "gp",
                                       "tp", "ra", "x30", "mode")
                           if reg in state.regs}, dict(state.slots))
        key = (address, phase, state.key())
        if key in self.cache:
            return self.cache[key]
        if key[:2] in self.active:
            return Summary()
        self.active.add(key[:2])
        summary = self._run(address, phase, state)
        self.active.discard(key[:2])
        self.cache[key] = summary
        return summary

    def _run(self, start, phase, state):
        summary = Summary()
        seen = {}
        work = [(start, phase, state, (self.symbol(start),))]
        while work:
            address, phase, state, path = work.pop()
            key = address, phase
            if key in seen:
                if not seen[key].merge(state):
                    continue
                state = seen[key].copy()
            else:
                seen[key] = state.copy()
            while True:
                name = self.symbol(self.home(address))
                if name not in path:
                    path = (*path, name)
                after = self._one(summary, address, phase, state, path)
                # Not backwards: a loop has to find what it has seen.
                if len(after) == 1 and after[0][0] > address and (
                        after[0][:2] not in seen):
                    address, phase, state = after[0]
                    continue
                work += [(*what, path) for what in after]
                break
        return summary

    def _one(self, summary, address, phase, state, path):
        """Follows one instruction; returns the (address, phase, state) that
        come next."""
        image = self.image
        insn = image.insn(address)
        if not insn or insn.next is None:
            self._report(summary, phase, path, state, "code", f"{address:#x}",
                         address, "there is no code")
            return []
        if phase.endswith(LOOKED) and in_zone(phase) and (
                self._decided(address)):
            phase = KERNEL
        if in_zone(phase):
            summary.insns.add((phase, address))
            self._patched(summary, insn, phase, path, state)

        after = []
        news = [new for new in image.alternatives.get(address, ())
                if not self.rules.find("never", f"feature-{new.feature}")]
        # Without this feature no CPU defers.  One that comes after it in the
        # list, and is there, takes its place.
        hook_is_due = on_entry(phase) or phase == USER
        off = [hook_is_due and bool(self.rules.find(
            "off", f"feature-{new.feature}")) for new in news]
        for number, new in enumerate(news):
            self._report(summary, phase, path, state, "alternative",
                         image.alternatives_table, address,
                         f"feature {new.feature}")
            after.append((new.replacement if new.new_length and
                          not new.callback else address + new.length,
                          KERNEL if any(off[number + 1:]) else phase,
                          state.copy()))
        if image.arch == "x86_64" and any(new.feature == X86_ALWAYS
                                          for new in news):
            return after
        if any(off):
            phase = KERNEL

        label = image.jump_labels.get(address)
        if label:
            key, _ = image.object(label.key)
            off = hook_is_due and self.rules.find("off", key)
            after.append((label.target, KERNEL if off and not label.on_target
                          else phase, state.copy()))
            after.append((insn.next, KERNEL if off and label.on_target
                          else phase, state))
            return after

        flow, accesses = self.isa.step(state, insn)
        for how, where, text in accesses:
            phase = self._access(summary, insn, phase, how, where, text, path,
                                 state)
        return after + self._flow(summary, insn, flow, phase, state, path)

    def _is_hook(self, name):
        return self.rules.find("hook", name)

    def _decided(self, address):
        """Has a function with an entry hook found that it does not need it?
        So it is if it has read the word and can no longer reach the RMW."""
        name = self.base(address)
        if not self._is_hook(name):
            return False
        if name not in self._towards:
            self._towards[name] = self._reaching(name)
        return address not in self._towards[name]

    ATOMIC = re.compile(r"lock x?add|ldadda?l?$|stl?xr$|amoadd")

    def _reaching(self, name):
        """Where in a function a transition may still come."""
        image = self.image
        before, hooks = {}, []
        for address in image.addresses_of(name):
            insn = image.insn(address)
            ways = [insn.next] if not re.match(
                r"(jmp|b|j|ret|br)$", insn.op) else []
            if insn.comment is not None:
                ways.append(insn.comment)
                if image.is_function(insn.comment) and self._is_hook(
                        self.base(insn.comment)):
                    hooks.append(address)
            if address in image.jump_labels:
                ways = [insn.next, image.jump_labels[address].target]
            for new in image.alternatives.get(address, ()):
                ways.append(address + new.length)
            # In the image it is no per-CPU word.
            if self.ATOMIC.match(insn.op) and not (
                    insn.comment and image.section_at(insn.comment)):
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

    def _last(self, insn):
        """Is this the last instruction of a function?"""
        function = self.image.function(insn.address)
        return function.size and (self._following(insn) ==
                                  function.address + function.size)

    def _following(self, insn):
        new = self.replacement(insn.address)
        if new and insn.next >= new.replacement + new.new_length:
            return new.site + new.length
        return insn.next

    def _flow(self, summary, insn, flow, phase, state, path):
        kind, image = flow[0], self.image
        following = self._following(insn)
        if kind == "next":
            return [(following, phase, state)]
        if kind == "trap":
            goes_on = image.bugs.get(insn.address, 0) & BUGFLAG_WARNING
            return [(following, phase, state)] if goes_on else []
        if kind == "bad":
            self._report(summary, phase, path, state, "code", insn.text,
                         insn.address, "is no instruction")
            return []
        if kind == "user":
            if in_zone(phase):
                summary.users.add((phase.removesuffix(LOOKED), insn.address))
            elif phase == USER:
                summary.findings.setdefault(
                    Finding(phase, "exit", insn.op, self.symbol(insn.address),
                            insn.address, "without the exit hook", frozenset()),
                    path)
            return []
        if kind == "ret":
            if len(flow) > 1 and self.image.kprobe_able(flow[1]):
                self._report(summary, phase, path, state, "kprobe",
                             self.symbol(flow[1]), flow[1])
            self._exit(summary, insn.address, phase, state)
            return []
        if kind == "mode":
            return self._by_mode(summary, insn, flow, phase, state, path)
        if kind == "branch":
            return (self._jump(summary, insn, flow[1], phase, state.copy(),
                               path) + [(following, phase, state)])
        if kind == "jump":
            return self._jump(summary, insn, flow[1], phase, state, path)
        if kind == "call":
            return self._call(summary, insn, flow[1], phase, state, path)

        targets = self._resolve(flow[1], insn) or self._stated(flow[1], insn)
        if not targets:
            self._report(summary, phase, path, state, "indirect", insn.text,
                         insn.address)
            if kind == "icall":
                return [(following, phase, self._returned(state, UNKNOWN))]
            if not in_zone(phase):
                self._exit(summary, insn.address, phase, state)
            return []
        if len(flow) > 2 and self.image.kprobe_able(flow[2]):
            self._report(summary, phase, path, state, "kprobe",
                         self.symbol(flow[2]), flow[2])
        how = self._call if kind == "icall" else self._jump
        return [after for target in targets
                for after in how(summary, insn, target, phase, state.copy(),
                                 path)]

    def _by_mode(self, summary, insn, flow, phase, state, path):
        """A branch on what was interrupted, user mode or the kernel."""
        _, target, jumps_if_user = flow
        after = []
        for mode in (USER_MODE, KERNEL_MODE):
            if state.get("mode") not in (UNKNOWN, mode):
                continue
            this = state.copy()
            this.set("mode", mode)
            if (mode == USER_MODE) == jumps_if_user:
                after += self._jump(summary, insn, target, phase, this, path)
            else:
                after.append((self._following(insn), phase, this))
        return after

    def _exit(self, summary, address, phase, state):
        name, facts = self.base(self.home(address)), self._facts(state)
        if in_zone(phase) and self.rules.find("ends", name, facts=facts) or (
                phase == USER and
                self.rules.find("back", name, facts=facts)) or (
                phase == USER + LOOKED and not self.hooks_in_assembly and
                self.rules.find("exit", name)):
            # It did without the hook, and knows why.
            phase = KERNEL
        if self.assembly(self.home(address)):
            if phase in summary.exits:
                summary.exits[phase].merge(state)
            else:
                summary.exits[phase] = state.copy()
        else:
            value = state.get(self.isa.result)
            old = summary.exits.get(phase)
            summary.exits[phase] = merge(old, value) if old else value

    def _returned(self, state, value):
        """After a call of a C function."""
        kept = State({reg: state.regs[reg]
                      for reg in (*self.isa.saved, self.isa.sp, "gp", "tp",
                                  "mode")
                      if reg in state.regs}, state.slots)
        kept.set(self.isa.result, value)
        return kept

    def _jump(self, summary, insn, target, phase, state, path):
        here = self.home(insn.address)
        new = self.replacement(insn.address)
        if new and target == new.replacement + new.new_length:
            # What follows is not what follows here.
            return [(new.site + new.length, phase, state)]
        if in_zone(phase) and self._stops(target, here, state):
            return []
        same = self.base(target) == self.base(here)
        if same or self.assembly(target) or self.replacement(target) or (
                not self.image.is_function(target)):
            return [(target, phase, state)]
        # A tail call.
        after = self._call(summary, insn, target, phase, state, path,
                           tail=True)
        for _address, phase, state in after:
            if self.assembly(here):
                self.isa.tail_returned(state)
            self._exit(summary, insn.address, phase, state)
        return []

    def _call(self, summary, insn, target, phase, state, path, tail=False):
        following = self._following(insn)
        if not self.image.is_function(target):
            self.isa.pushed_jump(state, following)
            return [(target, phase, state)]
        # Nothing follows in this function: what is called does not return.
        last = self._last(insn)
        name = self.base(target)
        back = state
        if self.rules.find("mode-user", name):
            back = state.copy()
            back.set("mode", USER_MODE)
        over = ([] if last and not tail else
                [(following, phase, self._returned(back, UNKNOWN))])
        if not in_zone(phase):
            if not (self.assembly(target) or self.leads_out(target)):
                return over
        elif self._stops(target, insn.address, state):
            return []
        elif self.image.kprobe_able(target):
            warns = {"warning"} if self._warns(following) else set()
            self._report(summary, phase, path, state, "call", name,
                         insn.address, facts=warns)
            return over

        callee = state.copy()
        if not tail:
            self.isa.called(callee, following)
        found = self._follow(target, phase, callee)
        summary.include(found, path, self.rules)
        after = []
        for way, result in found.exits.items() if over else ():
            if isinstance(result, State):
                after.append((following, way, result.copy()))
            else:
                after.append((following, way,
                              self._returned(back.copy(), result)))
        return after

    def _resolve(self, value, insn):
        """Where an indirect branch may go; None if that is not known."""
        if value[0] == "c":
            return [value[1]] if self.image.executable(value[1]) else None
        if value[0] == "o":
            each = [self._resolve(v, insn) for v in value[1]]
            return None if None in each else sorted({*sum(each, [])})
        if value[0] == "t" and value[2] == 8:
            targets = set()
            address = value[1]
            end = self.image.object_end(address)
            for where in range(address, end - 7, 8):
                # Tables have alternatives, too.
                for place in [where, *(new.replacement for new in
                                       self.image.alternatives.get(where, ()))]:
                    target = self.image.read(place, 8)
                    if target and self.image.executable(target):
                        targets.add(target)
            return sorted(targets) or None
        if value[0] == "j":
            _, base, table, size, shift = value
            count = self._bound(insn)
            if count is None:
                return None
            return sorted({base + (signed(self.image.read(
                table + i * size, size), 8 * size) << shift)
                for i in range(count)})
        return None

    def _stated(self, value, insn):
        """Where an indirect branch goes according to the rules, which say
        what the pointer is read from, or that it is an alias."""
        function = self.base(self.home(insn.address))
        source = value[1].split("+")[0] if value[0] == "m" else None
        targets = []
        for rule in self.rules.of("goes"):
            *pointer, name = rule.pattern.split("->")
            target = self.image.address(name)
            if target is None or not self.rules.find("goes", rule.pattern,
                                                     function):
                continue
            if pointer == [source] or not pointer and value[0] == "c" and (
                    (value[1] ^ target) & PAGE_OFFSET == 0):
                targets.append(target)
        return targets

    def _bound(self, insn):
        """How many entries the jump table of a switch has."""
        function = self.image.function(insn.address)
        address = insn.address
        while address > max(function.address, insn.address - 64):
            address -= 4
            before = self.image.insn(address)
            if before and before.op == "cmp" and before.args[1][0] == "#":
                return int(before.args[1][1:], 0) + 1
        return None

    # What rules say, verified.

    def _stops(self, target, here, state):
        """Does what is called not return, or is it only called when it is the
        kernel that was interrupted?"""
        rule = self.rules.find("stop", self.base(target), self.base(here),
                               facts=self._facts(state))
        if not rule:
            return False
        if not rule.facts and self._returns(target):
            self.broken[rule] = f"{self.base(target)} may return"
            return False
        return True

    def _returns(self, function):
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
                if flow[0] == "jump" or self._last(insn):
                    if self._returns(flow[1]):
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

    def _warns(self, address):
        """Does everything that follows come to a WARN() or a BUG()?"""
        seen, work = set(), [address]
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

    @staticmethod
    def _facts(state):
        return frozenset({"kernel"} if state.get("mode") == KERNEL_MODE else ())

    # Findings.

    def _report(self, summary, phase, path, state, kind, what, address,
                text="", facts=frozenset()):
        if not in_zone(phase):
            return
        facts = self._facts(state) | facts
        function = self.base(self.home(address))
        if kind in self.rules.ALLOW and self.rules.find(kind, what, function,
                                                        path, facts):
            return
        finding = Finding(phase, kind, what, function, self.home(address), text,
                          facts)
        summary.findings.setdefault(finding, path)

    def _patched(self, summary, insn, phase, path, state):
        """Is the kernel able to patch this instruction?"""
        image, address = self.image, insn.address
        home = self.home(address)
        if image.kprobe_able(home):
            self._report(summary, phase, path, state, "kprobe",
                         self.symbol(home), home)
        if address in image.ftrace or (image.is_function(address) and
                                       image.ftrace_site(address)):
            self._report(summary, phase, path, state, "ftrace",
                         self.symbol(address), address)
        if address in image.static_calls:
            key, _ = image.object(image.static_calls[address])
            self._report(summary, phase, path, state, "static-call", key,
                         address)
        if address in image.late:
            self._report(summary, phase, path, state, "late-alternative",
                         ".smp_locks", address, insn.text)
        label = image.jump_labels.get(address)
        if label and not image.read_only(label.key):
            self._report(summary, phase, path, state, "jump-label",
                         image.object(label.key)[0], address)

    def _access(self, summary, insn, phase, how, where, text, path, state):
        """Judges an access to memory; returns the phase after it."""
        name = self.base(self.home(insn.address))
        if where[0] == "p" and where[2] and how != "rmw-and" and any(
                0 <= where[1] - word < 8 for word in self.words):
            return self._transition(summary, insn, phase, how, name)
        if where[0] == "p" and where[2] and self.rules.find(
                "decides", self.isa.name(where).split("+")[0]):
            return self._looked(phase, name, insn.address)
        if not in_zone(phase) or where[0] == "s":
            return phase
        if where[0] == "p" and where[1:] != (0, True):
            return phase
        what, facts = self.isa.name(where), set()
        if where[0] in "ca":
            what = what.split("+")[0]
            if self.image.stays(where[1]):
                facts.add("image")
            if how == "load" and self.image.constant(where[1]):
                what = ".rodata"
            elif how == "load" and self.image.read_only(where[1]):
                what = ".data..ro_after_init"
        self._report(summary, phase, path, state, "memory", what, insn.address,
                     f"{insn.text}, {how}", facts)
        return phase

    def _looked(self, phase, name, address):
        """The phase after a hook has read what tells it whether it is due."""
        if phase.endswith(LOOKED):
            return phase
        if in_zone(phase):
            due = self._is_hook(name) and not self._decided(address)
        else:
            # It goes without the hook if that says so.
            due = (phase == USER and self.rules.find("exit", name) and
                   self.assembly(address) == self.hooks_in_assembly)
        return phase + LOOKED if due else phase

    def _transition(self, summary, insn, phase, how, name):
        """The word changes, or is read."""
        nmi = self.rules.find("nmi", name)
        if how == "load":
            return self._looked(phase, name, insn.address)
        if how == "rmw" and on_entry(phase):
            summary.hooks.add(name)
        if how == "rmw" and in_zone(phase):
            return NMI if nmi else USER
        if on_entry(phase):
            # A store, for a CPU that is not tracked: nobody defers to it.
            return phase if self.rules.find("exit", name) else USER
        if phase.removesuffix(LOOKED) == (NMI if nmi else USER) and (
                self.rules.find("exit" if how == "store" else "release", name)):
            summary.published.add(name)
            return EXIT + name
        return phase
