# SPDX-License-Identifier: GPL-2.0
"""The kernel's own tests, in QEMU on our kernel and on the stock one. A test
that passes there has to pass here.

Where an architecture has a selftests.py (x86_64), the selftests that it names, of
entry code, membarrier and rseq, run on isolated CPUs, whose entries are tracked.
CPU 0 leaves them work to find there, and sends them NMIs. On each architecture the kernel's tests of itself run at boot
and as modules (variant "kernel"), while isolated CPUs spin in user mode."""

import re
import time
from dataclasses import dataclass, field

from host import command_line, lookup, machine, selftests_kernel
from host.arch import MACHINES
from host.common import BUILD, LOGS, die, must
from host.guest import build_guest, initramfs
from host.kernel import build_kernel
from host.machine import host_clock
from host.results import Tests
from host.selftests_variant import Variant

# Seconds that a test may take, and a boot with all of them.
TEST_TIMEOUT = 240
BOOT_TIMEOUT = 1800


# The kernel's tests of itself, with two CPUs to run on and two that spin.
KERNEL = Variant("", f"nohz_full=2-3 {selftests_kernel.APPEND}",
                 isolated=False, modules=True)


def variants_of(arch):
    """All of an architecture's. The selftests are run where there is one of its
    own."""
    own = lookup.module(arch, "selftests")
    return {**(own.VARIANTS if own else {}), "kernel": KERNEL}


# Exit codes: kselftest's, and timeout(1)'s.
PASS, SKIP, TIMED_OUT = 0, 4, 124

# 200 threads that spin on locks: minutes in emulation. param_test -T s is the
# same with fewer. The benchmarks test nothing.
LEFT_OUT = {"basic_percpu_ops_test", "basic_percpu_ops_mm_cid_test",
            "param_test_benchmark", "param_test_mm_cid_benchmark"}
# What rseq's own script, run_param_test.sh, runs more of.
RSEQ_PROGRAMS = {"param_test", "param_test_compare_twice",
                 "param_test_mm_cid", "param_test_mm_cid_compare_twice"}
RSEQ_KINDS = ["-T s", "-T l", "-T b", "-T b -M", "-T m", "-T m -M", "-T i",
              "-T r"]
RSEQ_SIZE = "-r 500 -t 6"
# Yields, signals and sleeps in the middle of a critical section.
RSEQ_INJECTIONS = ["-m 2 -y", "-m 2 -k", "-m 2 -s 1"]


def arguments(program):
    """What to run of a program that was built: strings of arguments."""
    if program in RSEQ_PROGRAMS:
        yield from (f"{RSEQ_SIZE} {kind}" for kind in RSEQ_KINDS)
    elif program not in LEFT_OUT and not program.endswith(".so"):
        yield ""
    if program == "param_test":
        yield from (f"-r 100 -t 6 -T l -9 -1 {inject}"
                    for inject in RSEQ_INJECTIONS)


# --- the tests ---

def build_tests(arch, kernel, jobs):
    """Builds them as the kernel tree's Makefiles do: {name: path}."""
    own = lookup.module(arch, "selftests")
    tree = BUILD / kernel / "linux"
    out = BUILD / kernel / f"selftests-{arch}"
    log = LOGS / "selftests-build.log"
    log.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    must("kernel headers for the selftests",
         ["make", "-C", tree, f"O={out}", f"ARCH={arch}", "headers"], log)
    must("building the selftests",
         ["make", "-C", tree / "tools/testing/selftests", f"O={out}",
          f"TARGETS={own.TARGETS}", "FORCE_TARGETS=1", f"-j{jobs}"],
         log)
    found = {}
    for path in sorted((out / "kselftest").glob("*/*")):
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            found[f"{path.parent.name}/{path.name}"] = path
    for end in own.ENDS:
        if not any(name.endswith(end) for name in found):
            die(f"no test ending in {end} was built; see {log}")
    return found


def commands(programs, only):
    """What is run of the programs."""
    lines = [f"{name} {args}".strip() for name in programs
             for args in arguments(name.partition("/")[2])]
    return [line for line in lines if re.search(only, line)]


# --- a run ---

@dataclass
class Test:
    code: int
    milliseconds: int
    # It failed for nothing but what QEMU does.
    flag: bool


@dataclass
class Run:
    """What one boot had to say."""
    tests: dict = field(default_factory=dict)
    # Entries of isolated CPUs that found early work; none on a stock kernel.
    found: int = 0
    # Where it ended early.
    trouble: str = ""


def parse(lines, this, arch):
    own = lookup.module(arch, "selftests")
    run, running, head = Run(), None, []
    output: list = []
    for line in lines:
        if line.startswith("@@ load name="):
            running, output = line.partition("=")[2], []
        elif line.startswith("@@ test "):
            _, _, code, ms, name = line.split(" ", 4)
            code = int(code)
            if this.modules:
                name, code = selftests_kernel.loaded(name, code)
            run.tests[name] = Test(
                code, int(ms), bool(own and own.excused(output)))
            running = None
        elif line.startswith("@@ word cpu "):
            head = line.split()[2:]
        elif line.startswith("@@ word "):
            row = dict(zip(head, line.split()[2:]))
            if row["cpu"] != "0":
                run.found += int(row["early"])
        else:
            output.append(line)
    if running:
        run.trouble = f"ended in {running}"
    if this.modules:
        for name, passed in selftests_kernel.parse(lines).items():
            run.tests[name] = Test(0 if passed else 1, 0, False)
    return run


def boot(title, kernel, files, variant, this):
    """Runs all tests on a kernel; goes on after one that crashed."""
    arch = MACHINES[kernel.arch]
    log = LOGS / f"selftests-{arch.name}-{variant}-{title}.log"
    modules = selftests_kernel.MODULES if this.modules else ["test_module"]
    files = {**files, **{f"{module}.ko": kernel.build_dir / f"lib/{module}.ko"
                         for module in modules}}
    # Threads of its own for each CPU, so that changes come at any time, and
    # not just when one CPU's turn ends. QEMU (as of 10.0) then now and then
    # executes an INT3 that is not there any more: not where text that runs is
    # patched for minutes.
    accel = ["-accel", arch.machine.tcg if this.modules else "tcg,thread=multi"]
    append = f"{host_clock(arch)} {this.append} timeout={TEST_TIMEOUT}"
    if this.cpu:
        accel += ["-cpu", this.cpu]
    with initramfs(kernel.build_dir / "selftests.cpio", files) as file:
        lines, well = machine.boot_anyway(
            f"{variant}, {title}", arch, kernel.build_dir / arch.image, file,
            append, log, BOOT_TIMEOUT, accel=accel, isolate=this.isolated)
    run = parse(lines, this, kernel.arch)
    if not well:
        run.trouble = run.trouble or "ended early"
    return run


# --- the verdict ---

def outcome(test):
    if test is None:
        return "not run"
    if test.code and test.flag:
        return "QEMU's RF"
    return {PASS: "pass", SKIP: "skip", TIMED_OUT: "time out"}.get(
        test.code, f"fail ({test.code})")


class Verdict:
    """Reports tests by how they do on our kernel, against the stock one: what
    does not pass there cannot fail here."""

    def __init__(self, version):
        # For runs without the stock kernel.
        self.fails = {line.partition(": ")[0]
                      for line in lookup.stock(version, "fails")}
        # {(command, outcome, outcome on the stock kernel): variants}
        self.listed = {}

    def compare(self, tests, variant, this, names, ours, stock):
        for name in names:
            mine = outcome(ours.tests.get(name))
            # What it did not come to, if it crashed, nobody can compare.
            if stock and not (stock.trouble and name not in stock.tests):
                theirs = outcome(stock.tests.get(name))
                excused = mine == theirs or theirs.startswith("fail")
            else:
                theirs = "-"
                excused = mine == "skip" or name in self.fails
            seen = mine + (f"; {theirs} on the stock kernel"
                           if theirs != "-" else "")
            if mine == "pass":
                tests.test(name)
            elif mine != "not run" and (excused or mine == "QEMU's RF"):
                tests.skip(name, seen)
            else:
                tests.test(name, seen)
            if mine != "pass" or theirs not in ("pass", "-"):
                self.listed.setdefault((name, mine, theirs), []).append(variant)
        if ours.trouble:
            tests.test("our kernel", ours.trouble)
        if stock and stock.trouble:
            tests.test("the stock kernel", f"{stock.trouble}: no comparison "
                       "from there on")
        if this.modules:
            for group in selftests_kernel.GROUPS:
                if not any(name.startswith(f"{group}/") for name in ours.tests):
                    tests.test(group, "no test of it has run")
        if (this.isolated or this.modules) and not ours.found:
            tests.test("entries with work", "none: the tests were not "
                       "disturbed")

    def table(self, variants):
        if not self.listed:
            return
        width = max(len(name) for name, _, _ in self.listed)
        print(f"\n{'not passed':{width}}  ours        stock       in")
        for (name, mine, theirs), where in sorted(self.listed.items()):
            print(f"{name:{width}}  {mine:10}  {theirs:10}  "
                  + ("all" if where == variants else " ".join(where)))


# --- what is run ---

def build_kernels(args, config=""):
    kernels = {"ours": build_kernel(args.arch, args.kernel, args.jobs,
                                    config=config)}
    if not args.no_stock:
        kernels["stock"] = build_kernel(args.arch, args.kernel, args.jobs,
                                        stock=True, config=config)
    return kernels


def guest_files(args, kernels, program, lines):
    """PID 1, and the list of tests that it runs."""
    listing = BUILD / args.kernel / f"{program}-{args.arch}.tests"
    listing.write_text("".join(f"{line}\n" for line in lines))
    return {"init": build_guest(MACHINES[args.arch], args.kernel,
                                kernels["ours"].linux, program),
            "tests": listing}


def run_variant(tests, variant, kernels, files, names, only, verdict, summary):
    """Runs the tests (names, if they are known before) on the kernels."""
    this = variants_of(kernels["ours"].arch)[variant]
    runs, rows = {}, []
    for title, kernel in kernels.items():
        started = time.monotonic()
        runs[title] = boot(title, kernel, files, variant, this)
        rows.append((variant, title, time.monotonic() - started))
    everything = {name for run in runs.values() for name in run.tests}
    names = names or sorted(name for name in everything
                            if re.search(only, name))
    with tests.group(variant) as group:
        verdict.compare(group, variant, this, names, runs["ours"],
                        runs.get("stock"))
    for variant, title, seconds in rows:
        run = runs[title]
        codes = [run.tests[name].code for name in names if name in run.tests]
        summary.append((
            variant, title, codes.count(PASS),
            len(codes) - codes.count(PASS) - codes.count(SKIP),
            codes.count(SKIP), len(names) - len(codes), run.found, seconds))


def main():
    parser = command_line.parser(__doc__, MACHINES)
    parser.add_argument("--variant", nargs="+", default=["all"],
                        help="kernel, what an architecture has, or all")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="the tests whose command this matches")
    parser.add_argument("--no-stock", action="store_true",
                        help="our kernel alone: a failure is one, but of a "
                        "test that is known to fail on any")
    args = parser.parse_args()
    valid = variants_of(args.arch)
    variants = [*valid] if "all" in args.variant else args.variant
    for variant in variants:
        if variant not in valid:
            die(f"{args.arch} has no variant {variant}; valid: "
                + " ".join(valid))
    verdict = Verdict(args.kernel)
    summary: list = []
    tests = Tests(len(variants))

    programs = [v for v in variants if v != "kernel"]
    if programs:
        kernels = build_kernels(args)
        found = build_tests(args.arch, args.kernel, args.jobs)
        names = commands(found, args.only)
        if not names:
            die(f"no test matches {args.only}")
        own = lookup.module(args.arch, "selftests")
        files = {**found, **own.libraries(), **guest_files(
            args, kernels, "selftests",
            (f"{own.cpus(name)} {name}"
             for name in names))}
        for variant in programs:
            run_variant(tests, variant, kernels, files, names, "", verdict,
                        summary)
    if "kernel" in variants:
        kernels = build_kernels(args, "selftests")
        files = guest_files(args, kernels, "modules", selftests_kernel.loads())
        run_variant(tests, "kernel", kernels, files, None, args.only, verdict,
                    summary)

    verdict.table(variants)
    print("\nvariant         kernel  passed  failed  skipped  not run  "
          "entries with work  seconds")
    for row in summary:
        print("{:14}  {:6}  {:6}  {:6}  {:7}  {:7}  {:17}  {:7.0f}".format(
            *row))
    return tests.end() or not tests.passed

