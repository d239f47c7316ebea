# SPDX-License-Identifier: GPL-2.0
"""What deferral costs and saves: the stock kernel against ours, without deferral
(CONFIG_CPUWORD=n), with it off, and on. Prints tables and writes them, with a JSON
file of all figures.

  getpid     instructions of a getpid() round trip
  entry      instructions of other round trips, and with work pending (x86_64)
  broadcast  what an operation that calls all CPUs costs who does it, with 4,
             16 and 64 CPUs
  sources    IPIs that an isolated CPU receives, by who sends them
  grace      how long grace periods take

  cpuword bench --image PATH   getpid alone, of one kernel image, in seconds
"""

import argparse
import json
import shlex
import sys
import time
from pathlib import Path

from host import command_line, common
from host.arch import MACHINES, having
from host.bench.checks import check
from host.bench.measure import (Kernel, measure_broadcast, measure_entry,
                                measure_getpid, measure_grace,
                                measure_sources)
from host.bench.report import getpid_text, report
from host.common import BUILD, die
from host.kernel import build_kernel
from host.plugin import qemu_version
from host.results import Tests

PARTS = ["getpid", "entry", "broadcast", "sources", "grace"]
# Those that look at a kernel without deferral.
WITHOUT = {"getpid", "entry"}


def merge(into, more):
    """Adds what another kernel's run has to a tree of figures."""
    for key, value in more.items():
        if isinstance(value, dict) and key in into:
            merge(into[key], value)
        else:
            into[key] = value


def called(title, figures):
    """To the guest, a kernel without deferral is the stock kernel."""
    return {"without": figures["stock"]} if title == "without" else figures


def bench(name, args):
    """Measures one architecture; returns the figures."""
    arch = MACHINES[name]
    data = {"arch": name, "command": shlex.join(["tools/cpuword", "bench",
                                                 *sys.argv[1:]]),
            "append": args.append, "kernels": {}, "seconds": {}}
    kernels = {}
    # The quick form builds no kernel for itself. It counts ours alone, which
    # sends IPIs with deferral off.
    for title in ("cpuword",) if args.quick else ("stock", "without", "cpuword"):
        if title == "without" and not WITHOUT & set(args.parts):
            continue
        built = build_kernel(name, args.kernel, args.jobs, title == "stock",
                             "without" if title == "without" else "")
        kernels[title] = Kernel(arch, built.build_dir / arch.image,
                                built.build_dir, built.linux, built,
                                args.append)
    data["qemu"] = qemu_version(arch)[0].split()[1]
    sizes = arch.bench.sizes
    sizes = sizes[-1:] if args.quick else sizes
    for part in args.parts:
        started = time.monotonic()
        figures = {}
        if part == "sources":
            for title in ("stock", "off", "on"):
                kernel = kernels["stock" if title == "stock" else "cpuword"]
                figures[title] = measure_sources(kernel, title)
        for title, kernel in kernels.items():
            if title == "without" and part not in WITHOUT:
                continue
            if part == "getpid":
                merge(figures, called(title, measure_getpid(kernel, title)))
            elif part == "entry" and arch.bench.entries:
                merge(figures, called(title, measure_entry(kernel, title)))
            elif part == "broadcast":
                merge(figures, measure_broadcast(kernel, title, sizes,
                                                 timed=not args.quick))
            elif part == "grace":
                merge(figures, measure_grace(kernel, title))
        if not figures:
            continue
        data[part] = figures
        data["seconds"][part] = round(time.monotonic() - started)
    configuration = f"kunit/.kunitconfig and tools/arch/{name}/kunit/config"
    for title, kernel in kernels.items():
        data["kernels"][title] = {
            "release": kernel.release, "configuration": configuration +
            ("" if title == "cpuword" else " without CPUWORD")}

    text = "\n".join(report(data))
    print(f"\n{text}")
    # A run of some parts does not replace the results of one of all.
    base = BUILD / "-".join(["bench", name, *(
        ["quick"] if args.quick else [] if args.parts == PARTS else args.parts)])
    base.with_suffix(".rst").write_text(text)
    base.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
    print(f"in {base.with_suffix('.json')} and .rst; took "
          + ", ".join(f"{common.elapsed(s)} for {part}"
                      for part, s in data["seconds"].items()))
    return data


def parts(text):
    names = command_line.words(text)
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(
                f"{name} is no part; valid: {','.join(PARTS)}")
    return [name for name in PARTS if name in names]


def main():
    parser = command_line.parser(__doc__, having("bench"), every=True)
    parser.add_argument("--parts", type=parts, metavar="PART,...",
                        help="these parts only")
    parser.add_argument("--quick", action="store_true",
                        help="our kernel alone: entries, and broadcasts to "
                        "64 CPUs")
    parser.add_argument("--append", default="", metavar="ARGS",
                        help="more for the kernel's command line")
    parser.add_argument("--image", type=Path,
                        help="measure this kernel image only, build none")
    parser.add_argument("--check", action="store_true",
                        help="fail if figures are not as they should be")
    args = parser.parse_args()
    if args.quick and args.parts:
        die("--quick has parts of its own: leave out "
            + command_line.name("parts"))
    args.parts = args.parts or (["entry", "broadcast"] if args.quick
                                else PARTS)
    names = command_line.chosen(args.arch, having("bench"))

    if args.image:
        if args.arch == "all":
            die(f"--image takes one {command_line.name('arch')}")
        trees = [BUILD / args.kernel / name for name in ("linux", "stock")]
        tree = next((t for t in trees if (t / "Makefile").exists()), None)
        if not tree:
            die(f"no kernel tree in {BUILD / args.kernel}; run: make tree")
        kernel = Kernel(MACHINES[args.arch], args.image, args.image.parent,
                        tree, append=args.append)
        print("\n" + "\n".join(getpid_text(measure_getpid(kernel, "image"))))
        return 0
    figures = {name: bench(name, args) for name in names}
    if not args.check:
        return 0
    tests = Tests(len(names))
    for name, data in figures.items():
        with tests.group(name) as group:
            check(data, group)
    return tests.end()
