# SPDX-License-Identifier: GPL-2.0
"""Boots of tools/guest/bench.c, and what they came to."""

import re
import statistics
from collections import Counter

from host import machine
from host.bench.checks import FLUSH_MAY_COST
from host.common import LOGS, die
from host.guest import build_guest, initramfs
from host.noise.measure import TIMEOUT, measure
from host.plugin import need_qemu, plugin, symbols_of

SETTINGS = ["stock", "without", "off", "on"]

# One thread for all CPUs and a nanosecond of guest time an instruction: the
# cycle counter counts instructions, the same on every run.
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]

# How often each operation is done: while instructions are counted, which are
# much the same each time, and while the clock runs.
COUNTED = {"nothing": 20, "flip": 5, "purge": 60}

TIMED = {"nothing": 20, "flip": 20, "purge": 60}

# Where a broadcast begins.
BROADCASTS = re.compile(r"kick_all_cpus_sync\w*|on_each_cpu_cond_mask|"
                        r"on_each_cpu_deferrable\w*|"
                        r"smp_call_function_in_kernel|"
                        r"flush_(tlb_kernel_range|tlb_all|icache_all)\w*")

PENDING = ("cpuword_user_entered_slow", "cpuword_enter_slow")


class Kernel:
    """A kernel that was built, and boots of it with tools/guest/bench.c."""

    def __init__(self, arch, image, build_dir, linux, built=None, append=""):
        self.arch, self.built, self.append = arch, built, append
        self.image, self.build_dir, self.linux = image, build_dir, linux
        self.release = ""

    def boot(self, what, part, log, *, accel=None, cpus=4, timeout=300,
             append="", isolate=True):
        """The lines that the guest printed."""
        program = build_guest(self.arch, self.linux.parent.name,
                              self.linux, "bench")
        files = {"init": program}
        for module in ("kernel/torture.ko", "kernel/rcu/rcuscale.ko",
                       "lib/test_vmalloc.ko"):
            path = self.build_dir / module
            if path.exists():
                files[path.name] = path
        with initramfs(program.with_suffix(f".{log}.cpio"), files) as file:
            lines = machine.boot(
                f"{self.arch.name}, {what}", self.arch, self.image, file,
                f"part={part} {append} {self.append}",
                LOGS / f"bench-{self.arch.name}-{log}.log", timeout, accel,
                cpus, isolate=isolate)
        for line in lines:
            if line.startswith("@@ hello"):
                self.release = words(line)["release"]
        return lines


def words(line):
    """The name=value pairs of a line."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def measure_getpid(kernel, title):
    """{setting: {"isolated": instructions a call, "housekeeping": the same}},
    with more rows for other boots."""
    result: dict = {}
    for row, append, isolate in kernel.arch.bench.boots:
        cpus = set()
        for line in kernel.boot(f"{title}: getpid{row}", "getpid",
                                f"{title}-getpid", accel=ICOUNT, timeout=180,
                                append=append, isolate=isolate):
            if not line.startswith("@@ getpid"):
                continue
            v = words(line)
            ticks = (int(v["best"]) - int(v["empty"])) / int(v["calls"])
            # A tick is so many instructions: 1 at 1 GHz. The kernel measured
            # the rate; what was meant is a round number.
            per_tick = 1e9 / float(f"{int(v['hz']):.3g}")
            result.setdefault(v["defer"], {})[v["on"] + row] = round(
                ticks * per_tick, 2)
            cpus.add(v["on"])
        if len(cpus) != 1 + isolate:
            die(f"the guest printed no figures; see {LOGS}")
    return result


def measure_entry(kernel, title):
    """{setting: {round trip: instructions}}"""
    symbols = dict(symbols_of(kernel))
    entries = {int(symbols[symbol], 16): name
               for symbol, name in kernel.arch.bench.entries.items()}
    need_qemu(kernel.arch)
    result: dict = {}
    for pti in FLUSH_MAY_COST:
        counts = LOGS / f"bench-{kernel.arch.name}-{title}.trips"
        options = "".join(
            [f",entry={address:x}" for address in entries] +
            [f",via={symbols[s]}" for s in PENDING if s in symbols])
        lines = kernel.boot(
            f"{title}: entries{pti}", "entry", f"{title}-entry",
            append=f"nokaslr {pti.strip(', ')}",
            accel=["-accel", "tcg,thread=multi", "-plugin",
                   f"{plugin('trips')},out={counts}{options}"])
        phases = [words(line) for line in lines if line.startswith("@@ entry")]
        marks = counts.read_text().split("mark\n")
        if len(marks) != 2 * len(phases) + 1:
            die(f"not all phases were counted; see {counts}")
        for phase, trips in zip(phases, marks[1::2]):
            rows = result.setdefault(phase["defer"], {})
            for trip in trips.splitlines():
                _, address, n, plain, n_via, via = trip.split()
                name = entries[int(address, 16)]
                # One without work is much the same in each phase; interrupts
                # are those of text flips.
                if phase["name"] == "flip" and int(n):
                    rows[name + pti] = int(plain)
                if name == "system call" and int(n_via):
                    rows[f"{name}, {phase['pending']} pending{pti}"] = int(via)
    return result


def machine_of(arch):
    """QEMU's options for one that has room for all CPUs."""
    return ["-machine", arch.bench.machine] if arch.bench.machine else []


def counting(kernel, counts):
    """QEMU's options for counting instructions into the file counts."""
    need_qemu(kernel.arch)
    options = f"out={counts}"
    for symbol, address in symbols_of(kernel):
        if BROADCASTS.fullmatch(symbol):
            options += f",begin={address}"
        if re.fullmatch(kernel.arch.bench.interrupts, symbol):
            options += f",irq={address}"
    # Not one thread for all CPUs: the plugin says why.
    return ["-accel", "tcg,thread=multi", "-plugin",
            f"{plugin('count', kernel.arch)},{options}", *machine_of(kernel.arch)]


def operations(lines):
    """Each operation that the guest did: name, size, setting, and its figures;
    with how many deferrals were accepted and coalesced meanwhile."""
    sent = {}
    for line in lines:
        if line.startswith("@@ words"):
            when = words(line)["when"]
        elif line.startswith("@@ head"):
            names = [w for w in line.split()[2:] if w not in ("|", "sent:")]
        elif line.startswith("@@ row"):
            sent[when] = dict(zip(names, (w for w in line.split()[2:]
                                          if w != "|")))
        elif line.startswith("@@ op"):
            v = words(line)
            op = {k: int(v[k]) for k in ("cpus", "count", "ns", "ipis", "most")}
            op.update(name=v["name"], setting=v["defer"])
            for result in ("accepted", "coalesced"):
                if sent:
                    op[result] = (int(sent["after"][result]) -
                                  int(sent["before"][result]))
            yield op


def measure_broadcast(kernel, title, sizes, timed):
    """{size: {operation: {setting: figures}}}; also the time, and the IPIs that
    arrive, if timed."""
    result: dict = {}

    def figures(op):
        return result.setdefault(op["cpus"], {}).setdefault(
            op["name"], {}).setdefault(op["setting"], {})

    def append(counts):
        # As many CPUs take turns on the few of the host: how long one of them
        # has not run says nothing of the kernel.
        return (f"least={sizes[0]} most={sizes[-1]} maxcpus={sizes[0]} "
                "rcupdate.rcu_cpu_stall_suppress=1 " +
                " ".join(f"{name}={n}" for name, n in counts.items()))

    counts = LOGS / f"bench-{kernel.arch.name}-{title}.counts"
    lines = kernel.boot(f"{title}: counting instructions", "broadcast",
                        f"{title}-counted", cpus=sizes[-1], timeout=900,
                        append=f"nokaslr {append(COUNTED)}",
                        accel=counting(kernel, counts))
    stretches, broadcasts = [], []
    for line in counts.read_text().splitlines():
        kind, *n = line.split()
        if kind == "broadcast":
            broadcasts.append(tuple(map(int, n)))
        else:
            stretches.append((list(map(int, n)), broadcasts))
            broadcasts = []
    done = list(operations(lines))
    if len(stretches) != 2 * len(done):
        die(f"not all operations were counted; see {counts}")
    for i, op in enumerate(done):
        (before, _), (after, broadcasts) = stretches[2 * i:2 * i + 2]
        kernel0, waiting0, kernels, waiting, user = (
            b - a for a, b in zip(before, after))
        f = figures(op)
        f["counted"] = op["count"]
        f["sender_instructions"] = (kernel0 - waiting0) / op["count"]
        f["receivers_instructions"] = (kernels - waiting) / op["count"]
        f["spinners_instructions"] = user / op["count"]
        f["broadcasts"] = len(broadcasts) / op["count"]
        # The median: the load of a module has a few that are not deferrable.
        if broadcasts:
            f["broadcast_instructions"], f["broadcast_atomics"] = map(
                statistics.median, zip(*broadcasts))
            f["all_broadcasts"] = sorted(Counter(broadcasts).items())
        for name in ("accepted", "coalesced"):
            if name in op:
                f[name] = op[name] / op["count"]
    if not timed:
        return result

    accel = ["-accel", kernel.arch.machine.tcg, *machine_of(kernel.arch)]
    if "single" not in kernel.arch.machine.tcg:
        # Where CPUs do not take turns, it is the plugin that makes spinners
        # leave the host's CPUs to others.
        accel = counting(kernel, "/dev/null")
    for op in operations(kernel.boot(
            f"{title}: time and IPIs", "broadcast", f"{title}-timed",
            cpus=sizes[-1], timeout=900, append=append(TIMED), accel=accel)):
        f = figures(op)
        f["timed"] = op["count"]
        f["us"] = op["ns"] / 1000 / op["count"]
        f["ipis"] = op["ipis"] / op["count"]
        f["most_ipis_on_a_cpu"] = op["most"]
    return result


def measure_grace(kernel, title):
    """{kind: {setting: {"median": us, "min":, "max":, "count":}}}"""
    durations: dict = {}
    now = None
    for line in kernel.boot(f"{title}: grace periods", "grace",
                            f"{title}-grace", timeout=600):
        if line.startswith("@@ grace"):
            v = words(line)
            now = None
            if "defer" in v:
                now = durations.setdefault(v["kind"], {}).setdefault(
                    v["defer"], [])
        match = re.search(r"writer-duration: +\d+ (\d+)", line)
        if match and now is not None:
            now.append(int(match[1]) / 1000)
    if len(durations) != 2 or not all(
            d for kind in durations.values() for d in kind.values()):
        die(f"rcuscale printed no figures; see {LOGS}")
    return {kind: {setting: {"median": statistics.median(d), "min": min(d),
                             "max": max(d), "count": len(d)}
                   for setting, d in settings.items()}
            for kind, settings in durations.items()}


def measure_sources(kernel, title):
    """{load: {"count":, "cpus": {cpu: {source: IPIs and fences}}, "deferrable":
    {cpu: those of them that may be deferred}}}"""
    append = "" if title == "stock" else f"cpuword.defer={title}"
    times = kernel.arch.bench.sources_times
    run = measure(
        kernel.built, title, f"{append} {kernel.append}",
        {load: n * times for load, n in kernel.arch.noise.counts.items()},
        timeout=TIMEOUT * times)
    kernel.release = run.release
    return {name: {
        "count": load.count,
        "cpus": {cpu: load.by_source(cpu) for cpu in run.isolated},
        "deferrable": {cpu: load.deferrable(cpu) for cpu in run.isolated},
    } for name, load in run.loads.items()}
