# SPDX-License-Identifier: GPL-2.0
"""Checks the danger zone of a built kernel: what it executes between the entry
from user mode and the entry hook, and between the exit hook and user mode."""

import fnmatch
from pathlib import Path

from host import command_line, common, lookup, objdump
from host.arch import FOLDERS, MACHINES
from host.common import ROOT, die
from host.kernel import build_kernel
from host.results import Tests
from host.zone import selftest
from host.zone.image import BadImage, open_image
from host.zone.isa import KERNEL_MODE, UNKNOWN
from host.zone.rules import BadRules, Rules
from host.zone.walk import ENTRY, EXIT, LOOKED, USER, Walker, on_entry


class Report:
    """Checks that passed and failed, and what was found."""

    def __init__(self, path, kernel):
        self.image = open_image(path)
        files = [lookup.find(folder, kernel, "rules")
                 for folder in (ROOT / "tools" / "zone",
                                FOLDERS / self.image.arch)]
        self.rules = Rules(filter(None, files), self.image)
        # (name, what is wrong, what there is to say).
        self.checks = []
        # (kind, what, function): [Finding, its path, where from].
        self.found = {}
        self._examine(Walker(self.image, self.rules))

    def _examine(self, walker):
        if not walker.words:
            raise BadImage(f"{self.image.path} is no kernel with cpuword")
        summaries = []
        kernel = self._entries("entry-kernel")
        nmi = self._entries("entry-nmi") | kernel
        for name, address in (self._entries("entry") | nmi).items():
            summary = walker.enter(address, mode=KERNEL_MODE if name in kernel
                                   else UNKNOWN)
            summaries.append(summary)
            trouble = (self._findings(name, summary, ENTRY) or
                       self._findings(name, summary, USER))
            hooks = summary.hooks if name in nmi else [
                hook for hook in summary.hooks
                if not self.rules.find("nmi", hook)]
            if not trouble and not hooks:
                trouble = "does not reach the entry hook"
            zone = {address for phase, address in summary.insns
                    if on_entry(phase)}
            self.checks.append((f"entry {name}", trouble,
                                f"{len(zone)} instructions to the hook in "
                                f"{', '.join(sorted(summary.hooks))}"))
        if not summaries:
            raise BadImage(f"{self.image.path} has none of the entries")
        for name, address in self._entries("work").items():
            summary = walker.enter(address)
            self.checks.append((f"work {name}",
                                self._findings(name, summary, ENTRY),
                                f"{len(summary.insns)} instructions"))
        for name, address in self._entries("start").items():
            summary = walker.enter(address, USER)
            summaries.append(summary)
            self.checks.append((f"start {name}",
                                self._findings(name, summary, USER),
                                "leaves by the exit hook"))
        hooks = set().union(*(summary.published for summary in summaries))
        for rule in self.rules.of("exit"):
            if rule.pattern in hooks:
                self._examine_exit(EXIT + rule.pattern, summaries)
        if not any(not self.rules.find("nmi", hook) for hook in hooks):
            self.checks.append(("exit", "no exit hook is reached", ""))
        self._examine_patchers(walker)
        for rule, trouble in walker.broken.items():
            self.checks.append((f"rule {rule.line}", trouble, ""))

    def _examine_patchers(self, walker):
        """Is text that boot code patches left alone after that?"""
        patchers: dict = {}
        for rule in self.rules.of("boot"):
            patchers.setdefault(rule.pattern, []).append(rule.function)
        for name, allowed in patchers.items():
            address = self.image.address(name)
            if address is None:
                continue
            callers = {walker.text.base(caller)
                       for caller in self.image.callers(address)
                       if not self.image.section_at(caller).name.startswith(
                           ".init") and walker.text.base(caller) != name}
            others = callers - set(allowed)
            self.checks.append((
                f"boot {name}",
                f"called by {', '.join(sorted(others))}" if others else "",
                ", ".join(["called by boot code", *sorted(callers)])))

    def _examine_exit(self, phase, summaries):
        trouble, users, zone = "", set(), set()
        for summary in summaries:
            trouble = self._findings(phase, summary, phase) or trouble
            users |= {address for where, address in summary.users
                      if where == phase}
            zone |= {address for where, address in summary.insns
                     if where.removesuffix(LOOKED) == phase}
        if not users:
            self.checks.append((phase, trouble or "does not reach user mode",
                                ""))
        for address in sorted(users):
            function = self.image.function(address)
            self.checks.append((
                f"{phase}, {self.image.insn(address).op} in {function.name}",
                trouble, f"at +{address - function.address:#x}, {len(zone)} "
                "instructions from the hook"))

    def _entries(self, kind):
        """What rules of this kind name in this kernel: addresses by name."""
        found = {}
        for rule in self.rules.of(kind):
            name, _, first = rule.pattern.partition("+")
            first, _, last = first.partition("..")
            # Vectors are this far apart.
            names = ([f"{name}+{offset:#x}" for offset in range(
                         int(first, 0), int(last or first, 0) + 1, 0x80)]
                     if first else fnmatch.filter(self.image.symbols, name))
            for name in names:
                address = self.image.address(name)
                if address is not None and self.image.executable(address):
                    found[name] = address
        return found

    def _findings(self, name, summary, phase):
        """Remembers what was found in this phase; says how much that is."""
        here = set()
        for finding, path in summary.findings.items():
            if finding.phase.removesuffix(LOOKED) != phase:
                continue
            key = finding.kind, finding.what, finding.function
            here.add(key)
            self.found.setdefault(key, [finding, path, set()])[2].add(name)
        many = "s" if len(here) > 1 else ""
        return f"{len(here)} finding{many}" if here else ""

    def show(self, tests, verbose):
        for (kind, what, function), (finding, path, names) in (
                sorted(self.found.items())):
            text = f": {finding.text}" if finding.text else ""
            tests.say(f"{kind}: {what} in {function} ({finding.address:#x})"
                      f"{text}")
            tests.say(f"  by {' -> '.join(path)}")
            others = sorted(names)
            more = f" and {len(others) - 4} more" if len(others) > 4 else ""
            tests.say(f"  from {', '.join(others[:4])}{more}")
        if verbose:
            for rule in self.rules.rules:
                if rule.kind in Rules.WAIVE and rule not in self.rules.used:
                    tests.say(f"not needed: {rule.line}: {rule.kind} "
                              f"{rule.pattern}")
        for name, trouble, says in self.checks:
            tests.test(name, trouble, "" if trouble else says)

    def failed(self):
        return sum(1 for _, trouble, _ in self.checks if trouble)


def built(arch, variant, kernel, jobs):
    """The kernel that make kunit builds, as the sources are now."""
    variants = MACHINES[arch].variants
    if variant not in variants:
        die(f"{command_line.name('variant')}: {arch} has no variant {variant}; valid: {' '.join(variants)}")
    return build_kernel(arch, kernel, jobs, config=variants[variant].config
                           ).build_dir / "vmlinux"


def examine(tests, file, args):
    report = Report(file, args.kernel)
    tests.say(f"{file}:")
    with tests.group(report.image.arch) as group:
        report.show(group, args.verbose)


def main():
    parser = command_line.parser(__doc__, MACHINES, every=True)
    parser.add_argument("--variant", default="default",
                        help="the kernel of this KUnit variant")
    parser.add_argument("--vmlinux", type=Path,
                        help="this kernel, not the one that make kunit builds")
    parser.add_argument("--selftest", action="store_true",
                        help="see that seeded faults are found")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="say which rules are not needed")
    args = parser.parse_args()
    common.check_kernel(args.kernel)
    arches = command_line.chosen(args.arch, MACHINES)
    tests = Tests(1 if args.vmlinux and not args.selftest else len(arches))
    try:
        if args.vmlinux and not args.selftest:
            examine(tests, args.vmlinux, args)
        else:
            for arch in arches:
                needed = FOLDERS / arch / ("selftest.S" if args.selftest
                                           else "zone.py")
                if not needed.exists():
                    tests.skip(arch, f"{needed.relative_to(ROOT)} is missing")
                elif args.selftest:
                    selftest.run(arch, lambda path: Report(path, args.kernel),
                                 tests)
                else:
                    examine(tests, built(arch, args.variant, args.kernel,
                                         args.jobs), args)
    except (BadImage, BadRules, objdump.Failed) as error:
        die(str(error))
    return tests.end()

