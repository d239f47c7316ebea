# SPDX-License-Identifier: GPL-2.0
"""What was measured, as tables."""

import json
from collections import Counter, defaultdict

from host.noise.picture import picture
from host.noise.sources import FENCES
from host.noise.trace import Measured, has_fences

# A table has a row for each CPU, if they are not more than so many.
MAX_ROWS = 8


def columns(runs, threshold):
    """(title, value of a CPU in a load). A run that has no value gives None;
    a column without any is left out."""
    def of_interrupts(m, cpu):
        return sum(m.interrupts[cpu].values())

    def of_deferred(m, cpu):
        return sum(n for result, n in m.deferred[cpu].items()
                   if result != "refused")

    traced = all(run.traced for run in runs.values())
    entries = all("context_tracking/user_exit" not in run.missing
                  for run in runs.values())
    fences = any(map(has_fences, runs.values()))
    deferring = [title for title, run in runs.items()
                 if any(any(c.values()) for m in run.loads.values()
                        for c in m.deferred.values())]
    found = [("IPIs sent", lambda m, cpu: sum(
        n for (kind, _), n in m.sent[cpu].items()
        if kind not in FENCES.values()), traced and list(runs))]
    found.append(("fences", lambda m, cpu: sum(m.fences[cpu].values()),
                  fences and list(runs)))
    found.append(("interrupts", of_interrupts, list(runs)))
    found.append(("entries", lambda m, cpu: m.entries[cpu],
                  entries and list(runs)))
    found.append(("deferred", of_deferred, deferring))
    found.append((f"gaps >{threshold}us", lambda m, cpu: m.gaps[cpu],
                  list(runs)))
    found.append(("longest, us", lambda m, cpu: round(m.longest.get(cpu, 0)),
                  list(runs)))
    return [(name, get, titles) for name, get, titles in found if titles]


def table(runs, threshold):
    """runs is {title: Run}."""
    first = next(iter(runs.values()))
    cells = columns(runs, threshold)
    several = len(runs) > 1
    width = 9

    def line(left, parts):
        print(f"{left:22}" + "".join(parts))

    print()
    line(f"{'load':13}{'times':>5}{'CPU':>4}", (
        f"{name:>{max(width * len(titles), len(name) + 2)}}"
        for name, _, titles in cells))
    if several:
        line("", (f"{title:>{max(width, (len(name) + 2) // len(titles))}}"
                  for name, _, titles in cells for title in titles))
    for load in first.loads:
        if any(load not in run.loads for run in runs.values()):
            continue
        cpus = first.isolated
        if len(cpus) > MAX_ROWS:
            # The one that is hit most.
            cpus = [max(cpus, key=lambda c: first.loads[load].ipis(c))]
        for i, cpu in enumerate(cpus):
            left = (f"{load:13}{first.loads[load].count:5}" if i == 0
                    else " " * 18)
            line(f"{left}{cpu:4}", (
                f"{get(runs[title].loads[load], cpu):>{max(width, (len(name) + 2) // len(titles))}}"
                for name, get, titles in cells for title in titles))
    if len(first.isolated) > MAX_ROWS:
        print(f"Of {len(first.isolated)} isolated CPUs, the one that is sent "
              "most; noise.json has them all.")


def spread(values):
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low}-{high}"


def by_source(runs):
    """How much of what, by name of the source."""
    for title, run in runs.items():
        print(f"\nWho sends{f', {title}' if len(runs) > 1 else ''}, "
              "to each isolated CPU")
        for load, m in run.loads.items():
            counts = [m.by_source(cpu) for cpu in run.isolated]
            names = sorted({n for c in counts for n in c},
                           key=lambda n: -max(c[n] for c in counts))
            print(f"  {load:13}" + (", ".join(
                f"{name} {spread([c[name] for c in counts])}"
                for name in names) or "nobody"))


def senders(run, title, most=8):
    """Everything that arrived: by load, kind and stack."""
    print(f"\n{title}, by sender\n")
    for load, m in run.loads.items():
        # Stacks that differ only far from the sender read as one.
        merged: defaultdict = defaultdict(Counter)
        for cpu in run.isolated:
            for (kind, frames), n in m.sent[cpu].items():
                merged[m.source(kind, frames), kind, frames[:6]][cpu] += n
            for function, n in m.timers[cpu].items():
                merged["timer", "its own", (function,)][cpu] += n
        print(load)
        rows = sorted(merged.items(), key=lambda item: -sum(item[1].values()))
        for (name, kind, frames), counts in rows[:most]:
            many = spread([counts[cpu] for cpu in run.isolated])
            print(f"{many:>11}  {name} ({kind}): "
                  + (" < ".join(frames) or "(unknown)"))
        if len(rows) > most:
            print(f"{'':11}  and {len(rows) - most} more, in noise.json")
        if not merged:
            print(f"{0:>11}  nothing")


def skipped(runs):
    for title, run in runs.items():
        for load, why in run.skipped.items():
            print(f"{load} was left out: {why}"
                  + (f" ({title})" if len(runs) > 1 else ""))


def verdict(off, on):
    def total(run, get):
        return max(sum(get(m, cpu) for m in run.loads.values())
                   for cpu in run.isolated)

    before, after = (total(run, Measured.deferrable) for run in (off, on))
    rest = total(on, Measured.ipis) - after
    unit = "IPIs and fences" if has_fences(on) else "IPIs"
    print(f"\nAn isolated CPU is sent {before} {unit} that can be deferred "
          f"with deferral off, {after} with it on; {rest} that cannot be "
          "remain.")


def report(runs, title, args, out, guest):
    print(f"\n{title}")
    if any(run.interrupted for run in runs.values()):
        print("Interrupted: this is what there was by then.")
    table(runs, args.threshold)
    if guest:
        print("The gaps are those of an emulator whose CPUs take turns.")
    if any(run.traced for run in runs.values()):
        by_source(runs)
        last = list(runs)[-1]
        senders(runs[last], "What still arrives with deferral on"
                if last == "on" else "What arrives")
    else:
        print("Who sends is not known: this kernel has no ipi_send_cpumask "
              "tracepoint (Linux 6.4 has)")
    skipped(runs)
    if any(run.lost for run in runs.values()):
        print("Trace events were lost: who sent is incomplete (fewer loads, or "
              "less time?)")
    if list(runs) == ["off", "on"]:
        verdict(*runs.values())
    out.mkdir(parents=True, exist_ok=True)
    (out / "noise.json").write_text(json.dumps(
        {"title": title, "threshold_us": args.threshold,
         "runs": {name: run.as_json() for name, run in runs.items()}},
        indent=1) + "\n")
    print(f"\nfigures: {out / 'noise.json'}")
    picture(runs, title, out, with_gaps=not guest)


def spread_of_cpus(cpus):
    """As in "1-3,5"."""
    parts: list = []
    for cpu in cpus:
        if parts and cpu == parts[-1][1] + 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)
