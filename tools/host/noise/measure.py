# SPDX-License-Identifier: GPL-2.0
"""Runs of tools/guest/noise/, in a guest or on the machine we are on."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from host.arch import MACHINES
from host.common import BUILD, LOGS, Console, Progress, die
from host.guest import build_guest, sources, write_initramfs
from host.machine import boot
from host.noise.trace import Run

# Seconds that one boot may take.
TIMEOUT = 600

# What the loads are, and how often each is done in a guest: some seconds each.
# The times of an emulated machine do not matter, the number of events does.
LOADS = {
    "static-key": "the sched_switch tracepoint on and off",
    "vmalloc": "16 MB mapped and unmapped",
    "module": "a module loaded and unloaded",
    "bpf": "a socket filter attached and freed, with the JIT",
    "setmem": "a socket filter attached and freed, without the JIT",
    "kprobe": "four kprobes defined, enabled, disabled and removed",
    "ftrace": "the function tracer on and off",
    "percpu": "16 BPF maps of 128 KB a CPU made and freed",
    "idle": "nothing, 10 ms",
}

DEFAULT_LOADS = [name for name in LOADS if name != "idle"]

class Interrupt:
    """Ctrl-C ends a measurement, and what there is is reported; a second one
    ends that, too."""

    def __init__(self):
        self.seen = False
        self.then = lambda: None
        signal.signal(signal.SIGINT, self.handle)
        signal.signal(signal.SIGTERM, self.handle)

    def handle(self, number, _frame):
        if self.seen:
            sys.exit(128 + number)
        self.seen = True
        self.then()

    def __call__(self):
        return self.seen


def measure(built, title, append="", loads=None, cpus=4, machine="", stop=None,
            threshold=20, timeout=TIMEOUT, accel=None):
    """Boots the kernel that build_kernel() returned, with loads ({name: how
    often}), on so many CPUs of which all but CPU 0 are isolated."""
    arch = MACHINES[built.arch]
    loads = loads or arch.noise.counts
    program = build_guest(arch, built.version, built.linux, "noise")
    initramfs = program.with_suffix(f".{built.name}.cpio")
    files = {"init": program}
    modules = {}
    for name, file in (("module", "test_module.ko"),
                       ("vmalloc", "test_vmalloc.ko")):
        if (built.build_dir / "lib" / file).exists():
            files[file] = built.build_dir / "lib" / file
            modules[name] = f"/{file}"
    write_initramfs(initramfs, files)
    words = [f"loads={','.join(f'{k}:{v}' for k, v in loads.items())}",
             f"threshold={threshold}"]
    words += [f"{name}={path}" for name, path in modules.items()]
    log = LOGS / f"noise-{built.arch}-{cpus}-{title}.log"
    run = Run(boot(f"{built.arch}, {title}", arch, built.build_dir / arch.image,
                   initramfs, f"{' '.join(words)} {append}".strip(), log,
                   timeout, cpus=cpus, machine=machine, stop=stop, accel=accel),
              log)
    if run.lost:
        die(f"trace events were lost; see {log}")
    if not run.isolated or (
            set(loads) - set(run.loads) - set(run.skipped) and
            not (stop and stop())):
        die(f"the guest's output is incomplete; see {log}")
    run.interrupted = bool(stop and stop())
    return run


def build_here():
    """The program for this machine, with its compiler and libc."""
    program = BUILD / "noise" / "noise"
    program.parent.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"

    def cc(*arguments):
        try:
            return subprocess.run([*compiler.split(), *map(str, arguments)],
                                  capture_output=True, text=True)
        except FileNotFoundError:
            die(f"there is no C compiler: {compiler}")

    # The compiler knows better than uname what it compiles for.
    target = cc("-dumpmachine").stdout.partition("-")[0].strip()
    arch = next((arch for arch in MACHINES.values()
                 if (arch.cross or arch.name).partition("-")[0] == target), None)
    if not arch:
        die(f"{compiler} is for {target or 'an unknown machine'}; valid: "
            + " ".join(MACHINES))
    # Static, if it can be: then it also runs on another machine.
    program_sources, _ = sources(arch, "noise")
    statically: list = ["-static"]
    for option in (statically, []):
        done = cc("-O2", "-Wall", "-D_GNU_SOURCE", *option, "-o", program,
                  *program_sources)
        if done.returncode == 0:
            return program
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    die("tools/guest/noise does not compile: " + (errors or ["?"])[0])

# Modules that depend on nothing and do nothing by themselves.
HARMLESS = {"test_module": "", "crc7": "", "cordic": "", "ts_kmp": "",
            "dummy": "numdummies=0"}


def module_path(name):
    """The file of a module that is not loaded, and needs no other."""
    def ask(*what):
        try:
            done = subprocess.run(["modinfo", *what, name], text=True,
                                  capture_output=True)
        except FileNotFoundError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    if Path("/sys/module", name.replace("-", "_")).exists():
        return ""
    path = ask("-n")
    return path if path.startswith("/") and not ask("-F", "depends") else ""


def parameters(args, loads):
    words = [f"loads={','.join(loads)}", f"threshold={args.threshold}"]
    if args.count:
        words[0] = "loads=" + ",".join(f"{n}:{args.count}" for n in loads)
    else:
        words.append(f"seconds={args.seconds}")
    if args.cpus:
        words.append(f"cpus={args.cpus}")
    if args.module:
        words.append(f"module={args.module}")
    else:
        name = next((n for n in HARMLESS if module_path(n)), None)
        if name:
            words += [f"module={module_path(name)}",
                      f"module_args={HARMLESS[name]}"]
    if module_path("test_vmalloc"):
        words.append(f"vmalloc={module_path('test_vmalloc')}")
    return words


def measure_here(args, loads, interrupt):
    if os.geteuid():
        die("measuring needs root")
    command = [str(build_here()), *parameters(args, loads)]
    log = LOGS / "noise.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # In a session of its own, out of Ctrl-C's reach: it is told to end, and
    # prints what it has.
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               start_new_session=True)
    interrupt.then = program.terminate
    progress = Progress("measuring")
    lines = []
    try:
        with open(log, "wb") as out:
            console = Console(program.stdout, out, progress)
            while (new := console.read()) is not None:
                lines += new
    finally:
        if program.poll() is None:
            program.terminate()
            program.wait()
    progress.done("interrupted" if interrupt() else "done")
    errors = [line[9:] for line in lines if line.startswith("@@ error")]
    run = Run(lines, log)
    if errors and not run.loads:
        die(errors[0])
    for error in errors:
        print(f"noise: {error}")
    if "@@ bye" not in lines:
        die(f"the program ended early; see {log}")
    return run
