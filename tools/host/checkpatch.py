# SPDX-License-Identifier: GPL-2.0
"""The kernel's checkpatch.pl, on our files and mails."""

import fnmatch
import re
import subprocess

from host.common import ROOT

# What it cannot know, or what cannot be for a reason: types by pattern of a path
# in the kernel tree. The first one counts.
IGNORED = {
    # It writes 21*32.
    "arch/x86/include/asm/cpufeatures.h": "SPACING",
    # It does not know CPUWORD_PER_CPU(DEFINE).
    "kernel/context_tracking.c": "EXPORT_SYMBOL",
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
    # One text of the tests serves two kernels.
    "kernel/cpuword/kunit/compat.h": "LINUX_VERSION_CODE,CONSTANT_COMPARISON",
    # TTBRx_EL1_CnP is arm64's name.
    "*/arm64_kunit.c": "CAMELCASE",
    # A user-mode program has no READ_ONCE().
    "kernel/cpuword/kunit/user_spin.c": "VOLATILE",
}
# A patch of its own has MAINTAINERS; the series is checked for what that lacks.
# And the tree has no history in which to look for a commit.
ALWAYS = "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID"
# "path:line: ERROR:TYPE: what", with no path in a changelog.
FINDING = re.compile(r"(.*?):\d+: [A-Z]+:([A-Z_]+):")


def output_of(command, cwd=ROOT):
    """(exit status, what it says)"""
    proc = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    return proc.returncode, proc.stdout


def ignored(line):
    """Is a line of its output a finding that does not count?"""
    found = FINDING.match(line)
    return found and found[2] in next(
        (types for pattern, types in IGNORED.items()
         if fnmatch.fnmatchcase(found[1], pattern)), "").split(",")


def checkpatch(linux, file, *options):
    """What it finds in a mail, or (-f) in a file of the kernel tree."""
    status, output = output_of(
        ["perl", "scripts/checkpatch.pl", "--strict", "--show-types", "--terse",
         "--showfile", "--no-summary", "--ignore", ALWAYS, *options, file],
        linux)
    lines = output.splitlines(True)
    # It fails for those that do not count as well.
    return ("".join(line for line in lines if not ignored(line)) or
            ("" if lines or not status else f"{file}: exit status {status}\n"))
