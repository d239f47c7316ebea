# SPDX-License-Identifier: GPL-2.0
"""Figures, as tables."""

from collections import Counter
from typing import Any

from host.bench.checks import OPERATIONS
from host.bench.measure import SETTINGS


def table(head, rows):
    """A simple table of reStructuredText, which reads on a terminal as well."""
    rows = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = " ".join("=" * width for width in widths)

    def line(row):
        return " ".join([row[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:])
        ]).rstrip()

    return [rule, line(rows[0]), rule, *map(line, rows[1:]), rule, ""]


def settings_of(by_setting):
    return [setting for setting in SETTINGS if setting in by_setting]


def number(n):
    return "-" if n is None else f"{n:,.2f}" if abs(n) < 10 else f"{n:,.0f}"


def getpid_text(results):
    settings = settings_of(results)
    return ["getpid() round trip, instructions", "", *table(
        ["CPU", *settings],
        [[cpu, *(f"{results[s][cpu]:.2f}" for s in settings)]
         for cpu in results[settings[0]]])]


def entry_text(results):
    settings = settings_of(results)
    rows = dict.fromkeys(row for s in settings for row in results[s])
    return ["round trips of an isolated CPU, instructions", "", *table(
        ["entry", *settings],
        [[row, *(number(results[s].get(row)) for s in settings)]
         for row in rows])]

# What is in the table of an operation, and what of it in words.
FIGURES = [
    ("broadcast_instructions", "a broadcast: the sender's instructions"),
    ("broadcast_atomics", "of them atomic"),
    ("broadcasts", "broadcasts"),
    ("sender_instructions", "CPU 0: all instructions in the kernel"),
    ("receivers_instructions", "other CPUs: the same"),
    ("ipis", "IPIs to isolated CPUs"),
    ("us", "time, us (emulated)"),
    ("accepted", "deferrals accepted"),
    ("coalesced", "deferrals coalesced"),
]


def broadcast_text(results, arch):
    text = []
    for name, what in OPERATIONS.items():
        head: Any = None
        rows: Any = None
        for size, ops in sorted(results.items()):
            if name not in ops:
                continue
            settings = settings_of(ops[name])
            head = (head or [f"{what}"]) + [f"{size} CPUs: {settings[0]}",
                                            *settings[1:]]
            columns = [[number(ops[name][s].get(key)) for s in settings]
                       for key, _ in FIGURES]
            rows = ([[label, *c] for (_, label), c in zip(FIGURES, columns)]
                    if rows is None else
                    [row + c for row, c in zip(rows, columns)])
        if rows:
            text += [what.capitalize() if name == "flip" else what, "",
                     *table(head, rows)]
    return text


def sources_text(results):
    settings = settings_of(results)
    loads = list(dict.fromkeys(load for s in settings for load in results[s]))
    rows = []
    total: dict = {s: Counter() for s in settings}

    def spread(values):
        low, high = min(values), max(values)
        return f"{low}" if low == high else f"{low}-{high}"

    for load in loads:
        runs = {s: results[s].get(load) for s in settings}
        sources = sorted({source for run in runs.values() if run
                          for by in run["cpus"].values() for source in by})
        count = next(run["count"] for run in runs.values() if run)
        for source in sources or ["none"]:
            row = [f"{load} ({count})", source]
            for s in settings:
                if not runs[s]:
                    row.append("-")
                    continue
                by = {cpu: by[source] for cpu, by in runs[s]["cpus"].items()}
                total[s].update(by)
                row.append(spread(by.values()))
            rows.append(row)
    rows.append(["all", "", *(spread(total[s].values()) for s in settings)])
    return ["IPIs and fences sent to an isolated CPU (the least and the most)",
            "", *table(["load", "source", *settings], rows)]


def grace_text(results):
    settings = settings_of(results["normal"])
    return ["Grace periods, us (emulated): least, median, most", "", *table(
        ["kind", *settings],
        [[kind, *(" ".join(f"{results[kind][s][k]:,.0f}"
                           for k in ("min", "median", "max"))
                  for s in settings)] for kind in results])]


def report(data):
    """The tables, as lines of reStructuredText."""
    text = [f".. {data['command']}", "", f"{data['arch']}: "
            + "; ".join(f"{name} {k['release']} ({k['configuration']})"
                        for name, k in data["kernels"].items())
            + f"; QEMU {data['qemu']}"
            + (f"; {data['append']}" if data["append"] else ""), ""]
    for part, lines in (
            ("getpid", getpid_text), ("entry", entry_text),
            ("broadcast", lambda r: broadcast_text(r, data["arch"])),
            ("sources", sources_text), ("grace", grace_text)):
        if part in data:
            text += lines(data[part])
    return text
