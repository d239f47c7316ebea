# SPDX-License-Identifier: GPL-2.0
"""Builds the kernel at each patch of the series, with our configuration as far
as that kernel has the options and with CONFIG_CPUWORD=n, and runs the KUnit
suites once they are there. A patch has to build, without a warning that was not
there before it."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from host import command_line, common
from host.arch import ARCHES
from host.common import BUILD, LOGS, die
from host.kernel import Kernel, config_lines
from host.kunit import TIMEOUT, run_variant
from host.results import Tests, show_end
from host.series import Series

# Of make, the compilers, Kconfig, modpost and objtool.
WARNING = re.compile(r"\bwarning: ", re.I)
# What is ours is compiled with W=1 as well.
OURS = "kernel/cpuword"
SHOWN = 5


def warnings(log):
    """The warnings in a log, without numbers of lines."""
    found = dict.fromkeys(
        re.sub(r":\d+(?=[:,]| )|\+0x[0-9a-f]+", "", line.strip())
        for line in log.read_text(errors="replace").splitlines()
        if WARNING.search(line))
    return list(found)


def concerns(arch, paths):
    """May a change of these paths change the kernel of this architecture?"""
    return any(not re.match(r"Documentation/|MAINTAINERS$|tools/|"
                            rf"arch/(?!{ARCHES[arch].srcarch}/)", path)
               for path in paths)


class Built(Kernel):
    """A kernel that is built at one patch after the other."""

    prefix = "bisect"

    def __init__(self, arch, version, jobs, on):
        super().__init__(arch, version, jobs)
        self.on = on
        self.name = f"{arch}, CPUWORD={'y' if on else 'n'}"
        folder = f"bisect-{arch}" + ("" if on else "-off")
        self.linux = BUILD / version / "bisect"
        self.build_dir = BUILD / version / folder
        self.log = LOGS / f"{folder}-build.log"
        self.options[1] = f"--build_dir={self.build_dir}"
        # None: nothing has been built yet.
        self.known = None

    def configure(self):
        """True if that worked. Options that are not there yet are dropped."""
        lines = config_lines(self.arch, "")
        if not self.on:
            lines["CONFIG_CPUWORD"] = "# CONFIG_CPUWORD is not set\n"
        facts = ARCHES[self.arch]
        machine = (facts.qemu_config.kconfig if facts.machine else
                   (self.linux / "tools/testing/kunit/configs/arch_uml.config")
                   .read_text())
        self.build_dir.mkdir(parents=True, exist_ok=True)
        (self.build_dir / ".config").write_text(
            "".join(lines.values()) + machine + "\nCONFIG_GCC_PLUGINS=n\n")
        return self.run_make("configuring", "olddefconfig")

    def run_make(self, what, *targets):
        *command, _ = self.make("")
        return common.run(f"{what} {self.build_dir.name}", [*command, *targets],
                          self.log, cwd=self.linux) == 0

    def same_as(self, other):
        """Is the configuration the same?"""
        return ((self.build_dir / ".config").read_bytes() ==
                (other.build_dir / ".config").read_bytes())

    def step(self, strict, log):
        """Builds; returns what is wrong."""
        self.log = log
        log.unlink(missing_ok=True)
        if not self.configure():
            return "it does not configure"
        return None
