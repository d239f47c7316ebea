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
    "percpu": "16 BPF maps of 128 KB a CPU made and freed",
    "idle": "nothing, 10 ms",
}
DEFAULT_LOADS = [name for name in LOADS if name != "idle"]
COUNTS = {
    "x86_64": {"static-key": 40, "vmalloc": 8000, "module": 50, "bpf": 300,
               "setmem": 300, "kprobe": 10, "ftrace": 40, "percpu": 40},
    "arm64": {"static-key": 200, "vmalloc": 8000, "module": 50, "bpf": 300,
              "setmem": 300, "kprobe": 20, "ftrace": 40, "percpu": 40},
    # An emulated fence takes milliseconds.
    "riscv": {"static-key": 40, "vmalloc": 5000, "module": 10, "bpf": 16,
              "setmem": 32, "kprobe": 4, "ftrace": 8, "percpu": 8},
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

# Who sends, by name: the first of these that is in the sender's stack, which is
# written "|frame|frame|". DEFERRABLE change what the kernel alone uses; to the
# others a CPU has to answer at once.
DEFERRABLE = {
    "text patching":
        r"\|(text_poke_(bp_batch|finish|sync\w*)|arch_jump_label_transform\w*|"
        r"arch_static_call_transform|arch_(dis)?arm_kprobe|"
        r"arch_(un)?optimize_kprobes?)\|",
    "set_memory":
        r"\|(_*change_page_attr\w*|_*set_memory\w*|set_direct_map_\w+)\|",
    "vmalloc purge": r"\|(__purge_vmap_area_lazy|_?vm_unmap_aliases\w*)\|",
    "percpu": r"\|pcpu_\w+\|",
    "instruction cache":
        r"\|(flush_icache_\w+|kick_all_cpus_sync\w*|patch_text_\w+)\|",
    "ftrace barrier": r"\|(ftrace_modify_all_code|update_ftrace_function)\|",
}
OTHERS = {
    # The flush of a split: the two sizes may not meet.
    "page split": r"^\|(flush_tlb_all\|)?"
                  r"(__change_page_attr\w*|_*split_large_page)\|",
    "stop_machine": r"\|(stop_machine\w*|multi_cpu_stop|cpu_stop_queue_work|"
                    r"stop_one_cpu\w*|cpu_stopper_thread)\|",
    "tick": r"\|tick_nohz_\w+\|",
    "work on each CPU": r"\|(schedule_on_each_cpu|queue_work_on|__queue_work)\|",
    "RCU": r"\|((synchronize_)?s?rcu_\w+|sync_rcu_\w+|call_rcu\w*|"
           r"force_qs_rnp)\|",
    "user TLB": r"\|(flush_tlb_mm_range|arch_tlbbatch_flush|flush_tlb_page|"
                r"ptep_clear_flush\w*)\|",
    "perf": r"\|(perf_\w+|event_function_call)\|",
    "timer": r"\|(hrtimers?_\w+|clock_was_set\w*|add_timer_on|"
             r"wake_up_nohz_cpu|get_nohz_timer_target)\|",
}
SOURCES = [(name, re.compile(pattern)) for name, pattern in
           [("page split", OTHERS["page split"]), *DEFERRABLE.items(),
            *OTHERS.items()]]
# riscv: only there, and then, set_memory flushes at once on our kernel.
SPLIT = ("flush_tlb_all", "__set_memory")

# What may still arrive with deferral on: source, and the loads it may be in
# (None: in all of them). Everything else is a failure of --check.
#
# - A page split is not deferrable: CPUs may not hold both sizes.
# - arm64 changes kprobes under stop_machine(), riscv also ftrace: a rendezvous.
#   On riscv, where it takes long, the tick may start, and RCU ask.
RENDEZVOUS = {"kprobe", "ftrace"}
REMAINS = {
    "x86_64": {"page split": None},
    "arm64": {"stop_machine": {"kprobe"}},
    "riscv": {"page split": None, "stop_machine": RENDEZVOUS,
              "tick": RENDEZVOUS, "RCU": RENDEZVOUS},
}

# At least so many that can be deferred reach each isolated CPU with deferral
# off, in COUNTS; those that are not here send none. arm64's flushes of kernel
# translations are broadcasts, and its kprobes change under stop_machine().
EXPECTED = {
    "x86_64": {"static-key": 1000, "vmalloc": 100, "module": 100, "bpf": 20,
               "setmem": 100, "kprobe": 50, "ftrace": 1000, "percpu": 100},
    "arm64": {"static-key": 500, "module": 100, "bpf": 300, "ftrace": 100},
    "riscv": {"static-key": 100, "vmalloc": 50, "module": 50, "bpf": 50,
              "setmem": 20, "kprobe": 20, "ftrace": 20, "percpu": 50},
}


def cause(stack):
    frames = []
    for frame in stack:
        if INTERRUPTED.match(frame):
            break
        if frames or not PLUMBING.match(frame):
            # Compilers split functions; and modules are gone by now.
            frames.append(frame.split(".")[0].split(" ")[0])
    return tuple(frames)


def source(kind, frames, ours=False):
    """The name of who sent it; ours says that it was our kernel."""
    if ours and frames[:2] == SPLIT:
        return "page split"
    stack = f"|{'|'.join(frames)}|"
    for name, pattern in SOURCES:
        # Those two kinds say themselves that nothing of ours is in them.
        if (pattern.search(stack) and not
                (name in DEFERRABLE and kind in ("reschedule", "irq_work"))):
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
        counter = Counter()
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


def measure(built, title, append="", loads=None, cpus=4, machine="", stop=None,
            threshold=20, timeout=TIMEOUT, accel=None):
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
    words = [f"loads={','.join(f'{k}:{v}' for k, v in loads.items())}",
             f"threshold={threshold}"]
    words += [f"{name}={path}" for name, path in modules.items()]
    log = LOGS / f"noise-{built.arch}-{cpus}-{title}.log"
    run = Run(vm.boot(f"{built.arch}, {title}", arch,
                      built.build_dir / arch.image, initramfs,
                      f"{' '.join(words)} {append}".strip(), log, timeout,
                      cpus=cpus, machine=machine, stop=stop, accel=accel), log)
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


def has_fences(run):
    return any(any(kinds.values()) for m in run.loads.values()
               for kinds in m.fences.values())


def columns(runs, threshold):
    """(title, value of a CPU in a load). A run that has no value gives None;
    a column without any is left out."""
    def of_interrupts(m, cpu):
        return sum(m.interrupts[cpu].values())

    def of_deferred(m, cpu):
        return sum(n for result, n in m.deferred[cpu].items()
                   if result != "refused")

    traced = all(run.traced for run in runs.values())
    entries = all("context_tracking/user_exit" not in run.missing
                  for run in runs.values())
    fences = any(map(has_fences, runs.values()))
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
                merged[m.source(kind, frames), kind, frames[:6]][cpu] += n
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
    unit = "IPIs and fences" if has_fences(on) else "IPIs"
    print(f"\nAn isolated CPU is sent {before} {unit} that can be deferred "
          f"with deferral off, {after} with it on; {rest} that cannot be "
          "remain.")


# --- the picture ---

# What arrives, from the top of a CPU's lane to its bottom: colour, and the
# kinds of events that are shown as it.
MARKS = {
    "function call IPI": ("#d62728", {"function call"}),
    "remote fence": ("#e377c2", set(FENCES.values()) | {"other fence"}),
    "reschedule IPI": ("#1f77b4", {"reschedule"}),
    "irq_work": ("#9467bd", {"irq_work"}),
    "timer": ("#ff7f0e", {"timer"}),
    "gap": ("#444444", {"gap"}),
    "deferred instead": ("#7fbf7b", {"deferral"}),
}
MAX_LANES = 12
LANE = 50       # pixels


def lanes(runs):
    """The CPUs that the picture shows: those that are sent most."""
    first = next(iter(runs.values()))
    return sorted(sorted(first.isolated, key=lambda c: -sum(
        m.ipis(c) for m in first.loads.values()))[:MAX_LANES])


def marks(run, loads, cpus, with_gaps):
    """{mark: set of (x, lane)}: each load is as wide as any other."""
    found = defaultdict(set)
    for i, load in enumerate(loads):
        m = run.loads.get(load)
        if not m:
            continue

        def add(mark, us, cpu):
            x = (us - m.start) / 1000 / max(m.milliseconds, 1)
            # What is before the load's start is not its doing.
            if 0 <= x <= 1:
                # To the pixel: more would only make the file longer.
                found[mark].add((round(i + 0.02 + 0.76 * x, 3),
                                 cpus.index(cpu)))

        for event in m.events:
            mark = next((k for k, (_, kinds) in MARKS.items()
                         if event.kind in kinds), None)
            for cpu in event.cpus:
                if mark and cpu in cpus:
                    for us in event.at:
                        add(mark, us, cpu)
        for cpu in cpus if with_gaps else ():
            for us, _ in m.gap_times.get(cpu, ()):
                add("gap", us, cpu)
    return found


def picture(runs, title, out, with_gaps):
    """Writes noise.gp, gnuplot's commands with the data in them, and has it
    draw noise.png."""
    loads = [n for n in LOADS if any(n in run.loads for run in runs.values())]
    cpus = lanes(runs)
    drawn = {name: marks(run, loads, cpus, with_gaps)
             for name, run in runs.items()}
    shown = [m for m in MARKS if any(m in found for found in drawn.values())]
    height = len(cpus) * LANE
    panel, top, bottom = height + 74, 70, 40
    total = top + panel * len(runs) + bottom
    text = [
        f"set terminal pngcairo size 1500,{total} font 'sans,11' noenhanced",
        f"set output '{out / 'noise.png'}'",
        f"set multiplot title \"{title}\" font 'sans,14'",
        f"set xrange [0:{len(loads)}]", f"set yrange [0:{len(cpus)}]",
        "set lmargin at screen 0.06", "set rmargin at screen 0.985",
        "unset xtics", "set ytics scale 0", "set border 0", "unset key",
    ]
    for number, (name, run) in enumerate(runs.items()):
        found = drawn[name]
        low = 1 - (top + panel * number + height + 30) / total
        text += [f"set bmargin at screen {low:.4f}",
                 f"set tmargin at screen {low + height / total:.4f}",
                 "unset label", "unset object", "unset arrow"]
        head = {"off": "deferral off", "on": "deferral on"}.get(name, name)
        text.append(f"set label \"{head}\" at graph 0,graph 1 offset 0,1.6 "
                    "font 'sans Bold,13'")
        text.append("set ytics (" + ", ".join(
            f'"CPU {cpu}" {len(cpus) - i - 0.5}'
            for i, cpu in enumerate(cpus)) + ")")
        for i, load in enumerate(loads):
            m = run.loads.get(load)
            for lane, cpu in enumerate(cpus):
                y = len(cpus) - lane - 1
                colour = "#f4f4f4" if (i + lane) % 2 else "#ebebeb"
                text.append(f"set object rect from {i + .005},{y + .03} to "
                            f"{i + .995},{y + .97} fc rgb '{colour}' fs "
                            "solid noborder behind")
                if not m:
                    continue
                n = (m.arrived(cpu) if run.traced else
                     sum(m.interrupts[cpu].values()))
                text.append(
                    f"set label \"{n}\" at {i + .985},{y + .5} right front "
                    f"font 'sans Bold,12' tc rgb "
                    f"'{'#b00000' if n else '#007000'}'")
            about = (f"{load}  {m.count} x, {m.milliseconds / 1000:.1f} s"
                     if m else f"{load}: left out")
            text.append(f"set label \"{about}\" at {i + .5},{len(cpus)} "
                        "center offset 0,0.6")
        plots = []
        for mark in shown:
            row = shown.index(mark)
            block = f"$d{number}_{row}"
            text.append(f"{block} << EOD")
            for x, lane in sorted(found.get(mark, ())):
                y = len(cpus) - lane - (row + 1) / len(shown) * 0.9 - 0.05
                text.append(f"{x} {y:.3f}")
            text += ["-1 -1", "EOD"]
            plots.append(
                f"{block} using 1:2:(0):({0.86 / len(shown):.3f}) with vectors "
                f"nohead lw 1.3 lc rgb '{MARKS[mark][0]}'")
        if number == len(runs) - 1:
            for row, mark in enumerate(shown):
                text.append(
                    f"set label \"■ {mark}\" at screen "
                    f"{0.06 + 0.135 * row},screen {18 / total:.4f} "
                    f"font 'sans Bold,12' tc rgb '{MARKS[mark][0]}'")
            text.append(
                "set label \"The numbers: "
                + ("interrupts" if not run.traced else "IPIs and fences"
                   if has_fences(run) else "IPIs")
                + " to the CPU\" at screen 0.985,screen "
                f"{1 - 40 / total:.4f} right")
        text.append("plot " + (", ".join(plots) or "NaN"))
    text.append("unset multiplot")
    script = out / "noise.gp"
    script.write_text("\n".join(text) + "\n")
    if not shutil.which("gnuplot"):
        print("no picture: gnuplot is not installed (Debian: gnuplot-nox); "
              f"later: gnuplot {script}")
        return
    done = subprocess.run(["gnuplot", script], capture_output=True, text=True)
    if done.returncode:
        print(f"no picture: gnuplot failed on {script}: "
              + (done.stderr.strip().splitlines() or ["?"])[-1])
    else:
        print(f"picture: {out / 'noise.png'}")


# --- the checks ---

class Checks:
    def __init__(self, arch, times):
        self.remains = REMAINS[arch]
        self.expected = {load: n * times for load, n in EXPECTED[arch].items()}
        self.passed = self.failed = 0

    def __call__(self, ok, text):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {text}")

    def may_remain(self, name, load):
        loads = self.remains.get(name, ())
        return loads is None or load in loads

    def off(self, run):
        for load, m in run.loads.items():
            least = self.expected.get(load, 0)
            for cpu in run.isolated:
                n = m.deferrable(cpu)
                self(n >= least, f"off, {load}: CPU {cpu} was sent {n} that "
                                 f"can be deferred, at least {least} expected")

    def on(self, run):
        for load, m in run.loads.items():
            total = 0
            for cpu in run.isolated:
                # A CPU that one of those that remain (or a timer) has called
                # into the kernel cannot defer just then.
                others = sum(n for name, n in m.by_source(cpu).items()
                             if self.may_remain(name, load))
                excused = min(m.deferred[cpu]["refused"],
                              others + sum(m.timers[cpu].values()))
                total += excused
                self.few(excused, f"on, {load}: sent to CPU {cpu}",
                         m.deferrable(cpu), m, m.sent[cpu])
                self.few(excused, f"on, {load}: calls queued for CPU {cpu}",
                         self.deferrable(m, m.queued[cpu]), m, m.queued[cpu])
                strange = Counter({
                    key: n for key, n in m.sent[cpu].items()
                    if m.source(*key) not in DEFERRABLE and
                    not self.may_remain(m.source(*key), load)})
                self(not strange, f"on, {load}: CPU {cpu} was sent what should "
                                  "not be there" + self.worst(strange))
            # Does not hang on what the firmware counts.
            self.few(total, f"on, {load}: fences asked for",
                     self.deferrable(m, m.calls), m, m.calls)

    @staticmethod
    def deferrable(m, sent):
        return sum(n for (_, frames), n in sent.items()
                   if m.source("function call", frames) in DEFERRABLE)

    def few(self, most, what, n, m, sent):
        """That n, so many of what was sent, is what can be excused."""
        self(n <= most, f"{what}: {n} that can be deferred, "
             f"{most or 'none'} expected" + self.worst(Counter({
                 (kind, frames): n for (kind, frames), n in sent.items()
                 if m.source("function call", frames) in DEFERRABLE})))

    @staticmethod
    def worst(sent):
        """In words, the most frequent of these."""
        for (kind, frames), n in sent.most_common(1):
            return f": {n} times {kind}: {' < '.join(frames[:6])}"
        return ""

    def statistics(self, title, run):
        """That the senders traced explain what was received: or something
        would be hidden. (IPIs that meet on their way are received as one.)"""
        for load, m in run.loads.items():
            for cpu in run.isolated:
                pairs = [(kind, m.interrupts[cpu][kind])
                         for kind in ("function call", "reschedule")]
                pairs += m.fences[cpu].items()
                for kind, received in pairs:
                    sent = m.sent_of_kind(kind, cpu)
                    if kind == "reschedule":
                        # x86 and riscv also wake an idle CPU in this way, and
                        # arm64 runs irq_work.
                        sent += m.sent_of_kind("irq_work", cpu)
                    self(received <= sent,
                         f"{title}, {load}: CPU {cpu} received {received} "
                         f"{kind}s, but {sent} were seen to be sent")
                self(m.loops[cpu] > 0 and m.running[cpu],
                     f"{title}, {load}: the spinner on CPU {cpu} did not run")
        for load, why in run.skipped.items():
            self(False, f"{title}, {load} was left out: {why}")

    def result(self):
        print(f"\n{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


# --- command line ---

def report(runs, title, args, out, guest):
    print(f"\n{title}")
    if any(run.interrupted for run in runs.values()):
        print("Interrupted: this is what there was by then.")
    table(runs, args.threshold)
    if guest:
        print("The gaps are those of an emulator whose CPUs take turns.")
    if any(run.traced for run in runs.values()):
        by_source(runs)
        last = list(runs)[-1]
        senders(runs[last], "What still arrives with deferral on"
                if last == "on" else "What arrives")
    else:
        print("Who sends is not known: this kernel has no ipi_send_cpumask "
              "tracepoint (Linux 6.4 has)")
    skipped(runs)
    if any(run.lost for run in runs.values()):
        print("Trace events were lost: who sent is incomplete (fewer loads, or "
              "less time?)")
    if list(runs) == ["off", "on"]:
        verdict(*runs.values())
    out.mkdir(parents=True, exist_ok=True)
    (out / "noise.json").write_text(json.dumps(
        {"title": title, "threshold_us": args.threshold,
         "runs": {name: run.as_json() for name, run in runs.items()}},
        indent=1) + "\n")
    print(f"\nfigures: {out / 'noise.json'}")
    picture(runs, title, out, with_gaps=not guest)


def guest(args, loads, interrupt):
    import run_kunit
    import vm
    run_kunit.accel(args.guest)
    built = vm.build_kernel(args.guest, args.kernel, args.jobs, args.stock)
    counts = {name: args.count or
              args.times * COUNTS[args.guest].get(name, 100) for name in loads}
    runs = {}
    for title in ["stock"] if args.stock else ["off", "on"]:
        append = args.append + ("" if args.stock else f" cpuword.defer={title}")
        run = measure(built, title, append.strip(), counts,
                      machine=args.machine, stop=interrupt,
                      threshold=args.threshold, timeout=TIMEOUT * args.times)
        if run.loads:
            runs[title] = run
        if interrupt():
            break
    if not runs:
        die("interrupted before any load was done")
    last = list(runs.values())[-1]
    report(runs, f"{args.guest}, Linux {last.release}, 4 CPUs, nohz_full=1-3"
           f"{', ' + args.append if args.append else ''}"
           f"{', ' + args.machine if args.machine else ''}: "
           + ("the stock kernel" if args.stock else
              f"cpuword.defer={' and '.join(runs)}"), args,
           args.out or BUILD / f"noise-{args.guest}", True)
    if not args.check:
        return 130 if interrupt() else 0
    checks = Checks(args.guest, args.times)
    if interrupt():
        checks(False, "interrupted")
    if not args.stock and not interrupt():
        checks.off(runs["off"])
        checks.on(runs["on"])
    for title, run in runs.items():
        checks.statistics(title, run)
    return checks.result()


def here(args, loads, interrupt):
    run = measure_here(args, loads, interrupt)
    if not run.loads:
        skipped({"": run})
        die("no load was done")
    cpus = spread_of_cpus(run.isolated)
    report({"this machine": run}, f"{os.uname().nodename}, Linux {run.release}, "
           f"CPUs {cpus}", args, args.out or BUILD / "noise", False)
    return 130 if run.interrupted else 0


def spread_of_cpus(cpus):
    """As in "1-3,5"."""
    parts = []
    for cpu in cpus:
        if parts and cpu == parts[-1][1] + 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="loads:\n" + "\n".join(f"  {name:12}{what}"
                                      for name, what in LOADS.items()))
    parser.add_argument("--load", metavar="NAME,...",
                        help="only these loads; all but idle by default")
    parser.add_argument("--count", type=int,
                        help="do each load so often")
    parser.add_argument("--seconds", type=int, default=5,
                        help="or, by default, for so long: %(default)s")
    parser.add_argument("--cpus", metavar="LIST",
                        help="look at these CPUs; by default those in "
                             "nohz_full=")
    parser.add_argument("--threshold", type=int, default=20, metavar="US",
                        help="a gap is longer than this: %(default)s")
    parser.add_argument("--module", metavar="PATH",
                        help="the module for the load of that name; by default "
                             "a harmless one is looked for")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where the files go")
    parser.add_argument("--guest", metavar="ARCH", choices=COUNTS,
                        help="in QEMU: " + " ".join(COUNTS))
    group = parser.add_argument_group("with --guest")
    group.add_argument("--kernel", default=common.KERNELS[0])
    group.add_argument("--jobs", type=int, default=os.cpu_count())
    group.add_argument("--append", default="", metavar="ARGS",
                       help="more for the kernel's command line")
    group.add_argument("--machine", default="", metavar="OPTIONS",
                       help="more for QEMU's -machine; riscv has an interrupt "
                            "controller that sends IPIs, aia=aplic-imsic")
    group.add_argument("--times", type=int, default=1, metavar="N",
                       help="do all loads N times as often")
    group.add_argument("--stock", action="store_true",
                       help="the stock kernel instead of ours")
    group.add_argument("--check", action="store_true",
                       help="fail if what should be deferred is not")
    args = parser.parse_args()
    loads = args.load.split(",") if args.load else DEFAULT_LOADS
    for name in loads:
        if name not in LOADS:
            die(f"there is no load {name}; valid: {' '.join(LOADS)}")
    for name in ("count", "seconds", "threshold"):
        if (getattr(args, name) or 0) < 0:
            die(f"--{name} may not be negative")
    if args.times < 1:
        die(f"--times {args.times} is less than once")
    if args.cpus and not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", args.cpus):
        die(f"--cpus {args.cpus} is no list of CPUs, as in 1-3,5")
    if args.check and (args.count or args.load):
        die("--check is for the default loads and counts")
    if args.guest and (args.cpus or args.module):
        die("--cpus and --module are not for --guest")
    interrupt = Interrupt()
    return (guest if args.guest else here)(args, loads, interrupt)


if __name__ == "__main__":
    sys.exit(main())
