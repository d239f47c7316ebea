# SPDX-License-Identifier: GPL-2.0
"""Boots x86 CPU models that have bugs, with tracked CPUs and without, takes the
entry code out of their memory as it is after all patching, and checks that the
word leaves true what the mitigations assume of it."""

import json
import shutil
import socket
import tempfile
from pathlib import Path

from host import command_line, common, lookup
from host.arch import only
from host.common import LOGS, die
from host.guest import build_guest, write_initramfs
from host.kernel import build_kernel
from host.machine import boot
from host.results import Tests

ARCH = only("mitigations.py")
mitigations = lookup.module(ARCH.name, "mitigations")
live_text = lookup.module(ARCH.name, "live_text")

# Seconds for a boot, which takes two, if nothing else runs.
TIMEOUT = 300


def save_memory(path, address, size, file):
    """Has QEMU write the memory at an address of the guest's to a file."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(path))
        answers = control.makefile()
        answers.readline()
        for command, arguments in (
                ("qmp_capabilities", {}),
                ("memsave", {"val": address, "size": size,
                             "filename": str(file)})):
            control.sendall(json.dumps({"execute": command,
                                        "arguments": arguments}).encode())
            for line in answers:
                answer = json.loads(line)
                if "error" in answer:
                    die(f"QEMU: {answer['error']['desc']}")
                if "return" in answer:
                    break


class Guest:
    """Boots of one kernel; its vmlinux takes the text of the last."""

    def __init__(self, title, built, directory):
        self.title, self.built = title, built
        self.directory = directory
        copy = directory / f"{title}.vmlinux"
        shutil.copyfile(built.build_dir / "vmlinux", copy)
        self.image = live_text.LiveImage(copy)
        self.initramfs = directory / f"{title}.cpio"
        write_initramfs(self.initramfs, {"init": build_guest(
            ARCH, built.version, built.linux, "mitigations")})

    def boot(self, name, machine, tracked):
        """What the guest says; its text is in self.image."""
        control = self.directory / "qmp"
        text = self.directory / "text"
        start, size = self.image.area()
        what = f"{self.title}, {name}{', tracked' if tracked else ''}"
        lines = boot(what, ARCH, self.built.build_dir / ARCH.image,
                     self.initramfs, f"nokaslr {machine.append}",
                     LOGS / f"mitigations-{what.replace(', ', '-')}.log",
                     TIMEOUT, ["-accel", ARCH.machine.tcg], 2,
                     options=["-cpu", machine.cpu, "-qmp",
                              f"unix:{control},server=on,wait=off"],
                     isolate=tracked,
                     at_end=lambda: save_memory(control, start, size, text))
        self.image.put(text.read_bytes())
        return lines


class Checks:
    def __init__(self):
        # The faults that some machine could have.
        self.seeded = set()

    def check(self, tests, text, needs):
        """Every rule on all ways, and whether it finds what it is for."""
        tests.say(f"{len(text.entries)} ways in, {len(text.exits)} out; "
                  f"needs: {needs}")
        broken: dict = {}
        for check, ways in ((mitigations.check_entry, text.entries),
                            (mitigations.check_exit, text.exits)):
            for way in ways:
                for rule, wrong in check(way, needs, text.image):
                    here = broken.setdefault((check, rule), [0, 0, None])
                    here[0] += 1
                    if wrong:
                        here[1] += 1
                        here[2] = here[2] or (way, wrong)
        for (check, rule), (count, bad, first) in broken.items():
            where = ""
            if first:
                way, this = first
                start = way.start if isinstance(way.start, str) else (
                    text.image.place(way.start))
                where = (f"not on {bad} of {count} ways, such as from {start} "
                         f"to {way.end}: {text.image.place(this.insn.address)}"
                         f": {this.insn.text}")
            side = "in" if check is mitigations.check_entry else "out"
            tests.test(f"way {side}: {rule}", where)
        self.check_faults(tests, text, needs, {
            key for key, (_, bad, _) in broken.items() if bad})
        self.check_word(tests, text, needs)

    @staticmethod
    def check_word(tests, text, needs):
        """It changes somewhere, and not only is it looked at."""
        if not needs.tracked:
            return
        for side, ways in (("in", text.entries), ("out", text.exits)):
            changes = any(this.kind == "gs" and this.what == "cpuword" and
                          "add" in this.insn.op
                          for way in ways for this in way.steps)
            tests.check(f"way {side}: the word changes", changes, "on no way")

    def check_faults(self, tests, text, needs, broken):
        for fault in mitigations.FAULTS:
            check, what, change, rule = fault
            ways = (text.entries if check is mitigations.check_entry
                    else text.exits)
            tried = found = 0
            for way in ways:
                if not any(rule == this and not wrong for this, wrong in
                           check(way, needs, text.image)):
                    continue
                steps = tuple(change(way.steps))
                if steps == way.steps:
                    continue
                tried += 1
                found += any(rule == this and wrong for this, wrong in check(
                    way._replace(steps=steps), needs, text.image))
            if found:
                self.seeded.add(fault)
            elif tried and (check, rule) not in broken:
                tests.test(f"seeded: {what}", f"not found by: {rule}")

    def check_seeded(self, tests):
        for fault in mitigations.FAULTS:
            _, what, _, rule = fault
            tests.check(f"{what}: found by: {rule}", fault in self.seeded,
                        "on no machine")


def difference(ours, stock):
    """A way that only one of the two has, in words."""
    for ways in (ours - stock, stock - ours):
        for way in sorted(ways)[:1]:
            return f"from {way[0]} to {way[1]}: {'; '.join(way[2])}"
    return ""


def main():
    parser = command_line.parser(__doc__)
    parser.add_argument("--machine", default="all",
                        help=f"one of {' '.join(mitigations.MACHINES)}")
    parser.add_argument("--no-stock", action="store_true",
                        help="do not compare with the stock kernel")
    args = parser.parse_args()
    common.check_kernel(args.kernel)
    if args.machine not in ("all", *mitigations.MACHINES):
        die(f"machine {args.machine} is not known; valid: all "
            f"{' '.join(mitigations.MACHINES)}")
    machines = {name: machine for name, machine in mitigations.MACHINES.items()
                if args.machine in ("all", name)}

    checks = Checks()
    every = args.machine == "all"
    tests = Tests(len(machines) + every)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        ours = Guest("ours", build_kernel(ARCH.name, args.kernel, args.jobs),
                     directory)
        stock = None if args.no_stock else Guest(
            "stock", build_kernel(ARCH.name, args.kernel, args.jobs,
                                  stock=True), directory)
        for name, machine in machines.items():
            plain = {}
            with tests.group(name, 4 if stock else 2) as group:
                for tracked in (True, False):
                    needs = mitigations.Needs(
                        ours.boot(name, machine, tracked), tracked)
                    text = live_text.Text(ours.image)
                    plain[tracked] = text.plain()
                    with group.group("tracked" if tracked
                                     else "untracked") as side:
                        checks.check(side, text, needs)
                if stock:
                    stock.boot(name, machine, False)
                    theirs = live_text.Text(stock.image).plain()
                    group.test("executes what stock does",
                               difference(plain[False], theirs),
                               f"{len(plain[False])} ways")
                    group.check("seeded: with tracked cpus it does not",
                                plain[True] != theirs, "not found")
    if every:
        with tests.group("seeded", len(mitigations.FAULTS)) as group:
            checks.check_seeded(group)
    return tests.end()

