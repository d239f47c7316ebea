# SPDX-License-Identifier: GPL-2.0
"""What a command reports, and what is read of it by the kernel tree's parser."""

import contextlib
import io
import unittest
from types import SimpleNamespace

from host import results
from host.common import BUILD, KERNELS
from host.results import Result, Tests, read

LINUX = BUILD / KERNELS[0] / "linux"


def reported(function, plan=None):
    """The output of a command with these tests, and its exit status."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        tests = Tests(plan)
        function(tests)
        status = tests.end()
    return output.getvalue(), status


def nested(tests):
    with tests.group("x86_64") as group:
        group.test("entry")
        group.test("exit  #1", "2 findings\nfar away")
        group.skip("nmi", "there is none")
    tests.test("last", figures="3 seconds")


NESTED = """\
KTAP version 1
1..2
  KTAP version 1
  # Subtest: x86_64
  1..3
  ok 1 entry
  # exit 1: 2 findings
  # far away
  not ok 2 exit 1
  ok 3 nmi # SKIP there is none
not ok 1 x86_64
ok 2 last # 3 seconds

2 passed, 1 failed, 1 skipped
"""


class Report(unittest.TestCase):
    def test_held_or_not_it_is_the_same(self):
        for plan in (None, 2):
            self.assertEqual(reported(nested, plan), (NESTED, 1))

    def test_status(self):
        self.assertEqual(reported(lambda tests: tests.test("a"))[1], 0)
        self.assertEqual(reported(lambda tests: tests.skip("a", "why"))[1], 0)

    def test_check(self):
        text, status = reported(lambda tests: tests.check("a", [], []))
        self.assertIn("# a: []\nnot ok 1 a\n", text)
        self.assertEqual(status, 1)

    def test_no_test_at_all_fails(self):
        text, status = reported(lambda tests: None)
        self.assertIn("\n0 passed, 1 failed\n", text)
        self.assertEqual(status, 1)

    def test_nothing_is_printed_of_what_died(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), self.assertRaises(SystemExit):
            with Tests().group("a") as group:
                group.test("b")
                raise SystemExit(1)
        self.assertEqual(output.getvalue(), "")


@unittest.skipUnless(LINUX.is_dir(), "there is no kernel tree with the parser")
class Read(unittest.TestCase):
    def read(self, text):
        result = Result("step")
        read(result, text, LINUX)
        return result

    def refused(self, text, why, failed=1):
        result = self.read(text)
        self.assertEqual(result.failed, failed)
        self.assertTrue(any(why in line for line in result.trouble),
                        result.trouble)

    def test_counts_and_what_failed(self):
        result = self.read(f"building ... 15s\n{NESTED}")
        self.assertEqual((result.passed, result.failed, result.skipped),
                         (2, 1, 1))
        self.assertEqual(result.trouble, ["failed: x86_64/exit 1",
                                          "# exit 1: 2 findings"])

    def test_all_well(self):
        result = self.read("KTAP version 1\n1..1\nplain\n# so\nok 1 a # 2 s\n"
                           "\n1 passed, 0 failed\n")
        self.assertEqual((result.passed, result.failed, result.trouble),
                         (1, 0, []))

    def test_no_ktap(self):
        self.refused("1 passed, 0 failed\n", "no KTAP")

    def test_ended_in_the_middle(self):
        self.refused("KTAP version 1\n1..2\nok 1 a\n", "missing")

    def test_group_ended_in_the_middle(self):
        lines = NESTED.replace("not ok", "ok").splitlines(keepends=True)
        for end in range(len(lines) - 2):
            self.assertTrue(self.read("".join(lines[:end])).failed, end)

    def test_more_than_planned(self):
        self.refused("KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "more tests")

    def test_plan(self):
        for text in ("KTAP version 1\nok 1 a\n",
                     "KTAP version 1\nok 1 a\n1..1\n",
                     "KTAP version 1\n1..2\nok 1 a\n1..3\nok 2 b\n"):
            self.refused(text, "plan")


class Counting(unittest.TestCase):
    def test_leaves_alone_are_counted(self):
        def case(name, status, *subtests):
            return SimpleNamespace(name=name, subtests=subtests, log=[],
                                   status=SimpleNamespace(name=status))

        result = Result("test")
        results.count(result, case("", "FAILURE", case(
            "suite", "FAILURE", case("one", "SUCCESS"), case("two", "SKIPPED"),
            case("three", "TEST_CRASHED"), case("", "FAILURE"))))
        self.assertEqual((result.passed, result.failed, result.skipped),
                         (1, 2, 1))
        self.assertEqual(result.trouble, ["did not finish: suite/three",
                                          "failed: suite/(the rest)"])


class Splats(unittest.TestCase):
    def test_what_is_one(self):
        for line in ("WARNING: CPU: 1 PID: 3 at kernel/x.c:1 f+0x1/0x2",
                     "WARNING: kernel/x.c:1 at f+0x1/0x2, CPU#1: init/3",
                     "WARNING: at f+0x1/0x2, CPU#1: init/3",
                     "WARNING: possible circular locking dependency detected",
                     "BUG: sleeping function called", "Oops [#1]",
                     "Kernel panic - not syncing: x",
                     "INFO: rcu_preempt detected stalls on CPUs/tasks:",
                     "INFO: rcu_preempt self-detected stall on CPU",
                     "INFO: task init:1 blocked for more than 120 seconds"):
            with self.subTest(line):
                self.assertEqual(results.splats(f"[    1.0] {line}\nmore\n"),
                                 [line])

    def test_what_is_none(self):
        self.assertEqual(results.splats("WARNING: bogus\nDEBUG: x\nok\n"), [])

    def test_each_is_told_once(self):
        line = "BUG: using smp_processor_id() in preemptible\n"
        self.assertEqual(len(results.splats(line * 3)), 1)

    def test_races_of_the_stock_kernel(self):
        race = "BUG: KCSAN: data-race in one+0x1 / two+0x2\n"
        self.assertEqual(len(results.splats(race, ["two / one"])), 1)
        self.assertEqual(results.splats(race, [results.race_of(race)]), [])

    def test_races_by_their_functions(self):
        for line, race in (
                ("BUG: KCSAN: data-race in one / two", "one / two"),
                ("BUG: KCSAN: data-race in one+0x10/0x20", "one"),
                ("BUG: KASAN: use-after-free in one", None)):
            self.assertEqual(results.race_of(line), race)


class Summary(unittest.TestCase):
    def summary(self, *runs):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = results.summary(runs)
        return status, output.getvalue()

    def test_table_and_totals(self):
        status, said = self.summary(
            Result("building kunit-um", seconds=61),
            Result("um/default", 5, 0, 1, 2.4),
            Result("arm64/default", 3, 1, 0, 8, ["failed: word/defer"]))
        self.assertEqual(status, 1)
        self.assertEqual(said, """
run                passed  failed  skipped  seconds
building kunit-um                                61
um/default              5       0        1        2
arm64/default           3       1        0        8
together                                         71

arm64/default failed
  failed: word/defer

8 passed, 1 failed, 1 skipped
""")

    def test_nothing_passed_is_a_failure(self):
        self.assertEqual(self.summary(Result("a", 0, 0, 2))[0], 1)
        self.assertEqual(self.summary(Result("a", 1))[0], 0)
