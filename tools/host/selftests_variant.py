# SPDX-License-Identifier: GPL-2.0
"""One way to run the kernel's own tests."""

from dataclasses import dataclass


@dataclass
class Variant:
    """How the ways into the kernel differ."""
    # QEMU's -cpu, the machine's own if there is none, and the command line.
    cpu: str
    append: str
    # All CPUs but the first are isolated, so that their entries are tracked.
    isolated: bool = True
    # The kernel's tests of itself, which need a kernel of their own.
    modules: bool = False
