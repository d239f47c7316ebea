# SPDX-License-Identifier: GPL-2.0
"""What reaches isolated CPUs that spin in user mode, while another CPU patches
text, loads modules and BPF programs, maps and unmaps memory: IPIs by who sent
them, interrupts, entries into the kernel, and the gaps that user mode saw.

  cpuword noise           the machine it runs on, as root, with its kernel as it
                          is: a C compiler is all it needs (cc and libc headers;
                          gnuplot for the picture), no kernel tree
  cpuword noise --guest ARCH   our kernel in QEMU, with deferral off and on

Leaves a machine as it was, also on Ctrl-C, which ends the measurement and
reports what there is. Writes noise.json, noise.gp and noise.png."""

import os
from pathlib import Path

from host import command_line
from host.arch import MACHINES, having
from host.common import BUILD, die
from host.kernel import build_kernel
from host.machine import accelerator
from host.noise.checks import Checks
from host.noise.measure import (DEFAULT_LOADS, LOADS, TIMEOUT, Interrupt,
                                measure, measure_here)
from host.noise.report import report, skipped, spread_of_cpus
from host.results import Tests

# Those that the demo is for.
GUESTS = having("noise")


def guest(args, loads, interrupt):
    accelerator(args.guest)
    built = build_kernel(args.guest, args.kernel, args.jobs, args.stock)
    counts = {name: args.count or
              args.times * MACHINES[args.guest].noise.counts.get(name, 100) for name in loads}
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
    tests = Tests()
    checks = Checks(args.guest, args.times, tests)
    if interrupt():
        tests.test("all loads", "interrupted")
    if not args.stock and not interrupt():
        checks.off(runs["off"])
        checks.on(runs["on"])
    for title, run in runs.items():
        checks.statistics(title, run)
    return tests.end()


def here(args, loads, interrupt):
    run = measure_here(args, loads, interrupt)
    if not run.loads:
        skipped({"": run})
        die("no load was done")
    cpus = spread_of_cpus(run.isolated)
    report({"this machine": run}, f"{os.uname().nodename}, Linux {run.release}, "
           f"CPUs {cpus}", args, args.out or BUILD / "noise", False)
    return 130 if run.interrupted else 0


def main():
    parser = command_line.Parser(__doc__)
    parser.epilog = "loads:\n" + "\n".join(f"  {name:12}{what}"
                                           for name, what in LOADS.items())
    parser.add_argument("--load", metavar="NAME,...", type=command_line.words,
                        help="only these loads; all but idle by default")
    parser.add_argument("--count", type=int,
                        help="do each load so often")
    parser.add_argument("--seconds", type=int, default=5,
                        help="or, by default, for so long: %(default)s")
    parser.add_argument("--cpus", metavar="LIST", type=command_line.cpus,
                        help="look at these CPUs; by default those in "
                             "nohz_full=")
    parser.add_argument("--threshold", type=int, default=20, metavar="US",
                        help="a gap is longer than this: %(default)s")
    parser.add_argument("--module", metavar="PATH",
                        help="the module for the load of that name; by default "
                             "a harmless one is looked for")
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where the files go")
    parser.add_argument("--guest", metavar="ARCH", choices=GUESTS,
                        help="in QEMU: " + " ".join(GUESTS))
    group = parser.add_argument_group("with --guest")
    command_line.add_build(group)
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
    loads = args.load or DEFAULT_LOADS
    for name in loads:
        if name not in LOADS:
            die(f"{command_line.name('load')}: there is no load {name}; "
                f"valid: {' '.join(LOADS)}")
    for name in ("count", "seconds", "threshold"):
        if (getattr(args, name) or 0) < 0:
            die(f"{command_line.name(name)} may not be negative")
    if args.times < 1:
        die(f"--times {args.times} is less than once")
    if args.check and (args.count or args.load):
        die(f"--check is for the default loads and counts: leave out "
            f"{command_line.name('load')} and {command_line.name('count')}")
    if args.guest and (args.cpus or args.module):
        die(f"{command_line.name('cpus')} and {command_line.name('module')} are "
            "not for --guest")
    interrupt = Interrupt()
    return (guest if args.guest else here)(args, loads, interrupt)
