# SPDX-License-Identifier: GPL-2.0
"""Data races that the stock kernel has: boots it with KCSAN as the KUnit
variant kcsan does, runs the loads of the demo, and prints what is reported in
the form of tools/stock/common/races. Each race is reported once a boot."""

from collections import Counter

from host import command_line
from host.arch import MACHINES
from host.common import LOGS, anyway
from host.kernel import build_kernel
from host.lookup import stock
from host.noise.measure import DEFAULT_LOADS, measure
from host.results import race_of

# Seconds for a boot with all loads.
TIMEOUT = 900


def main():
    parser = command_line.parser(__doc__, [
        name for name, arch in MACHINES.items() if "kcsan" in arch.variants])
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--load", nargs="+", choices=DEFAULT_LOADS,
                        help="these loads only; all by default")
    args = parser.parse_args()
    arch = MACHINES[args.arch]
    built = build_kernel(args.arch, args.kernel, args.jobs, stock=True,
                         config="kcsan")
    # As for KUnit: CPUs that take turns race less.
    arch.machine.tcg = "tcg,thread=multi"
    known = stock(args.kernel, "races")
    # A watched access is a delay.
    loads = {name: max(count // 20, 2)
             for name, count in arch.noise.counts.items()
             if not args.load or name in args.load}
    seen: Counter = Counter()
    for number in range(1, args.boots + 1):
        title = f"stock-kcsan-{number}"
        # A kernel that reports anything ends so.
        with anyway():
            measure(built, title, arch.variants["kcsan"].append, loads,
                    timeout=TIMEOUT)
        log = LOGS / f"noise-{args.arch}-4-{title}.log"
        for line in log.read_text(errors="replace").splitlines():
            seen[race_of(line)] += 1
    # Lines that report none.
    del seen[None]
    for race, reports in sorted(seen.items()):
        print(f"{race}: {reports}{'' if race in known else ', not listed'}")
    print(f"\n{len(seen)} races")

