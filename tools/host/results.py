# SPDX-License-Identifier: GPL-2.0
"""What tests came to: how a command reports them, and how a report is read."""

import contextlib
import functools
import importlib
import inspect
import io
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Iterable, Iterator, Optional

# What a kernel prints when it has found itself at fault. A test that passes
# does not make up for it.
SPLAT = re.compile(r"\b(WARNING: (CPU: |.*\bat .*, CPU#|possible|inconsistent|"
                   r"suspicious|bad unlock)|BUG: |Oops\b|Kernel panic|"
                   r"INFO: rcu_.*\bdetected|INFO: task .* blocked).*")
# Of so many: the rest is likely to follow from these.
SPLATS_SHOWN = 20

# What a test did not find as it expected it: where, and up to three lines.
EXPECTATION = re.compile(r"\w+: (?:EXPECTATION|ASSERTION) FAILED at .*"
                         r"(?:\n {4,}(?!# |(?:not )?ok ).*){0,3}")
EXPECTATIONS_SHOWN = 2
# Lines of a failed test about itself.
TOLD = 3

# A data race by the function of each access; one alone, with an offset, if
# KCSAN only saw the value change.
RACE = re.compile(r"BUG: KCSAN: \S+ in ([^\s+]+)(?:\+\S+)?(?: / (\S+))?")


@dataclass
class Result:
    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    trouble: list[str] = field(default_factory=list)


def race_of(line):
    """The functions of the data race that a line reports, in its order."""
    race = RACE.search(line)
    return race and " / ".join(filter(None, race.groups()))


def splats(console, known=()):
    """What the kernel found wrong with itself, each once, except for these data
    races."""
    return list(dict.fromkeys(splat[0].strip()
                              for splat in SPLAT.finditer(console)
                              if race_of(splat[0]) not in known))


class Tests:
    """Reports tests as KTAP, version 1: see Documentation/dev-tools/ktap.rst.
    A plan comes before its tests. If their number is not known until the last
    one, they are held back, and printed at the end."""

    def __init__(self, plan: Optional[int] = None,
                 parent: Optional["Tests"] = None, name: str = "") -> None:
        self.plan, self.parent, self.name = plan, parent, name
        # Groups included; how many results are ours alone; what is held.
        self.passed = self.failed = self.skipped = self.number = 0
        self.held: list[str] = []
        if plan is not None:
            self._begin(plan)

    def _begin(self, plan: int) -> None:
        self._print("KTAP version 1")
        if self.parent:
            self._print(f"# Subtest: {self.name}")
        self._print(f"1..{plan}")

    def _print(self, line: str) -> None:
        if self.parent:
            self.parent.line(f"  {line}")
        else:
            print(line, flush=True)

    def line(self, line: str) -> None:
        if self.plan is None:
            self.held.append(line)
        else:
            self._print(line)

    def say(self, text: str) -> None:
        """Diagnostics, of the next test."""
        for line in text.splitlines():
            self.line(f"# {line}".rstrip())

    def _result(self, good: bool, name: str, more: str = "") -> None:
        self.number += 1
        self.line(f"{'ok' if good else 'not ok'} {self.number} {name}"
                  + (f" # {more}" if more else ""))

    def test(self, name: str, trouble: str = "", figures: str = "") -> None:
        """A test that has passed if there is no trouble to tell."""
        name = plain(name)
        if trouble:
            self.say(f"{name}: {trouble}")
            self.failed += 1
        else:
            self.passed += 1
        self._result(not trouble, name, figures)

    def check(self, name: str, good: object, seen: object = "") -> None:
        """A test by what has to be so, and what was seen if it is not."""
        self.test(name, "" if good else str(seen) or "it is not so")

    def skip(self, name: str, reason: str) -> None:
        self.skipped += 1
        self._result(True, plain(name), f"SKIP {reason}")

    @contextlib.contextmanager
    def group(self, name: str, plan: Optional[int] = None) -> Iterator["Tests"]:
        """Tests below this one, which fails if one of them does."""
        tests = Tests(plan, self, plain(name))
        yield tests
        tests._close()
        self.passed += tests.passed
        self.failed += tests.failed
        self.skipped += tests.skipped
        self._result(not tests.failed, tests.name)

    def _close(self) -> None:
        if not self.number:
            self.test("any", "no test has run")
        if self.plan is None:
            self._begin(self.number)
            for line in self.held:
                self._print(line)

    def end(self) -> int:
        """The last line has the totals; returns the exit status."""
        self._close()
        print(f"\n{totals(self)}", flush=True)
        return 1 if self.failed or not self.passed + self.skipped else 0


def plain(name: str) -> str:
    """A name in one line and without what KTAP has after it."""
    return " ".join(name.replace("#", "").split())


def totals(counts: Any) -> str:
    skipped = f", {counts.skipped} skipped" if counts.skipped else ""
    return f"{counts.passed} passed, {counts.failed} failed{skipped}"


def kernel_parser(linux: Path) -> tuple[ModuleType, io.StringIO]:
    """The kernel tree's own parser of KTAP, and where it prints to, which is
    the standard output as it is imported."""
    output = io.StringIO()
    sys.path.insert(0, str(linux / "tools" / "testing" / "kunit"))
    try:
        with contextlib.redirect_stdout(output):
            for name in ("kunit_printer", "kunit_parser"):
                sys.modules.pop(name, None)
            parser = importlib.import_module("kunit_parser")
        parse: Any = parser.parse_run_tests
        if "printer" in inspect.signature(parse).parameters:
            printer = sys.modules["kunit_printer"].stdout
            setattr(parser, "parse_run_tests",
                    functools.partial(parse, printer=printer))
        return parser, output
    finally:
        del sys.path[0]


# A header, the name that a group has below it, and the plan.
PLANNED = re.compile(r"^ *KTAP version 1\n(?: *# Subtest: .*\n)?"
                     r" *1\.\.\d+$", re.M)


def unplanned(text: str) -> bool:
    """Has a header no plan below it, or a plan no header above it? The parser
    may take the first for good, and does not get past the second."""
    return not (len(PLANNED.findall(text))
                == len(re.findall(r"^\s*KTAP version", text, re.M))
                == len(re.findall(r"^\s*1\.\.\d", text, re.M)))


def read(result: Result, text: str, linux: Path) -> None:
    """Adds what a command has reported in its output."""
    parser, output = kernel_parser(linux)
    if not re.search(r"^KTAP version", text, re.M):
        result.trouble.append("no KTAP in its output")
    elif unplanned(text):
        result.trouble.append("a plan is missing, or is not where it belongs")
    else:
        lines = iter(text.split("\n"))
        count(result, parser.parse_run_tests(lines), told=TOLD)
        result.trouble += re.findall(r"\[ERROR\] (.*)", output.getvalue())
        if any(map(parser.TEST_RESULT.match, lines)):
            result.trouble.append("more tests than are in the plan")
    # Trouble with no failed test to show for it: the run is the failure.
    if result.trouble and not result.failed:
        result.failed = 1


def count(result: Result, test: Any, path: Iterable[str] = (),
          told: int = 0) -> None:
    """Adds the leaf tests below a test of the kernel's parser, and what to say
    about those that failed, with this many lines of what they say."""
    for case in test.subtests:
        names = [*path, case.name or "(the rest)"]
        if case.subtests:
            count(result, case, names, told)
        elif case.status.name == "SUCCESS":
            result.passed += 1
        elif case.status.name == "SKIPPED":
            result.skipped += 1
        else:
            result.failed += 1
            what = ("did not finish" if case.status.name == "TEST_CRASHED"
                    else "failed")
            result.trouble.append(f"{what}: {'/'.join(names)}")
            result.trouble += [
                line.strip() for line in case.log
                if line.strip().startswith(f"# {case.name}: ")][:told]


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
    print(f"\n{totals(total)}", flush=True)
    return 1 if total.failed or not total.passed else 0
