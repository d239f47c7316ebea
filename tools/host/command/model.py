# SPDX-License-Identifier: GPL-2.0
"""Checks core's own code with CBMC: all interleavings of two or three CPUs, with
an NMI at each place between two accesses to the word, sequentially consistent
and under TSO. Each of tools/model/*.c is a model; see docs/tools/model.rst. What its
"Weakened:" lines make of the code has to violate the property that they name,
or the model could not find a fault."""

import argparse
import concurrent.futures
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from host import common
from host.aside import find_cbmc
from host.common import BUILD, LOGS, ROOT, die
from host.edit import Bad, substitute
from host.results import Tests

# Seconds of CPU time for one run of CBMC; those here take less than a tenth.
TIMEOUT = 300
MODELS = ROOT / "tools" / "model"
# What is checked, weakened variants included, can be looked at here.
MADE = BUILD / "model"

# The code itself: where it is, and how it is included.
CODE = {"core.c": ("core", "core.c"),
        "word.h": ("core", "word.h"),
        "param.h": ("core", "param.h"),
        "cpuword.h": ("include", "linux/cpuword.h"),
        "cpuword_state.h": ("include", "linux/cpuword_state.h"),
        "cpuword_ct.h": ("include", "linux/cpuword_ct.h")}
# Ours, and not to be replaced by kernel.h.
OWN = re.compile(r"linux/cpuword.*|asm/cpuword\.h|asm-generic/cpuword\.h")

CONFIGS: dict[str, list[str]] = {
    "32": [],
    "64": ["-DCONFIG_64BIT"],
    "counter2": ["-DCONFIG_CPUWORD_TORTURE_COUNTER"],
    "asm": ["-DCONFIG_CPUWORD_ASM_ENTRY"],
}
MEMORY = ["sc", "tso"]

WEAKENED = re.compile(
    r"^ \* Weakened: (\w+)(?: under (\w+))?: ([\w.]+): (.+?) ->(?: (.*))?$",
    re.M)
SETTING = re.compile(r"^ \* (CPUs|Retries|Waits|NMIs|Configurations): (.+)$",
                     re.M)


class Stopped(Exception):
    """Ctrl-C, in a thread."""


@dataclass
class Check:
    """One line of the report: several runs, which differ in where NMIs land."""
    name: str
    source: Path
    include: Path
    memory: str
    config: str
    settings: dict
    # One run for each place where an NMI may land, or one run without.
    nmis: bool = True
    # The property to violate, or "" if all have to hold, or "reach".
    expect: str = ""
    change: str = ""
    seen: str = ""
    seconds: float = 0
    runs: int = 0
    log: list = field(default_factory=list)

    def ok(self):
        return self.seen == (
            f"violates {self.expect}" if self.expect not in ("", "reach")
            else "holds" if not self.expect else "all reached")


class Cbmc:
    """Runs the model checker, so that Ctrl-C leaves nothing behind."""

    def __init__(self):
        self.command = find_cbmc()
        self.lock = threading.Lock()
        self.running = set()
        self.stopped = False

    def run(self, *args):
        """Its output; in it, the last line says how it ended if not well."""
        with self.lock:
            if self.stopped:
                raise Stopped
            # Not a timeout: that would depend on what else is running.
            proc = subprocess.Popen(["prlimit", f"--cpu={TIMEOUT}",
                                     *self.command, *args], text=True,
                                    stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
            self.running.add(proc)
        output = proc.communicate()[0]
        if proc.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            output += f"\nno answer in {TIMEOUT} seconds"
        with self.lock:
            self.running.remove(proc)
            if self.stopped:
                raise Stopped
        return output

    def stop(self):
        with self.lock:
            self.stopped = True
            for proc in self.running:
                proc.kill()


def cpu_time():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stand_ins(folder):
    """Has kernel.h in place of every header that the code includes and that is
    not the code's own."""
    for where, included in CODE.values():
        file = ROOT / where / included
        for name in re.findall(r"^#\s*include <(.*)>", file.read_text(), re.M):
            if OWN.fullmatch(name):
                continue
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('#include "kernel.h"\n')


def weaken(check, where, old, new):
    """Has the check use a copy of the code, and of its model, with the only
    occurrence of old in one file replaced."""
    files = {name: (ROOT / top / included, included)
             for name, (top, included) in CODE.items()}
    files[check.source.name] = check.source, check.source.name
    if where not in files:
        raise Bad(f"{where} is none of {' '.join(files)}")
    for name, (path, included) in files.items():
        # Not in the model's comment, which has the change itself.
        comment, end, text = path.read_text().partition("*/")
        if name == where:
            text = substitute(text, old, new, where)
        copy = check.include / included
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(comment + end + text)
    check.source = check.include / check.source.name


def read_model(path, memory, configs, weakened):
    """The checks that a model asks for."""
    comment = path.read_text().partition("*/")[0]
    settings = dict(SETTING.findall(comment))
    own = settings.get("Configurations", "32").split()
    if not set(own) <= set(CONFIGS):
        raise Bad(f"its configurations are not all of {' '.join(CONFIGS)}")
    checks = []

    def add(suffix, model, config, include, **more):
        checks.append(Check(f"{path.stem}{suffix}", path, include, model,
                            config, settings, **more))

    with_nmis = settings.get("NMIs", "sc tso").split()
    any_nmis = with_nmis != ["none"]
    for config in own:
        for model in memory:
            if config in configs:
                add("", model, config, ROOT, nmis=model in with_nmis and (
                    model == "sc" or config == own[0]))
    if own[0] in configs and "sc" in memory and weakened:
        add("+0", "sc", own[0], ROOT, expect="reach", nmis=any_nmis)
    if not weakened:
        return checks
    for number, (violates, model, where, old, new) in enumerate(
            WEAKENED.findall(comment), 1):
        suffix = f"+{number}"
        include = MADE / f"{path.stem}{suffix}"
        change = f"{where}: {old} -> {new}".rstrip()
        model = model or "sc"
        if own[0] not in configs or model not in memory:
            continue
        add(suffix, model, own[0], include, expect=violates, change=change,
            nmis=any_nmis)
        try:
            weaken(checks[-1], where, old, new)
        except Bad as error:
            checks[-1].seen = str(error)
    return checks


def preprocess(check, *defines):
    """The whole program, for the model checker."""
    if check.include == ROOT:
        code = [ROOT / "core", ROOT / "include"]
    else:
        code = [check.include, ROOT / "include"]
    bits = "-m64" if check.config == "64" else "-m32"
    result = subprocess.run(
        ["gcc", "-E", bits, "-nostdinc", "-DCONFIG_CPUWORD", *CONFIGS[check.config],
         *defines, "-I", MODELS, "-I", MADE / "include",
         *(f"-I{path}" for path in code), check.source],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise Bad("does not compile: " + re.sub(
            r"[\s\S]*?(?=error:)|\n[\s\S]*", "", result.stdout, count=2))
    return result.stdout


def run(check, cbmc, name, defines, *options):
    """The output of one run."""
    source = MADE / f"{name}.i"
    source.write_text(preprocess(check, *defines))
    retries = int(check.settings.get("Retries", "0"))
    waits = int(check.settings.get("Waits", "0"))
    loops = {"cpuword_try_defer.0": retries + 1,
             "cpuword_try_pin.0": retries + 1,
             "cpuword_wait_pin.0": waits + 1,
             "cpuword_wait_pin.1": waits + 1}
    output = cbmc.run(
        source, "--mm", check.memory, "--64" if check.config == "64" else "--32",
        "--no-standard-checks", "--drop-unused-functions",
        "--unwind", "6", "--unwindset",
        ",".join(f"{loop}:{bound}" for loop, bound in loops.items()), *options)
    check.log.append(f"--- {source}\n{output}\n")
    check.runs += 1
    return output


def verdict(output):
    """(the names of what was violated, or what went wrong)."""
    if not re.search(r"^VERIFICATION (SUCCESSFUL|FAILED)$", output, re.M):
        lines = output.strip().splitlines() or ["no output"]
        return None, next((line for line in lines if "error" in line.lower()),
                          lines[-1])
    failed = re.findall(r"^\[\S+\] (?:line \d+ )?(.*): FAILURE$", output, re.M)
    return [re.sub(r"^(\w+): .*", r"\1", text) for text in failed], ""


def defines(check, *more):
    return [f"-D{name.upper()}={check.settings[name]}"
            for name in ("CPUs", "Retries", "Waits")
            if name in check.settings] + list(more)


def places(check, cbmc):
    """Where NMIs may land: see model_point()."""
    name = f"{check.name}-{check.memory}-{check.config}"
    output = run(check, cbmc, f"{name}-places", defines(check), "--program-only")
    check.log.pop()
    check.runs -= 1
    found = sorted(set(map(int, re.findall(
        r"\bplace!\S+ == (\d+)$", output, re.M))))
    if not found:
        raise Bad("no place for an NMI: "
                  + (output.strip().splitlines() or ["no output"])[-1])
    return [f"(place)=={place}" for place in found]


def part(check, cbmc, number, where, first):
    """One run of a check that has to hold: what is wrong, or nothing.  With
    first it is left out once something has been found wrong."""
    if first and check.seen:
        return ""
    started = time.monotonic()
    name = f"{check.name}-{check.memory}-{check.config}-{number}"
    output = run(check, cbmc, name,
                 defines(check, f"-DNMI_AT(place)={where}"),
                 "--unwinding-assertions")
    violated, wrong = verdict(output)
    check.seconds += time.monotonic() - started
    if violated:
        wrong = "violates " + " ".join(sorted(set(violated)))
    if first and wrong:
        check.seen = wrong
    return wrong


def violation(check, cbmc):
    """Looks for the one that is expected until there is one."""
    name = f"{check.name}-{check.memory}-{check.config}"
    for where in ["false", *(places(check, cbmc) if check.nmis else [])]:
        output = run(check, cbmc, name, defines(
            check, f"-DONLY=PROPERTY_{check.expect}",
            f"-DNMI_AT(place)={where}"))
        violated, wrong = verdict(output)
        if violated is None:
            return wrong
        if violated:
            return "violates " + " ".join(sorted(set(violated)))
    return "holds"


def reachable(check, cbmc):
    """Looks for all that is to happen in some run."""
    where = places(check, cbmc)[0] if check.nmis else "false"
    output = run(check, cbmc, check.name, defines(
        check, "-DREACH", f"-DNMI_AT(place)={where}"))
    violated, wrong = verdict(output)
    if violated is None:
        return wrong
    never = set(re.findall(r"\breached: (.*): SUCCESS$", output, re.M))
    if not check.nmis:
        never.discard("an NMI")
    if never or not violated:
        return "not reached: " + ", ".join(sorted(never) or ["anything"])
    return "all reached"


def alone(check, cbmc):
    """A check that is one task."""
    started = time.monotonic()
    try:
        look = reachable if check.expect == "reach" else violation
        check.seen = look(check, cbmc)
    except Bad as error:
        check.seen = str(error)
    check.seconds = time.monotonic() - started


def begin(check, cbmc, pool, first):
    """The tasks of a check, whose results are what is wrong."""
    if check.seen:
        return []
    if check.expect:
        return [pool.submit(alone, check, cbmc)]
    try:
        wheres = places(check, cbmc) if check.nmis else []
    except Bad as error:
        check.seen = str(error)
        return []
    return [pool.submit(part, check, cbmc, number, where, first)
            for number, where in enumerate(["false", *wheres])]


def finish(check, tasks, progress):
    """Waits for the tasks of a check."""
    for task in tasks:
        while not task.done():
            concurrent.futures.wait([task], timeout=1)
            progress.tick()
    wrong = [task.result() for task in tasks]
    if not check.seen:
        check.seen = next(filter(None, wrong), "holds")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--memory", choices=MEMORY, action="append",
                        help="sc or tso; both by default")
    parser.add_argument("--config", choices=CONFIGS, action="append",
                        help="all by default")
    parser.add_argument("--no-weakened", action="store_true",
                        help="only what has to hold")
    parser.add_argument("--first", action="store_true",
                        help="leave a check once it is seen to fail")
    parser.add_argument("models", nargs="*", metavar="model",
                        help="NAME, NAME+3 for a weakened variant, NAME+ for\n"
                             "all of that model; everything by default")
    args = parser.parse_args()
    cbmc = Cbmc()

    files = {path.stem: path for path in sorted(MODELS.glob("*.c"))}
    for name in args.models:
        if name.partition("+")[0] not in files:
            die(f"no model {name}; there are: {' '.join(files)}")
    shutil.rmtree(MADE, ignore_errors=True)
    stand_ins(MADE / "include")
    LOGS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    checks = []
    wanted = list(dict.fromkeys(
        name.partition("+")[0] for name in args.models)) or list(files)
    for name in wanted:
        try:
            checks += read_model(files[name], args.memory or MEMORY,
                                 args.config or list(CONFIGS),
                                 not args.no_weakened)
        except Bad as error:
            checks.append(Check(name, files[name], ROOT, "", "", {},
                                seen=str(error)))

    if args.models:
        checks = [check for check in checks if not {
            check.name, f"{check.source.stem}+"}.isdisjoint(args.models)]
    width = max((len(check.name) for check in checks), default=0)
    tests = Tests(len(checks))
    tests.say(f"{'model':{width}}  memory  words     runs  seconds  result")
    log = open(LOGS / "model.log", "w")
    pool = concurrent.futures.ThreadPoolExecutor(args.jobs)
    try:
        progress = common.Progress("model")
        tasks = [begin(check, cbmc, pool, args.first) for check in checks]
        for check, its in zip(checks, tasks):
            progress.now = f"model: {check.name} {check.memory} {check.config}"
            finish(check, its, progress)
            log.write("".join(check.log))
            log.flush()
            mark = "" if check.ok() else "  FAILED"
            if progress.tty:
                print("\r\033[K", end="")
            tests.say(f"{check.name:{width}}  {check.memory:6}  "
                      f"{check.config:8}  {check.runs:4}  {check.seconds:7.1f}  "
                      f"{check.seen}{check.change and ': '}{check.change}{mark}")
            tests.check("/".join(filter(None, (check.name, check.memory,
                                               check.config))),
                        check.ok(), check.seen)
    finally:
        cbmc.stop()
        pool.shutdown(cancel_futures=True)

    if tests.failed:
        print(f"see {LOGS / 'model.log'} and {MADE}")
    print(f"\nin {common.elapsed(time.monotonic() - started)}, of CPU time "
          f"{common.elapsed(cpu_time())}")
    return tests.end()

