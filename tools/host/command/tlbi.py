# SPDX-License-Identifier: GPL-2.0
"""How often arm64 broadcasts a TLB invalidation of kernel addresses, under each
load of the demo, with cpuword.tlbi=broadcast and with =deferred. QEMU counts the
instructions, and where they are. Fails if vmalloc's purges, which the option is
about, ever execute more of them with it."""

import bisect
import re
from collections import Counter

from host import command_line
from host.arch import only
from host.common import LOGS, die
from host.kernel import build_kernel
from host.machine import accelerator
from host.noise.measure import DEFAULT_LOADS, measure
from host.plugin import need_qemu, plugin, symbols_of
from host.results import Tests

ARCH = only("tlbi.c")
SETTINGS = ["broadcast", "deferred"]
# Where lazily freed areas are flushed.
PURGE = re.compile(r"_*purge_\w+|_vm_unmap_aliases|cpuword_quarantine_\w+")


def read_counts(path, symbols):
    """A Counter for each mark: how often, by function."""
    addresses, names = zip(*symbols)
    counts: Counter = Counter()
    for line in path.read_text().splitlines():
        word, *values = line.split()
        if word == "at":
            at = bisect.bisect(addresses, int(values[0], 16)) - 1
            if at < 0:
                die(f"{values[0]} is in no function; see {path}")
            # Compilers split functions.
            counts[names[at].split(".")[0]] += int(values[1])
        elif word == "mark":
            yield counts
            counts = Counter()
        else:
            die(f"{line}; see {path}")


def count(built, setting, loads):
    """{load: how often, by function}"""
    path = LOGS / f"tlbi-{setting}.counts"
    path.unlink(missing_ok=True)
    run = measure(
        built, f"tlbi-{setting}", f"nokaslr cpuword.tlbi={setting}", loads,
        accel=["-accel", ARCH.machine.tcg, "-plugin",
               f"{plugin('tlbi', ARCH)},out={path}"])
    for load, why in run.skipped.items():
        die(f"{load} was left out: {why}")
    symbols = sorted((int(address, 16), symbol) for symbol, address in
                     symbols_of(built) if not symbol.startswith("$"))
    marks = list(read_counts(path, symbols))
    if len(marks) != 2 * len(run.loads):
        die(f"not all loads were counted; see {path}")
    return {load: marks[2 * i + 1] - marks[2 * i]
            for i, load in enumerate(run.loads)}


def main():
    parser = command_line.parser(__doc__)
    parser.add_argument("--load", metavar="NAME,...", type=command_line.words,
                        help="only these loads of the demo")
    args = parser.parse_args()
    known = ARCH.noise.counts
    names = args.load or DEFAULT_LOADS
    for name in names:
        if name not in known:
            die(f"there is no load {name}; valid: {' '.join(known)}")
    if accelerator(ARCH.name) != "tcg":
        die("QEMU counts only what it emulates; run without ACCEL=")
    built = build_kernel(ARCH.name, args.kernel, args.jobs)
    need_qemu(ARCH)
    loads = {name: known[name] for name in names}
    seen = {setting: count(built, setting, loads) for setting in SETTINGS}

    tests = Tests(len(loads))
    print(f"\n{'load':12}{'where':32}"
          + "".join(f"{s:>11}" for s in SETTINGS))
    for load in loads:
        counts = [seen[setting][load] for setting in SETTINGS]
        purges = [sum(n for name, n in c.items() if PURGE.fullmatch(name))
                  for c in counts]
        rows = [("vmalloc's purges", purges)]
        rows += [(name, [c[name] for c in counts])
                 for name in sorted({*counts[0], *counts[1]})
                 if not PURGE.fullmatch(name)]
        for i, (name, row) in enumerate(rows):
            print(f"{'' if i else load:12}{name:32}"
                  + "".join(f"{n:11}" for n in row))
        tests.check(load, purges[1] <= purges[0],
                    f"{purges[1] - purges[0]} more with cpuword.tlbi=deferred")
    return tests.end()

