#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Data races that the stock kernel has: boots it with KCSAN as the KUnit variant
kcsan does, runs the loads of the demo a few times, and prints what is reported.
Races that tools/kcsan-stock.txt lists are marked."""

import argparse
import os
import sys

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
    args = parser.parse_args()
    built = vm.build_kernel(args.arch, args.kernel, args.jobs, stock=True,
                            config="kcsan")
    known = set(run_kunit.STOCK_RACES.read_text().splitlines())
    seen = {}
    for number in range(1, args.boots + 1):
        title = f"stock-kcsan-{number}"
        try:
            noise.measure(built, title, timeout=TIMEOUT)
        except SystemExit as error:
            # The reports are why: to vm.py the kernel is at fault.
            if error.code != 1:
                raise
        log = LOGS / f"noise-{args.arch}-4-{title}.log"
        for line in log.read_text(errors="replace").splitlines():
            race = run_kunit.race_of(line)
            if race:
                seen[race] = seen.get(race, 0) + 1
    for race, times in sorted(seen.items()):
        line = f"{args.arch} {race}"
        print(f"{'known' if line in known else '     '} {times:3} {line}")
    print(f"\n{len(seen)} races")
    return 0


if __name__ == "__main__":
    sys.exit(main())
