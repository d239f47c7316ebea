#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What reaches isolated CPUs that spin in user mode, while another CPU patches
text, loads modules and BPF programs, maps and unmaps memory: IPIs by who sent
them, interrupts, entries into the kernel, and the gaps that user mode saw.

  noise.py                the machine it runs on, as root, with its kernel as it
                          is: a C compiler is all it needs (cc and libc headers;
                          gnuplot for the picture), no kernel tree
  noise.py --guest ARCH   our kernel in QEMU, with deferral off and on

Leaves a machine as it was, also on Ctrl-C, which ends the measurement and
reports what there is. Writes noise.json, noise.gp and noise.png."""

import argparse
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import common
from common import BUILD, LOGS, ROOT, Progress, die

# Seconds that one boot may take.
TIMEOUT = 600

# What the loads are, and how often each is done in a guest: some seconds each.
# The times of an emulated machine do not matter, the number of events does.
LOADS = {
    "static-key": "the sched_switch tracepoint on and off",
    "vmalloc": "16 MB mapped and unmapped",
    "module": "a module loaded and unloaded",
    "bpf": "a socket filter attached and freed, with the JIT",
    "setmem": "a socket filter attached and freed, without the JIT",
    "kprobe": "four kprobes defined, enabled, disabled and removed",
    "ftrace": "the function tracer on and off",
    "percpu": "a BPF map of 512 KB a CPU made and freed",
    "idle": "nothing, 10 ms",
}
DEFAULT_LOADS = [name for name in LOADS if name != "idle"]
COUNTS = {
    "x86_64": {"static-key": 40, "vmalloc": 8000, "module": 50, "bpf": 512,
               "setmem": 300, "kprobe": 10, "ftrace": 40, "percpu": 40},
    "arm64": {"static-key": 200, "vmalloc": 8000, "module": 50, "bpf": 300,
              "setmem": 300, "kprobe": 20, "ftrace": 40, "percpu": 40},
    "riscv": {"static-key": 200, "vmalloc": 8000, "module": 20, "bpf": 50,
              "setmem": 50, "kprobe": 10, "ftrace": 20, "percpu": 40},
}

# The SBI's remote fence functions, and the same as the firmware counts them.
FENCES = {0: "fence.i", 1: "sfence.vma", 2: "sfence.vma.asid"}

# What is in /proc/interrupts, by description.
INTERRUPTS = [("function call", re.compile("function call", re.I)),
              ("reschedule", re.compile("rescheduling", re.I)),
              ("TLB shootdown", re.compile("TLB shootdown", re.I)),
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

# Who sends, by name: the first of these that has a frame in the sender's stack.
# Those above the line change what the kernel alone uses, and may be deferred;
# those below it have to be dealt with by the CPU at once.
SOURCES = {name: re.compile(rf"^({frames})$") for name, frames in {
    "text patching":
        r"text_poke_(bp_batch|finish|sync\w*)|arch_jump_label_transform\w*|"
        r"arch_static_call_transform|arch_ftrace_update_code",
    "set_memory":
        r"_*change_page_attr\w*|_*set_memory\w*|set_direct_map_\w+",
    "vmalloc purge": r"__purge_vmap_area_lazy|_?vm_unmap_aliases\w*",
    "percpu": r"pcpu_\w+",
    "instruction cache":
        r"flush_icache_\w+|kick_all_cpus_sync\w*|patch_text_\w+",
    "ftrace barrier": r"ftrace_sync_ipi|update_ftrace_function",
    # ---
    "stop_machine": r"stop_machine\w*|multi_cpu_stop|cpu_stop_queue_work|"
                    r"stop_one_cpu\w*|cpu_stopper_thread",
    "work on each CPU": r"schedule_on_each_cpu|queue_work_on|__queue_work",
    "RCU": r"(synchronize_)?s?rcu_\w+|sync_rcu_\w+|call_rcu\w*",
    "user TLB": r"flush_tlb_mm_range|arch_tlbbatch_flush|flush_tlb_page|"
                r"ptep_clear_flush\w*",
    "perf": r"perf_\w+|event_function_call",
    "timer": r"hrtimers?_\w+|clock_was_set\w*|add_timer_on|"
             r"wake_up_nohz_cpu|get_nohz_timer_target",
}.items()}
DEFERRABLE = list(SOURCES)[:6]


def cause(stack):
    frames = []
    for frame in stack:
        if INTERRUPTED.match(frame):
            break
        if frames or not PLUMBING.match(frame):
            # Compilers split functions; and modules are gone by now.
            frames.append(frame.split(".")[0].split(" ")[0])
    return tuple(frames)


def source(kind, frames):
    """The name of who sent it. An IPI of this kind says itself what it is for,
    unless somebody in its stack is known."""
    for name, pattern in SOURCES.items():
        if kind in ("reschedule", "irq_work") and name in DEFERRABLE:
            continue
        if any(map(pattern.match, frames)):
            return name
    return {"reschedule": "scheduler", "irq_work": "irq_work"}.get(kind, "other")


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

    def by_source(self, cpu):
        """IPIs and fences sent to cpu, by name of the source."""
        counter = Counter()
        for (kind, frames), n in self.sent[cpu].items():
            counter[source(kind, frames)] += n
        return counter

    def ipis(self, cpu):
        return sum(self.sent[cpu].values())

    def deferrable(self, cpu):
        return sum(n for name, n in self.by_source(cpu).items()
                   if name in DEFERRABLE)

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
                "kind": e.kind, "source": source(e.kind, e.frames),
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
        self.name = self.now = None
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
        self.name, self.now = v["name"], Measured()

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


# --- where it runs ---

class Interrupt:
    """Ctrl-C ends a measurement, and what there is is reported; a second one
    ends that, too."""

    def __init__(self):
        self.seen = False
        self.then = lambda: None
        signal.signal(signal.SIGINT, self.handle)
        signal.signal(signal.SIGTERM, self.handle)

    def handle(self, number, _frame):
        if self.seen:
            sys.exit(128 + number)
        self.seen = True
        self.then()

    def __call__(self):
        return self.seen


def measure(built, title, append="", loads=None, cpus=4, stop=None):
    """Boots the kernel that vm.build_kernel() returned, with loads ({name: how
    often}), on so many CPUs of which all but CPU 0 are isolated."""
    import vm
    arch = vm.ARCHES[built.arch]
    loads = loads or COUNTS[built.arch]
    program = vm.build_guest(arch, common.KERNELS[0], built.linux, "noise")
    initramfs = program.with_suffix(f".{built.name}.cpio")
    files = {"init": program}
    modules = {}
    for name, file in (("module", "test_module.ko"),
                       ("vmalloc", "test_vmalloc.ko")):
        if (built.build_dir / "lib" / file).exists():
            files[file] = built.build_dir / "lib" / file
            modules[name] = f"/{file}"
    vm.write_initramfs(initramfs, files)
    words = [f"loads={','.join(f'{k}:{v}' for k, v in loads.items())}"]
    words += [f"{name}={path}" for name, path in modules.items()]
    log = LOGS / f"noise-{built.arch}-{cpus}-{title}.log"
    run = Run(vm.boot(f"{built.arch}, {title}", arch,
                      built.build_dir / arch.image, initramfs,
                      f"{' '.join(words)} {append}".strip(), log, TIMEOUT,
                      cpus=cpus, stop=stop), log)
    if run.lost:
        die(f"trace events were lost; see {log}")
    if not run.isolated or (
            set(loads) - set(run.loads) - set(run.skipped) and
            not (stop and stop())):
        die(f"the guest's output is incomplete; see {log}")
    run.interrupted = bool(stop and stop())
    return run


def build_here():
    """The program for this machine, with its compiler and libc."""
    program = BUILD / "noise" / "noise"
    program.parent.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    command = [*compiler.split(), "-O2", "-Wall", "-D_GNU_SOURCE", "-o",
               str(program), str(ROOT / "tools/guest/noise.c")]
    try:
        # Static, if it can be: then it also runs on another machine.
        for option in (["-static"], []):
            done = subprocess.run(command + option, capture_output=True,
                                  text=True)
            if done.returncode == 0:
                return program
    except FileNotFoundError:
        die(f"there is no C compiler: {compiler}")
    die("noise.c does not compile: " + (done.stderr.splitlines() or ["?"])[0])


# Modules that depend on nothing and do nothing by themselves.
HARMLESS = {"test_module": "", "crc7": "", "cordic": "", "ts_kmp": "",
            "dummy": "numdummies=0"}


def module_path(name):
    """The file of a module that is not loaded, and needs no other."""
    def ask(*what):
        try:
            done = subprocess.run(["modinfo", *what, name], text=True,
                                  capture_output=True)
        except FileNotFoundError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    if Path("/sys/module", name.replace("-", "_")).exists():
        return ""
    path = ask("-n")
    return path if path.startswith("/") and not ask("-F", "depends") else ""


def parameters(args, loads):
    words = [f"loads={','.join(loads)}", f"threshold={args.threshold}"]
    if args.count:
        words[0] = "loads=" + ",".join(f"{n}:{args.count}" for n in loads)
    else:
        words.append(f"seconds={args.seconds}")
    if args.cpus:
        words.append(f"cpus={args.cpus}")
    if args.module:
        words.append(f"module={args.module}")
    else:
        name = next((n for n in HARMLESS if module_path(n)), None)
        if name:
            words += [f"module={module_path(name)}",
                      f"module_args={HARMLESS[name]}"]
    if module_path("test_vmalloc"):
        words.append(f"vmalloc={module_path('test_vmalloc')}")
    return words


def measure_here(args, loads, interrupt):
    if os.geteuid():
        die("measuring needs root")
    command = [str(build_here()), *parameters(args, loads)]
    log = LOGS / "noise.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # In a session of its own, out of Ctrl-C's reach: it is told to end, and
    # prints what it has.
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               start_new_session=True)
    interrupt.then = program.terminate
    progress = Progress("measuring")
    lines, rest = [], b""
    try:
        with open(log, "wb") as out:
            while True:
                progress.tick()
                if not select.select([program.stdout], [], [], 1)[0]:
                    continue
                data = os.read(program.stdout.fileno(), 65536)
                if not data:
                    break
                out.write(data)
                *new, rest = (rest + data).split(b"\n")
                for line in new:
                    lines.append(line.decode(errors="replace"))
                    progress.line(lines[-1])
    finally:
        if program.poll() is None:
            program.terminate()
            program.wait()
    progress.done("interrupted" if interrupt() else "done")
    errors = [line[9:] for line in lines if line.startswith("@@ error")]
    run = Run(lines, log)
    if errors and not run.loads:
        die(errors[0])
    for error in errors:
        print(f"noise: {error}")
    if "@@ bye" not in lines:
        die(f"the program ended early; see {log}")
    return run


# --- the report ---

# A table has a row for each CPU, if they are not more than so many.
MAX_ROWS = 8


def columns(runs, threshold):
    """(title, value of a CPU in a load). A run that has no value gives None;
    a column without any is left out."""
    def of_interrupts(m, cpu):
        return sum(m.interrupts[cpu].values())

    def of_deferred(m, cpu):
        n = m.deferred[cpu]
        return n["accepted"] + n["coalesced"]

    traced = all(run.traced for run in runs.values())
    entries = all("context_tracking/user_exit" not in run.missing
                  for run in runs.values())
    fences = any(m.fences for run in runs.values()
                 for m in run.loads.values())
    deferring = [title for title, run in runs.items()
                 if any(any(c.values()) for m in run.loads.values()
                        for c in m.deferred.values())]
    found = [("IPIs sent", lambda m, cpu: sum(
        n for (kind, _), n in m.sent[cpu].items()
        if kind not in FENCES.values()), traced and list(runs))]
    found.append(("fences", lambda m, cpu: sum(m.fences[cpu].values()),
                  fences and list(runs)))
    found.append(("interrupts", of_interrupts, list(runs)))
    found.append(("entries", lambda m, cpu: m.entries[cpu],
                  entries and list(runs)))
    found.append(("deferred", of_deferred, deferring))
    found.append((f"gaps >{threshold}us", lambda m, cpu: m.gaps[cpu],
                  list(runs)))
    found.append(("longest, us", lambda m, cpu: round(m.longest.get(cpu, 0)),
                  list(runs)))
    return [(name, get, titles) for name, get, titles in found if titles]


def table(runs, threshold):
    """runs is {title: Run}."""
    first = next(iter(runs.values()))
    cells = columns(runs, threshold)
    several = len(runs) > 1
    width = 9

    def line(left, parts):
        print(f"{left:22}" + "".join(parts))

    print()
    line(f"{'load':13}{'times':>5}{'CPU':>4}", (
        f"{name:>{max(width * len(titles), len(name) + 2)}}"
        for name, _, titles in cells))
    if several:
        line("", (f"{title:>{max(width, (len(name) + 2) // len(titles))}}"
                  for name, _, titles in cells for title in titles))
    for load in first.loads:
        if any(load not in run.loads for run in runs.values()):
            continue
        cpus = first.isolated
        if len(cpus) > MAX_ROWS:
            # The one that is hit most.
            cpus = [max(cpus, key=lambda c: first.loads[load].ipis(c))]
        for i, cpu in enumerate(cpus):
            left = (f"{load:13}{first.loads[load].count:5}" if i == 0
                    else " " * 18)
            line(f"{left}{cpu:4}", (
                f"{get(runs[title].loads[load], cpu):>{max(width, (len(name) + 2) // len(titles))}}"
                for name, get, titles in cells for title in titles))
    if len(first.isolated) > MAX_ROWS:
        print(f"Of {len(first.isolated)} isolated CPUs, the one that is sent "
              "most; noise.json has them all.")


def spread(values):
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low}-{high}"


def by_source(runs):
    """How much of what, by name of the source."""
    for title, run in runs.items():
        print(f"\nWho sends{f', {title}' if len(runs) > 1 else ''}, "
              "to each isolated CPU")
        for load, m in run.loads.items():
            counts = [m.by_source(cpu) for cpu in run.isolated]
            names = sorted({n for c in counts for n in c},
                           key=lambda n: -max(c[n] for c in counts))
            print(f"  {load:13}" + (", ".join(
                f"{name} {spread([c[name] for c in counts])}"
                for name in names) or "nobody"))


def senders(run, title, most=8):
    """Everything that arrived: by load, kind and stack."""
    print(f"\n{title}, by sender\n")
    for load, m in run.loads.items():
        # Stacks that differ only far from the sender read as one.
        merged = defaultdict(Counter)
        for cpu in run.isolated:
            for (kind, frames), n in m.sent[cpu].items():
                merged[source(kind, frames), kind, frames[:6]][cpu] += n
            for function, n in m.timers[cpu].items():
                merged["timer", "its own", (function,)][cpu] += n
        print(load)
        rows = sorted(merged.items(), key=lambda item: -sum(item[1].values()))
        for (name, kind, frames), counts in rows[:most]:
            many = spread([counts[cpu] for cpu in run.isolated])
            print(f"{many:>11}  {name} ({kind}): "
                  + (" < ".join(frames) or "(unknown)"))
        if len(rows) > most:
            print(f"{'':11}  and {len(rows) - most} more, in noise.json")
        if not merged:
            print(f"{0:>11}  nothing")


def skipped(runs):
    for title, run in runs.items():
        for load, why in run.skipped.items():
            print(f"{load} was left out: {why}"
                  + (f" ({title})" if len(runs) > 1 else ""))


def verdict(off, on):
    def total(run, get):
        return max(sum(get(m, cpu) for m in run.loads.values())
                   for cpu in run.isolated)

    before, after = (total(run, Measured.deferrable) for run in (off, on))
    rest = total(on, Measured.ipis) - after
    unit = ("IPIs and fences" if any(m.fences for m in on.loads.values())
            else "IPIs")
    print(f"\nAn isolated CPU is sent {before} {unit} that can be deferred "
          f"with deferral off, {after} with it on; and {rest} others.")
