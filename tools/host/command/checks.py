# SPDX-License-Identifier: GPL-2.0
"""The kernel's own checks, on what we add and what our patches change:
checkpatch.pl and kernel-doc on the sources, sparse on each architecture's KUnit
kernel. And of the tools: shellcheck, mypy and the unit tests."""

import fnmatch
import os
import re
import subprocess
import sys

from host import command_line, common, overlay
from host.arch import ARCHES, MACHINES
from host.common import BUILD, LOGS, ROOT, die
from host.kernel import Kernel, make_variables
from host.results import Tests

# Lines of findings that are shown; a log has all of them.
SHOWN = 8

# What checkpatch.pl cannot know, or what cannot be for a reason: types by
# pattern of a patch or of a path in the kernel tree. The first one counts.
IGNORED = {
    # <asm/cpufeatures.h> writes 21*32.
    "*-x86-entry.patch": "MISSING_SIGN_OFF,SPACING",
    # They are no submission: nobody signs them off.
    "*.patch": "MISSING_SIGN_OFF",
    # DEFINE_PER_CPU_ALIGNED() is not known to it.
    "kernel/cpuword/core.c": "EXPORT_SYMBOL",
    # The layout of TRACE_EVENT() in every header there.
    "include/trace/*": "OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT",
    # Macros of the assembler, which it takes for C.
    "arch/x86/entry/cpuword.h":
        "SPACING,CAMELCASE,LINE_CONTINUATIONS,LINE_SPACING",
    # <linux/nmi.h> has the watchdogs, not register_nmi_handler().
    "*/x86_entry_kunit.c": "INCLUDE_LINUX",
    "kernel/cpuword/torture/access.c": "INCLUDE_LINUX",
    # <linux/cpufeature.h> is for modules that match a CPU.
    "arch/x86/include/asm/cpuword.h": "ARCH_INCLUDE_LINUX",
    # call_usermodehelper_setup() takes a char **.
    "kernel/cpuword/kunit/usermode.c": "STATIC_CONST_CHAR_ARRAY",
    # A user-mode program has no READ_ONCE().
    "kernel/cpuword/kunit/user_spin.c": "VOLATILE",
    "*": "NONE",
}

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


def output_of(command, cwd=ROOT):
    """(exit status, what it says)"""
    proc = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    return proc.returncode, proc.stdout


def checkpatch(tests, name, linux, files, *options):
    failed, findings = False, ""
    for file in map(str, files):
        ignored = next(types for pattern, types in IGNORED.items()
                       if fnmatch.fnmatchcase(file, pattern))
        status, output = output_of(
            ["perl", "scripts/checkpatch.pl", "--strict", "--show-types",
             "--terse", "--no-summary", "--ignore", ignored, *options, file],
            linux)
        failed = failed or status != 0
        findings += output
    result(tests, name, failed, findings, f"{len(files)} files")


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
    # mm/percpu.c includes mm/percpu-vm.c.
    files = [file for file in changed
             if file.endswith(".c") and file != "mm/percpu-vm.c" and
             (not file.startswith("arch/") or
              file.startswith(f"arch/{ARCHES[arch].srcarch}/"))]
    log = LOGS / f"checks-sparse-{arch}-make.log"
    log.unlink(missing_ok=True)
    # The variables are to the letter what cpuword kunit builds with, or make
    # would build all of it anew.
    status = common.run(
        name, ["make", f"-j{kernel.jobs}", f"O={kernel.build_dir.resolve()}",
               f"ARCH={arch}", *make_variables(arch, ""), "C=2",
               f"CHECK={ROOT}/tools/cpuword checks --sparse",
               "CF=-fmax-warnings=unlimited", "kernel/cpuword/",
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

    tests = Tests(6 + len(arches))
    checkpatch(tests, "checkpatch, files", linux, added, "-f")
    checkpatch(tests, "checkpatch, patches", linux, patches)
    sources = [file for file in added if file.endswith((".c", ".h"))]
    failed, findings = output_of(
        ["perl", "scripts/kernel-doc", "-none", "-Wall", "-Werror", *sources],
        linux)
    result(tests, "kernel-doc, files", failed, findings,
           f"{len(sources)} files")
    lines = lines_of_patches(linux, changed)
    for arch in arches:
        sparse(tests, arch, Kernel(arch, args.kernel, args.jobs), added,
               changed, lines)
    check_tools(tests)
    return tests.end()
