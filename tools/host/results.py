# SPDX-License-Identifier: GPL-2.0
"""What tests came to."""

import json
import re
from dataclasses import dataclass, field

from host.common import ROOT


# What a kernel prints when it has found itself at fault. A test that passes
# does not make up for it.
SPLAT = re.compile(r"\b(WARNING: CPU: |WARNING: (possible|inconsistent|"
                   r"suspicious|bad unlock)|BUG: |Oops\b|Kernel panic|"
                   r"INFO: rcu_.* detected|INFO: task .* blocked).*")
# Of so many: the rest is likely to follow from these.
SPLATS_SHOWN = 20

# What a test did not find as it expected it: where, and up to three lines.
EXPECTATION = re.compile(r"\w+: (?:EXPECTATION|ASSERTION) FAILED at .*"
                         r"(?:\n {4,}(?!# |(?:not )?ok ).*){0,3}")
EXPECTATIONS_SHOWN = 2

# A data race by the function of each access; one alone, with an offset, if
# KCSAN only saw the value change.
RACE = re.compile(r"BUG: KCSAN: \S+ in ([^\s+]+)(?:\+\S+)?(?: / (\S+))?")
# Those of the stock kernel, by the same: one a line.
STOCK_RACES = ROOT / "tools" / "kcsan-stock.txt"


@dataclass
class Result:
    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    trouble: list = field(default_factory=list)

    def totals(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def race_of(line):
    """The functions of the data race that a line reports, in its order."""
    race = RACE.search(line)
    return race and " / ".join(filter(None, race.groups()))


def splats(console):
    """What the kernel found wrong with itself, each once, but for data races
    that the stock kernel has."""
    known = STOCK_RACES.read_text().splitlines()
    return list(dict.fromkeys(splat[0].strip()
                              for splat in SPLAT.finditer(console)
                              if race_of(splat[0]) not in known))


def count(result, report):
    """Adds the leaf tests of kunit.py's report to result, and what to say about
    those that failed."""
    def walk(group, path):
        for case in group["test_cases"]:
            name = "/".join([*path, case["name"] or "(the rest)"])
            if case["status"] == "PASS":
                result.passed += 1
            elif case["status"] == "SKIP":
                result.skipped += 1
            else:
                result.failed += 1
                what = ("did not finish" if case["status"] == "ERROR"
                        else "failed")
                result.trouble.append(f"{what}: {name}")
        for sub in group["sub_groups"]:
            walk(sub, [*path, sub["name"]])

    try:
        walk(json.loads(report.read_text()), [])
    except (FileNotFoundError, ValueError):
        result.trouble.append("no report from kunit.py")
    if not result.passed + result.failed:
        result.trouble.append("no test ran")


def show_end(log):
    """Prints a log's last lines, and before them errors of a compiler, for what
    has no shorter way of saying what is wrong; returns the lines."""
    lines = log.read_text(errors="replace").splitlines()
    end = [*[line for line in lines[:-15] if ": error: " in line][:3],
           *lines[-15:]]
    for line in end:
        print(f"  {line}")
    print(f"  see {log}", flush=True)
    return end


def summary(results):
    """A table of builds and runs; what failed in them, once more, since a CI
    may show no more than the end; and, alone on the last line, the totals.
    Returns the exit status."""
    total = Result("total")
    width = max(len(result.name) for result in results)
    print(f"\n{'run':{width}}  passed  failed  skipped  seconds")
    for result in results:
        counts = [result.passed, result.failed, result.skipped]
        # A build has none.
        columns = "  ".join(f"{count if any(counts) else '':{length}}"
                            for count, length in zip(counts, (6, 6, 7)))
        print(f"{result.name:{width}}  {columns}  {result.seconds:7.0f}")
        total.passed += result.passed
        total.failed += result.failed
        total.skipped += result.skipped
        total.seconds += result.seconds
    print(f"{'together':{width}}  {'':23}  {total.seconds:7.0f}")
    for result in results:
        if result.failed and len(results) > 1:
            print("\n  ".join([f"\n{result.name} failed", *result.trouble]))
    print(f"\n{total.totals()}", flush=True)
    return 1 if total.failed or not total.passed else 0
