# SPDX-License-Identifier: GPL-2.0
"""Kernels: their configurations and builds."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

from host import common, overlay
from host.arch import ARCHES
from host.common import BUILD, LOGS, ROOT, die
from host.results import show_end

# An environment variable, see just_built().
BUILT = "CPUWORD_BUILT"


# Folders of ours, as targets of the kernel's Makefile.
OURS = ("kernel/cpuword/", "kernel/cpuword/kunit/", "kernel/cpuword/torture/")


def sources(arch, paths):
    """Those of the paths that are compiled for this architecture."""
    # mm/percpu.c includes mm/percpu-vm.c.
    return [path for path in paths
            if path.endswith(".c") and path != "mm/percpu-vm.c" and
            (not path.startswith("arch/") or
             path.startswith(f"arch/{ARCHES[arch].srcarch}/"))]


class Objects:
    """How far make has come, by the object files that its output names; how
    many there will be, it says when asked what it would do. It can be asked
    once it has prepared the tree, and that is when the first is compiled."""

    NAME = re.compile(r"^(?:set -e;  echo ')?  (?:CC|AS)(?: \[M\])? +"
                      r"([^/\s]\S*\.o)\b", re.M)
    # The first of these may be part of the preparation.
    EARLY = ("arch/", "scripts/", "tools/")

    def __init__(self, command, linux, log):
        self.command = command
        self.linux = linux
        self.log = log
        self.read = 0       # bytes of the log
        self.done, self.all = set(), set()
        self.answer: Any = None
        self.asked: Any = None

    def look(self):
        """What make has said since the last time, in whole lines."""
        with open(self.log, "rb") as log:
            log.seek(self.read)
            new = log.read()
        new = new[:new.rfind(b"\n") + 1]
        self.read += len(new)
        self.done.update(self.NAME.findall(new.decode(errors="replace")))

    def far(self):
        """In words, None before there is something to say."""
        self.look()
        done = self.done
        if not self.asked:
            if all(name.startswith(self.EARLY) for name in done):
                return None
            self.answer = tempfile.TemporaryFile()
            # It goes on (-k) where something is missing that is not built yet.
            # Not all, but what is compiled (/): even with -n make would link,
            # the rule for that being one with a +, while we do.
            self.asked = subprocess.Popen(
                [*self.command[:-1], "/", "-n", "-k"], cwd=self.linux,
                stdin=subprocess.DEVNULL, stdout=self.answer,
                stderr=subprocess.DEVNULL)
        if not self.all:
            if self.asked.poll() is None:
                return f"{len(done)} files"
            self.answer.seek(0)
            self.all = done | set(self.NAME.findall(
                self.answer.read().decode(errors="replace")))
        # What make finds out as it links is not among them.
        return f"{len(done & self.all)} of {len(self.all)} files"

    def close(self):
        if self.asked and self.asked.poll() is None:
            common.kill_tree(self.asked.pid)
            self.asked.wait()


def make_variables(arch, config):
    """What make is given to build a kernel, beside ARCH and O. With anything
    else it would build all of it anew."""
    prefix = ARCHES[arch].cross
    compiler = "clang" if config == "clang" else f"{prefix}gcc"
    variables = [f"CROSS_COMPILE={prefix}"] if prefix else []
    if ccache_works(compiler):
        return [*variables, f"CC=ccache {compiler}", "HOSTCC=ccache gcc"]
    return variables if config != "clang" else [*variables, f"CC={compiler}"]


def config_files(arch, version, config):
    """The configuration of a kernel, in parts."""
    shared, own = ROOT / "kunit", ARCHES[arch].folder / "kunit"
    # User-mode Linux has no SMP, and little else of what .kunitconfig asks
    # for (which kunit.py insists on): its configuration stands alone.
    files = [shared / ".kunitconfig"] if ARCHES[arch].machine else []
    files += [own / "config", own / f"config-{version}"]
    if config:
        # The second is what only one architecture has of it.
        files += [shared / "configs" / f"variant-{config}.config",
                  own / f"variant-{config}.config"]
    return [file for file in files if file.is_file()]


def config_lines(arch, version, config, ours=True):
    """{option: line} of a kernel's configuration, all parts in one: a later part
    may change what an earlier one says. Without our own options, which a kernel
    that is not ours does not know."""
    lines = {}
    for part in config_files(arch, version, config):
        for line in part.read_text().splitlines():
            option = re.match(r"(?:# )?(CONFIG_\w+)[= ]", line)
            if option and (ours or
                           not option[1].startswith("CONFIG_CPUWORD")):
                lines[option[1]] = f"{line}\n"
    return lines


def write_config(arch, version, config, file, ours=True):
    """Writes it for kunit.py, which takes two values of an option for a mistake,
    and refuses what it does not find."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(config_lines(arch, version, config,
                                         ours).values()))


def kernel_name(arch, config):
    """Of the kernel with this configuration, in names of files."""
    return f"{arch}-{config}" if config else arch


class Kernel:
    """The kernel with our suites built in for one architecture (and one
    configuration, if not the default one)."""

    # Not the stock kernel.
    ours = True
    # Of the logs of its KUnit runs.
    prefix = "kunit"

    def __init__(self, arch, kernel, jobs, config=""):
        self.arch, self.version = arch, kernel
        self.jobs, self.config = jobs, config
        name = kernel_name(arch, config)
        self.name = name if self.ours else f"stock-{name}"
        folder = f"kunit-{name}" if self.ours else self.name
        self.linux = BUILD / kernel / ("linux" if self.ours else "stock")
        self.build_dir = BUILD / kernel / folder
        self.log = LOGS / f"{folder}-build.log"
        self.merged = BUILD / kernel / f"{folder}.config"
        write_config(arch, kernel, config, self.merged, self.ours)

    @property
    def options(self):
        """What every command of kunit.py's is given."""
        return [f"--arch={self.arch}", f"--build_dir={self.build_dir}",
                f"--kunitconfig={self.merged}"]

    def kunit_py(self, what, command, options, log, **kwargs):
        # kunit.py's output reaches us as it comes, not when a buffer is full.
        return common.run(what, [
            sys.executable, "tools/testing/kunit/kunit.py", command,
            *self.options, *options], log, cwd=self.linux,
            env={**os.environ, "PYTHONUNBUFFERED": "1"}, **kwargs)

    def configure(self):
        """True if that worked."""
        self.log.unlink(missing_ok=True)
        self.build_dir.mkdir(parents=True, exist_ok=True)
        # Without it kunit.py configures anew, with what the tree now asks for.
        (self.build_dir / "last_used_kunitconfig").unlink(missing_ok=True)
        # GCC plugins, on by default where their headers are, defeat ccache.
        if self.kunit_py(f"configuring {self.build_dir.name}", "config", [
                "--kconfig_add=CONFIG_GCC_PLUGINS=n",
                *(f"--make_options={variable}"
                  for variable in make_variables(self.arch, self.config))],
                self.log) == 0:
            return True
        show_end(self.log)
        return False

    def make(self, target):
        """The command that makes a target of the kernel's."""
        return ["make", f"ARCH={self.arch}", f"O={self.build_dir}",
                f"--jobs={self.jobs}",
                *make_variables(self.arch, self.config), target]

    def compile(self, file):
        """Configures, and compiles one object file and what is generated
        before it; True if that worked."""
        if not self.configure():
            return False
        if common.run(f"compiling {file} in {self.build_dir.name}",
                      self.make(file), self.log, cwd=self.linux) == 0:
            return True
        show_end(self.log)
        return False

    def build(self):
        """Configures and builds; True if that worked."""
        started = time.monotonic()
        built = False
        if self.configure():
            # kunit.py's "build" would keep to itself what make says.
            objects = Objects(self.make("all"), self.linux, self.log)
            try:
                built = common.run(f"building {self.build_dir.name}",
                                   objects.command, self.log, cwd=self.linux,
                                   far=objects.far) == 0
            finally:
                objects.close()
            if not built:
                show_end(self.log)
        self.seconds = time.monotonic() - started
        return built


@functools.cache
def ccache_works(compiler):
    """Not where it cannot write its cache, for one."""
    if not shutil.which("ccache"):
        return False
    with tempfile.TemporaryDirectory() as scratch:
        return subprocess.run(
            ["ccache", *compiler.split(), "-c", "-x", "c", "/dev/null", "-o",
             f"{scratch}/x.o"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL).returncode == 0


def just_built():
    """Where make test, which started us, has built kernels from the tree as
    it is: make takes a while to find out that there is nothing to do."""
    return os.environ.get(BUILT, "").split(os.pathsep)


class StockKernel(Kernel):
    """The same kernel without us: the untouched tree, and our configuration
    less our own options."""

    ours = False

    def __init__(self, arch, kernel, jobs, config=""):
        super().__init__(arch, kernel, jobs, config)
        if not self.linux.is_dir():
            unpack_stock(kernel, self.linux)


def unpack_stock(kernel, tree):
    unpacked = tree.with_suffix(".unpack")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    overlay.untar(overlay.tarball(kernel), unpacked,
                  LOGS / "stock-tree.log")
    unpacked.rename(tree)


def build_kernel(arch, kernel, jobs, stock=False, config=""):
    """Builds our kernel, or the stock one; returns it."""
    if not stock:
        overlay.tree(kernel)
    built = (StockKernel if stock else Kernel)(arch, kernel, jobs, config)
    if str(built.build_dir) not in just_built() and not built.build():
        die(f"the kernel does not build; see {built.log}")
    return built
