# SPDX-License-Identifier: GPL-2.0
"""Torture tests in QEMU: cpuword_torture, ours, and rcutorture, the kernel's.
Each gets a boot of its own, for so many seconds, on a kernel whose watching
counter has two bits. Programs in user mode enter and leave on all isolated
CPUs; CPUs come and go. The verdict is the module's own, and a kernel that
complains fails whatever that says."""

import errno
import os
import re
from dataclasses import dataclass

from host import command_line, machine
from host.arch import MACHINES
from host.common import BUILD, LOGS, die
from host.guest import build_guest, initramfs
from host.kernel import build_kernel
from host.machine import accelerator, host_clock
from host.results import Tests

# Seconds that a test runs, by default and with --quick.
SECONDS = 60
QUICK_SECONDS = 20
# What booting, and stopping and removing a module, may take beyond that.
MARGIN = 240
CPUS = 4

VERDICT = re.compile(r"-torture:--- End of test: (\w+)")


@dataclass
class Test:
    """A module of the kernel tree, its parameters, and the command line."""
    module: str
    parameters: str
    append: str
    # Parameters that it has to refuse.
    invalid: str = ""
    # Parameters if the machine is emulated.
    emulated: str = ""


TESTS = {
    # CPU 1 is for the threads, that they need not all take turns with PID 1.
    # QEMU can keep its translation of an instruction that a CPU came upon while
    # another was replacing it; so none does.
    "cpuword": Test("kernel/cpuword/torture/cpuword_torture",
                    "onoff_interval=500 stutter=2 stat_interval=15",
                    "nohz_full=2-3", invalid="npinners=-1",
                    emulated="patch_alone=1"),
    # As kvm.sh has scenario TREE04: isolated CPUs, and more than one leaf in
    # RCU's tree. Forward progress, emulated and on a busy host, is the host's.
    "rcu": Test("kernel/rcu/rcutorture",
                "onoff_interval=250 n_barrier_cbs=4 stat_interval=15 "
                "fwd_progress=0 test_no_idle_hz=1 verbose=0",
                f"nohz_full=1-{CPUS - 1} rcutree.rcu_fanout_leaf=2"),
}


def boot(kernel, name, seconds):
    """Boots the kernel with a test; returns its console's lines and what went
    wrong, None if nothing did."""
    arch = MACHINES[kernel.arch]
    test = TESTS[name]
    module = os.path.basename(test.module)
    base = BUILD / f"torture-{kernel.name}-{name}"
    listing = base.with_suffix(".tests")
    log = LOGS / f"torture-{kernel.arch}-{name}.log"
    emulated = accelerator(arch.name) == "tcg"
    parameters = test.parameters + (f" {test.emulated}" if emulated else "")
    listing.write_text(
        (f"0 {module} {test.invalid}\n" if test.invalid else "") +
        f"{seconds} {module} {parameters}\n")
    files = {"init": build_guest(arch, kernel.version, kernel.linux, "torture"),
             "tests": listing,
             "torture.ko": kernel.build_dir / "kernel/torture.ko",
             f"{module}.ko": kernel.build_dir / f"{test.module}.ko"}
    append = f"{test.append} {host_clock(arch)}"
    # Threads of its own for each CPU, so that they are at it at the same time.
    accel = ["-accel", "tcg,thread=multi"] if emulated else None
    try:
        with initramfs(base.with_suffix(".cpio"), files) as file:
            lines, well = machine.boot_anyway(
                f"{kernel.name}, {module}", arch, kernel.build_dir / arch.image,
                file, append, log, seconds + MARGIN, accel=accel, cpus=CPUS,
                isolate=False)
    finally:
        listing.unlink()
    return lines, (judge(lines, module, test.invalid) if well else
                   "the kernel complained, or did not come to an end")


def judge(lines, module, invalid):
    """What is wrong with a test that came to its end."""
    if invalid and f"@@ loaded {errno.EINVAL} {module}" not in lines:
        return f"{invalid} was not refused"
    if f"@@ loaded 0 {module}" not in lines:
        return "the module was not loaded"
    if f"@@ removed 0 {module}" not in lines:
        return "the module was not removed"
    verdicts = [found[1] for found in map(VERDICT.search, lines) if found]
    if not verdicts:
        return "there is no verdict"
    return None if verdicts[-1] == "SUCCESS" else verdicts[-1]


def report(tests, name, lines, trouble):
    # The last statistics: how much was done.
    told = [l for l in lines if re.search(r"-torture: (remaps|rtc): ", l)][-1:]
    if trouble:
        told += [l for l in lines if "!!!" in l][:12]
    for line in told:
        tests.say(line[:300])
    tests.test(name, trouble)


def main():
    parser = command_line.parser(__doc__, MACHINES, every=True)
    parser.add_argument("--seconds", type=int,
                        help=f"how long each test runs; default: {SECONDS}")
    parser.add_argument("--test", choices=[*TESTS, "all"], default="all")
    parser.add_argument("--quick", action="store_true",
                        help=f"{QUICK_SECONDS} seconds each, on the kernel of "
                        "the KUnit suites, whose counter has its full width")
    args = parser.parse_args()
    seconds = args.seconds
    if seconds is None:
        seconds = QUICK_SECONDS if args.quick else SECONDS
    if seconds < 1:
        die(f"{command_line.name('seconds')} is {seconds}; valid: 1 or more")
    arches = command_line.chosen(args.arch, MACHINES)
    chosen = list(TESTS) if args.test == "all" else [args.test]

    tests = Tests(len(arches))
    for arch in arches:
        kernel = build_kernel(arch, args.kernel, args.jobs,
                              config="" if args.quick else "torture")
        with tests.group(arch, len(chosen)) as group:
            for name in chosen:
                report(group, name, *boot(kernel, name, seconds))
    return tests.end()

