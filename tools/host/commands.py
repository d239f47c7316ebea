# SPDX-License-Identifier: GPL-2.0
"""tools/cpuword <command> [options]: a command is a module of host.command."""

import importlib
import pkgutil
import sys
from pathlib import Path

import host.command


def names():
    return [module.name.replace("_", "-")
            for module in pkgutil.iter_modules(host.command.__path__)]


def main():
    """Runs the command that is named; returns the exit status."""
    if len(sys.argv) < 2 or sys.argv[1] not in names():
        print(f"{Path(sys.argv[0]).name}: which command? one of "
              + " ".join(names()), file=sys.stderr)
        return 1
    # What it says begins with its name, not ours.
    sys.argv[:2] = [sys.argv[1]]
    return importlib.import_module(
        f"host.command.{sys.argv[0].replace('-', '_')}").main()
