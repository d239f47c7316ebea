#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boots a kernel with isolated CPUs that spin in user mode, while CPU 0 patches
text, churns vmalloc and loads BPF filters; once with deferral off, once on.
Prints what reached each isolated CPU, by the kernel's own statistics."""

import argparse
import os
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import common
import run_kunit
import vm
from common import LOGS, die

# Seconds that one boot may take.
TIMEOUT = 300


@dataclass
class Phase:
    name: str
    title: str
    variable: str       # of the guest's environment: how many times
    # Frames that tell the IPIs this phase is about from others.
    frames: set
    # What they are called, and at least how many an isolated CPU gets of them
    # without deferral.
    what: str
    expected: int


TEXT = Phase("text", "sched_switch tracepoint on and off, {} times", "flips",
             {"text_poke_bp_batch", "text_poke_finish", "text_poke_sync",
              "arch_jump_label_transform", "arch_jump_label_transform_apply",
              "arch_jump_label_transform_queue", "arch_static_call_transform",
              "arch_ftrace_update_code", "ftrace_modify_all_code"},
             "text flips", 1000)
VMALLOC = Phase("vmalloc", "16 MB mapped and unmapped, {} times", "maps",
                {"__purge_vmap_area_lazy"}, "vmalloc purges", 100)
BPF = Phase("bpf", "socket filter attached and freed, {} times", "filters",
            set(), "", 0)
PHASES = {phase.name: phase for phase in (TEXT, VMALLOC, BPF)}

# A text flip is some 80 IPIs on x86 (jump labels and static calls, three a
# patch), and 6 on arm64 and riscv (jump labels, one a patch).
COUNTS = {"x86_64": {"flips": 40, "maps": 8000, "filters": 300},
          "arm64": {"flips": 200, "maps": 8000, "filters": 300},
          "riscv": {"flips": 200, "maps": 8000, "filters": 100}}

# arm64 flushes kernel translations by broadcast: there is no IPI to defer.
NO_PURGE_IPI = {"arm64"}

# The SBI's remote fence functions, and the same as the firmware counts them.
FENCES = {0: "fence.i", 1: "sfence.vma", 2: "sfence.vma.asid"}

# What is in /proc/interrupts, by description.
INTERRUPTS = [("function-call IPIs", re.compile("function call", re.I)),
              ("reschedule IPIs", re.compile("rescheduling", re.I)),
              ("TLB shootdown IPIs", re.compile("TLB shootdown", re.I)),
              ("irq_work", re.compile("irq work", re.I)),
              ("timer", re.compile("timer", re.I))]

# A stack trace begins with how an IPI is sent, which says nothing ...
PLUMBING = re.compile(
    r"^(trace_event_raw_event_|__traceiter_|__?smp_call|smp_call_function|"
    r"on_each_cpu_cond_mask|generic_exec_single|__irq_work_queue_local|"
    r"irq_work_queue|resched_curr|__resched_curr|"
    r"__sbi_ecall|__sbi_rfence_v02|sbi_remote_)")
# ... and below an interrupt it goes on with what that happened to interrupt,
# which is not its cause, and below a system call with its way in.
INTERRUPTED = re.compile(
    r"^(asm_sysvec_|asm_common_interrupt|el1h_64_|el0t_64_irq|call_on_irq|"
    r"handle_riscv_irq|do_irq|ret_from_exception|ret_from_fork|ksys_|__x64_sys|"
    r"__arm64_sys|__riscv_sys|__se_sys|vfs_write|kthread$|do_idle)")


def cause(stack):
    frames = []
    for frame in stack:
        if INTERRUPTED.match(frame):
            break
        if frames or not PLUMBING.match(frame):
            # Compilers split functions; and modules are gone by now.
            frame = frame.split(".")[0]
            frames.append("(module)" if frame.startswith("0x") else frame)
    return tuple(frames)


@dataclass
class Measured:
    """What one phase of one boot did to the isolated CPUs. Each dictionary is
    by CPU."""
    count: int
    milliseconds: int = 0
    purges: int = 0
    # Number received, by name of the interrupt.
    interrupts: dict = field(default_factory=lambda: defaultdict(Counter))
    # Number received, by kind of fence.
    fences: dict = field(default_factory=lambda: defaultdict(Counter))
    # Number sent, by (kind, frames of the sender's stack).
    sent: dict = field(default_factory=lambda: defaultdict(Counter))
    entries: Counter = field(default_factory=Counter)
    # Number of deferrals, by result.
    deferred: dict = field(default_factory=lambda: defaultdict(Counter))
    loops: Counter = field(default_factory=Counter)
    gaps: Counter = field(default_factory=Counter)
    longest: dict = field(default_factory=dict)
    running: dict = field(default_factory=dict)
    switches: Counter = field(default_factory=Counter)

    def caused_by(self, phase, cpu):
        return sum(n for (_, frames), n in self.sent[cpu].items()
                   if phase.frames.intersection(frames))

    def sent_of_kind(self, kind, cpu):
        return sum(n for (k, _), n in self.sent[cpu].items() if k == kind)


class Run:
    """One boot: its console, read."""

    def __init__(self, lines, log):
        self.log = log
        self.phases = {}
        self.isolated = []
        self.before = {}        # readings of the current phase
        self.now = None
        lines = iter(lines)
        for line in lines:
            if not line.startswith("@@ "):
                continue
            word, _, rest = line[3:].partition(" ")
            if word == "file":
                text = []
                for line in lines:
                    if line == "@@ end":
                        break
                    text.append(line)
                self.file(rest.split(), text)
            elif word == "event":
                count, _, text = rest.partition(" ")
                self.event(int(count), text)
            else:
                values = dict(w.split("=", 1) for w in rest.split())
                getattr(self, f"on_{word}", lambda _: None)(values)
        if set(self.phases) != set(PHASES) or not self.isolated:
            die(f"the guest's output is incomplete; see {log}")

    # Lines

    def on_hello(self, v):
        self.release = v["release"]
        self.isolated = [int(c) for c in v["cpus"].split(",") if c]
        self.hz = int(v["hz"])

    def on_phase(self, v):
        self.now = self.phases[v["name"]] = Measured(int(v["count"]))

    def on_spinner(self, v):
        cpu = int(v["cpu"])
        self.delta(v["when"], ("loops", cpu), int(v["loops"]),
                   self.now.loops, cpu)
        if v["when"] == "after":
            self.now.gaps[cpu] = int(v["gaps"])
            self.now.longest[cpu] = int(v["longest"]) * 1000 / self.hz

    def on_fence(self, v):
        cpu = int(v["cpu"])
        self.delta(v["when"], ("fence", cpu, v["kind"]), int(v["count"]),
                   self.now.fences[cpu], v["kind"])

    def delta(self, when, key, value, counter, name):
        """Adds to counter[name] by how much a reading grew in the phase."""
        if when == "before":
            self.before[key] = value
        else:
            counter[name] += value - self.before.get(key, 0)

    # Files

    def file(self, tag, text):
        getattr(self, f"file_{tag[0]}", lambda *_: None)(tag[1:], text)

    def file_interrupts(self, tag, text):
        for line in text[1:]:
            name, _, rest = line.strip().partition(":")
            words = rest.split()
            cpus = len(text[0].split())
            counts = words[:cpus]
            if len(counts) < cpus or not all(w.isdigit() for w in counts):
                continue
            about = " ".join(words[cpus:]) or name
            label = next((label for label, pattern in INTERRUPTS
                          if pattern.search(about)), about)
            for cpu in self.isolated:
                self.delta(tag[0], ("interrupt", cpu, name), int(counts[cpu]),
                           self.now.interrupts[cpu], label)

    def file_status(self, tag, text):
        cpu = int(tag[1])
        self.delta(tag[0], ("switches", cpu),
                   sum(int(line.split()[1]) for line in text
                       if "ctxt_switches" in line), self.now.switches, cpu)
        self.now.running[cpu] = any(line.startswith("State:\tR")
                                    for line in text)

    def file_buffer(self, _tag, text):
        for line in text:
            name, _, value = line.partition(":")
            if (name in ("overrun", "commit overrun", "dropped events") and
                    int(value)):
                die(f"trace events were lost; see {self.log}")

    # Events: "cpu=000 name: arguments < frame < frame ..."

    def event(self, count, text):
        text, *stack = text.split(" < ")
        match = re.match(r"cpu=(\d+) (\w+): ?(.*)", text)
        if not match:
            die(f"not understood: {text}; see {self.log}")
        cpu, name, rest = int(match[1]), match[2], match[3]
        if name == "user_exit":
            self.now.entries[cpu] += count
        elif name == "purge_vmap_area_lazy":
            self.now.purges += count
        elif name == "cpuword_defer":
            v = dict(w.split("=", 1) for w in rest.split())
            self.now.deferred[int(v["cpu"])][v["result"]] += count
        elif name in ("ipi_send_cpu", "ipi_send_cpumask", "sbi_call"):
            v = dict(w.split("=", 1) for w in rest.split() if "=" in w)
            kind, frames = self.kind(name, v), cause(stack)
            if "perf_event_read" in frames:
                return      # the firmware's counters being read, not the phase
            for target in self.targets(name, v):
                self.now.sent[target][kind, frames] += count

    @staticmethod
    def kind(name, v):
        if name == "sbi_call":
            return FENCES.get(int(v["fid"]), "other fence")
        callback = v["callback"].split("+")[0]
        return {"generic_smp_call_function_single_interrupt": "function call",
                "0x0": "reschedule"}.get(callback, "irq_work")

    def targets(self, name, v):
        if name == "ipi_send_cpu":
            return [int(v["cpu"])]
        if name == "ipi_send_cpumask":
            mask = int(v["cpumask"].replace(",", ""), 16)
            return [cpu for cpu in range(64) if mask >> cpu & 1]
        # Which CPUs a fence is for is not traced: up to all of them.
        return self.isolated

    def on_done(self, v):
        self.now.milliseconds = int(v["ms"])
        # But none is for a CPU where the firmware counted none.
        for cpu in self.isolated:
            for kind, frames in list(self.now.sent[cpu]):
                if kind in FENCES.values() and not self.now.fences[cpu][kind]:
                    del self.now.sent[cpu][kind, frames]


# --- the report ---

def unit(run):
    return "fences" if any(any(counts.values()) for counts in
                           run.phases["text"].fences.values()) else "IPIs"


def relevant(run, phase, cpu):
    """How many IPIs or fences of the sort that the phase is about."""
    return run.phases[phase.name].caused_by(phase, cpu)


def table(runs):
    """runs is {column title: Run}. A line is a label and a value for each
    isolated CPU and run."""
    first = next(iter(runs.values()))
    width = max(8, *(len(title) + 2 for title in runs))
    label_width = 44
    group = width * len(runs)

    def row(label, value, always=True):
        cells = [value(run, cpu) for cpu in first.isolated
                 for run in runs.values()]
        if always or any(cell not in (0, "0", "-") for cell in cells):
            print(f"  {label:{label_width - 2}}" +
                  "".join(f"{cell:>{width}}" for cell in cells))

    print()
    print(" " * label_width + "".join(
        f"{f'CPU {cpu}':>{group}}" for cpu in first.isolated))
    if len(runs) > 1:
        print(" " * label_width + "".join(
            f"{title:>{width}}" for _ in first.isolated for title in runs))

    for phase in PHASES.values():
        def of(get, phase=phase):
            return lambda run, cpu: get(run.phases[phase.name], cpu)

        seconds = ", ".join(f"{run.phases[phase.name].milliseconds / 1000:.1f}"
                            for run in runs.values())
        print("\n" + phase.title.format(first.phases[phase.name].count)
              + f" ({seconds} s)")
        if phase is VMALLOC:
            print("  purges of lazily freed areas: " + ", ".join(
                f"{run.phases[phase.name].purges}" for run in runs.values()))
        if phase.frames:
            row(f"{phase.what}: {unit(first)} sent to it",
                lambda run, cpu, phase=phase: relevant(run, phase, cpu))
        names = dict.fromkeys(
            name for run in runs.values() for cpu in run.isolated
            for name in run.phases[phase.name].interrupts[cpu])
        for name in names:
            row(f"received: {name}",
                of(lambda m, cpu, name=name: m.interrupts[cpu][name]),
                always=name == "function-call IPIs")
        if unit(first) == "fences":
            for name in FENCES.values():
                row(f"received: {name} (firmware)",
                    of(lambda m, cpu, name=name: m.fences[cpu][name]))
        row("kernel entries from user mode", of(lambda m, cpu: m.entries[cpu]))
        for result in ("accepted", "coalesced", "refused"):
            row(f"deferrals {result}",
                of(lambda m, cpu, result=result: m.deferred[cpu][result]
                   if any(m.deferred.values()) else "-"), always=False)
        row("spinner interrupted",
            # Fences interrupt it below the kernel, in the firmware.
            of(lambda m, cpu: "yes" if m.entries[cpu] or any(
                m.fences[cpu].values()) else "no"))
        row("spinner switched out, times", of(lambda m, cpu: m.switches[cpu]),
            always=False)
        row("spinner's gaps over 20 us *", of(lambda m, cpu: m.gaps[cpu]))
        row("the longest, ms *",
            of(lambda m, cpu: f"{m.longest[cpu]:.1f}"))
    print("\n* as user mode saw its own clock; in emulation, other CPUs' turns"
          "\n  and the host's other work are in it")


def sources(run, title):
    """What still arrives: by phase, kind and sender."""
    print(f"\n{title}, by sender\n")
    print(f"{'':4}" + "".join(f"{f'CPU {cpu}':>7}" for cpu in run.isolated)
          + "  what")
    for phase in PHASES.values():
        measured = run.phases[phase.name]
        keys = {key for cpu in run.isolated for key in measured.sent[cpu]}
        # Stacks that differ only far from the sender read as one.
        merged = defaultdict(Counter)
        for kind, frames in keys:
            for cpu in run.isolated:
                merged[kind, frames[:5]][cpu] += measured.sent[cpu][kind, frames]
        print(f"{phase.name}")
        for (kind, frames), counts in sorted(
                merged.items(), key=lambda item: -sum(item[1].values())):
            print(f"{'':4}" + "".join(f"{counts[cpu]:7}"
                                      for cpu in run.isolated)
                  + f"  {kind}: {' < '.join(frames) or '(unknown)'}")
        if not merged:
            print(f"{'':4}" + f"{0:7}" * len(run.isolated) + "  nothing")


def verdict(runs, arch):
    off, on = runs["off"], runs["on"]
    parts = []
    for phase in (TEXT, VMALLOC):
        if phase is VMALLOC and arch in NO_PURGE_IPI:
            continue
        before = max(relevant(off, phase, cpu) for cpu in off.isolated)
        after = max(relevant(on, phase, cpu) for cpu in on.isolated)
        parts.append(f"{phase.what} {before} -> {after}")
    rest = max(sum(n for phase in PHASES
                   for n in on.phases[phase].sent[cpu].values())
               for cpu in on.isolated)
    print(f"\nWith deferral an isolated CPU receives, at most: "
          f"{', '.join(parts)} {unit(off)}; and {rest} of all sources "
          "together with deferral on, listed above.")


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, ok, text):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {text}")

    def deferral(self, runs, arch):
        for phase in (TEXT, VMALLOC):
            if phase is VMALLOC and arch in NO_PURGE_IPI:
                continue
            for cpu in runs["off"].isolated:
                n = relevant(runs["off"], phase, cpu)
                self(n >= phase.expected,
                     f"off: {n} {unit(runs['off'])} of {phase.what} to CPU "
                     f"{cpu}, at least {phase.expected} expected")
                n = relevant(runs["on"], phase, cpu)
                self(n == 0, f"on: {n} {unit(runs['on'])} of {phase.what} to "
                             f"CPU {cpu}, none expected")

    def statistics(self, title, run):
        """That the senders traced explain what was received: or something
        would be hidden. (IPIs that meet on their way are received as one.)"""
        for name, measured in run.phases.items():
            for cpu in run.isolated:
                pairs = [("function call",
                          measured.interrupts[cpu]["function-call IPIs"])]
                pairs += measured.fences[cpu].items()
                for kind, received in pairs:
                    sent = measured.sent_of_kind(kind, cpu)
                    self(received <= sent,
                         f"{title}, {name}: CPU {cpu} received {received} "
                         f"{kind}s, but {sent} were seen to be sent")
                self(measured.loops[cpu] > 0 and measured.running[cpu],
                     f"{title}, {name}: the spinner on CPU {cpu} did not run")

    def result(self):
        print(f"\n{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=vm.ARCHES, default="x86_64")
    parser.add_argument("--kernel", default=common.KERNELS[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--append", default="", metavar="ARGS",
                        help="more for the kernel's command line")
    parser.add_argument("--machine", metavar="OPTIONS",
                        help="more for QEMU's -machine, as aia=aplic-imsic "
                        "(riscv: IPIs in place of remote fences)")
    parser.add_argument("--stock", action="store_true",
                        help="the stock kernel instead of ours")
    parser.add_argument("--check", action="store_true",
                        help="fail if what should be deferred is not")
    args = parser.parse_args()
    run_kunit.accel(args.arch)
    arch = vm.ARCHES[args.arch]
    if args.machine:
        # QEMU merges it with the one that is there.
        arch.machine += ["-machine", args.machine]

    built = vm.build_kernel(args.arch, args.kernel, args.jobs, args.stock)
    program = vm.build_guest(arch, args.kernel, built.linux, "demo")
    initramfs = program.with_suffix(f".{built.name}.cpio")
    vm.write_initramfs(initramfs, {
        "init": program,
        "test_vmalloc.ko": built.build_dir / "lib/test_vmalloc.ko"})
    counts = " ".join(f"{k}={v}" for k, v in COUNTS[args.arch].items())

    runs = {}
    for title in ["stock"] if args.stock else ["off", "on"]:
        defer = "" if args.stock else f" cpuword.defer={title}"
        log = LOGS / f"demo-{args.arch}-{title}.log"
        runs[title] = Run(vm.boot(
            f"booting {args.arch}, {title if args.stock else 'defer=' + title}",
            arch, built.build_dir / arch.image, initramfs,
            f"{counts}{defer} {args.append}".strip(), log, TIMEOUT), log)

    last = list(runs.values())[-1]
    print(f"\n{args.arch}, Linux {last.release}, 4 CPUs, nohz_full=1-3"
          f"{', ' + args.append if args.append else ''}: "
          + ("the stock kernel" if args.stock else "cpuword.defer= off and on"))
    table(runs)
    sources(last, "What is sent to them" if args.stock else
            "What still arrives with deferral on")
    if not args.stock:
        verdict(runs, args.arch)
    if args.check:
        checks = Checks()
        if not args.stock:
            checks.deferral(runs, args.arch)
        for title, run in runs.items():
            checks.statistics(title, run)
        return checks.result()
    return 0


if __name__ == "__main__":
    sys.exit(main())
