#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a getpid() round trip costs, in guest instructions: the stock kernel
against ours, on an isolated CPU and on CPU 0.

  bench.py --image PATH   one kernel image, in seconds
"""

import argparse
import json
import os
import sys
from pathlib import Path

import common
import vm
from common import BUILD, LOGS, die

# One thread for all CPUs and a nanosecond of guest time an instruction: the
# cycle counter counts instructions, the same on every run.
ICOUNT = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]

# Entries are what the word makes cheaper; CPUs that are not isolated gain
# nothing by it, and may pay this many instructions.
HOUSEKEEPING_MAY_COST = 3


def measure(what, arch, kernel, tree, image, append):
    """{"isolated": instructions a call, "housekeeping": the same}"""
    program = vm.build_guest(arch, kernel, tree, "bench")
    initramfs = program.with_suffix(".cpio")
    vm.write_initramfs(initramfs, {"init": program})
    lines = vm.boot(f"measuring {what}", arch, image, initramfs, append,
                    LOGS / f"bench-{arch.name}-{what}.log", 180, ICOUNT)
    result = {}
    for line in lines:
        if line.startswith("@@ bench"):
            v = {k: int(n) for k, n in
                 (word.split("=") for word in line.split()[2:])}
            ticks = (v["best"] - v["empty"]) / v["calls"]
            # A tick is so many instructions: 1 at 1 GHz. The kernel measured
            # the rate; what was meant is a round number.
            per_tick = 1e9 / float(f"{v['hz']:.3g}")
            result["isolated" if v["isolated"] else "housekeeping"] = round(
                ticks * per_tick, 2)
    if len(result) != 2:
        die(f"the guest printed no figures; see {LOGS}")
    return result


def check(stock, ours):
    """Prints what is not as it should be; returns the exit status."""
    limits = {"isolated": stock["isolated"],
              "housekeeping": stock["housekeeping"] + HOUSEKEEPING_MAY_COST}
    failed = 0
    for cpu, limit in limits.items():
        if ours[cpu] > limit:
            failed += 1
            print(f"FAILED: {cpu} CPU: {ours[cpu]} instructions, at most "
                  f"{limit:.2f} expected")
    print(f"\n{len(limits) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=vm.ARCHES, default="x86_64")
    parser.add_argument("--kernel", default=common.KERNELS[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--append", default="", metavar="ARGS",
                        help="more for the kernel's command line")
    parser.add_argument("--image", type=Path,
                        help="measure this kernel image only, build none")
    parser.add_argument("--stock", action="store_true",
                        help="measure the stock kernel only")
    parser.add_argument("--check", action="store_true",
                        help="fail if ours costs more than it may")
    args = parser.parse_args()
    arch = vm.ARCHES[args.arch]

    if args.image:
        trees = [BUILD / args.kernel / name for name in ("linux", "stock")]
        tree = next((t for t in trees if (t / "Makefile").exists()), None)
        if not tree:
            die(f"no kernel tree in {BUILD / args.kernel}; run: make tree")
        for cpu, n in measure("image", arch, args.kernel, tree, args.image,
                              args.append).items():
            print(f"{cpu:14}{n:10.2f}")
        return 0

    results = {}
    for name in ["stock"] if args.stock else ["stock", "cpuword"]:
        built = vm.build_kernel(args.arch, args.kernel, args.jobs,
                                stock=name == "stock")
        results[name] = measure(name, arch, args.kernel, built.linux,
                                built.build_dir / arch.image, args.append)

    print(f"\ngetpid() round trip on {args.arch}, guest instructions"
          f"{' with ' + args.append if args.append else ''}\n")
    print(f"{'':14}" + "".join(f"{name:>10}" for name in results)
          + ("" if args.stock else f"{'change':>10}"))
    for cpu in ("isolated", "housekeeping"):
        row = [result[cpu] for result in results.values()]
        print(f"{cpu:14}" + "".join(f"{n:10.2f}" for n in row)
              + ("" if args.stock else f"{row[1] - row[0]:+10.2f}"))
    report = BUILD / f"bench-{args.arch}.json"
    report.write_text(json.dumps(results, indent=1) + "\n")
    if args.check and not args.stock:
        return check(results["stock"], results["cpuword"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
