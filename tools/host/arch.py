# SPDX-License-Identifier: GPL-2.0
"""The architectures, by what tools/arch/<name>/arch.toml says of each. What is
not there is skipped: an architecture without a machine has nothing but KUnit,
one without counts of loads no demo."""

import importlib
import sys
import types
from dataclasses import dataclass, field, fields
from functools import cached_property

import tomllib

from host.common import BUILD, KERNELS, ROOT, die

FOLDERS = ROOT / "tools" / "arch"

# An oops ends the run at once, not at its timeout.
KERNEL_ARGS = "oops=panic panic=-1"
TRACKED = "nohz_full=1-3"


@dataclass
class Variant:
    """One way to run the KUnit suites: with another CPU model and command line,
    or (config) on a kernel with another configuration."""
    cpu: str = ""
    append: str = ""
    config: str = ""
    # Added to the machine that kunit.py asks for: QEMU merges the two.
    machine: str = ""
    # The CPUs that tests use are isolated.
    tracked: bool = True
    # TCG has no PCID and no INVPCID: without KVM it would repeat another run.
    needs_kvm: bool = False
    # Not in make test, but in make test-long.
    slow: bool = False
    # make test-long checks the danger zone of this kernel.
    zone: bool = False
    # One that make dangerzone looks at, and nobody boots.
    booted: bool = True


@dataclass
class Kunit:
    variants: dict
    # QEMU's -cpu, for variants without one of their own (none: not in QEMU), and
    # more for the command line of all of them.
    cpu: str = ""
    append: str = ""


@dataclass
class Machine:
    """QEMU, beyond what the kernel tree's qemu_configs say of it."""
    options: list = field(default_factory=list)
    append: str = ""
    # Where the emulated clock is the host's: how the kernel is told of {khz}.
    host_clock: str = ""
    # Round-robin emulation, the CPUs that wait giving way at once, makes an
    # IPI round trip microseconds; threads that share the host's few CPUs,
    # milliseconds.
    tcg: str = "tcg,thread=single"


@dataclass
class Stacks:
    """Functions in the stacks of those who send IPIs, as regular expressions."""
    # How an IPI is sent, which says nothing of why.
    plumbing: str = "$"
    # What is below an interrupt, or a system call.
    below: str = "$"
    # More functions of a source (see noise/sources.py), by its name.
    senders: dict = field(default_factory=dict)
    # What flushes because a huge page is split: at the top of the stack, and the
    # same where our kernel alone flushes for that alone.
    split: str = "$"
    our_split: str = "$"
    # What the firmware is asked for, in the order of its numbers.
    fences: list = field(default_factory=list)


@dataclass
class Noise:
    """The demo. How often each load is done, some seconds each: the times of an
    emulated machine do not matter, the number of events does."""
    counts: dict
    # At least as many that can be deferred reach each isolated CPU with deferral
    # off. Loads that are not here send none.
    expected: dict = field(default_factory=dict)
    # What may arrive with deferral on: source, and the loads it may be in, or
    # "all". Everything else is a failure.
    remains: dict = field(default_factory=dict)


@dataclass
class Bench:
    # How often each load of the demo is done, as a multiple, for a stock kernel
    # to receive thousands of IPIs.
    sources_times: int = 1
    # Has the short form, in make test.
    quick: bool = False
    # Numbers of CPUs.
    sizes: list = field(default_factory=lambda: [4, 16, 64])
    # QEMU's -machine, for that many CPUs.
    machine: str = ""
    # The functions that interrupts begin with: a regular expression.
    interrupts: str = "$"
    # Operations that send no IPI.
    no_ipi: list = field(default_factory=list)
    getpid_may_cost: float = 1.0
    # How getpid() is measured: what is added to a row's name, to the command
    # line, and whether there are isolated CPUs.
    boots: list = field(default_factory=lambda: [["", "", True]])
    # Round trips, by the function that they begin with.
    entries: dict = field(default_factory=dict)


@dataclass
class Arch:
    name: str
    # Its folder in the kernel tree's arch/.
    srcarch: str
    kunit: Kunit
    # As in cross-gcc.
    cross: str = ""
    # What sparse does not take of -march.
    sparse_drops: str = ""
    machine: Machine | None = None
    stacks: Stacks | None = None
    noise: Noise | None = None
    bench: Bench | None = None
    # Sources, without .S, of entry code that without CONFIG_CPUWORD has to be
    # the stock kernel's.
    entry_text: list = field(default_factory=list)
    # Boot parameters that no other architecture has: their values.
    parameters: dict = field(default_factory=dict)

    @property
    def folder(self):
        return FOLDERS / self.name

    def has(self, fact):
        """Is there this section of its arch.toml, or this file?"""
        if hasattr(self, fact):
            return bool(getattr(self, fact))
        return (self.folder / fact).exists()

    @property
    def variants(self):
        return self.kunit.variants

    @cached_property
    def qemu_config(self):
        """What the kernel tree knows of the machine, for its kunit.py."""
        trees = [BUILD / KERNELS[0] / name for name in ("linux", "stock")]
        tree = next((tree for tree in trees if tree.is_dir()), None)
        if not tree:
            die(f"no kernel tree in {BUILD / KERNELS[0]}; run: make tree")
        package = types.ModuleType("kernel_kunit")
        package.__path__ = [str(tree / "tools" / "testing" / "kunit")]
        sys.modules["kernel_kunit"] = package
        try:
            return importlib.import_module(
                f"kernel_kunit.qemu_configs.{self.name}").QEMU_ARCH
        except (ImportError, SystemExit):
            # Without its firmware riscv's ends the program.
            die(f"{tree} describes no machine {self.name}; is its firmware "
                f"there? run: make setup ARCH={self.name}")

    @property
    def qemu(self):
        return f"qemu-system-{self.qemu_config.qemu_arch}"

    @property
    def image(self):
        return self.qemu_config.kernel_path


SECTIONS = {"kunit": Kunit, "machine": Machine, "stacks": Stacks,
            "noise": Noise, "bench": Bench}


def made(kind, facts, where):
    """An object of a class with these facts."""
    known = {f.name for f in fields(kind)}
    for name in facts:
        if name not in known:
            die(f"{where}: there is no {name}; valid: "
                f"{' '.join(sorted(known))}")
    try:
        return kind(**facts)
    except TypeError as error:
        # What has to be there and is not.
        die(f"{where}: {str(error).partition(': ')[2] or error}")


def read(folder):
    file = folder / "arch.toml"
    where = file.relative_to(folder.parent.parent)
    try:
        facts = tomllib.loads(file.read_text())
    except FileNotFoundError:
        die(f"{where} is missing")
    except tomllib.TOMLDecodeError as error:
        die(f"{where}: {error}")
    kunit = facts.get("kunit", {})
    kunit["variants"] = {
        name: made(Variant, variant, f"{where}, variant {name}")
        for name, variant in kunit.get("variants", {}).items()}
    for name, kind in SECTIONS.items():
        if name in facts:
            facts[name] = made(kind, facts[name], f"{where}, {name}")
    arch = made(Arch, facts | {"name": folder.name}, where)
    if "default" not in arch.variants:
        die(f"{where}: there is no KUnit variant default")
    return arch


ARCHES = {folder.name: read(folder)
          for folder in sorted(FOLDERS.iterdir()) if folder.is_dir()}
# Those that QEMU boots.
MACHINES = {name: arch for name, arch in ARCHES.items() if arch.machine}
DEFAULT = "x86_64"


def having(what):
    """The machines that have this section, or this file in their folder."""
    return {name: arch for name, arch in MACHINES.items() if arch.has(what)}


def only(what):
    """The one that does: some checks are of one architecture."""
    found = list(having(what).values())
    if len(found) != 1:
        die(f"{what} is in {len(found)} folders of {FOLDERS.relative_to(ROOT)}, "
            "and has to be in one")
    return found[0]
