# SPDX-License-Identifier: GPL-2.0
"""Boots with parameters, and writes to parameters and debugfs files, that are
to be refused: no value, an empty one, white space, unknown, upper case, very
long, binary. The kernel has to survive, to keep what it had, and to name the
valid values in one line for each. And it has to say which CPUs are isolated at
run time though nothing is deferred for them."""

import errno
import re

from host import command_line, machine
from host.arch import MACHINES
from host.common import BUILD, LOGS
from host.guest import build_guest, initramfs
from host.kernel import build_kernel
from host.results import Tests

# The values of each boot parameter, of which the last is set first, and is kept;
# an architecture may have more.
PARAMETERS = {
    "track": ["isolated", "all"],
    "defer": ["off", "on"],
}
# What follows the name on the command line, {} being the value: to be refused.
BAD = ["", "=", '=" "', '="\t"', '="{} "', "=bogus", "={UPPER}", "={}x", "=1",
       "={},{}", "=" + "x" * 160, "=\x01\xe9\x7f", "=%s%n"]
# As many values tools/guest/params.c writes to the parameter that has a file.
WRITTEN = 23


def refused(lines, name, values):
    """How many lines refuse a value of the parameter and name the valid ones."""
    line = re.compile(rf"cpuword: {name}=[^\0-\x1f\x7f]{{0,160}} is not valid; "
                      rf"valid: {' '.join(values)}$")
    return sum(bool(line.search(l)) for l in lines)


def look_at_writes(tests, lines, now):
    """What became of the writes to defer, which was now; how many values it had
    to refuse."""
    written = [l.split()[2:5] for l in lines if l.startswith("@@ defer ")]
    tests.check("all values were written", len(written) == WRITTEN,
                len(written))
    bad = 0
    for what, err, after in written:
        if what in ("on", "off"):
            now = what
            tests.check(f"defer takes {what}", (err, after) == ("0", now),
                        f"errno {err}, {after}")
        elif what == "nothing":
            tests.check("a write of nothing leaves defer as it was",
                        after == now, after)
        else:
            bad += 1
            tests.check(f"defer refuses value {bad} and keeps its own",
                         (err, after) == (str(errno.EINVAL), now),
                        f"errno {err}, {after}")
    return bad


def look_at_debugfs(tests, lines, expected):
    files = set()
    for line in [l.split() for l in lines if l.startswith("@@ debugfs ")]:
        file, seen = line[2], dict(zip(line[3::2], line[4::2]))
        files.add(file)
        for what in ("write", "much"):
            if what in seen:
                tests.check(f"debugfs {file} refuses a write ({what})",
                            seen[what] == str(errno.EINVAL), seen[what])
        if "read" in seen:
            # But for the digits of what counts on meanwhile.
            whole, pieces = int(seen["read"]), int(seen["pieces"])
            tests.check(f"debugfs {file} can be read in pieces",
                        whole > 0 and abs(pieces - whole) < 32, seen)
    tests.check("debugfs has its files", files == expected, files)


def look(tests, lines, kernel, name, values):
    bad = look_at_writes(tests, lines, "on")
    wanted = len(BAD) + (bad if name == "defer" else 0)
    seen = refused(lines, name, values)
    tests.check(f"{name}: a line for each value that is refused",
                seen == wanted, f"{seen} of {wanted}")
    config = (kernel.build_dir / ".config").read_text().splitlines()
    look_at_debugfs(tests, lines, {"cpus", "quarantine"}
                    if "CONFIG_CPUWORD_QUARANTINE=y" in config else {"cpus"})
    if name == "tlbi":
        tests.check("tlbi keeps its value",
                    "@@ quarantine tlbi deferred" in lines)
    isolated = [l for l in lines if "without nohz_full=" in l]
    # With cpuword.track=all every CPU is tracked.
    tests.check("cpus that are isolated and not tracked are named",
                not isolated if name == "track" else
                len(isolated) == 1 and "CPUs 3 are" in isolated[0], isolated)


def boot(arch, kernel, name, values):
    """Boots with all bad values of a parameter; returns the console's lines."""
    value = values[-1]
    words = ["nohz_full=1-2", machine.host_clock(arch),
             f"cpuword.{name}={value}"]
    words += [f"cpuword.{name}" + bad.format(value, value, UPPER=value.upper())
              for bad in BAD]
    with initramfs(BUILD / f"params-{arch.name}.cpio", {
            "init": build_guest(arch, kernel.version, kernel.linux,
                                "params")}) as file:
        return machine.boot_anyway(
            f"{arch.name}, cpuword.{name}", arch,
            kernel.build_dir / arch.image, file, " ".join(words),
            LOGS / f"params-{arch.name}-{name}.log", 120, isolate=False)


def main():
    parser = command_line.parser(__doc__, MACHINES, every=True)
    args = parser.parse_args()
    arches = command_line.chosen(args.arch, MACHINES)
    tests = Tests(len(arches))
    for arch in arches:
        kernel = build_kernel(arch, args.kernel, args.jobs)
        parameters = PARAMETERS | MACHINES[arch].parameters
        with tests.group(arch, len(parameters)) as group:
            for name, values in parameters.items():
                with group.group(f"cpuword.{name}") as checks:
                    lines, well = boot(MACHINES[arch], kernel, name, values)
                    checks.check("the kernel survives", well)
                    if well:
                        look(checks, lines, kernel, name, values)
    return tests.end()

