# SPDX-License-Identifier: GPL-2.0
"""Runs the litmus tests by herd7: docs/kernel/litmus/ under the kernel tree's
own memory model; and tools/litmus/, the same claims of the code itself, as the
compiler has it, under the models of the architectures. Each test states its
result; and what its "Weakened:" lines make of it has to show the opposite, or
the test could not fail. See docs/tools/litmus.rst."""

import concurrent.futures
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field

from host import command_line, common, litmus_asm, lookup, overlay
from host.arch import MACHINES
from host.aside import find_herd
from host.common import BUILD, LOGS, ROOT, die
from host.edit import Bad, substitute
from host.results import Tests

# Seconds of CPU time for herd7 on one test; those here take up to four.
TIMEOUT = 20
TESTS = ROOT / "docs" / "kernel" / "litmus"
COMPILED = ROOT / "tools" / "litmus"
# What runs, weakened variants included, can be looked at here.
MADE = BUILD / "litmus"

# What may be changed of the code: where it is, and how it is included.
HEADERS = {"cpuword_state.h": ("include", "linux/cpuword_state.h"),
           "word.h": ("core", "word.h"),
           "asm/cpuword.h": ("arch/{arch}/include", "asm/cpuword.h")}

# Linux runs its CPUs in one inner shareable domain.
HARMLESS = ["Flag Assuming-common-inner-shareable-domain"]
# These models take long. It is enough to look for the bad outcome, until there
# is one.
FAST = ["-optace", "true", "-speedcheck", "fast"]

OPPOSITE = {"Never": "Sometimes", "Sometimes": "Never"}
DIRECTIVE = re.compile(
    r"^ \* (?:Weakened|Strengthened): (P\d|[\w/]+\.h): (.+?) ->(?: (.*))?$",
    re.M)
RESULT = re.compile(r"^ \* Result: (Never|Sometimes)$", re.M)
# What a test is about other than loads and stores.
EVENTS = re.compile(r"^ \* Events: (\w+)$", re.M)


@dataclass
class Test:
    name: str
    text: str
    expected: str
    change: str = ""
    model: list = field(default_factory=list)
    log: str = ""
    seen: str = ""
    seconds: float = 0

    def ok(self):
        return self.seen == self.expected


def weaken(text, process, old, new):
    """text with one process changed."""
    body = re.search(rf"^(?:void |var )?{process}\(.*?^}}$", text, re.M | re.S)
    if not body:
        raise Bad(f"there is no {process}")
    changed = substitute(body[0], old, new, process)
    return text[:body.start()] + changed + text[body.end():]


def result_of(text):
    """What a test says of itself."""
    result = RESULT.search(text)
    if not result:
        raise Bad("no line 'Result: Never' or 'Result: Sometimes'")
    return result[1]


def read_test(path, model, weakened):
    """The test, and the variants that its comment asks for."""
    text = path.read_text()
    expected = result_of(text)
    if not re.match(rf"C {re.escape(path.stem)}\n", text):
        raise Bad(f"its first line is not 'C {path.stem}'")
    # Not in the variants: herd7 may read "(*" in C as the start of a comment.
    bare = re.sub(r"^\(\*\n.*?\*\)\n", "", text, count=1, flags=re.M | re.S)
    tests = []
    for suffix, (where, old, new) in changes(text, weakened):
        name = f"{path.stem}{suffix}"
        if not suffix:
            tests.append(Test(name, text, expected, model=model))
            continue
        changed = weaken(bare, where, old, new).replace(
            f"C {path.stem}\n", f"C {name}\n", 1)
        tests.append(Test(name, changed, OPPOSITE[expected],
                          f"{where}: {old} -> {new}".rstrip(), model))
    return tests


def changes(text, weakened):
    """What is to be changed in the variants of a test, itself included."""
    found = DIRECTIVE.findall(text)
    if not found:
        raise Bad("no line 'Weakened:' or 'Strengthened:'")
    if not weakened:
        found = []
    return [("", ("", "", "")),
            *((f"+{n}", change) for n, change in enumerate(found, 1))]


def read_compiled(path, compiler, weakened):
    """As read_test(), for a test that is to be compiled. A change of P1 is one
    of the test; a change of a header is one of the code itself, and if it does
    not fit, the others may still say what is wrong with the code."""
    text = path.read_text()
    result = result_of(text)
    events = EVENTS.search(text)
    model = FAST
    if events:
        if events[1] not in litmus_asm.EVENTS:
            raise Bad(f"events are {' or '.join(litmus_asm.EVENTS)}, "
                      f"not {events[1]}")
        if events[1] not in compiler.syntax.EVENTS:
            return []
        model = [*FAST, *compiler.syntax.EVENTS[events[1]]]
    tests = []
    for suffix, (where, old, new) in changes(text, weakened):
        name = f"{path.stem}{suffix}"
        expected = OPPOSITE[result] if suffix else result
        change = f"{where}: {old} -> {new}" if suffix else ""
        try:
            made = compile_test(path, name, (where, old, new), compiler)
        except Bad as error:
            tests.append(Test(f"{compiler.arch}/{name}", "", expected, change,
                              seen=str(error)))
            continue
        for kind, code in made.items():
            tests.append(Test(f"{kind}/{name}", code, expected, change, model))
    return tests


def compile_test(path, name, change, compiler):
    """{architecture and flavour: test for herd7}"""
    where, old, new = change
    text = path.read_text()
    own = MADE / f"{compiler.arch}-{name}"
    own.mkdir()
    if where in HEADERS:
        folder, included = HEADERS[where]
        code = (ROOT / folder.format(arch=compiler.arch) / included).read_text()
        header = own / included
        header.parent.mkdir(exist_ok=True)
        header.write_text(substitute(code, old, new, where))
    elif where:
        text = weaken(text, where, old, new)
    source = own / path.name
    source.write_text(text)
    events = EVENTS.search(text)
    made = {}
    for caches in compiler.caches(events and events[1]):
        file = compiler.compile(source, own, caches)
        for flavour in compiler.syntax.FLAVOURS:
            kind = "-".join(filter(None, [compiler.arch, flavour, *caches]))
            made[kind] = compiler.test(f"{kind}-{name}", text, file, flavour,
                                       caches)
    return made


def verdict(output):
    """What herd7 has seen; anything odd is said as it is."""
    complaints = [line for line in output.splitlines()
                  if re.match("Flag|Warning|Fatal", line)
                  and line not in HARMLESS]
    seen = re.search(r"^Observation \S+ (\w+) \d+ \d+$", output, re.M)
    if complaints or not seen:
        return complaints[0] if complaints else "no answer"
    # Having stopped at the first one, it has seen nothing else.
    return "Sometimes" if seen[1] == "Always" else seen[1]


def run(test, herd):
    file = MADE / f"{test.name.replace('/', '-')}.litmus"
    file.write_text(test.text)
    started = time.monotonic()
    # Not a timeout: that would depend on what else is running.
    output = subprocess.run(
        ["prlimit", f"--cpu={TIMEOUT}", *herd, *test.model, file],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True).stdout
    test.seen = verdict(output)
    test.seconds = time.monotonic() - started
    test.log = f"--- {file}\n{output}\n"
    return test


def compiled_tests(arch):
    """Those that are compiled for an architecture, by name: what all of them
    have, and what is about its own hooks."""
    own = MACHINES[arch].folder / "litmus"
    return {path.stem: path for folder in (COMPILED, own)
            for path in sorted(folder.glob("*.c"))}


def main():
    parser = command_line.parser(__doc__)
    parser.add_argument("--no-weakened", action="store_true",
                        help="only the tests as they are")
    parser.add_argument("tests", nargs="*", help="names; all by default")
    args = parser.parse_args()
    common.check_kernel(args.kernel)
    herd = find_herd()
    model_dir = BUILD / args.kernel / "linux" / "tools" / "memory-model"
    if not model_dir.is_dir():
        overlay.tree(args.kernel)
    model = ["-I", model_dir, "-conf", model_dir / "linux-kernel.cfg"]
    compilers = []
    for arch in MACHINES:
        if lookup.module(arch, "litmus"):
            compilers.append(litmus_asm.Compiler(arch, args.kernel, args.jobs))
        else:
            print(f"{arch}: skipped, tools/arch/{arch}/litmus.py is missing")

    files = {path.stem: path for path in sorted(TESTS.glob("*.litmus"))}
    compiled = {compiler.arch: compiled_tests(compiler.arch)
                for compiler in compilers}
    known = sorted({*files, *(name for tests in compiled.values()
                              for name in tests)})
    for name in args.tests:
        if name not in known:
            die(f"no test {name}; there are: {' '.join(known)}")
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.mkdir(parents=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    tests = []
    for name in args.tests or files:
        if name not in files:
            continue
        try:
            tests += read_test(files[name], model,
                               not args.no_weakened)
        except Bad as error:
            tests.append(Test(name, "", "a test", seen=str(error)))
    for compiler in compilers:
        own = compiled[compiler.arch]
        for name in args.tests or own:
            if name not in own:
                continue
            try:
                tests += read_compiled(own[name], compiler,
                                       not args.no_weakened)
            except Bad as error:
                tests.append(Test(f"{compiler.arch}/{name}", "", "a test",
                                  seen=str(error)))

    width = max(len(test.name) for test in tests)
    results = Tests(len(tests))
    results.say(f"{'test':{width}}  expected   seen       seconds")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        def start(test):
            return test if test.seen else run(test, herd)
        for test in pool.map(start, tests):
            mark = "" if test.ok() else "  FAILED"
            results.say(f"{test.name:{width}}  {test.expected:9}  "
                        f"{test.seen:9}  {test.seconds:7.2f}  {test.change}"
                        .rstrip() + mark)
            results.check(test.name, test.ok(), f"{test.expected} expected, "
                          f"seen: {test.seen}")
    (LOGS / "litmus.log").write_text("".join(test.log for test in tests))

    if results.failed:
        print(f"see {LOGS / 'litmus.log'} and {MADE}")
    return results.end()

