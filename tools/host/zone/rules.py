# SPDX-License-Identifier: GPL-2.0
"""What is stated about the entry code of a kernel."""

import fnmatch
import re
from collections import namedtuple

from host.common import ROOT

TOOLS = ROOT / "tools"
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
        self.rules: list = []
        self.used = set()
        for file in files:
            for number, line in enumerate(file.read_text().splitlines(), 1):
                where = f"{file.relative_to(TOOLS)}:{number}"
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
