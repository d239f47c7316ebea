# SPDX-License-Identifier: GPL-2.0
"""Finds what differs between kernel versions, and between architectures."""

import functools
import importlib.util
from typing import Any

from host.arch import FOLDERS
from host.common import ROOT, die

STOCK = ROOT / "tools" / "stock"


def find(folder, version, name):
    """The file of this name for a kernel version, or else the one that all
    versions share; None if there is neither."""
    for place in (version, "common"):
        path = folder / place / name
        if path.exists():
            return path
    return None


def stock(version, name):
    """Lines on what a stock kernel of this version does: its data races, by the
    functions of the two accesses; its tests that fail, with the reason; or what
    keeps its threads off isolated CPUs, beside nohz_full=."""
    path = find(STOCK, version, name)
    if not path:
        die(f"{STOCK.relative_to(ROOT)}/common/{name} is missing")
    return path.read_text().splitlines()


@functools.cache
def module(arch, name):
    """An architecture's own Python module; None if it has none."""
    path = FOLDERS / arch / f"{name}.py"
    if not path.exists():
        return None
    spec: Any = importlib.util.spec_from_file_location(f"{arch}_{name}", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
