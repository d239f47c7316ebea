# SPDX-License-Identifier: GPL-2.0
"""Runs of the KUnit suites, by the kernel tree's own kunit.py."""

import os
import shutil
import time

from host.arch import ARCHES, KERNEL_ARGS, TRACKED
from host.common import LOGS
from host.kernel import BUILT, Kernel, just_built
from host.lookup import stock
from host.machine import accelerator
from host.results import (EXPECTATION, EXPECTATIONS_SHOWN, SPLATS_SHOWN, Result,
                          count, kernel_parser, splats, totals)

# Seconds that one boot with all its suites may take.
TIMEOUT = 300


def all_variants(arch, config=None):
    """The names of those (on the kernel with this configuration) that make a
    difference with this accelerator."""
    names = []
    for name, variant in ARCHES[arch].variants.items():
        if config not in (None, variant.config) or not variant.booted:
            continue
        if variant.needs_kvm and accelerator(arch) != "kvm":
            print(f"{arch}/{name}: not run, needs ACCEL=kvm")
        else:
            names.append(name)
    return names


def configs(arch, slow):
    """Of the kernels that are, or are not, in make test."""
    return list(dict.fromkeys(variant.config
                              for variant in ARCHES[arch].variants.values()
                              if variant.slow == slow and variant.booted))


def run_variant(kernel, variant_name, timeout, echo, only=""):
    """Boots the kernel and runs all suites, or those that the pattern
    names; returns the Result."""
    arch = ARCHES[kernel.arch]
    variant = arch.variants[variant_name]
    result = Result(f"{kernel.arch}/{variant_name}")
    base = LOGS / f"{kernel.prefix}-{kernel.arch}-{variant_name}"
    log = base.with_suffix(".log")
    log.unlink(missing_ok=True)
    options = [f"--timeout={timeout}"]
    if arch.kunit.cpu:
        # The last -cpu and -m on QEMU's command line are the ones it uses.
        machine = f"-machine {variant.machine} " if variant.machine else ""
        options.append(f"--qemu_args=-smp 4 -m 1G -cpu "
                       f"{variant.cpu or arch.kunit.cpu} {machine}"
                       f"-accel {accelerator(kernel.arch)}")
    isolated = ""
    if arch.machine and variant.tracked:
        # Kernel threads of 6.12 keep off these CPUs. Those of newer kernels may
        # run there, and interrupt, unless the command line says more.
        isolated = " ".join([TRACKED, *stock(kernel.version, "isolation")])
    for word in (f"{KERNEL_ARGS if arch.machine else ''} "
                 f"{arch.kunit.append} {isolated} {variant.append}").split():
        options.append(f"--kernel_args={word}")
    if only:
        options.append(only)
    # Each run's own, or a run that did not start would show the last one's.
    (kernel.build_dir / "test.log").unlink(missing_ok=True)
    # kunit.py ends a run after its timeout; the margin is for its own end.
    started = time.monotonic()
    status = kernel.kunit_py(f"running {result.name}", "exec", options, log,
                           timeout=timeout + 60, echo=echo)
    result.seconds = time.monotonic() - started
    trouble = result.trouble
    console = base.with_suffix(".console.log")
    text = ""
    try:
        shutil.copyfile(kernel.build_dir / "test.log", console)
        text = console.read_text(errors="replace")
    except FileNotFoundError:
        trouble.append("no kernel was started")
    parser, _ = kernel_parser(kernel.linux)
    count(result, parser.parse_run_tests(text.split("\n")))
    if not result.passed + result.failed:
        trouble.append("no test ran")
    for unmet in EXPECTATION.findall(text)[:EXPECTATIONS_SHOWN]:
        trouble += unmet.splitlines()
    found = splats(text, stock(kernel.version, "races"))
    for splat in found[:SPLATS_SHOWN]:
        trouble.append(f"the kernel reported: {splat}")
    if len(found) > SPLATS_SHOWN:
        trouble.append(f"and {len(found) - SPLATS_SHOWN} more")
    if status != 0 and result.seconds >= timeout:
        trouble.append(f"stopped after {timeout} seconds")
    elif status != 0 and not trouble:
        trouble.append("crashed")
    # Trouble with no failed test to show for it: the run is the failure.
    if trouble and not result.failed:
        result.failed = 1
    for line in trouble:
        print(f"  {line}")
    if trouble:
        print(f"  see {log} and {console}")
    print(f"{result.name}: {totals(result)}", flush=True)
    return result


def run_variants(arch, kernel, jobs, names, only="", timeout=TIMEOUT,
                 echo=False):
    """Runs these variants, each kernel built once; returns their Results, and
    how long the builds took. With echo, shows what kunit.py says."""
    results = []
    for config in dict.fromkeys(ARCHES[arch].variants[n].config for n in names):
        kunit = Kernel(arch, kernel, jobs, config)
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
                results.append(run_variant(kunit, name, timeout, echo, only))
            else:
                results.append(Result(f"{arch}/{name} (no build)", failed=1))
    return results
