# SPDX-License-Identifier: GPL-2.0
"""Options: those that several commands have, and what is said of them."""

import argparse
import os
import re

from host.arch import DEFAULT
from host.common import KERNELS

# Most people set a variable of make, which passes it on as an option.
VARIABLES = {name.lower(): name for name in (
    "ARCH", "BASE", "COUNT", "CPUS", "FROM", "JOBS", "KERNEL", "LEVEL", "LOAD",
    "MODULE", "ONLY", "OUT", "PARTS", "SECONDS", "THRESHOLD", "TO", "VARIANT",
    "VMLINUX")}


def name(option):
    """What an error calls an option: "SECONDS= (--seconds)"."""
    if option not in VARIABLES:
        return f"--{option}"
    return f"{VARIABLES[option]}= (--{option})"


class Parser(argparse.ArgumentParser):
    def __init__(self, doc):
        super().__init__(description=doc,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        """One line, without the usage."""
        self.exit(2, f"{self.prog}: " + re.sub(
            r"^argument --([\w-]+)", lambda found: name(found[1]), message)
            + "\n")


def words(text):
    """The words of a list, with commas or spaces between them."""
    found = text.replace(",", " ").split()
    if not found:
        raise argparse.ArgumentTypeError("the list is empty")
    return found


def cpus(text):
    """A list of CPUs, with commas."""
    parts = words(text)
    if not all(re.fullmatch(r"\d+(-\d+)?", p) for p in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of CPUs, as in 1-3,5")
    return ",".join(parts)


def add_build(to):
    """What is built, and how."""
    to.add_argument("--kernel", default=KERNELS[0])
    to.add_argument("--jobs", type=int, default=os.cpu_count())


def parser(doc, arches=(), every=False):
    """The parser of a command that builds kernels: for one of these
    architectures, or (every) for all of them at once."""
    made = Parser(doc)
    if arches:
        made.add_argument("--arch", default=DEFAULT,
                          choices=[*arches, *(["all"] if every else [])])
    add_build(made)
    return made


def chosen(arch, arches):
    """The architectures that --arch names."""
    return list(arches) if arch == "all" else [arch]
