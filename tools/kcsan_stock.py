#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Data races that the stock kernel has: boots it with KCSAN as the KUnit
variant kcsan does, runs the loads of the demo, and prints what is reported in
the form of tools/kcsan-stock.txt. Each race is reported once a boot."""

import argparse
import os
import sys
from collections import Counter

import common
import noise
import run_kunit
import vm
from common import LOGS

# Seconds for a boot with all loads.
TIMEOUT = 900


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=["x86_64", "arm64"],
                        default="x86_64")
    parser.add_argument("--kernel", default=common.KERNELS[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--load", nargs="+", choices=noise.DEFAULT_LOADS,
                        help="these loads only; all by default")
    args = parser.parse_args()
    built = vm.build_kernel(args.arch, args.kernel, args.jobs, stock=True,
                            config="kcsan")
    # As for KUnit: CPUs that take turns race less.
    vm.ARCHES[args.arch].tcg = "tcg,thread=multi"
    known = run_kunit.STOCK_RACES.read_text().splitlines()
    # A watched access is a delay.
    loads = {name: max(count // 20, 2)
             for name, count in noise.COUNTS[args.arch].items()
             if not args.load or name in args.load}
    seen = Counter()
    for number in range(1, args.boots + 1):
        title = f"stock-kcsan-{number}"
        try:
            noise.measure(built, title, run_kunit.KCSAN_ARGS, loads,
                          timeout=TIMEOUT)
        except SystemExit as error:
            # A kernel that reports anything ends so.
            if error.code != 1:
                raise
        log = LOGS / f"noise-{args.arch}-4-{title}.log"
        for line in log.read_text(errors="replace").splitlines():
            seen[run_kunit.race_of(line)] += 1
    # Lines that report none.
    del seen[None]
    for race, reports in sorted(seen.items()):
        print(f"{race}: {reports}{'' if race in known else ', not listed'}")
    print(f"\n{len(seen)} races")


if __name__ == "__main__":
    sys.exit(main())
