# SPDX-License-Identifier: GPL-2.0
"""Machines: QEMU."""

import os
import re
import shlex
import subprocess
from pathlib import Path

from host.common import Console, Progress, anyway, die
from host.results import SPLAT


def accelerator(arch):
    """QEMU's accelerator. /dev/kvm can be there and yet hang the guest: KVM is
    for who asks for it, and for the host's own architecture."""
    wanted = os.environ.get("ACCEL", "tcg")
    if wanted not in ("tcg", "kvm"):
        die(f"ACCEL={wanted} is not supported; valid: tcg kvm")
    return wanted if arch == os.uname().machine else "tcg"


def host_clock(arch):
    """Tells the kernel the frequency of its clock if that is, emulated, the
    host's: on a busy host it would measure any other, and find its timer not
    working."""
    mhz = re.search(r"cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text())
    return arch.machine.host_clock.format(
        khz=f"{float(mhz[1]) * 1000:.0f}") if mhz else ""


# It warns that an isolated CPU's tick is three seconds late, which on a host
# that has not run the emulated CPU for so long is the host's fault.
LATE_TICK = "sched_tick_remote"


def boot(what, arch, image, initramfs, append, log, timeout, accel=None,
         cpus=4, machine="", stop=None, options=(), isolate=True, at_end=None):
    """Boots image and returns the console's lines up to the guest's "@@ bye",
    or to when stop() was true. With isolate all CPUs but the first are isolated.
    at_end() is called after "@@ bye", while the guest still runs.

    Everything goes to log. A kernel that complains, a machine that stops short
    and one that takes longer than timeout seconds are a line each, and the end.
    """
    name = accelerator(arch.name)
    accel = accel or ["-accel", arch.machine.tcg if name == "tcg" else name]
    isolated = f"nohz_full=1-{cpus - 1}" if isolate else ""
    # No more than warnings on the console, since it is slow, and no less.
    command = [arch.qemu, *arch.qemu_config.extra_qemu_params,
               *arch.machine.options, *options,
               *(["-machine", machine] if machine else []),
               *accel, "-smp", str(cpus),
               "-m", f"{1 + cpus // 16}G",
               "-nodefaults", "-no-reboot", "-display", "none",
               "-serial", "stdio", "-kernel", str(image),
               "-initrd", str(initramfs), "-append",
               f"{arch.qemu_config.kernel_command_line} {arch.machine.append} "
               f"{isolated} kunit.enable=0 loglevel=5 "
               f"panic=-1 {append}"]
    lines, splat = [], None
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(what)
    result = "failed"
    with open(log, "wb") as out:
        out.write(f"$ {shlex.join(command)}\n".encode())
        out.flush()
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        console = Console(qemu.stdout, out, progress)
        try:
            while "@@ bye" not in lines:
                if stop and stop():
                    result = "interrupted"
                    break
                if progress.seconds() > timeout:
                    result = splat or "hung"
                    break
                new = console.read()
                if new is None:
                    result = splat or "stopped early"
                    break
                lines += new
                for line in new:
                    found = SPLAT.search(line) and LATE_TICK not in line
                    splat = splat or found and line.strip()
            else:
                if at_end:
                    at_end()
                result = splat or "done"
        finally:
            qemu.kill()
            qemu.wait()
    progress.done(result)
    if result not in ("done", "interrupted"):
        die(f"{what}: {result}; see {log}")
    errors = [line for line in lines if line.startswith("@@ error")]
    if errors:
        die(f"{what}: {errors[0][9:]}; see {log}")
    return lines


def boot_anyway(what, arch, image, initramfs, append, log, timeout, **how):
    """As boot(), but where that is the end: returns the console's lines as far
    as they go, and whether it came to a good end. It has said if not."""
    with anyway():
        return boot(what, arch, image, initramfs, append, log, timeout,
                    **how), True
    text = log.read_text(errors="replace")
    return [line.rstrip("\r") for line in text.split("\n")], False
