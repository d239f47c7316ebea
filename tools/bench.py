#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What deferral costs and saves: the stock kernel against ours, with deferral
off and on. Prints tables and writes them, with a JSON file of all figures.

  getpid     instructions of a getpid() round trip
  entry      instructions of other round trips, and with work pending (x86_64)
  broadcast  what an operation that calls all CPUs costs who does it, with 4,
             16 and 64 CPUs
  sources    IPIs that an isolated CPU receives, by who sends them
  grace      how long grace periods take

  bench.py --image PATH   getpid alone, of one kernel image, in seconds
"""

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import common
import noise
import vm
from common import BUILD, LOGS, ROOT, die

PARTS = ["getpid", "entry", "broadcast", "sources", "grace"]
SETTINGS = ["stock", "off", "on"]
SIZES = [4, 16, 64]
# OpenSBI 1.5 starts no more than 59 of 64 harts, with AIA or without.
SIZES_OF = {"riscv": [4, 16]}

# One thread for all CPUs and a nanosecond of guest time an instruction: the
# cycle counter counts instructions, the same on every run.
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]

# Machines that have room for 64 CPUs; riscv's, one where Linux itself sends
# IPIs: those that firmware sends are not Linux's instructions.
MACHINES = {"x86_64": [], "arm64": ["-machine", "gic-version=3"],
            "riscv": ["-machine", "aia=aplic-imsic"]}

# How often each operation is done: while instructions are counted, which are
# much the same each time, and while the clock runs.
COUNTED = {"nothing": 20, "flip": 5, "purge": 60}
TIMED = {"nothing": 20, "flip": 20, "purge": 60}
OPERATIONS = {"flip": "scheduler feature off and on",
              "purge": "16 MB mapped and unmapped"}
# arm64 flushes kernel translations by broadcast: there is no IPI to defer.
NO_PURGE_IPI = {"arm64"}

# Where a broadcast begins, and interrupts of it.
BROADCASTS = re.compile(r"kick_all_cpus_sync\w*|on_each_cpu_cond_mask|"
                        r"on_each_cpu_deferrable\w*|"
                        r"smp_call_function_in_kernel|"
                        r"flush_(tlb_kernel_range|tlb_all|icache_all)\w*")
INTERRUPTS = re.compile(r"asm_sysvec_\w+|asm_common_interrupt|asm_exc_nmi|"
                        r"el1h_64_irq|handle_exception")

# How else getpid() is measured: what is added to a row's name, to the command
# line, and whether there are isolated CPUs.
BOOTS = {"x86_64": [("", "", True), (", pti=on", "pti=on", True),
                    (", none isolated", "", False),
                    (", none isolated, pti=on", "pti=on", False)]}

# Round trips, and the functions that those with work pending go through.
ENTRIES = {"x86_64": {"entry_SYSCALL_64": "system call",
                      "asm_exc_page_fault": "page fault",
                      "asm_sysvec_call_function": "interrupt"}}
PENDING = ("cpuword_user_entered_slow", "cpuword_enter_slow")

# Entries are what the word makes cheaper: on an isolated CPU getpid() takes
# this share of the stock kernel's instructions, at most. CPUs that are not
# isolated gain nothing by it, and may pay this many instructions; none, if no
# CPU is isolated.
GETPID_MAY_COST = {"x86_64": 0.85}
HOUSEKEEPING_MAY_COST = 3
# More instructions of an entry with a TLB flush pending.
FLUSH_MAY_COST = {"": 60, ", pti=on": 25}
# A deferred broadcast to 64 CPUs costs its sender at most this share of IPIs.
BROADCAST_MAY_COST = 1 / 5
# The atomics of a deferred broadcast that are not on a CPU's word: its barrier.
OWN_ATOMICS = 2
# An isolated CPU of a stock kernel receives at least so many IPIs and fences;
# to that end each load is done so many times as often as in the demo.
STOCK_RECEIVES = 5000
SOURCES_TIMES = {"x86_64": 1, "arm64": 3, "riscv": 4}


class Kernel:
    """A kernel that was built, and boots of it with tools/guest/bench.c."""

    def __init__(self, arch, image, build_dir, linux, built=None, append=""):
        self.arch, self.built, self.append = arch, built, append
        self.image, self.build_dir, self.linux = image, build_dir, linux
        self.release = ""

    def boot(self, what, part, log, *, accel=None, cpus=4, timeout=300,
             append="", isolate=True):
        """The lines that the guest printed."""
        program = vm.build_guest(self.arch, common.KERNELS[0], self.linux,
                                 "bench")
        initramfs = program.with_suffix(f".{log}.cpio")
        files = {"init": program}
        for module in ("kernel/torture.ko", "kernel/rcu/rcuscale.ko",
                       "lib/test_vmalloc.ko"):
            path = self.build_dir / module
            if path.exists():
                files[path.name] = path
        vm.write_initramfs(initramfs, files)
        lines = vm.boot(f"{self.arch.name}, {what}", self.arch, self.image,
                        initramfs, f"part={part} {append} {self.append}",
                        LOGS / f"bench-{self.arch.name}-{log}.log", timeout,
                        accel, cpus, isolate=isolate)
        initramfs.unlink()
        for line in lines:
            if line.startswith("@@ hello"):
                self.release = words(line)["release"]
        return lines


def words(line):
    """The name=value pairs of a line."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


# --- getpid ---

def measure_getpid(kernel, title):
    """{setting: {"isolated": instructions a call, "housekeeping": the same}},
    with more rows for other boots."""
    result = {}
    for row, append, isolate in BOOTS.get(kernel.arch.name, [("", "", True)]):
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


# --- entry ---

def symbols_of(kernel):
    """Pairs of a symbol and its address, in hexadecimal."""
    for line in (kernel.build_dir / "System.map").open():
        address, _, symbol = line.split()
        yield symbol, address


def measure_entry(kernel, title):
    """{setting: {round trip: instructions}}"""
    symbols = dict(symbols_of(kernel))
    entries = {int(symbols[symbol], 16): name
               for symbol, name in ENTRIES[kernel.arch.name].items()}
    need_qemu(kernel.arch)
    result = {}
    for pti in FLUSH_MAY_COST:
        counts = LOGS / f"bench-{kernel.arch.name}-{title}.trips"
        options = "".join(
            [f",entry={address:x}" for address in entries] +
            [f",via={symbols[s]}" for s in PENDING if s in symbols])
        lines = kernel.boot(
            f"{title}: entries{pti}", "entry", f"{title}-entry",
            append=f"nokaslr {pti.strip(', ')}",
            accel=["-accel", "tcg,thread=multi", "-plugin",
                   f"{plugin('qemu_trips')},out={counts}{options}"])
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


# --- broadcast ---

def plugin(name):
    """Builds a QEMU plugin that counts instructions; returns its path."""
    source, binary = ROOT / f"tools/{name}.c", BUILD / f"{name}.so"
    sources = [source, ROOT / "tools/qemu_plugin.h"]
    if not binary.exists() or any(s.stat().st_mtime > binary.stat().st_mtime
                                  for s in sources):
        vm.must(f"{name}.c", ["gcc", "-O2", "-Wall", "-shared", "-fPIC",
                              "-fvisibility=hidden", "-o", binary, source],
                LOGS / f"{name}.log")
    return binary


def qemu_version(arch):
    text = subprocess.run([arch.qemu, "--version"], capture_output=True,
                          text=True, check=True).stdout
    return re.search(r"version (\d+)\.(\d+)\S*", text)


def need_qemu(arch):
    version = qemu_version(arch)
    if (int(version[1]), int(version[2])) < (9, 1):
        die(f"counting instructions takes QEMU 9.1; this is {version[0]}")


def counting(kernel, counts):
    """QEMU's options for counting instructions into the file counts."""
    need_qemu(kernel.arch)
    options = f"out={counts},arch={kernel.arch.name}"
    for symbol, address in symbols_of(kernel):
        if BROADCASTS.fullmatch(symbol):
            options += f",begin={address}"
        if INTERRUPTS.fullmatch(symbol):
            options += f",irq={address}"
    # Not one thread for all CPUs: the plugin says why.
    return ["-accel", "tcg,thread=multi", "-plugin",
            f"{plugin('qemu_count')},{options}", *MACHINES[kernel.arch.name]]


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
    result = {}

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

    accel = ["-accel", kernel.arch.tcg, *MACHINES[kernel.arch.name]]
    if "single" not in kernel.arch.tcg:
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


# --- grace periods ---

def measure_grace(kernel, title):
    """{kind: {setting: {"median": us, "min":, "max":, "count":}}}"""
    durations, now = {}, None
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


# --- IPIs by source ---

def measure_sources(kernel, title):
    """{load: {"count":, "cpus": {cpu: {source: IPIs and fences}}, "deferrable":
    {cpu: those of them that may be deferred}}}"""
    append = "" if title == "stock" else f"cpuword.defer={title}"
    times = SOURCES_TIMES[kernel.arch.name]
    run = noise.measure(
        kernel.built, title, f"{append} {kernel.append}",
        {load: n * times for load, n in noise.COUNTS[kernel.arch.name].items()},
        timeout=noise.TIMEOUT * times)
    kernel.release = run.release
    return {name: {
        "count": load.count,
        "cpus": {cpu: load.by_source(cpu) for cpu in run.isolated},
        "deferrable": {cpu: load.deferrable(cpu) for cpu in run.isolated},
    } for name, load in run.loads.items()}


# --- the report ---

def table(head, rows):
    """A simple table of reStructuredText, which reads on a terminal as well."""
    rows = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = " ".join("=" * width for width in widths)

    def line(row):
        return " ".join([row[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:])
        ]).rstrip()

    return [rule, line(rows[0]), rule, *map(line, rows[1:]), rule, ""]


def settings_of(by_setting):
    return [setting for setting in SETTINGS if setting in by_setting]


def number(n):
    return "-" if n is None else f"{n:,.2f}" if abs(n) < 10 else f"{n:,.0f}"


def getpid_text(results):
    settings = settings_of(results)
    return ["getpid() round trip, instructions", "", *table(
        ["CPU", *settings],
        [[cpu, *(f"{results[s][cpu]:.2f}" for s in settings)]
         for cpu in results[settings[0]]])]


def entry_text(results):
    settings = settings_of(results)
    rows = dict.fromkeys(row for s in settings for row in results[s])
    return ["round trips of an isolated CPU, instructions", "", *table(
        ["entry", *settings],
        [[row, *(number(results[s].get(row)) for s in settings)]
         for row in rows])]


# What is in the table of an operation, and what of it in words.
FIGURES = [
    ("broadcast_instructions", "a broadcast: the sender's instructions"),
    ("broadcast_atomics", "of them atomic"),
    ("broadcasts", "broadcasts"),
    ("sender_instructions", "CPU 0: all instructions in the kernel"),
    ("receivers_instructions", "other CPUs: the same"),
    ("ipis", "IPIs to isolated CPUs"),
    ("us", "time, us (emulated)"),
    ("accepted", "deferrals accepted"),
    ("coalesced", "deferrals coalesced"),
]


def broadcast_text(results, arch):
    text = []
    for name, what in OPERATIONS.items():
        head = rows = None
        for size, ops in sorted(results.items()):
            if name not in ops:
                continue
            settings = settings_of(ops[name])
            head = (head or [f"{what}"]) + [f"{size} CPUs: {settings[0]}",
                                            *settings[1:]]
            columns = [[number(ops[name][s].get(key)) for s in settings]
                       for key, _ in FIGURES]
            rows = ([[label, *c] for (_, label), c in zip(FIGURES, columns)]
                    if rows is None else
                    [row + c for row, c in zip(rows, columns)])
        if rows:
            text += [what.capitalize() if name == "flip" else what, "",
                     *table(head, rows)]
    return text


def sources_text(results):
    settings = settings_of(results)
    loads = list(dict.fromkeys(load for s in settings for load in results[s]))
    rows, total = [], {s: Counter() for s in settings}

    def spread(values):
        low, high = min(values), max(values)
        return f"{low}" if low == high else f"{low}-{high}"

    for load in loads:
        runs = {s: results[s].get(load) for s in settings}
        sources = sorted({source for run in runs.values() if run
                          for by in run["cpus"].values() for source in by})
        count = next(run["count"] for run in runs.values() if run)
        for source in sources or ["none"]:
            row = [f"{load} ({count})", source]
            for s in settings:
                if not runs[s]:
                    row.append("-")
                    continue
                by = {cpu: by[source] for cpu, by in runs[s]["cpus"].items()}
                total[s].update(by)
                row.append(spread(by.values()))
            rows.append(row)
    rows.append(["all", "", *(spread(total[s].values()) for s in settings)])
    return ["IPIs and fences sent to an isolated CPU (the least and the most)",
            "", *table(["load", "source", *settings], rows)]


def grace_text(results):
    settings = settings_of(results["normal"])
    return ["Grace periods, us (emulated): least, median, most", "", *table(
        ["kind", *settings],
        [[kind, *(" ".join(f"{results[kind][s][k]:,.0f}"
                           for k in ("min", "median", "max"))
                  for s in settings)] for kind in results])]


def report(data):
    """The tables, as lines of reStructuredText."""
    text = [f".. {data['command']}", "", f"{data['arch']}: "
            + "; ".join(f"{name} {k['release']} ({k['configuration']})"
                        for name, k in data["kernels"].items())
            + f"; QEMU {data['qemu']}"
            + (f"; {data['append']}" if data["append"] else ""), ""]
    for part, lines in (
            ("getpid", getpid_text), ("entry", entry_text),
            ("broadcast", lambda r: broadcast_text(r, data["arch"])),
            ("sources", sources_text), ("grace", grace_text)):
        if part in data:
            text += lines(data[part])
    return text


# --- checks ---

class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, condition, what):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}")

    def getpid(self, results, arch):
        for setting in ("off", "on"):
            for cpu, stock in results["stock"].items():
                if cpu.startswith("isolated"):
                    limit = stock * GETPID_MAY_COST.get(arch, 1)
                elif "none isolated" in cpu:
                    limit = stock
                else:
                    limit = stock + HOUSEKEEPING_MAY_COST
                n = results[setting][cpu]
                self.expect(n <= limit,
                            f"getpid on the {cpu} CPU, deferral {setting}: {n} "
                            f"instructions, at most {limit:.2f} expected")

    def entry(self, results):
        for setting in ("off", "on"):
            for row, stock in results.get("stock", {}).items():
                # With deferral on there are no interrupts to count.
                n = results[setting].get(row, 0 if setting == "on" else None)
                self.expect(n is not None and n <= stock,
                            f"{row}, deferral {setting}: {n} instructions, at "
                            f"most the stock kernel's {stock} expected")
        on = results["on"]
        for pti, limit in FLUSH_MAY_COST.items():
            plain = on.get(f"system call{pti}")
            pending = on.get(f"system call, TLB pending{pti}")
            self.expect(plain and pending and pending - plain <= limit,
                        f"a system call{pti} with a TLB flush pending takes "
                        f"{pending} instructions, without {plain}; at most "
                        f"{limit} more expected")

    def broadcast(self, results, arch):
        size = max(results)
        for name, what in OPERATIONS.items():
            if name == "purge" and arch in NO_PURGE_IPI:
                continue
            runs = results[size][name]
            # In the quick form it is ours that sends the IPIs.
            ipi = runs.get("stock") or runs["off"]
            on = runs["on"]
            if not (ipi["broadcasts"] and on["broadcasts"]):
                self.expect(False, f"{what}: nothing was broadcast")
                continue
            share = on["broadcast_instructions"] / ipi["broadcast_instructions"]
            self.expect(share <= BROADCAST_MAY_COST,
                        f"{what}, {size} CPUs: a deferred broadcast is "
                        f"{share:.2f} of the instructions of an IPI broadcast, "
                        f"at most {BROADCAST_MAY_COST:.2f} expected")
            others = size - 1
            self.expect(ipi["broadcast_atomics"] >= others,
                        f"{what}: an IPI broadcast was seen to take "
                        f"{ipi['broadcast_atomics']:.0f} atomics only: are all "
                        "counted?")
            self.expect(on["broadcast_atomics"] <= OWN_ATOMICS,
                        f"{what}, {size} CPUs: a deferred broadcast takes "
                        f"{on['broadcast_atomics']:.0f} atomics, at most "
                        f"{OWN_ATOMICS} of its own expected")
            if name != "flip":
                continue
            # A CPU that is in the kernel for a moment refuses, and its bit is
            # to be set anew afterwards.
            deferred = on["coalesced"] + on["accepted"]
            self.expect(deferred >= 0.98 * others * on["broadcasts"],
                        f"{what}: {deferred:.0f} deferrals for "
                        f"{on['broadcasts']:.0f} broadcasts to {others} CPUs")
            self.expect(on["coalesced"] >= 0.9 * deferred,
                        f"{what}: only {on['coalesced']:.0f} of "
                        f"{deferred:.0f} deferrals found their bit set")

    def sources(self, results):
        for cpu in next(iter(results["stock"].values()))["cpus"]:
            stock = sum(load["deferrable"][cpu]
                        for load in results["stock"].values())
            self.expect(stock >= STOCK_RECEIVES,
                        f"CPU {cpu} of the stock kernel receives {stock} IPIs "
                        f"that may be deferred; {STOCK_RECEIVES} expected")
            for name, load in results["on"].items():
                self.expect(not load["deferrable"][cpu],
                            f"CPU {cpu} receives {load['deferrable'][cpu]} IPIs "
                            f"that may be deferred, with deferral on ({name})")


def check(data):
    """Prints what is not as it should be; returns the exit status."""
    checks = Checks()
    if "getpid" in data:
        checks.getpid(data["getpid"], data["arch"])
    if "entry" in data:
        checks.entry(data["entry"])
    if "broadcast" in data:
        checks.broadcast(data["broadcast"], data["arch"])
    if "sources" in data:
        checks.sources(data["sources"])
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


def merge(into, more):
    """Adds what another kernel's run has to a tree of figures."""
    for key, value in more.items():
        if isinstance(value, dict) and key in into:
            merge(into[key], value)
        else:
            into[key] = value


def bench(name, args):
    """Measures one architecture; returns the exit status of its check."""
    arch = vm.ARCHES[name]
    data = {"arch": name, "command": shlex.join(["tools/bench.py",
                                                 *sys.argv[1:]]),
            "qemu": qemu_version(arch)[0].split()[1], "append": args.append,
            "kernels": {}, "seconds": {}}
    kernels = {}
    # The quick form builds no kernel for itself. It counts ours alone, which
    # sends IPIs with deferral off.
    for title in ("cpuword",) if args.quick else ("stock", "cpuword"):
        built = vm.build_kernel(name, args.kernel, args.jobs,
                                stock=title == "stock")
        kernels[title] = Kernel(arch, built.build_dir / arch.image,
                                built.build_dir, built.linux, built,
                                args.append)
    sizes = SIZES_OF.get(name, SIZES)
    sizes = sizes[-1:] if args.quick else sizes
    for part in args.parts:
        started = time.monotonic()
        figures = {}
        if part == "sources":
            for title in SETTINGS:
                kernel = kernels["stock" if title == "stock" else "cpuword"]
                figures[title] = measure_sources(kernel, title)
        for title, kernel in kernels.items():
            if part == "getpid":
                merge(figures, measure_getpid(kernel, title))
            elif part == "entry" and name in ENTRIES:
                merge(figures, measure_entry(kernel, title))
            elif part == "broadcast":
                merge(figures, measure_broadcast(kernel, title, sizes,
                                                 timed=not args.quick))
            elif part == "grace":
                merge(figures, measure_grace(kernel, title))
        if not figures:
            continue
        data[part] = figures
        data["seconds"][part] = round(time.monotonic() - started)
    configuration = f"kunit/.kunitconfig and kunit/configs/{name}.config"
    for title, kernel in kernels.items():
        data["kernels"][title] = {
            "release": kernel.release, "configuration": configuration +
            (" without CPUWORD" if title == "stock" else "")}

    text = "\n".join(report(data))
    print(f"\n{text}")
    # A run of some parts does not replace the results of one of all.
    base = BUILD / "-".join(["bench", name, *(
        ["quick"] if args.quick else [] if args.parts == PARTS else args.parts)])
    base.with_suffix(".rst").write_text(text)
    base.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    print(f"in {base.with_suffix('.json')} and .rst; took "
          + ", ".join(f"{common.elapsed(s)} for {part}"
                      for part, s in data["seconds"].items()))
    return check(data) if args.check else 0


def parts(text):
    names = text.split(",")
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(
                f"{name} is no part; valid: {','.join(PARTS)}")
    return [name for name in PARTS if name in names]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=[*vm.ARCHES, "all"],
                        default="x86_64")
    parser.add_argument("--kernel", default=common.KERNELS[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--parts", type=parts, metavar="PART,...",
                        help="these parts only")
    parser.add_argument("--quick", action="store_true",
                        help="our kernel alone: entries, and broadcasts to "
                        "64 CPUs")
    parser.add_argument("--append", default="", metavar="ARGS",
                        help="more for the kernel's command line")
    parser.add_argument("--image", type=Path,
                        help="measure this kernel image only, build none")
    parser.add_argument("--check", action="store_true",
                        help="fail if figures are not as they should be")
    args = parser.parse_args()
    if args.quick and args.parts:
        die("--quick has parts of its own: leave out --parts")
    args.parts = args.parts or (["entry", "broadcast"] if args.quick
                                else PARTS)
    names = list(vm.ARCHES) if args.arch == "all" else [args.arch]

    if args.image:
        if args.arch == "all":
            die("--image takes one --arch")
        trees = [BUILD / args.kernel / name for name in ("linux", "stock")]
        tree = next((t for t in trees if (t / "Makefile").exists()), None)
        if not tree:
            die(f"no kernel tree in {BUILD / args.kernel}; run: make tree")
        kernel = Kernel(vm.ARCHES[args.arch], args.image, args.image.parent,
                        tree, append=args.append)
        print("\n" + "\n".join(getpid_text(measure_getpid(kernel, "image"))))
        return 0
    return max([bench(name, args) for name in names])


if __name__ == "__main__":
    sys.exit(main())
