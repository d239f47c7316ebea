# SPDX-License-Identifier: GPL-2.0
"""Runs the tests: those of every day, which are what CI runs, or (--long) all
the others. Goes on after a failure, so that one run shows the whole picture;
the table at the end has what each step took, the last line the totals."""

import fnmatch
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Callable, Optional

from host import command_line, common, overlay
from host.arch import ARCHES, MACHINES, having
from host.common import BUILD, LOGS, ROOT, die
from host.kunit import all_variants, configs, run_variants
from host.machine import accelerator
from host.results import Result, read, show_end, summary, totals


@dataclass
class Step:
    """One of them. It builds what it needs, unless an earlier one has."""
    name: str
    # (kernel, jobs): its Results.
    run: Callable
    # What tools/setup.sh has to install for it, beyond the architectures.
    needs: str = ""
    # (kernel=, jobs=): what is run, if that is a command of ours.
    command: Optional[Callable] = None


def kunit(slow):
    """The KUnit suites: a step for each kernel, in all variants of it."""
    return [Step(f"kunit/{arch}/{config or 'default'}",
                 lambda kernel, jobs, arch=arch, config=config:
                 run_variants(arch, kernel, jobs,
                                        all_variants(arch, config)),
                 # The machines are there: make test sees to that.
                 "clang" if config == "clang" else
                 "" if arch in MACHINES else arch)
            for arch in ARCHES
            for config in configs(arch, slow)]


def tool(name, words, needs="", takes=("kernel", "jobs")):
    """A command of ours, and which of our options it takes."""
    def command(**options):
        return [sys.executable, "tools/cpuword", *words.split(),
                *(f"--{option}={options[option]}" for option in takes)]

    return Step(name, lambda kernel, jobs: [run_check(
        name, command(kernel=kernel, jobs=jobs), kernel)], needs, command)


def skipped(name, arch, fact):
    """In the place of a step, where an architecture lacks what it takes."""
    def run(_kernel, _jobs):
        print(f"{name}: skipped, tools/arch/{arch} has no {fact}")
        return [Result(name, skipped=1)]

    return Step(name, run)


def on_each(name, words, option="--arch", needs="", facts=()):
    """A tool on each machine that has these facts."""
    steps = []
    for arch, its in MACHINES.items():
        lacks = [fact for fact in facts if not its.has(fact)]
        full = f"{name}/{arch}"
        steps.append(skipped(full, arch, lacks[0]) if lacks else
                     tool(full, f"{words} {option}={arch}", needs))
    return steps


def of_one(name, fact):
    """A tool that is about one architecture, if that is there."""
    return [tool(name, name)] if having(fact) else []


# A step is a line: what a change is likely to break, and costs few kernels, is
# in the first list. README.md and docs/tools/testing.rst say what is in which.
DAILY = [
    *kunit(slow=False),
    tool("dangerzone/selftest", "dangerzone --arch=all --selftest"),
    *on_each("dangerzone", "dangerzone", facts=["zone.py"]),
    tool("checks", "checks", needs="checks"),
    tool("series", "series --check", needs="series"),
    *of_one("entry-text", "entry_text"),
    *on_each("params", "params", facts=["guest.h"]),
    *on_each("demo", "noise --check", "--guest", facts=["guest.h", "noise"]),
    *on_each("torture-short", "torture --quick", facts=["guest.h"]),
    *(tool(f"bench-short/{arch}", f"bench --arch={arch} --quick --check")
      for arch, facts in having("bench").items() if facts.bench.quick),
]
LONG = [
    *kunit(slow=True),
    *(tool(f"dangerzone/{arch}/{variant}",
           f"dangerzone --arch={arch} --variant={variant}",
           "clang" if facts.config == "clang" else "")
      for arch in MACHINES
      for variant, facts in MACHINES[arch].variants.items() if facts.zone),
    *of_one("mitigations", "mitigations.py"),
    *of_one("tlbi", "tlbi.c"),
    tool("setup", "setup-test", takes=()),
    tool("litmus", "litmus", needs="litmus"),
    tool("model", "model", needs="model", takes=("jobs",)),
    *on_each("torture", "torture", facts=["guest.h"]),
    *on_each("selftests", "selftests", needs="selftests", facts=["guest.h"]),
    *on_each("bench", "bench --check", facts=["guest.h", "bench", "qemu.h"]),
    tool("bisect", "bisect", needs="series"),
    tool("mutants", "mutants", needs="litmus model"),
]


def run_check(name, command, kernel):
    """Runs a command that reports its tests as KTAP."""
    log = LOGS / f"check-{name.replace('/', '-')}.log"
    log.unlink(missing_ok=True)
    result = Result(name)
    started = time.monotonic()
    status = common.run(name, command, log, cwd=ROOT)
    result.seconds = time.monotonic() - started
    read(result, log.read_text(errors="replace"), BUILD / kernel / "linux")
    if status != 0 and not result.failed:
        result.failed = 1
        result.trouble.append("failed, and no test of it")
    if result.failed:
        for line in result.trouble:
            print(f"  {line}")
        result.trouble += show_end(log)
    print(f"{name}: {totals(result)}", flush=True)
    return result


def main():
    parser = command_line.parser(__doc__)
    parser.add_argument("--long", action="store_true",
                        help="what takes too long for every day")
    parser.add_argument("--only", default="*", metavar="PATTERN",
                        help="the steps whose name this matches")
    args = parser.parse_args()
    accelerator("")
    steps = LONG if args.long else DAILY
    chosen = [step for step in steps
              if fnmatch.fnmatch(step.name, args.only)]
    if not chosen:
        die(f"{command_line.name('only')}: no step matches {args.only}; valid: "
            + " ".join(step.name for step in steps))
    needs = {word for step in chosen for word in step.needs.split()}
    if needs and subprocess.run([ROOT / "tools" / "setup.sh", args.kernel,
                                 *MACHINES, *sorted(needs)]).returncode:
        sys.exit(1)
    started = time.monotonic()
    overlay.tree(args.kernel)
    results = [Result("kernel tree", seconds=time.monotonic() - started)]
    for number, step in enumerate(chosen, 1):
        print(f"== {step.name}, step {number} of {len(chosen)}", flush=True)
        results += step.run(args.kernel, args.jobs)
    sys.exit(summary(results))

