# SPDX-License-Identifier: GPL-2.0
"""The architectures."""

from dataclasses import dataclass


# An oops ends the run at once, not at its timeout.
KERNEL_ARGS = "oops=panic panic=-1"
TRACKED = "nohz_full=1-3"
# More of the accesses are watched than one in 4000, as KCSAN would.
KCSAN_ARGS = "kcsan.skip_watch=200"


@dataclass
class Variant:
    """One way to run the suites of an architecture: with another CPU model and
    command line, or (config) on a kernel with another configuration."""
    cpu: str = ""
    kernel_args: str = ""
    config: str = ""
    # Added to the machine that kunit.py asks for: QEMU merges the two.
    machine: str = ""
    # The CPUs that tests use are isolated.
    tracked: bool = True
    # TCG has no PCID and no INVPCID: without KVM it would repeat another run.
    needs_kvm: bool = False
    # Not in make test, but in make test-long.
    slow: bool = False
    # One that make dangerzone looks at, and nobody boots.
    booted: bool = True


@dataclass
class Arch:
    variants: dict
    # As in cc-prefix-gcc.
    cross_compile: str = ""
    qemu: bool = True
    kernel_args: str = KERNEL_ARGS


ARCHES = {
    "um": Arch(qemu=False, kernel_args="", variants={
        "default": Variant(),
        "counter2": Variant(config="counter2", slow=True),
    }),
    # How kernel translations are flushed depends on PTI, PCID and INVPCID.
    # In emulation the clock watchdog finds the TSC unstable: no tick stops then.
    "x86_64": Arch(kernel_args=f"{KERNEL_ARGS} tsc=reliable", variants={
        "default": Variant("max"),
        "pti": Variant("max", "pti=on"),
        "nopcid": Variant("max,-pcid,-invpcid", "pti=on", needs_kvm=True),
        "noinvpcid": Variant("max,-invpcid", "nopti", needs_kvm=True),
        "track": Variant("max", "cpuword.track=all"),
        "untracked": Variant("max", "pti=on", tracked=False),
        "debug": Variant("max", config="debug", slow=True),
        "centry": Variant("max", config="centry", slow=True),
        "rt": Variant("max", config="rt", slow=True),
        "clang": Variant("max", config="clang", slow=True),
        "kasan": Variant("max", config="kasan", slow=True),
        "kcsan": Variant("max", KCSAN_ARGS, config="kcsan", slow=True),
        "distro": Variant(config="distro", slow=True, booted=False),
        "gcov": Variant(config="gcov", slow=True, booted=False),
    }),
    "arm64": Arch(cross_compile="aarch64-linux-gnu-", variants={
        "default": Variant("max,pauth-impdef=on"),
        "kpti": Variant("max,pauth-impdef=on", "kpti=1"),
        "track": Variant("max,pauth-impdef=on", "cpuword.track=all"),
        "tlbi": Variant("max,pauth-impdef=on", "cpuword.tlbi=deferred"),
        "untracked": Variant("max,pauth-impdef=on", tracked=False),
        "rt": Variant("max,pauth-impdef=on", config="rt", slow=True),
        "clang": Variant("max,pauth-impdef=on", config="clang", slow=True),
        "kasan": Variant("max,pauth-impdef=on", config="kasan", slow=True),
        "kcsan": Variant("max,pauth-impdef=on", KCSAN_ARGS, config="kcsan",
                         slow=True),
        "distro": Variant(config="distro", slow=True, booted=False),
    }),
    "riscv": Arch(cross_compile="riscv64-linux-gnu-", variants={
        "default": Variant("rv64"),
        "track": Variant("rv64", "cpuword.track=all"),
        # With an interrupt controller of its own the kernel sends IPIs where
        # otherwise it asks the firmware for remote fences.
        "aia": Variant("rv64", machine="aia=aplic-imsic"),
        "untracked": Variant("rv64", tracked=False),
        "kasan": Variant(config="kasan", slow=True, booted=False),
        "distro": Variant(config="distro", slow=True, booted=False),
    }),
}
