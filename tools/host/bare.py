# SPDX-License-Identifier: GPL-2.0
"""Chroots of bare Debian systems, made by debootstrap, as layers of which the
uppermost is written."""

import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

from host import common
from host.common import BUILD, LOGS, ROOT, die

CACHE = BUILD / "bare"		# what debootstrap made, and packages
WORK = CACHE / "work"		# of a run
LOG = LOGS / "setup-test.log"
TIMEOUT = 1200
PROGRESS: list[common.Progress] = []	# what is being checked


class Failed(Exception):
    pass


def log(text):
    with open(LOG, "a") as file:
        file.write(text)


def run(command):
    """Runs command, which ends when we do. Returns status, output, errors."""
    log(f"$ {shlex.join(map(str, command))}\n")
    proc = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *command],
                            text=True, errors="replace",
                            stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + TIMEOUT
    try:
        while True:
            try:
                output, errors = proc.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    raise Failed(f"{command[0]} timed out") from None
                if PROGRESS:
                    PROGRESS[-1].tick()
    finally:
        if proc.poll() is None:
            proc.kill()
            proc.wait()
    log(output + errors + f"-> {proc.returncode}\n")
    return proc.returncode, output, errors


def must(command):
    status, _, errors = run(command)
    if status:
        reason = (errors.strip().split("\n") or [""])[-1]
        raise Failed(f"{command[0]} failed: {reason}")


class System:
    """A chroot: layers that are only read, and one on top. Paths are relative
    to WORK, since a colon in one would split the list of layers."""

    def __init__(self, release, name, layers):
        self.release = release
        self.layers = layers
        self.path = Path(f"{release}-{name}")
        for part in ("top", "work", "root"):
            (self.path / part).mkdir(parents=True)
        self.root = self.path / "root"

    def __enter__(self):
        # volatile: nothing here has to survive a crash
        must(["mount", "-t", "overlay", "overlay", "-o",
              f"lowerdir={':'.join(map(str, self.layers))},volatile,"
              f"upperdir={self.path}/top,workdir={self.path}/work", self.root])
        archives = CACHE / "archives" / self.release
        archives.mkdir(parents=True, exist_ok=True)
        must(["mount", "--bind", archives,
              self.root / "var/cache/apt/archives"])
        return self

    def __exit__(self, *_):
        unmount(self.root)

    def on_top(self, name):
        """A system that starts from how this one was left."""
        return System(self.release, name, [self.path / "top", *self.layers])

    def remove(self):
        remove(self.path)

    def file(self, path, text=None, mode=0o644):
        file = self.root / path.lstrip("/")
        if text is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(mode)
        return file

    def command(self, script, user=0, network=True):
        return ["unshare", "--pid", "--fork", "--kill-child",
                f"--mount-proc={self.root}/proc",
                *([] if network else ["--net"]),
                "chroot", f"--userspec={user}:{user}", self.root,
                "/usr/bin/env", "-i", "HOME=/tmp",
                "PATH=/sim:/usr/sbin:/usr/bin:/sbin:/bin",
                "bash", "-ec", f"cd /cpuword\n{script}"]

    def sh(self, script, **how):
        status, output, errors = run(self.command(script, **how))
        if status:
            reason = (errors.strip().split("\n") or [""])[-1]
            raise Failed(f"{script.strip().split(chr(10))[0]}: {reason}")
        return output

    def setup(self, words, **how):
        return run(self.command(f"tools/setup.sh {' '.join(words)}", **how))

    def apt_install(self, *packages):
        self.sh("export DEBIAN_FRONTEND=noninteractive\napt-get update\n"
                "apt-get install -y --no-install-recommends "
                + " ".join(packages))

    def packages(self):
        """What is installed, with versions."""
        lines = self.sh("dpkg-query -W -f "
                        "'${db:Status-Status} ${binary:Package} ${Version}\\n'")
        return dict(line.split()[1:] for line in lines.splitlines()
                    if line.startswith("installed "))


def mounts(below):
    """Mount points below a path, the last one first."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4].encode().decode("unicode_escape")
                  for line in file]
    return [point for point in reversed(points)
            if Path(point).is_relative_to(below.absolute())]


def unmount(path):
    for point in mounts(path):
        subprocess.run(["umount", "--lazy", point], check=True)


def remove(path):
    unmount(path)
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def bare(release):
    """The bare system as a layer: what debootstrap makes, apt's sources, and
    this project, without lists of apt's."""
    archive, security = (
        subprocess.run([ROOT / "tools/setup.sh", "--archive", *label],
                       text=True, stdout=subprocess.PIPE).stdout.strip()
        for label in (["Debian"], ["Debian-Security", "-security"]))
    if not archive:
        die("no Debian main archive in the apt sources, or apt has not read "
            "them; run apt-get update")
    layer = Path(f"{release}-bare")
    tar = CACHE / f"{release}.tar"
    if not tar.exists():
        extra = "--include=ca-certificates" if archive.startswith("https") \
            else "--include=apt"
        must(["debootstrap", "--variant=minbase", extra, release, layer,
              archive])
        must(["tar", "-C", layer, "-cf", f"{tar}.new", "."])
        Path(f"{tar}.new").rename(tar)
        remove(layer)
    layer.mkdir()
    must(["tar", "-C", layer, "-xpf", tar])
    sources = [f"deb {archive} {suite} main\n"
               for suite in (release, f"{release}-updates")]
    if security:
        sources.append(f"deb {security} {release}-security main\n")
    (layer / "etc/apt/sources.list").write_text("".join(sources))
    # How this machine gets at its sources: proxies and the like.
    dump = subprocess.run(["apt-config", "dump"], text=True, check=True,
                          stdout=subprocess.PIPE).stdout
    settings = [line for line in dump.splitlines(keepends=True)
                if re.match(r"Acquire::(https?::|Check-)", line)]
    (layer / "etc/apt/apt.conf.d/99setup-test").write_text(
        'Acquire::Languages "none";\n' + "".join(settings))
    shutil.copy("/etc/resolv.conf", layer / "etc/resolv.conf")
    (layer / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (layer / "usr/sbin/policy-rc.d").chmod(0o755)
    for lists in (layer / "var/lib/apt/lists").glob("*_*"):
        lists.unlink()
    shutil.copytree(ROOT, layer / "cpuword", symlinks=True,
                    ignore=shutil.ignore_patterns("build", ".git",
                                                  "__pycache__"))
    return layer
