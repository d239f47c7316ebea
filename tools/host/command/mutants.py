# SPDX-License-Identifier: GPL-2.0
"""Breaks the code in one place at a time, and looks whether a test notices.

Each of the faults in tools/mutants/ and tools/arch/*/ is made in a copy of the repository,
build/mutants/, with a kernel tree and builds of its own. There the level that
its entry names first has to fail, and fail by what it tests: a tool that fails
proves nothing. Before, all that is used is run as it is, and has to pass. See
docs/tools/mutants.rst."""

import difflib
import fnmatch
import re
import sys
import time
from dataclasses import dataclass, field

from host import command_line, common, overlay
from host.arch import ARCHES
from host.common import BUILD, LOGS, ROOT, die
from host.edit import Bad, substitute
from host.lookup import find
from host.results import Tests

MUTANTS = ROOT / "tools" / "mutants"
COPY = BUILD / "mutants"
# Not of the repository, or not to be copied.
APART = {".git", "build"}
PATCH = "mutant.patch"


# --- What the levels say of a fault: each returns what it has noticed ---

def of_litmus(output):
    return re.findall(r"^# (\S+) +(?:Never|Sometimes) +(Never|Sometimes) "
                      r".*FAILED$", output, re.M)


def of_model(output):
    # By names: a loop that does not end within its bounds is no property.
    return re.findall(r"^# (\S+) +(sc|tso) .* violates ([a-z ]+)  FAILED$",
                      output, re.M)


# Seconds for a boot with one suite, which takes less than a tenth. Some faults
# let it hang.
TIMEOUT = 120
# A machine that is busy may not give an emulated one its timer in time.
STARVED = "IO-APIC + timer"


def of_kunit(output):
    if "(no build)" in output or STARVED in output:
        return []
    return re.findall(r"^  ((?:failed|did not finish|the kernel reported): .*|"
                      r"crashed|stopped after .*|no test ran)$", output, re.M)


def of_dangerzone(output):
    # A test says why it has failed; a group of tests does not.
    return re.findall(r"^ *# (.*)\n *not ok ", output, re.M)


class Level:
    """A kind of test, by what it costs. A mutant names it, and what of it."""

    def __init__(self, noticed, command):
        self.noticed = noticed
        # (words of the mutant, kernel, jobs): what is run.
        self.command = command


def run_litmus(words, kernel, jobs):
    return ["litmus", f"--kernel={kernel}", f"--jobs={jobs}",
            "--no-weakened", *words]


def run_model(words, kernel, jobs):
    options = {"tso": "--memory=tso", "asm": "--config=asm"}
    return ["model", f"--jobs={jobs}", "--no-weakened", "--first",
            *([] if "tso" in words else ["--memory=sc"]),
            *([] if "asm" in words else ["--config=32"]),
            *(options.get(word, word) for word in words)]


def on_kernel(words, kernel, jobs):
    arch, _, variant = words[0].partition("/")
    return [f"--arch={arch}", f"--kernel={kernel}", f"--jobs={jobs}",
            f"--variant={variant or 'default'}"]


def run_kunit(words, kernel, jobs):
    return ["kunit", *on_kernel(words, kernel, jobs),
            f"--only={words[1]}", f"--timeout={TIMEOUT}"]


def run_um(words, kernel, jobs):
    return run_kunit(["um", *words], kernel, jobs)


def run_dangerzone(words, kernel, jobs):
    return ["dangerzone", *on_kernel(words, kernel, jobs)]


def run_mitigations(words, kernel, jobs):
    return ["mitigations", f"--kernel={kernel}", f"--jobs={jobs}",
            "--no-stock", f"--machine={words[0]}"]


# In this order they are run. A header that is changed for um, which has little
# to build, would have all that comes after built anew.
LEVELS = {
    "litmus": Level(of_litmus, run_litmus),
    "model": Level(of_model, run_model),
    "kunit": Level(of_kunit, run_kunit),
    "dangerzone": Level(of_dangerzone, run_dangerzone),
    # It says what it has found as that does.
    "mitigations": Level(of_dangerzone, run_mitigations),
    "um": Level(of_kunit, run_um),
}


# --- The mutants ---

@dataclass
class Mutant:
    name: str
    what: str
    file: str = ""
    old: list = field(default_factory=list)
    new: list = field(default_factory=list)
    # [(level, its words)], the cheapest first.
    levels: list = field(default_factory=list)
    # {path: (content, mode)}: what makes it.
    changes: dict = field(default_factory=dict)
    # What happened: how it was noticed, or what is wrong.
    killed: bool = False
    result: str = ""
    seconds: float = 0


def read_mutants(path):
    """The mutants of a file. An entry is

      name: what is wrong
        file
        - text that is there once, whatever its white space
        + text in its place
        level what of it
    """
    mutants = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.relative_to(ROOT)}:{number}"
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if line == text:
            name, colon, what = text.partition(": ")
            if not colon or " " in name:
                die(f"{where}: not 'name: what is wrong'")
            mutants.append(Mutant(name, what))
            continue
        if not mutants:
            die(f"{where}: it is of no mutant")
        mutant = mutants[-1]
        first, _, rest = text.partition(" ")
        if first == "-":
            mutant.old.append(rest)
        elif first == "+":
            mutant.new.append(rest)
        elif first in LEVELS and rest:
            mutant.levels.append((first, rest.split()))
        elif not rest and not mutant.file:
            mutant.file = text
        else:
            die(f"{where}: neither a file, nor '-', '+', {' '.join(LEVELS)}")
    for mutant in mutants:
        if not (mutant.file and mutant.old and mutant.levels):
            die(f"{path.relative_to(ROOT)}: {mutant.name} has no file, no '-' "
                "or no level")
    return mutants


def files_of(kernel):
    """The lists: the general ones by name, a version's before those that all
    versions share, and that of each architecture."""
    names = {path.name for place in ("common", kernel)
             for path in (MUTANTS / place).glob("*.mut")}
    own = [find(arch.folder, kernel, "mutants") for arch in ARCHES.values()]
    return [*(find(MUTANTS, kernel, name) for name in sorted(names)),
            *filter(None, own)]


def all_mutants(kernel):
    mutants = [mutant for path in files_of(kernel)
               for mutant in read_mutants(path)]
    names = [mutant.name for mutant in mutants]
    for name in names:
        if names.count(name) > 1:
            die(f"there are two mutants {name}")
    return mutants


# --- The copy ---

def repository(top):
    """{path: (content, mode)} of what is copied."""
    files = {}
    for path in sorted(top.iterdir()):
        if path.name in APART or overlay.LITTER.search(path.name):
            continue
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            name = file.relative_to(top)
            if file.is_file() and not any(
                    map(overlay.LITTER.search, name.parts)):
                files[str(name)] = overlay.read(file)
    return files


class Copy:
    """The copy of the repository, and of the kernel as that makes it."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.linux = COPY / "build" / kernel / "linux"
        self.series = f"patches/{kernel}/series"
        self.files = repository(ROOT)
        COPY.mkdir(parents=True, exist_ok=True)
        (COPY / "build").mkdir(exist_ok=True)
        tools = COPY / "build" / "tools"
        if not tools.is_symlink():
            tools.symlink_to(BUILD / "tools")
        self.restore()
        if self.run("the kernel tree", ["tree", f"--kernel={kernel}"],
                    "tree")[0]:
            die(f"no kernel tree; see {self.log('tree')}")

    def log(self, name):
        return LOGS / "mutants" / f"{name}.log"

    def run(self, what, command, name):
        """A tool of the copy's: its exit status and its output."""
        log = self.log(name)
        log.unlink(missing_ok=True)
        status = common.run(what, [sys.executable, COPY / "tools" / "cpuword",
                                   *command], log, cwd=COPY)
        return status, log.read_text(errors="replace")

    def restore(self):
        """Makes the copy what the repository is."""
        there = repository(COPY)
        for name in there.keys() - self.files.keys():
            overlay.write(COPY / name, None)
        for name, file in self.files.items():
            if there.get(name) != file:
                overlay.write(COPY / name, file)

    def changes(self, mutant):
        """{path: (content, mode)} of the copy's files that make the mutant."""
        ours = mutant.file in self.files
        file = (self.files[mutant.file] if ours
                else overlay.read(self.linux / mutant.file))
        if not file:
            raise Bad(f"there is no {mutant.file}")
        text = file[0].decode()
        changed = substitute(text, " ".join(mutant.old), "\n".join(mutant.new),
                             mutant.file)
        if changed == text:
            raise Bad("it changes nothing")
        if ours:
            return {mutant.file: (changed.encode(), file[1])}
        patch = "".join(difflib.unified_diff(
            text.splitlines(True), changed.splitlines(True),
            f"a/{mutant.file}", f"b/{mutant.file}"))
        series = self.files[self.series]
        return {f"patches/{self.kernel}/{PATCH}": (patch.encode(), 0o644),
                self.series: (series[0] + f"{PATCH}\n".encode(), series[1])}


# --- Runs ---

def describe(level, words):
    return " ".join([level, *words])


def control(copy, used, jobs):
    """Runs all that is used on the code as it is. Returns what has failed."""
    failed = {}
    # These are one run for all the tests that are used.
    for level, words in used:
        name = f"control-{'-'.join([level, *words])}".replace(
            "/", "-").replace("*", "")
        command = LEVELS[level].command(words, copy.kernel, jobs)
        status, _ = copy.run(f"without a fault: {describe(level, words)}",
                             command, name)
        if status:
            failed[level, *words] = f"fails without a fault: {copy.log(name)}"
            print(f"  see {copy.log(name)}", flush=True)
    return failed


def attempt(copy, mutant, level, words, jobs):
    """Has one level look at one mutant."""
    started = time.monotonic()
    try:
        for name, file in mutant.changes.items():
            overlay.write(COPY / name, file)
        status, output = copy.run(
            f"{mutant.name}: {describe(level, words)}",
            LEVELS[level].command(words, copy.kernel, jobs), mutant.name)
    finally:
        copy.restore()
    mutant.seconds = time.monotonic() - started
    noticed = [" ".join(found) if isinstance(found, tuple) else found
               for found in LEVELS[level].noticed(output)]
    if noticed:
        mutant.killed = True
        more = f" and {len(noticed) - 1} more" if len(noticed) > 1 else ""
        mutant.result = noticed[0].removeprefix("failed: ") + more
    elif status:
        mutant.result = f"ERROR: the tool failed: {copy.log(mutant.name)}"
    else:
        mutant.result = "SURVIVED"


def chosen(mutants, only, level):
    """[(mutant, level, words)], in the order in which they are run."""
    result = []
    for mutant in mutants:
        if only and not any(fnmatch.fnmatch(mutant.name, name)
                            for name in only):
            continue
        ways = [way for way in mutant.levels if level in ("", way[0])]
        if ways:
            result.append((mutant, *ways[0]))
    order = list(LEVELS)
    return sorted(result, key=lambda way: (order.index(way[1]), way[2][0]))


def show(mutants):
    width = max(len(mutant.name) for mutant, *_ in mutants)
    lines = [f"{'mutant':{width}}  level       seconds  noticed by"]
    for mutant, level, _ in mutants:
        lines.append(f"{mutant.name:{width}}  {level:10}  {mutant.seconds:7.0f}"
                     f"  {mutant.result}{'' if mutant.killed else '  FAILED'}")
    table = "\n".join(lines)
    (LOGS / "mutants" / "table").write_text(f"{table}\n")
    print(f"\n{table}")


def main():
    parser = command_line.parser(__doc__)
    parser.add_argument("--level", choices=LEVELS, default="",
                        help="those that this level is to notice, by it")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="this one; a pattern; several times for several")
    parser.add_argument("--check", action="store_true",
                        help="only see that each of them can be made")
    parser.add_argument("--no-control", action="store_true",
                        help="take for granted that the levels pass as it is")
    args = parser.parse_args()
    common.check_kernel(args.kernel)

    ways = chosen(all_mutants(args.kernel), args.only or [], args.level)
    if not ways:
        die(f"{command_line.name('only')} {command_line.name('level')}: there is no "
            "such mutant; make mutants ONLY='*' has all")
    copy = Copy(args.kernel)
    # All of them now: the kernel's files keep a fault until the next one.
    for mutant, *_ in ways:
        try:
            mutant.changes = copy.changes(mutant)
        except Bad as error:
            mutant.result = f"ERROR: {error}"
    if args.check:
        for mutant, *_ in ways:
            mutant.killed = not mutant.result
    else:
        good = [way for way in ways if not way[0].result]
        failed = {}
        if not args.no_control:
            used = dict.fromkeys((level, tuple(words))
                                 for _, level, words in good)
            failed = control(copy, used, args.jobs)
        for mutant, level, words in good:
            mutant.result = failed.get((level, *words), "")
            if not mutant.result:
                attempt(copy, mutant, level, words, args.jobs)
                print(f"  {mutant.result}", flush=True)
        show(ways)
    tests = Tests(len(ways))
    for mutant, *_ in ways:
        tests.check(mutant.name, mutant.killed, mutant.result)
    return tests.end()

