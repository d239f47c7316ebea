# SPDX-License-Identifier: GPL-2.0
"""Runs the KUnit suites of cpuword with the kernel tree's own kunit.py."""

import sys

from host import command_line, overlay
from host.arch import ARCHES
from host.common import die
from host.kunit import TIMEOUT, all_variants, run_variants
from host.machine import accelerator
from host.results import summary


def main():
    parser = command_line.parser(__doc__, ARCHES)
    parser.add_argument("--variant", default="default", help="a name, or all")
    parser.add_argument("--only", default="", metavar="SUITE[.CASE]",
                        help="a pattern of what to run")
    parser.add_argument("--timeout", type=int, default=TIMEOUT,
                        metavar="SECONDS", help="for a boot")
    args = parser.parse_args()
    variants = [*(name for name, variant in ARCHES[args.arch].variants.items()
                  if variant.booted), "all"]
    if args.variant not in variants:
        die(f"{command_line.name('variant')}: {args.arch} has no variant "
            f"{args.variant} that is booted; valid: "
            + " ".join(variants))
    accelerator(args.arch)
    overlay.tree(args.kernel)
    names = all_variants(args.arch) if args.variant == "all" else [args.variant]
    sys.exit(summary(run_variants(args.arch, args.kernel, args.jobs, names,
                                  args.only, args.timeout,
                                  echo=len(names) == 1)))
