#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the litmus tests of docs/litmus/ by herd7, under the kernel tree's own
memory model. Each test states its result; and what its "Weakened:" lines make
of it has to show the opposite, or the test could not fail. See
docs/litmus/README."""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

import common
import overlay
from common import BUILD, LOGS, ROOT, die

# Seconds for herd7 on one test; those here take less than one.
TIMEOUT = 60
TESTS = ROOT / "docs" / "litmus"
# What runs, weakened variants included, can be looked at here.
MADE = BUILD / "litmus"

OPPOSITE = {"Never": "Sometimes", "Sometimes": "Never"}
DIRECTIVE = re.compile(
    r"^ \* (?:Weakened|Strengthened): (P\d): (.+?) ->(?: (.*))?$", re.M)


class Bad(Exception):
    """A test that cannot be run as it is written."""


@dataclass
class Test:
    name: str
    text: str
    expected: str
    change: str = ""
    log: str = ""
    seen: str = ""
    seconds: float = 0

    def ok(self):
        return self.seen == self.expected


def find_herd():
    """The command that runs herd7: the one in PATH, or that of setup.sh."""
    own = BUILD / "tools" / "herd"
    if shutil.which("herd7"):
        return ["herd7"]
    if (own / "usr/bin/herd7").exists():
        return [own / "usr/lib64/ld-linux-x86-64.so.2", "--library-path",
                own / "usr/lib/x86_64-linux-gnu", own / "usr/bin/herd7",
                "-set-libdir", own / "usr/share/herdtools7/herd"]
    die("no herd7; run: tools/setup.sh litmus")


def loosely(text):
    """A pattern for text, whatever its white space."""
    return r"\s+".join(map(re.escape, text.split()))


def substitute(text, old, new, where):
    """text with its only occurrence of old replaced."""
    result, count = re.subn(loosely(old), lambda _: new, text)
    if count != 1:
        raise Bad(f"'{old}' is {count} times in {where}")
    return result


def weaken(text, process, old, new):
    """text with one process changed."""
    body = re.search(rf"^{process}\(.*?^}}$", text, re.M | re.S)
    if not body:
        raise Bad(f"there is no {process}")
    changed = substitute(body[0], old, new, process)
    return text[:body.start()] + changed + text[body.end():]


def read_test(path):
    """The test, and the variants that its comment asks for."""
    text = path.read_text()
    result = re.search(r"^ \* Result: (Never|Sometimes)$", text, re.M)
    if not result:
        raise Bad("no line 'Result: Never' or 'Result: Sometimes'")
    if not re.match(rf"C {re.escape(path.stem)}\n", text):
        raise Bad(f"its first line is not 'C {path.stem}'")
    expected = result[1]
    tests = [Test(path.stem, text, expected)]
    # Not in the variants: herd7 may read "(*" in C as the start of a comment.
    bare = re.sub(r"^\(\*\n.*?\*\)\n", "", text, count=1, flags=re.M | re.S)
    for process, old, new in DIRECTIVE.findall(text):
        tests.append(Test(
            f"{path.stem}+{len(tests)}",
            weaken(bare, process, old, new).replace(
                f"C {path.stem}\n", f"C {path.stem}+{len(tests)}\n", 1),
            OPPOSITE[expected], f"{process}: {old} -> {new}".rstrip()))
    if len(tests) == 1:
        raise Bad("no line 'Weakened:' or 'Strengthened:'")
    return tests


def verdict(output):
    """What herd7 has seen; anything odd is said as it is."""
    flag = re.search(r"^Flag .*", output, re.M)
    if flag:
        return flag[0]
    seen = re.search(r"^Observation \S+ (\w+) ", output, re.M)
    complaint = re.search(r"^(Warning|Fatal).*", output, re.M)
    if complaint or not seen:
        return complaint[0] if complaint else "no answer"
    return seen[1]


def run(test, herd, model):
    file = MADE / f"{test.name}.litmus"
    file.write_text(test.text)
    started = time.monotonic()
    try:
        output = subprocess.run(
            [*herd, *model, file], stdin=subprocess.DEVNULL, timeout=TIMEOUT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        test.seen = verdict(output)
    except subprocess.TimeoutExpired:
        output = ""
        test.seen = f"no answer in {TIMEOUT} seconds"
    test.seconds = time.monotonic() - started
    test.log = f"--- {file}\n{output}\n"
    return test


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kernel", default=common.KERNELS[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("tests", nargs="*", help="names; all by default")
    args = parser.parse_args()
    common.check_kernel(args.kernel)
    model_dir = BUILD / args.kernel / "linux" / "tools" / "memory-model"
    if not model_dir.is_dir():
        overlay.tree(args.kernel)
    model = ["-I", model_dir, "-conf", model_dir / "linux-kernel.cfg"]
    herd = find_herd()

    files = {path.stem: path for path in sorted(TESTS.glob("*.litmus"))}
    for name in args.tests:
        if name not in files:
            die(f"no test {name}; there are: {' '.join(files)}")
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.mkdir(parents=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    tests = []
    for name in args.tests or files:
        try:
            tests += read_test(files[name])
        except Bad as error:
            tests.append(Test(name, "", "a test", seen=str(error)))

    width = max(len(test.name) for test in tests)
    print(f"{'test':{width}}  expected   seen       seconds")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        def start(test):
            return test if test.seen else run(test, herd, model)
        for test in pool.map(start, tests):
            mark = "" if test.ok() else "  FAILED"
            print(f"{test.name:{width}}  {test.expected:9}  {test.seen:9}  "
                  f"{test.seconds:7.2f}  {test.change}".rstrip() + mark,
                  flush=True)
    (LOGS / "litmus.log").write_text("".join(test.log for test in tests))

    failed = sum(not test.ok() for test in tests)
    if failed:
        print(f"see {LOGS / 'litmus.log'} and {MADE}")
    print(f"\n{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not tests else 0)


if __name__ == "__main__":
    main()
