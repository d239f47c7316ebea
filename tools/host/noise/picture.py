# SPDX-License-Identifier: GPL-2.0
"""What was measured, as a picture, by gnuplot."""

import shutil
import subprocess
from collections import defaultdict

from host.noise.measure import LOADS
from host.noise.sources import FENCES
from host.noise.trace import has_fences

# What arrives, from the top of a CPU's lane to its bottom: colour, and the
# kinds of events that are shown as it.
MARKS = {
    "function call IPI": ("#d62728", {"function call"}),
    "remote fence": ("#e377c2", set(FENCES.values()) | {"other fence"}),
    "reschedule IPI": ("#1f77b4", {"reschedule"}),
    "irq_work": ("#9467bd", {"irq_work"}),
    "timer": ("#ff7f0e", {"timer"}),
    "gap": ("#444444", {"gap"}),
    "deferred instead": ("#7fbf7b", {"deferral"}),
}

MAX_LANES = 12

LANE = 50       # pixels


def lanes(runs):
    """The CPUs that the picture shows: those that are sent most."""
    first = next(iter(runs.values()))
    return sorted(sorted(first.isolated, key=lambda c: -sum(
        m.ipis(c) for m in first.loads.values()))[:MAX_LANES])


def marks(run, loads, cpus, with_gaps):
    """{mark: set of (x, lane)}: each load is as wide as any other."""
    found = defaultdict(set)
    for i, load in enumerate(loads):
        m = run.loads.get(load)
        if not m:
            continue

        def add(mark, us, cpu):
            x = (us - m.start) / 1000 / max(m.milliseconds, 1)
            # What is before the load's start is not its doing.
            if 0 <= x <= 1:
                # To the pixel: more would only make the file longer.
                found[mark].add((round(i + 0.02 + 0.76 * x, 3),
                                 cpus.index(cpu)))

        for event in m.events:
            mark = next((k for k, (_, kinds) in MARKS.items()
                         if event.kind in kinds), None)
            for cpu in event.cpus:
                if mark and cpu in cpus:
                    for us in event.at:
                        add(mark, us, cpu)
        for cpu in cpus if with_gaps else ():
            for us, _ in m.gap_times.get(cpu, ()):
                add("gap", us, cpu)
    return found


def picture(runs, title, out, with_gaps):
    """Writes noise.gp, gnuplot's commands with the data in them, and has it
    draw noise.png."""
    loads = [n for n in LOADS if any(n in run.loads for run in runs.values())]
    cpus = lanes(runs)
    drawn = {name: marks(run, loads, cpus, with_gaps)
             for name, run in runs.items()}
    shown = [m for m in MARKS if any(m in found for found in drawn.values())]
    height = len(cpus) * LANE
    panel, top, bottom = height + 74, 70, 40
    total = top + panel * len(runs) + bottom
    text = [
        f"set terminal pngcairo size 1500,{total} font 'sans,11' noenhanced",
        f"set output '{out / 'noise.png'}'",
        f"set multiplot title \"{title}\" font 'sans,14'",
        f"set xrange [0:{len(loads)}]", f"set yrange [0:{len(cpus)}]",
        "set lmargin at screen 0.06", "set rmargin at screen 0.985",
        "unset xtics", "set ytics scale 0", "set border 0", "unset key",
    ]
    for number, (name, run) in enumerate(runs.items()):
        found = drawn[name]
        low = 1 - (top + panel * number + height + 30) / total
        text += [f"set bmargin at screen {low:.4f}",
                 f"set tmargin at screen {low + height / total:.4f}",
                 "unset label", "unset object", "unset arrow"]
        head = {"off": "deferral off", "on": "deferral on"}.get(name, name)
        text.append(f"set label \"{head}\" at graph 0,graph 1 offset 0,1.6 "
                    "font 'sans Bold,13'")
        text.append("set ytics (" + ", ".join(
            f'"CPU {cpu}" {len(cpus) - i - 0.5}'
            for i, cpu in enumerate(cpus)) + ")")
        for i, load in enumerate(loads):
            m = run.loads.get(load)
            for lane, cpu in enumerate(cpus):
                y = len(cpus) - lane - 1
                colour = "#f4f4f4" if (i + lane) % 2 else "#ebebeb"
                text.append(f"set object rect from {i + .005},{y + .03} to "
                            f"{i + .995},{y + .97} fc rgb '{colour}' fs "
                            "solid noborder behind")
                if not m:
                    continue
                n = (m.arrived(cpu) if run.traced else
                     sum(m.interrupts[cpu].values()))
                text.append(
                    f"set label \"{n}\" at {i + .985},{y + .5} right front "
                    f"font 'sans Bold,12' tc rgb "
                    f"'{'#b00000' if n else '#007000'}'")
            about = (f"{load}  {m.count} x, {m.milliseconds / 1000:.1f} s"
                     if m else f"{load}: left out")
            text.append(f"set label \"{about}\" at {i + .5},{len(cpus)} "
                        "center offset 0,0.6")
        plots = []
        for mark in shown:
            row = shown.index(mark)
            block = f"$d{number}_{row}"
            text.append(f"{block} << EOD")
            for x, lane in sorted(found.get(mark, ())):
                low = len(cpus) - lane - (row + 1) / len(shown) * 0.9 - 0.05
                text.append(f"{x} {low:.3f}")
            text += ["-1 -1", "EOD"]
            plots.append(
                f"{block} using 1:2:(0):({0.86 / len(shown):.3f}) with vectors "
                f"nohead lw 1.3 lc rgb '{MARKS[mark][0]}'")
        if number == len(runs) - 1:
            for row, mark in enumerate(shown):
                text.append(
                    f"set label \"■ {mark}\" at screen "
                    f"{0.06 + 0.135 * row},screen {18 / total:.4f} "
                    f"font 'sans Bold,12' tc rgb '{MARKS[mark][0]}'")
            text.append(
                "set label \"The numbers: "
                + ("interrupts" if not run.traced else "IPIs and fences"
                   if has_fences(run) else "IPIs")
                + " to the CPU\" at screen 0.985,screen "
                f"{1 - 40 / total:.4f} right")
        text.append("plot " + (", ".join(plots) or "NaN"))
    text.append("unset multiplot")
    script = out / "noise.gp"
    script.write_text("\n".join(text) + "\n")
    if not shutil.which("gnuplot"):
        print("no picture: gnuplot is not installed (Debian: gnuplot-nox); "
              f"later: gnuplot {script}")
        return
    done = subprocess.run(["gnuplot", script], capture_output=True, text=True)
    if done.returncode:
        print(f"no picture: gnuplot failed on {script}: "
              + (done.stderr.strip().splitlines() or ["?"])[-1])
    else:
        print(f"picture: {out / 'noise.png'}")
