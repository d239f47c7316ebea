# SPDX-License-Identifier: GPL-2.0
"""Follows kernel code from where the hardware enters it to the entry hook, and
from the exit hook to user mode, and says what it finds on the way."""

from collections import namedtuple
from typing import Any

from host.zone.image import BUGFLAG_WARNING
from host.zone.isa import KERNEL_MODE, UNKNOWN, USER_MODE, State, merge, signed
from host.zone.text import Text

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
    def __init__(self, image, rules):
        self.image = image
        self.rules = rules
        self.text = Text(image, rules)
        self.isa = self.text.isa
        self.hooks_in_assembly = image.address("ct_user_entered") is not None
        self.cache = {}
        self.active = set()
        # Rules that do not hold, and why.
        self.broken = {}
        self.words = [image.symbols[rule.pattern].address
                      for rule in rules.of("word")
                      if rule.pattern in image.symbols]

    # Following code.

    def enter(self, address, phase=ENTRY, mode=UNKNOWN):
        """Follows what starts at an address, from user mode or (USER) from
        the kernel, or what has interrupted a mode; returns a Summary."""
        state = self.isa.entry_state()
        state.set("mode", mode)
        return self._run(address, phase, state)

    def _follow(self, address, phase, state):
        """The Summary of a function that is called in this state."""
        if not self.text.assembly(address):
            # What it gets: its arguments, and a stack.
            state = State({reg: state.regs[reg]
                           for reg in (*self.isa.arguments, *self.isa.link,
                                       *self.isa.kept)
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
        seen: dict = {}
        work: list = [(start, phase, state, (self.text.symbol(start),))]
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
                name = self.text.symbol(self.text.home(address))
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
                self.text.decided(address)):
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
        if any(new.feature == image.always for new in news):
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

    def _flow(self, summary, insn, flow, phase, state, path):
        kind, image = flow[0], self.image
        following = self.text.following(insn)
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
                    Finding(phase, "exit", insn.op,
                            self.text.symbol(insn.address), insn.address,
                            "without the exit hook", frozenset()),
                    path)
            return []
        if kind == "ret":
            if len(flow) > 1 and self.image.kprobe_able(flow[1]):
                self._report(summary, phase, path, state, "kprobe",
                             self.text.symbol(flow[1]), flow[1])
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
                         self.text.symbol(flow[2]), flow[2])
        how: Any = self._call if kind == "icall" else self._jump
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
                after.append((self.text.following(insn), phase, this))
        return after

    def _exit(self, summary, address, phase, state):
        home, facts = self.text.home(address), self._facts(state)
        name = self.text.base(home)
        if in_zone(phase) and self.rules.find("ends", name, facts=facts) or (
                phase == USER and
                self.rules.find("back", name, facts=facts)) or (
                phase == USER + LOOKED and not self.hooks_in_assembly and
                self.rules.find("exit", name)):
            # It did without the hook, and knows why.
            phase = KERNEL
        if self.text.assembly(home):
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
                      for reg in (*self.isa.saved, *self.isa.kept)
                      if reg in state.regs}, state.slots)
        kept.set(self.isa.result, value)
        return kept

    def _jump(self, summary, insn, target, phase, state, path):
        here = self.text.home(insn.address)
        new = self.text.replacement(insn.address)
        if new and target == new.replacement + new.new_length:
            # What follows is not what follows here.
            return [(new.site + new.length, phase, state)]
        if in_zone(phase) and self._stops(target, here, state):
            return []
        same = self.text.base(target) == self.text.base(here)
        if same or self.text.assembly(target) or (
                self.text.replacement(target) or
                not self.image.is_function(target)):
            return [(target, phase, state)]
        # A tail call.
        after = self._call(summary, insn, target, phase, state, path,
                           tail=True)
        for _address, phase, state in after:
            if self.text.assembly(here):
                self.isa.tail_returned(state)
            self._exit(summary, insn.address, phase, state)
        return []

    def _call(self, summary, insn, target, phase, state, path, tail=False):
        following = self.text.following(insn)
        if not self.image.is_function(target):
            self.isa.pushed_jump(state, following)
            return [(target, phase, state)]
        # Nothing follows in this function: what is called does not return.
        last = self.text.last(insn)
        name = self.text.base(target)
        back = state
        if self.rules.find("mode-user", name):
            back = state.copy()
            back.set("mode", USER_MODE)
        over = ([] if last and not tail else
                [(following, phase, self._returned(back, UNKNOWN))])
        if not in_zone(phase):
            if not (self.text.assembly(target) or self.text.leads_out(target)):
                return over
        elif self._stops(target, insn.address, state):
            return []
        elif self.image.kprobe_able(target):
            warns = {"warning"} if self.text.warns(following) else set()
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
            count = self.isa.table_length(insn)
            if count is None:
                return None
            return sorted({base + (signed(self.image.read(
                table + i * size, size), 8 * size) << shift)
                for i in range(count)})
        return None

    def _stated(self, value, insn):
        """Where an indirect branch goes according to the rules, which say
        what the pointer is read from, or that it is an alias."""
        function = self.text.base(self.text.home(insn.address))
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

    # What rules say, verified.

    def _stops(self, target, here, state):
        """Does what is called not return, or is it only called when it is the
        kernel that was interrupted?"""
        rule = self.rules.find("stop", self.text.base(target),
                               self.text.base(here), facts=self._facts(state))
        if not rule:
            return False
        if not rule.facts and self.text.returns(target):
            self.broken[rule] = f"{self.text.base(target)} may return"
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
        function = self.text.base(self.text.home(address))
        if kind in self.rules.ALLOW and self.rules.find(kind, what, function,
                                                        path, facts):
            return
        finding = Finding(phase, kind, what, function,
                          self.text.home(address), text, facts)
        summary.findings.setdefault(finding, path)

    def _patched(self, summary, insn, phase, path, state):
        """Is the kernel able to patch this instruction?"""
        image, address = self.image, insn.address
        home = self.text.home(address)
        if image.kprobe_able(home):
            self._report(summary, phase, path, state, "kprobe",
                         self.text.symbol(home), home)
        if address in image.ftrace or (image.is_function(address) and
                                       image.ftrace_site(address)):
            self._report(summary, phase, path, state, "ftrace",
                         self.text.symbol(address), address)
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
        name = self.text.base(self.text.home(insn.address))
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
            due = self.text.is_hook(name) and not self.text.decided(address)
        else:
            # It goes without the hook if that says so.
            due = (phase == USER and self.rules.find("exit", name) and
                   self.text.assembly(address) == self.hooks_in_assembly)
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
