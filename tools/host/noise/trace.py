# SPDX-License-Identifier: GPL-2.0
"""The trace protocol: what a run of tools/guest/noise/ says, read."""

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from host.noise.sources import DEFERRABLE, FENCES, INTERRUPTS, cause, source


@dataclass
class Event:
    """Equal ones: of one kind, from one place, to the same CPUs."""
    kind: str
    frames: tuple
    cpus: list
    count: int
    # When, in us; one out of so many.
    at: list
    every: int


@dataclass
class Measured:
    """What one load did to the isolated CPUs. Each dictionary is by CPU."""
    ours: bool = False  # the kernel
    count: int = 0
    milliseconds: int = 0
    start: int = 0      # us, as the times of events
    purges: int = 0
    # Number received, by name of the interrupt.
    interrupts: dict = field(default_factory=lambda: defaultdict(Counter))
    # Number received, by kind of fence.
    fences: dict = field(default_factory=lambda: defaultdict(Counter))
    # Number sent, by (kind, frames of the sender's stack).
    sent: dict = field(default_factory=lambda: defaultdict(Counter))
    # Fences asked for, whoever they were for, by (kind, frames).
    calls: Counter = field(default_factory=Counter)
    # Function calls queued, by (function, frames): an IPI under way serves all.
    queued: dict = field(default_factory=lambda: defaultdict(Counter))
    # Timers that expired there, by function.
    timers: dict = field(default_factory=lambda: defaultdict(Counter))
    entries: Counter = field(default_factory=Counter)
    # Number of deferrals, by result.
    deferred: dict = field(default_factory=lambda: defaultdict(Counter))
    loops: Counter = field(default_factory=Counter)
    gaps: Counter = field(default_factory=Counter)
    longest: dict = field(default_factory=dict)         # us
    histogram: dict = field(default_factory=dict)       # by log2 of us
    gap_times: dict = field(default_factory=dict)       # [(us, length)]
    running: dict = field(default_factory=dict)
    switches: Counter = field(default_factory=Counter)
    events: list = field(default_factory=list)

    def source(self, kind, frames):
        return source(kind, frames, self.ours)

    def by_source(self, cpu):
        """IPIs and fences sent to cpu, by name of the source."""
        counter: Counter = Counter()
        for (kind, frames), n in self.sent[cpu].items():
            counter[self.source(kind, frames)] += n
        return counter

    def ipis(self, cpu):
        return sum(self.sent[cpu].values())

    def arrived(self, cpu):
        """The same, but fences as the firmware counts them."""
        return (sum(n for (kind, _), n in self.sent[cpu].items()
                    if kind not in FENCES.values())
                + sum(self.fences[cpu].values()))

    def deferrable(self, cpu):
        """How many IPIs and fences it got that could have been deferred."""
        ipis = fences = 0
        for (kind, frames), n in self.sent[cpu].items():
            if self.source(kind, frames) in DEFERRABLE:
                if kind in FENCES.values():
                    fences += n
                else:
                    ipis += n
        # A fence may have been for others.
        return ipis + min(fences, sum(self.fences[cpu].values()))

    def sent_of_kind(self, kind, cpu):
        return sum(n for (k, _), n in self.sent[cpu].items() if k == kind)

    def as_json(self, cpus):
        return {
            "count": self.count,
            "seconds": self.milliseconds / 1000,
            "start_us": self.start,
            "cpus": {cpu: {
                "ipis": sum(n for (kind, _), n in self.sent[cpu].items()
                            if kind not in FENCES.values()),
                "sources": self.by_source(cpu),
                "calls_queued": sum(self.queued[cpu].values()),
                "interrupts": self.interrupts[cpu],
                "fences": self.fences[cpu],
                "entries": self.entries[cpu],
                "timers": self.timers[cpu],
                "deferred": self.deferred[cpu],
                "gaps": self.gaps[cpu],
                "longest_gap_us": self.longest.get(cpu, 0),
                "gap_histogram_log2_us": self.histogram.get(cpu, []),
                "gaps_at_us": self.gap_times.get(cpu, []),
            } for cpu in cpus},
            "events": [{
                "kind": e.kind, "source": self.source(e.kind, e.frames),
                "stack": e.frames, "cpus": e.cpus, "count": e.count,
                "at_us": e.at, "at_is_one_of": e.every,
            } for e in self.events],
        }


class Run:
    """What one run of the program says, read."""

    def __init__(self, lines, log):
        self.log = log
        self.loads = {}
        self.skipped = {}       # reasons, by load
        self.missing = []       # events that the kernel has not
        self.lost = False
        self.interrupted = False
        self.release = self.machine = ""
        self.isolated = []
        self.before = {}        # readings of the current load
        self.name = None
        self.now: Any = None
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
                self.event(*rest.split(" ", 3))
            elif word == "missing":
                self.missing.append(rest)
            else:
                values = dict(w.split("=", 1) for w in rest.split(" ")
                              if "=" in w)
                getattr(self, f"on_{word}", lambda _: None)(values | {
                    "text": rest})

    @property
    def traced(self):
        """Whether it is known who sends."""
        return "ipi/ipi_send_cpumask" not in self.missing

    # Lines

    def on_hello(self, v):
        self.release, self.machine = v["release"], v["machine"]
        self.isolated = [int(c) for c in v["cpus"].split(",") if c]
        self.hz = int(v["hz"])

    def on_skipped(self, v):
        why = v["text"].partition("why=")[2]
        if v["errno"] != "0":
            why += f": {os.strerror(int(v['errno']))}"
        self.skipped[v["name"]] = why

    def on_interrupted(self, _):
        self.interrupted = True

    def on_lost(self, _):
        self.lost = True

    def on_phase(self, v):
        self.name = v["name"]
        self.now = Measured(ours="cpuword/cpuword_defer" not in self.missing)

    def on_spinner(self, v):
        cpu = int(v["cpu"])
        self.delta(v["when"], ("loops", cpu), int(v["loops"]),
                   self.now.loops, cpu)

    def on_gaps(self, v):
        cpu = int(v["cpu"])
        self.now.gaps[cpu] = int(v["count"])
        # In thousandths of a us.
        self.now.longest[cpu] = int(v["longest"]) / 1000
        self.now.histogram[cpu] = [int(n) for n in v["histogram"].split(",")]
        times, at = [], 0
        for pair in v["at"].split(",")[:-1]:
            delta, length = map(int, pair.split(":"))
            at += delta
            times.append((at, length))
        self.now.gap_times[cpu] = times

    def on_fence(self, v):
        cpu = int(v["cpu"])
        self.delta(v["when"], ("fence", cpu, v["kind"]), int(v["count"]),
                   self.now.fences[cpu], v["kind"])

    def delta(self, when, key, value, counter, name):
        """Adds to counter[name] by how much a reading grew."""
        if when == "before":
            self.before[key] = value
        else:
            counter[name] += value - self.before.get(key, 0)

    # Files

    def file(self, tag, text):
        getattr(self, f"file_{tag[0]}", lambda *_: None)(tag[1:], text)

    def file_interrupts(self, tag, text):
        columns = [int(c[3:]) for c in text[0].split()]
        for line in text[1:]:
            name, _, rest = line.strip().partition(":")
            words = rest.split()
            counts = dict(zip(columns, words))
            if len(counts) < len(columns) or not all(
                    w.isdigit() for w in counts.values()):
                continue
            about = " ".join(words[len(columns):]) or name
            label = next((label for label, pattern in INTERRUPTS
                          if pattern.search(about)), about)
            for cpu in self.isolated:
                self.delta(tag[0], ("interrupt", cpu, name),
                           int(counts.get(cpu, 0)),
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
                self.lost = True

    # Events: "cpu=000 name arguments < frame < frame ..."

    def event(self, count, every, times, text):
        text, *stack = text.split(" < ")
        words = text.split()
        cpu, name = int(words[0][4:]), words[1]
        v = dict(word.split("=", 1) for word in words[2:])
        frames = cause(stack)
        at, total = [], 0
        for delta in times.split(",")[:-1]:
            total += int(delta)
            at.append(total)

        def happened(kind, cpus, frames=()):
            cpus = [c for c in cpus if c in self.isolated]
            if cpus:
                self.now.events.append(Event(kind, frames, cpus, int(count),
                                             at, int(every)))
            return cpus

        if name == "user_exit":
            self.now.entries[cpu] += int(count)
        elif name == "purge_vmap_area_lazy":
            self.now.purges += int(count)
        elif name in ("hrtimer_expire_entry", "timer_expire_entry"):
            for c in happened("timer", [cpu], (v["function"],)):
                self.now.timers[c][v["function"]] += int(count)
        elif name == "cpuword_defer":
            kind = "deferral" if v["result"] != "refused" else "refusal"
            for c in happened(kind, [int(v["cpu"])]):
                self.now.deferred[c][v["result"]] += int(count)
        elif "perf_event_read" in frames:
            return      # the firmware's counters being read, not the load
        elif name == "csd_queue_cpu":
            if int(v["cpu"]) in self.isolated:
                self.now.queued[int(v["cpu"])][v["func"], frames] += int(count)
        elif name in ("ipi_send_cpu", "ipi_send_cpumask", "sbi_call"):
            kind = self.kind(name, v)
            if name == "sbi_call":
                self.now.calls[kind, frames] += int(count)
            for c in happened(kind, self.targets(name, v), frames):
                self.now.sent[c][kind, frames] += int(count)

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
            return [cpu for cpu in self.isolated if mask >> cpu & 1]
        # Which CPUs a fence is for is not traced: up to all of them.
        return self.isolated

    def on_done(self, v):
        now = self.now
        now.count, now.start = int(v["times"]), int(v["start"])
        now.milliseconds = int(v["us"]) // 1000
        # But none is for a CPU where the firmware counted none.
        for cpu in self.isolated:
            for kind, frames in list(now.sent[cpu]):
                if kind in FENCES.values() and not now.fences[cpu][kind]:
                    del now.sent[cpu][kind, frames]
        for event in now.events:
            if event.kind in FENCES.values():
                event.cpus = [cpu for cpu in event.cpus
                              if now.fences[cpu][event.kind]]
        self.loads[self.name] = now

    def as_json(self):
        return {"release": self.release, "machine": self.machine,
                "isolated": self.isolated, "interrupted": self.interrupted,
                "events_lost": self.lost, "events_missing": self.missing,
                "skipped": self.skipped,
                "loads": {name: m.as_json(self.isolated)
                          for name, m in self.loads.items()}}


def has_fences(run):
    return any(any(kinds.values()) for m in run.loads.values()
               for kinds in m.fences.values())
