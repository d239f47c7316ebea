# SPDX-License-Identifier: GPL-2.0
"""Options that several commands have."""

import argparse
import os

from host.arch import DEFAULT
from host.common import KERNELS


def add_build(to):
    """What is built, and how."""
    to.add_argument("--kernel", default=KERNELS[0])
    to.add_argument("--jobs", type=int, default=os.cpu_count())


def parser(doc, arches=(), every=False):
    """The parser of a command that builds kernels: for one of these
    architectures, or (every) for all of them at once."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if arches:
        made.add_argument("--arch", default=DEFAULT,
                          choices=[*arches, *(["all"] if every else [])])
    add_build(made)
    return made


def chosen(arch, arches):
    """The architectures that --arch names."""
    return list(arches) if arch == "all" else [arch]
