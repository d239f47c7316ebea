#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Everything that CI runs. Goes on after a failure, so that one run shows the
whole picture; the last line has the totals."""

import argparse
import os
import re
import sys
import time

import common
import overlay
import run_kunit
from common import LOGS, ROOT
from run_kunit import Result

TOTALS = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def run_check(name, command):
    """Runs a check that ends with totals of its own; one that prints none
    counts as one test."""
    log = LOGS / f"check-{name.replace('/', '-')}.log"
    log.unlink(missing_ok=True)
    result = Result(name)
    started = time.monotonic()
    status = common.run(name, command, log, cwd=ROOT)
    result.seconds = time.monotonic() - started
    lines = log.read_text(errors="replace").split("\n")
    totals = TOTALS.match(next((l for l in reversed(lines) if l.strip()), ""))
    if totals:
        result.passed, result.failed, result.skipped = (
            int(n or 0) for n in totals.groups())
    elif status == 0:
        result.passed = 1
    if status != 0 and not result.failed:
        result.failed = 1
    if result.failed:
        result.trouble = run_kunit.show_end(log)
    print(f"{name}: {result.totals()}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default=common.KERNELS[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    run_kunit.accel("")
    overlay.tree(args.kernel)

    results = []
    machines = [arch for arch, this in run_kunit.ARCHES.items() if this.qemu]
    for arch in run_kunit.ARCHES:
        results += run_kunit.run_variants(arch, args.kernel, args.jobs,
                                          run_kunit.all_variants(arch,
                                                                 slow=False))

    def check(name, tool, *options):
        results.append(run_check(name, [
            sys.executable, f"tools/{tool}.py", *options,
            f"--kernel={args.kernel}", f"--jobs={args.jobs}"]))

    check("dangerzone/selftest", "dangerzone", "--arch=all", "--selftest")
    for arch, variant in [*((arch, "default") for arch in machines),
                          ("x86_64", "centry")]:
        check(f"dangerzone/{arch}/{variant}", "dangerzone", f"--arch={arch}",
              f"--variant={variant}")
    results.append(run_check("checks", ["tools/checks.sh"]))
    results.append(run_check("entry-text", ["tools/entry_text.sh"]))
    for arch in machines:
        check(f"demo/{arch}", "noise", f"--guest={arch}", "--check")
    for arch in machines:
        check(f"torture/{arch}", "torture", f"--arch={arch}", "--quick")
    check("bench/x86_64", "bench", "--arch=x86_64", "--quick", "--check")
    sys.exit(run_kunit.summary(results))


if __name__ == "__main__":
    main()
