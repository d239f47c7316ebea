# SPDX-License-Identifier: GPL-2.0
"""What the host-side tools share: paths, one-line errors, long commands."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOGS = BUILD / "log"
# Versions that there is a series of patches for, the default one first.
KERNELS = sorted((path.parent.name for path in
                  (ROOT / "patches").glob("*/series")),
                 key=lambda version: [int(n) for n in version.split(".")])
# A line at least this often, so that a CI log shows what is going on.
HEARTBEAT = 15
# What a line of ours begins with that says what is wrong.
TOOL = Path(sys.argv[0]).stem


def die(message) -> NoReturn:
    print(f"{TOOL}: {message}", file=sys.stderr)
    sys.exit(1)


@contextlib.contextmanager
def anyway():
    """Goes on after what die() has ended, which has said why; not after
    Ctrl-C's end."""
    try:
        yield
    except SystemExit as error:
        if error.code != 1:
            raise


def check_kernel(version):
    if version not in KERNELS:
        die(f"KERNEL={version} is not supported; valid: {' '.join(KERNELS)}")


def elapsed(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    return f"{minutes}m{seconds:02d}s" if minutes else f"{seconds}s"


class Progress:
    """Says what is running and for how long: one line that is rewritten on a
    terminal, a line every HEARTBEAT seconds anywhere else."""

    def __init__(self, what):
        self.what = self.now = what
        self.start = time.monotonic()
        self.tty = sys.stdout.isatty()
        self.printed = self.start
        if not self.tty:
            print(f"{what} ...", flush=True)

    def seconds(self):
        return time.monotonic() - self.start

    def tick(self):
        now = time.monotonic()
        if self.tty:
            print(f"\r\033[K{self.now} ... {elapsed(self.seconds())}",
                  end="", flush=True)
        elif now - self.printed >= HEARTBEAT:
            print(f"{self.now} ... {elapsed(self.seconds())}", flush=True)
            self.printed = now

    def part(self, part):
        """How far it is, or what it is at, goes into what is said."""
        self.now = f"{self.what}: {part}" if part else self.what

    def line(self, line):
        """A line that tells what is being done goes into what is said."""
        if line.startswith("@@ load name="):
            self.part(line.partition("=")[2])
            self.tick()

    def done(self, result):
        end = "\r\033[K" if self.tty else ""
        print(f"{end}{self.what}: {result} ({elapsed(self.seconds())})",
              flush=True)


class Console:
    """What a program prints, in lines as they come; all of it goes to a log."""

    def __init__(self, pipe, out, progress):
        self.pipe, self.out, self.progress = pipe, out, progress
        self.rest = b""

    def read(self):
        """Lines, after a second at most; None at the end."""
        self.progress.tick()
        if not select.select([self.pipe], [], [], 1)[0]:
            return []
        data = os.read(self.pipe.fileno(), 65536)
        if not data:
            return None
        self.out.write(data)
        *new, self.rest = (self.rest + data).split(b"\n")
        lines = [line.decode(errors="replace").rstrip("\r") for line in new]
        for line in lines:
            self.progress.line(line)
        return lines


def run(what, command, log, *, cwd=None, env=None, timeout=None, echo=False,
        far=None):
    """Runs command with its output in log (appended), showing progress, or
    with echo the output itself. Returns the exit status; None for a timeout.
    far() says how far it is, in words.

    The command gets a session of its own, out of Ctrl-C's reach: whatever ends
    us (that, a CI's SIGTERM, the timeout) ends it, and what it has started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(what)
    with open(log, "ab") as out:
        out.write(f"$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        proc = subprocess.Popen(command, cwd=cwd, env=env,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE if echo else out,
                                stderr=subprocess.STDOUT,
                                start_new_session=True)
        if echo:
            reader = threading.Thread(target=_tee, args=(proc.stdout, out))
            reader.start()
        status = "failed"
        try:
            while proc.poll() is None:
                if timeout and progress.seconds() > timeout:
                    status = "timed out"
                    break
                if far:
                    progress.part(far())
                if not echo:
                    progress.tick()
                try:
                    proc.wait(1)
                except subprocess.TimeoutExpired:
                    pass
            else:
                status = "failed" if proc.returncode else "done"
        finally:
            if proc.poll() is None:
                kill_tree(proc.pid)
                proc.wait()
            if echo:
                reader.join()
    progress.done(status)
    return None if status == "timed out" else proc.returncode


def must(what, command, log):
    if run(what, command, log):
        die(f"{what} failed; see {log}")


def kill_tree(root):
    # Not killpg(): user-mode Linux makes itself a session of its own.
    children: dict = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # "pid (command) state parent": the command may hold anything.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    doomed = [root]
    for pid in doomed:
        doomed += children.get(pid, [])
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _tee(pipe, out):
    for line in pipe:
        out.write(line)
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def _ended(number, _frame):
    # An ordinary exit, so that "finally" runs and nothing is left behind.
    sys.exit(128 + number)


signal.signal(signal.SIGTERM, _ended)
signal.signal(signal.SIGINT, _ended)
