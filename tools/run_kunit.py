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
KERNEL_ARGS = "nohz_full=1-3 oops=panic panic=-1"
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
    # TCG has no PCID and no INVPCID: without KVM it would repeat another run.
    needs_kvm: bool = False
    # A kernel of its own that takes long to build: not in make test.
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
        "counter2": Variant(config="counter2"),
    }),
    # How kernel translations are flushed depends on PTI, PCID and INVPCID.
    # In emulation the clock watchdog finds the TSC unstable: no tick stops then.
    "x86_64": Arch(kernel_args=f"{KERNEL_ARGS} tsc=reliable", variants={
        "default": Variant("max"),
        "pti": Variant("max", "pti=on"),
        "nopcid": Variant("max,-pcid,-invpcid", "pti=on", needs_kvm=True),
        "noinvpcid": Variant("max,-invpcid", "nopti", needs_kvm=True),
        "track": Variant("max", "cpuword.track=all"),
        "centry": Variant("max", config="centry"),
        "debug": Variant("max", config="debug"),
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
        "kasan": Variant(config="kasan", slow=True, booted=False),
        "distro": Variant(config="distro", slow=True, booted=False),
    }),
}

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

    def build(self):
        """Configures and builds; True if that worked."""
        prefix = ARCHES[self.arch].cross_compile
        # GCC plugins, on by default where their headers are, defeat ccache.
        options = [f"--jobs={self.jobs}", "--kconfig_add=CONFIG_GCC_PLUGINS=n"]
        if prefix:
            options.append(f"--cross_compile={prefix}")
        if ccache_works(prefix + "gcc"):
            options += [f"--make_options=CC=ccache {prefix}gcc",
                        "--make_options=HOSTCC=ccache gcc"]
        self.log.unlink(missing_ok=True)
        self.build_dir.mkdir(parents=True, exist_ok=True)
        if self.kunit_py(f"building kunit-{self.name}", "build", options,
                         self.log) == 0:
            return True
        show_end(self.log)
        return False

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
        for word in f"{arch.kernel_args} {variant.kernel_args}".split():
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
    """Prints the end of a log, for what has no shorter way of saying what is
    wrong; returns its lines."""
    end = log.read_text(errors="replace").splitlines()[-15:]
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


def all_variants(arch, slow=True):
    """The names of those that make a difference with this accelerator."""
    names = []
    for name, variant in ARCHES[arch].variants.items():
        if variant.slow and not slow or not variant.booted:
            continue
        if variant.needs_kvm and accel(arch) != "kvm":
            print(f"{arch}/{name}: not run, needs ACCEL=kvm")
        else:
            names.append(name)
    return names


def run_variants(arch, kernel, jobs, names, only="", timeout=TIMEOUT):
    """Runs these variants, each kernel built once; returns their Results."""
    results = []
    for config in dict.fromkeys(ARCHES[arch].variants[n].config for n in names):
        kunit = Kunit(arch, kernel, jobs, config, timeout)
        built = kunit.build()
        for name in names:
            if ARCHES[arch].variants[name].config != config:
                continue
            if built:
                results.append(kunit.run(name, len(names) == 1, only))
            else:
                results.append(Result(f"{arch}/{name} (no build)", failed=1))
    return results


def summary(results):
    """A table of the runs; what failed in them, once more, since a CI may show no
    more than the end; and, alone on the last line, the totals. Returns the
    exit status."""
    total = Result("total")
    width = max(len(result.name) for result in results)
    print(f"\n{'run':{width}}  passed  failed  skipped  seconds")
    for result in results:
        print(f"{result.name:{width}}  {result.passed:6}  {result.failed:6}  "
              f"{result.skipped:7}  {result.seconds:7.0f}")
        total.passed += result.passed
        total.failed += result.failed
        total.skipped += result.skipped
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
    sys.exit(summary(run_variants(args.arch, args.kernel, args.jobs, names,
                                  args.only, args.timeout)))


if __name__ == "__main__":
    main()
