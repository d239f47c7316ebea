# SPDX-License-Identifier: GPL-2.0
"""The kernel's tests of itself, for selftests.py: which are run, and what they
say on the console."""

import re

# For the boot: all of the console, and the initcalls, some of which are tests;
# of KUnit's suites the one in a module below.
APPEND = ("ignore_loglevel initcall_debug kunit.enable=1 "
          "kunit.filter_glob=kprobes_test")

# Run as they are loaded, in this order: {module: (parameters, errno)}.
MODULES = {
    "test_static_key_base": ("", 0),
    "test_static_keys": ("", 0),
    "test_kprobes": ("", 0),
    "test_bpf": ("", 0),
    # All of its tests, each by all threads at a time. It never stays loaded.
    "test_vmalloc": ("nr_threads=3 test_loop_count=200 "
                     "sequential_test_order=1", 11),
}

# Boot-time tests that say nothing but a warning if they fail.
INITCALLS = "jump_label_test|test_static_call_init"

# Of each of these there has to be a test.
GROUPS = ["initcall", "ftrace", "event", "kprobes", "bpf", "vmalloc", "load",
          "unload"]

STAMP = re.compile(r"^\[ *\d+\.\d+\](\[ *\w+\])? ")
# The result may be on a later line.
TRACER = re.compile(r"Testing (event )?(.+?): ?(.*)$")
TRACER_RESULT = re.compile(r"(?:^|\W)(PASSED|OK|FAILED!)$")
TRACED = "Running tests again, along with the function tracer"

SIMPLE = [
    # The name, and the words that mean success.
    (re.compile(rf"initcall (?P<name>{INITCALLS})\+\S+ returned "
                r"(?:(?P<good>0)|-\d+) after"), "initcall/{name}"),
    (re.compile(r" *(?:(?P<good>ok)|not ok) \d+ "
                r"(?P<name>test_\w*k(?:ret)?probe\w*)$"), "kprobes/{name}"),
    (re.compile(r"test_bpf: #\d+ (?P<name>.*?) +(?:jited:[01] .*)?"
                r"(?:(?P<good>PASS)|FAIL.*)$"), "bpf/{name}"),
    # By how many there were and how many of them compiled.
    (re.compile(r"test_bpf: (?P<name>.*Summary: \d+ PASSED, "
                r"(?:(?P<good>0)|\d+) FAILED.*)"), "bpf/{name}"),
    (re.compile(r"Summary: (?P<name>\w+) passed: \d+ failed: "
                r"(?:(?P<good>0)|\d+) "), "vmalloc/{name}"),
]


def loads():
    """For the guest: modules, with their parameters."""
    for module, (parameters, _) in MODULES.items():
        yield f"{module}.ko {parameters}".strip()


def loaded(what, error):
    """The name and the exit code for "load <file> <parameters>", which ended
    with error."""
    verb, file, *_ = what.split()
    expected = MODULES[file.removesuffix(".ko")][1] if verb == "load" else 0
    return f"{verb}/{file}", 0 if error == expected else error or 1


def parse(lines):
    """{test: has it passed}, of the console's lines; passed is what was seen to
    pass each time."""
    results: dict = {}
    pending, suffix = None, ""

    def add(name, good):
        results[name] = results.get(name, True) and good

    for line in lines:
        line = STAMP.sub("", line).rstrip()
        if line == TRACED:
            suffix = ", traced"
        tracer = TRACER.match(line)
        if tracer:
            if pending:
                add(pending, False)
            event, name, line = tracer.groups()
            pending = ("event/" if event else "ftrace/") + name + suffix
        result = pending and TRACER_RESULT.search(line)
        if result:
            add(pending, result[1] != "FAILED!")
            pending = None
            continue
        for pattern, name in SIMPLE:
            match = pattern.match(line)
            if match:
                found: dict = {"good": None, **match.groupdict()}
                add(name.format(**found), found["good"] is not None)
                break
    if pending:
        add(pending, False)
    return results
