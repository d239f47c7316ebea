# SPDX-License-Identifier: GPL-2.0
"""The kernel's own checks, on what we add and what our patches change:
checkpatch.pl and kernel-doc on the sources, sparse on each architecture's KUnit
kernel. And of the tools: shellcheck, mypy and the unit tests. The patches are for
series to check."""

import os
import re
import sys

from host import command_line, common, overlay
from host.arch import ARCHES, MACHINES
from host.checkpatch import checkpatch, output_of
from host.common import BUILD, LOGS, ROOT, die
from host.kernel import OURS, Kernel, make_variables, sources
from host.results import Tests

# Lines of findings that are shown; a log has all of them.
SHOWN = 8

# A warning of sparse's, and errors of a kind that stock code has and that do not
# stop it; after any other one it looks no further.
WARNING = re.compile(r"([^ ]+):(\d+):\d+: (.*)")
HARMLESS = re.compile(r"error: incompatible types in (comparison|conditional)")


def result(tests, name, failed, findings, figures=""):
    """A check with these findings, if it has failed."""
    log = LOGS / f"checks-{re.sub(r'[^a-z0-9_]+', '-', name)}.log"
    log.write_text(findings)
    lines = findings.splitlines()
    trouble = lines[:SHOWN]
    if len(lines) > SHOWN:
        trouble.append(f"... and {len(lines) - SHOWN} more lines in {log}")
    tests.test(name, ("\n".join(trouble) or "it failed") if failed else "",
               figures)


def lines_of_patches(linux, paths):
    """{(path, line)} of what the patches have added or changed."""
    lines = set()
    for path in paths:
        _, numbers = output_of(
            ["diff", "-N", "--old-line-format=", "--unchanged-line-format=",
             "--new-line-format=%dn\n", linux.parent / "orig" / path, path],
            linux)
        lines |= {(path, number) for number in numbers.split()}
    return lines


def our_warnings(output, linux, added, lines):
    """What sparse says, in make's output, of our files and lines; and errors."""
    for line in output.splitlines():
        line = line.removeprefix(f"{linux}/")
        while (shorter := re.sub(r"[^/.]+/\.\./", "", line, count=1)) != line:
            line = shorter
        found = WARNING.match(line)
        if found and (found[1] in added or found.group(1, 2) in lines or
                      (found[3].startswith("error: ") and
                       not HARMLESS.match(found[3]))):
            yield line


def sparse(tests, arch, kernel, added, changed, lines):
    name = f"sparse, {arch}"
    if not (kernel.build_dir / ".config").exists() and not kernel.configure():
        result(tests, name, True, f"not configured; see {kernel.log}")
        return
    files = sources(arch, changed)
    log = LOGS / f"checks-sparse-{arch}-make.log"
    log.unlink(missing_ok=True)
    # The variables are to the letter what cpuword kunit builds with, or make
    # would build all of it anew.
    status = common.run(
        name, ["make", f"-j{kernel.jobs}", f"O={kernel.build_dir.resolve()}",
               f"ARCH={arch}", *make_variables(arch, ""), "C=2",
               f"CHECK={ROOT}/tools/cpuword checks --sparse",
               "CF=-fmax-warnings=unlimited", *OURS,
               *(f"{file[:-2]}.o" for file in files)],
        log, cwd=kernel.linux)
    output = log.read_text(errors="replace")
    findings = list(our_warnings(output, kernel.linux, added, lines))
    if status:
        findings += ([line for line in output.splitlines() if "***" in line]
                     or output.splitlines()[-5:])
    # Not of another architecture, nor a user-mode program.
    files += [file for file in added if file.endswith(".c") and
              (kernel.build_dir / f"{file[:-2]}.o").exists()]
    for file in files:
        if not re.search(rf"^ *CHECK .*/{re.escape(file)}$", output, re.M):
            findings.append(f"{file}: sparse has not seen it")
    result(tests, name, status or findings, "\n".join(findings),
           f"{len(files)} files")


def sparse_alone(arguments):
    """How make gets at sparse, which dies of some extensions in -march."""
    for arch in ARCHES.values():
        if arch.sparse_drops:
            arguments = [argument.replace(arch.sparse_drops, "")
                         for argument in arguments]
    os.execvp("sparse", ["sparse", *arguments])


def check_tools(tests):
    """Our own tools."""
    scripts = [path.relative_to(ROOT)
               for path in sorted([*ROOT.glob("tools/**/*"),
                                   *ROOT.glob(".ci/*")])
               if path.is_file() and
               re.match(rb"#!.*sh\n", path.read_bytes()[:80])]
    for name, command in (
            # Notes are about words that are split on purpose.
            ("shellcheck", ["shellcheck", "--severity=warning", *scripts]),
            ("mypy", ["mypy", "--config-file=tools/mypy.ini",
                      f"--cache-dir={BUILD / 'mypy'}", "tools/host"]),
            ("unit tests", [sys.executable, "-m", "unittest", "discover",
                            "-s", "tools/tests", "-t", "tools"])):
        status, output = output_of(command)
        result(tests, name, status, output)


def main():
    if sys.argv[1:2] == ["--sparse"]:
        sparse_alone(sys.argv[2:])
    parser = command_line.parser(__doc__, MACHINES, every=True)
    parser.set_defaults(arch="all")
    args = parser.parse_args()
    arches = command_line.chosen(args.arch, MACHINES)
    overlay.tree(args.kernel)
    linux = BUILD / args.kernel / "linux"
    patches = overlay.series(args.kernel)
    added = sorted(overlay.overlay())
    changed = sorted(overlay.touched(patches) - set(added))
    if not (added and changed and patches):
        die("nothing to check")
    LOGS.mkdir(parents=True, exist_ok=True)

    tests = Tests(5 + len(arches))
    findings = "".join(checkpatch(linux, file, "-f") for file in added)
    result(tests, "checkpatch, files", findings, findings,
           f"{len(added)} files")
    code = [file for file in added if file.endswith((".c", ".h"))]
    failed, findings = output_of(
        ["perl", "scripts/kernel-doc", "-none", "-Wall", "-Werror", *code],
        linux)
    result(tests, "kernel-doc, files", failed, findings,
           f"{len(code)} files")
    lines = lines_of_patches(linux, changed)
    for arch in arches:
        sparse(tests, arch, Kernel(arch, args.kernel, args.jobs), added,
               changed, lines)
    check_tools(tests)
    return tests.end()
