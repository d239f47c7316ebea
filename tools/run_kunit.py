#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the KUnit suites of cpuword with the kernel tree's own kunit.py."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import common
import overlay
from common import BUILD, LOGS, ROOT, die

# Seconds that one boot with all its suites may take.
TIMEOUT = 300


# An oops ends the run at once, not at its timeout.
KERNEL_ARGS = "oops=panic panic=-1"
TRACKED = "nohz_full=1-3"
# More of the accesses are watched than one in 4000, as KCSAN would.
KCSAN_ARGS = "kcsan.skip_watch=200"


@dataclass
class Variant:
    """One way to run the suites of an architecture: with another CPU model and
    command line, or (config) on a kernel with another configuration."""
    cpu: str = ""
    kernel_args: str = ""
    config: str = ""
    # Added to the machine that kunit.py asks for: QEMU merges the two.
    machine: str = ""
    # The CPUs that tests use are isolated.
    tracked: bool = True
    # TCG has no PCID and no INVPCID: without KVM it would repeat another run.
    needs_kvm: bool = False
    # Not in make test, but in make test-long.
    slow: bool = False
    # One that make dangerzone looks at, and nobody boots.
    booted: bool = True


@dataclass
class Arch:
    variants: dict
    # As in cc-prefix-gcc.
    cross_compile: str = ""
    qemu: bool = True
    kernel_args: str = KERNEL_ARGS


ARCHES = {
    "um": Arch(qemu=False, kernel_args="", variants={
        "default": Variant(),
        "counter2": Variant(config="counter2", slow=True),
    }),
    # How kernel translations are flushed depends on PTI, PCID and INVPCID.
    # In emulation the clock watchdog finds the TSC unstable: no tick stops then.
    "x86_64": Arch(kernel_args=f"{KERNEL_ARGS} tsc=reliable", variants={
        "default": Variant("max"),
        "pti": Variant("max", "pti=on"),
        "nopcid": Variant("max,-pcid,-invpcid", "pti=on", needs_kvm=True),
        "noinvpcid": Variant("max,-invpcid", "nopti", needs_kvm=True),
        "track": Variant("max", "cpuword.track=all"),
        "untracked": Variant("max", "pti=on", tracked=False),
        "debug": Variant("max", config="debug", slow=True),
        "centry": Variant("max", config="centry", slow=True),
        "rt": Variant("max", config="rt", slow=True),
        "clang": Variant("max", config="clang", slow=True),
        "kasan": Variant("max", config="kasan", slow=True),
        "kcsan": Variant("max", KCSAN_ARGS, config="kcsan", slow=True),
        "distro": Variant(config="distro", slow=True, booted=False),
        "gcov": Variant(config="gcov", slow=True, booted=False),
    }),
    "arm64": Arch(cross_compile="aarch64-linux-gnu-", variants={
        "default": Variant("max,pauth-impdef=on"),
        "kpti": Variant("max,pauth-impdef=on", "kpti=1"),
        "track": Variant("max,pauth-impdef=on", "cpuword.track=all"),
        "tlbi": Variant("max,pauth-impdef=on", "cpuword.tlbi=deferred"),
        "untracked": Variant("max,pauth-impdef=on", tracked=False),
        "rt": Variant("max,pauth-impdef=on", config="rt", slow=True),
        "clang": Variant("max,pauth-impdef=on", config="clang", slow=True),
        "kasan": Variant("max,pauth-impdef=on", config="kasan", slow=True),
        "kcsan": Variant("max,pauth-impdef=on", KCSAN_ARGS, config="kcsan",
                         slow=True),
        "distro": Variant(config="distro", slow=True, booted=False),
    }),
    "riscv": Arch(cross_compile="riscv64-linux-gnu-", variants={
        "default": Variant("rv64"),
        "track": Variant("rv64", "cpuword.track=all"),
        # With an interrupt controller of its own the kernel sends IPIs where
        # otherwise it asks the firmware for remote fences.
        "aia": Variant("rv64", machine="aia=aplic-imsic"),
        "untracked": Variant("rv64", tracked=False),
        "kasan": Variant(config="kasan", slow=True, booted=False),
        "distro": Variant(config="distro", slow=True, booted=False),
    }),
}

# An environment variable, see just_built().
BUILT = "CPUWORD_BUILT"

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


class Objects:
    """How far make has come, by the object files that its output names; how
    many there will be, it says when asked what it would do. It can be asked
    once it has prepared the tree, and that is when the first is compiled."""

    NAME = re.compile(r"^(?:set -e;  echo ')?  (?:CC|AS)(?: \[M\])? +"
                      r"([^/\s]\S*\.o)\b", re.M)
    # The first of these may be part of the preparation.
    EARLY = ("arch/", "scripts/", "tools/")

    def __init__(self, command, linux, log):
        self.command = command
        self.linux = linux
        self.log = log
        self.all = set()
        self.answer = self.asked = None

    def far(self):
        """In words, None before there is something to say."""
        done = set(self.NAME.findall(self.log.read_text(errors="replace")))
        if not self.asked:
            if all(name.startswith(self.EARLY) for name in done):
                return None
            self.answer = tempfile.TemporaryFile()
            # It goes on (-k) where something is missing that is not built yet.
            # Not all, but what is compiled (/): even with -n make would link,
            # the rule for that being one with a +, while we do.
            self.asked = subprocess.Popen(
                [*self.command[:-1], "/", "-n", "-k"], cwd=self.linux,
                stdin=subprocess.DEVNULL, stdout=self.answer,
                stderr=subprocess.DEVNULL)
        if not self.all:
            if self.asked.poll() is None:
                return f"{len(done)} files"
            self.answer.seek(0)
            self.all = done | set(self.NAME.findall(
                self.answer.read().decode(errors="replace")))
        # What make finds out as it links is not among them.
        return f"{len(done & self.all)} of {len(self.all)} files"

    def close(self):
        if self.asked and self.asked.poll() is None:
            common.kill_tree(self.asked.pid)
            self.asked.wait()


def make_variables(arch, config):
    """What make is given to build a kernel, beside ARCH and O. With anything
    else it would build all of it anew."""
    prefix = ARCHES[arch].cross_compile
    compiler = "clang" if config == "clang" else f"{prefix}gcc"
    variables = [f"CROSS_COMPILE={prefix}"] if prefix else []
    if ccache_works(compiler):
        return [*variables, f"CC=ccache {compiler}", "HOSTCC=ccache gcc"]
    return variables if config != "clang" else [*variables, f"CC={compiler}"]


def config_files(arch, config):
    """The configuration of a kernel, in parts, by their names in kunit/."""
    # User-mode Linux has no SMP, and little else of what .kunitconfig asks
    # for (which kunit.py insists on): its configuration stands alone.
    files = [".kunitconfig"] if ARCHES[arch].qemu else []
    files.append(f"configs/{arch}.config")
    if config:
        files.append(f"configs/variant-{config}.config")
        # What only one architecture has of it.
        own = f"configs/variant-{config}-{arch}.config"
        if (ROOT / "kunit" / own).is_file():
            files.append(own)
    return files


def write_config(arch, config, file, ours=True):
    """Writes the configuration of a kernel, all parts in one: kunit.py takes
    two values of an option for a mistake, and here a later part may change what
    an earlier one says. It refuses what it does not find, such as our own
    options in a kernel that is not ours."""
    lines = {}
    for part in config_files(arch, config):
        for line in (ROOT / "kunit" / part).read_text().splitlines():
            option = re.match(r"(?:# )?(CONFIG_\w+)[= ]", line)
            if option and (ours or
                           not option[1].startswith("CONFIG_CPUWORD")):
                lines[option[1]] = f"{line}\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(lines.values()))


def kernel_name(arch, config):
    """Of the kernel with this configuration, in names of files."""
    return f"{arch}-{config}" if config else arch


class Kunit:
    """The kernel with our suites built in for one architecture (and one
    configuration, if not the default one), and runs of it."""

    def __init__(self, arch, kernel, jobs, config="", timeout=TIMEOUT):
        self.arch = arch
        self.jobs = jobs
        self.config = config
        self.timeout = timeout
        self.name = kernel_name(arch, config)
        self.linux = BUILD / kernel / "linux"
        self.build_dir = BUILD / kernel / f"kunit-{self.name}"
        self.log = LOGS / f"kunit-{self.name}-build.log"
        merged = BUILD / kernel / f"kunit-{self.name}.config"
        write_config(arch, config, merged)
        self.options = [f"--arch={arch}", f"--build_dir={self.build_dir}",
                        f"--kunitconfig={merged}"]

    def kunit_py(self, what, command, options, log, **kwargs):
        # kunit.py's output reaches us as it comes, not when a buffer is full.
        return common.run(what, [
            sys.executable, "tools/testing/kunit/kunit.py", command,
            *self.options, *options], log, cwd=self.linux,
            env={**os.environ, "PYTHONUNBUFFERED": "1"}, **kwargs)

    def configure(self):
        """True if that worked."""
        self.log.unlink(missing_ok=True)
        self.build_dir.mkdir(parents=True, exist_ok=True)
        # Without it kunit.py configures anew, with what the tree now asks for.
        (self.build_dir / "last_used_kunitconfig").unlink(missing_ok=True)
        # GCC plugins, on by default where their headers are, defeat ccache.
        if self.kunit_py(f"configuring {self.build_dir.name}", "config", [
                "--kconfig_add=CONFIG_GCC_PLUGINS=n",
                *(f"--make_options={variable}"
                  for variable in make_variables(self.arch, self.config))],
                self.log) == 0:
            return True
        show_end(self.log)
        return False

    def build(self):
        """Configures and builds; True if that worked."""
        started = time.monotonic()
        built = False
        if self.configure():
            # kunit.py's "build" would keep to itself what make says.
            objects = Objects(
                ["make", f"ARCH={self.arch}", f"O={self.build_dir}",
                 f"--jobs={self.jobs}",
                 *make_variables(self.arch, self.config), "all"],
                self.linux, self.log)
            try:
                built = common.run(f"building {self.build_dir.name}",
                                   objects.command, self.log, cwd=self.linux,
                                   far=objects.far) == 0
            finally:
                objects.close()
            if not built:
                show_end(self.log)
        self.seconds = time.monotonic() - started
        return built

    def run(self, variant_name, echo, only=""):
        """Boots the kernel and runs all suites, or those that the pattern
        names; returns the Result."""
        arch = ARCHES[self.arch]
        variant = arch.variants[variant_name]
        result = Result(f"{self.arch}/{variant_name}")
        base = LOGS / f"kunit-{self.arch}-{variant_name}"
        log = base.with_suffix(".log")
        report = base.with_suffix(".json")
        for old in (log, report):
            old.unlink(missing_ok=True)
        options = [f"--timeout={self.timeout}", f"--json={report}"]
        if arch.qemu:
            # The last -cpu and -m on QEMU's command line are the ones it uses.
            machine = f"-machine {variant.machine} " if variant.machine else ""
            options.append(f"--qemu_args=-smp 4 -m 1G -cpu {variant.cpu} "
                           f"{machine}-accel {accel(self.arch)}")
        isolated = TRACKED if arch.qemu and variant.tracked else ""
        for word in (f"{arch.kernel_args} {isolated} "
                     f"{variant.kernel_args}").split():
            options.append(f"--kernel_args={word}")
        if only:
            options.append(only)
        # Each run's own, or a run that did not start would show the last one's.
        (self.build_dir / "test.log").unlink(missing_ok=True)
        # kunit.py ends a run after its timeout; the margin is for its own end.
        started = time.monotonic()
        status = self.kunit_py(f"running {result.name}", "exec", options, log,
                               timeout=self.timeout + 60, echo=echo)
        result.seconds = time.monotonic() - started
        trouble = result.trouble
        count(result, report)
        console = base.with_suffix(".console.log")
        text = ""
        try:
            shutil.copyfile(self.build_dir / "test.log", console)
            text = console.read_text(errors="replace")
        except FileNotFoundError:
            trouble.append("no kernel was started")
        for unmet in EXPECTATION.findall(text)[:EXPECTATIONS_SHOWN]:
            trouble += unmet.splitlines()
        found = splats(text)
        for splat in found[:SPLATS_SHOWN]:
            trouble.append(f"the kernel reported: {splat}")
        if len(found) > SPLATS_SHOWN:
            trouble.append(f"and {len(found) - SPLATS_SHOWN} more")
        if status != 0 and result.seconds >= self.timeout:
            trouble.append(f"stopped after {self.timeout} seconds")
        elif status != 0 and not trouble:
            trouble.append("crashed")
        # Trouble with no failed test to show for it: the run is the failure.
        if trouble and not result.failed:
            result.failed = 1
        for line in trouble:
            print(f"  {line}")
        if trouble:
            print(f"  see {log} and {console}")
        print(f"{result.name}: {result.totals()}", flush=True)
        return result


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


def ccache_works(compiler):
    """Not where it cannot write its cache, for one."""
    if not shutil.which("ccache"):
        return False
    with tempfile.TemporaryDirectory() as scratch:
        return subprocess.run(
            ["ccache", *compiler.split(), "-c", "-x", "c", "/dev/null", "-o",
             f"{scratch}/x.o"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0


def all_variants(arch, config=None):
    """The names of those (on the kernel with this configuration) that make a
    difference with this accelerator."""
    names = []
    for name, variant in ARCHES[arch].variants.items():
        if config not in (None, variant.config) or not variant.booted:
            continue
        if variant.needs_kvm and accel(arch) != "kvm":
            print(f"{arch}/{name}: not run, needs ACCEL=kvm")
        else:
            names.append(name)
    return names


def configs(arch, slow):
    """Of the kernels that are, or are not, in make test."""
    return list(dict.fromkeys(variant.config
                              for variant in ARCHES[arch].variants.values()
                              if variant.slow == slow and variant.booted))


def run_variants(arch, kernel, jobs, names, only="", timeout=TIMEOUT,
                 echo=False):
    """Runs these variants, each kernel built once; returns their Results, and
    how long the builds took. With echo, shows what kunit.py says."""
    results = []
    for config in dict.fromkeys(ARCHES[arch].variants[n].config for n in names):
        kunit = Kunit(arch, kernel, jobs, config, timeout)
        built = kunit.build()
        results.append(Result(f"building {kunit.build_dir.name}",
                              seconds=kunit.seconds))
        if built:
            os.environ[BUILT] = os.pathsep.join([*just_built(),
                                                 str(kunit.build_dir)])
        for name in names:
            if ARCHES[arch].variants[name].config != config:
                continue
            if built:
                results.append(kunit.run(name, echo, only))
            else:
                results.append(Result(f"{arch}/{name} (no build)", failed=1))
    return results


def just_built():
    """Where run_tests.py, which started us, has built kernels from the tree as
    it is: make takes a while to find out that there is nothing to do."""
    return os.environ.get(BUILT, "").split(os.pathsep)


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


def accel(arch):
    """QEMU's accelerator. /dev/kvm can be there and yet hang the guest: KVM is
    for who asks for it, and for the host's own architecture."""
    wanted = os.environ.get("ACCEL", "tcg")
    if wanted not in ("tcg", "kvm"):
        die(f"ACCEL={wanted} is not supported; valid: tcg kvm")
    return wanted if arch == os.uname().machine else "tcg"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", choices=ARCHES, default="x86_64")
    parser.add_argument("--kernel", default=common.KERNELS[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--variant", default="default", help="a name, or all")
    parser.add_argument("--configure", action="store_true",
                        help="no more than configure the kernel")
    parser.add_argument("--only", default="", metavar="SUITE[.CASE]",
                        help="a pattern of what to run")
    parser.add_argument("--timeout", type=int, default=TIMEOUT,
                        metavar="SECONDS", help="for a boot")
    args = parser.parse_args()
    variants = [*(name for name, variant in ARCHES[args.arch].variants.items()
                  if variant.booted), "all"]
    if args.variant not in variants:
        die(f"{args.arch} has no variant {args.variant} that is booted; valid: "
            + " ".join(variants))
    accel(args.arch)
    overlay.tree(args.kernel)
    names = all_variants(args.arch) if args.variant == "all" else [args.variant]
    if args.configure:
        sys.exit(not all(Kunit(args.arch, args.kernel, args.jobs,
                               variants[name].config).configure()
                         for name in names))
    sys.exit(summary(run_variants(args.arch, args.kernel, args.jobs, names,
                                  args.only, args.timeout,
                                  echo=len(names) == 1)))


if __name__ == "__main__":
    main()
