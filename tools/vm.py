# SPDX-License-Identifier: GPL-2.0
"""What noise.py and bench.py share: kernels, guest programs, QEMU."""

import os
import select
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import overlay
import run_kunit
from common import BUILD, LOGS, ROOT, Progress, die, run


@dataclass
class Arch:
    name: str
    image: str
    qemu: str
    machine: list
    append: str
    # Round-robin emulation, the CPUs that wait giving way at once, makes an
    # IPI round trip microseconds; threads that share the host's few CPUs,
    # milliseconds. (riscv's emulated pause does not give way.)
    tcg: str = "tcg,thread=single"

    @property
    def cross(self):
        return run_kunit.ARCHES[self.name].cross_compile


ARCHES = {arch.name: arch for arch in (
    Arch("x86_64", "arch/x86/boot/bzImage", "qemu-system-x86_64",
         ["-machine", "q35", "-cpu", "max", "-bios", "qboot.rom"],
         # To its watchdog an emulated clock looks unstable, whenever the host
         # was busy elsewhere; and then no tick ever stops.
         "console=ttyS0 tsc=reliable"),
    Arch("arm64", "arch/arm64/boot/Image", "qemu-system-aarch64",
         ["-machine", "virt", "-cpu", "max,pauth-impdef=on"],
         "console=ttyAMA0"),
    Arch("riscv", "arch/riscv/boot/Image", "qemu-system-riscv64",
         ["-machine", "virt", "-cpu", "rv64", "-bios", "default"],
         "console=ttyS0", tcg="tcg"),
)}


# It warns that an isolated CPU's tick is three seconds late, which on a host
# that has not run the emulated CPU for so long is the host's fault.
LATE_TICK = "sched_tick_remote"


def must(what, command, log):
    if run(what, command, log):
        die(f"{what} failed; see {log}")


# --- kernels ---

class StockKernel(run_kunit.Kunit):
    """The same kernel without us: the untouched tree, and our configuration
    less our own options."""

    def __init__(self, arch, kernel, jobs, config=""):
        self.arch, self.jobs, self.config = arch, jobs, config
        self.name = f"stock-{run_kunit.kernel_name(arch, config)}"
        self.linux = BUILD / kernel / "stock"
        self.build_dir = BUILD / kernel / self.name
        self.log = LOGS / f"{self.name}-build.log"
        merged = BUILD / kernel / f"{self.name}.config"
        self.options = [f"--arch={arch}", f"--build_dir={self.build_dir}",
                        f"--kunitconfig={merged}"]
        if not self.linux.is_dir():
            unpack_stock(kernel, self.linux)
        run_kunit.write_config(arch, config, merged, ours=False)


def unpack_stock(kernel, tree):
    unpacked = tree.with_suffix(".unpack")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    must("unpacking the stock kernel",
         ["tar", "-xJmf", f"/usr/src/linux-source-{kernel}.tar.xz", "-C",
          unpacked, "--strip-components=1"], LOGS / "stock-tree.log")
    unpacked.rename(tree)


def build_kernel(arch, kernel, jobs, stock=False, config=""):
    """Builds our kernel, or the stock one; returns it."""
    if not stock:
        overlay.tree(kernel)
    built = (StockKernel if stock else run_kunit.Kunit)(arch, kernel, jobs,
                                                        config)
    if (str(built.build_dir) not in run_kunit.just_built() and
            not built.build()):
        die(f"the kernel does not build; see {built.log}")
    return built


# --- what runs in the guest ---

def build_guest(arch, kernel, tree, program):
    """Compiles tools/guest/<program>.c with the tree's nolibc; returns the
    static binary. The uapi headers get a build directory of their own: they
    need no configured kernel."""
    out = BUILD / kernel / f"guest-{arch.name}"
    guest = ROOT / "tools" / "guest"
    nolibc = tree / "tools/include/nolibc"
    log = LOGS / f"guest-{arch.name}.log"
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "usr/include/linux/unistd.h").exists():
        must(f"kernel headers for {arch.name} guests",
             ["make", "-C", tree, f"O={out}", f"ARCH={arch.name}",
              f"--jobs={os.cpu_count()}", "headers"], log)
    binary = out / program
    sources = [guest / f"{program}.c", guest / "guest.h"]
    if not binary.exists() or any(s.stat().st_mtime > binary.stat().st_mtime
                                  for s in sources):
        must(f"{program}.c for {arch.name}",
             [f"{arch.cross}gcc", "-Os", "-Wall", "-Werror", "-static",
              "-nostdlib", "-nostdinc", "-ffreestanding",
              "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
              "-I", nolibc, "-I", out / "usr/include",
              "-include", nolibc / "nolibc.h",
              "-o", binary, sources[0], "-lgcc"], log)
    return binary


def write_initramfs(path, files):
    """Writes a newc cpio archive of files ({name: path}), with the directories
    that they are in, and of the few nodes that PID 1 needs to print and to
    mount."""
    inode = 0

    def entry(name, mode, data=b"", rdev=(0, 0)):
        nonlocal inode
        inode += 1
        name = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev,
                  len(name), 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name
        return (head + b"\0" * (-len(head) % 4) +
                data + b"\0" * (-len(data) % 4))

    with open(path, "wb") as out:
        parents = {str(parent) for name in files
                   for parent in Path(name).parents if parent.name}
        for name in sorted({"dev", "proc", "sys", *parents}):
            out.write(entry(name, 0o40755))
        out.write(entry("dev/console", 0o20600, rdev=(5, 1)))
        for name, source in files.items():
            out.write(entry(name, 0o100755, Path(source).read_bytes()))
        out.write(entry("TRAILER!!!", 0))


# --- QEMU ---

def boot(what, arch, image, initramfs, append, log, timeout, accel=None,
         cpus=4, machine="", stop=None, isolate=True, at_end=None):
    """Boots image and returns the console's lines up to the guest's "@@ bye",
    or to when stop() was true. With isolate all CPUs but the first are isolated.
    at_end() is called after "@@ bye", while the guest still runs.

    Everything goes to log. A kernel that complains, a machine that stops short
    and one that takes longer than timeout seconds are a line each, and the end.
    """
    name = run_kunit.accel(arch.name)
    accel = accel or ["-accel", arch.tcg if name == "tcg" else name]
    isolated = f"nohz_full=1-{cpus - 1}" if isolate else ""
    # No more than warnings on the console, since it is slow, and no less.
    command = [arch.qemu, *arch.machine,
               *(["-machine", machine] if machine else []),
               *accel, "-smp", str(cpus),
               "-m", f"{1 + cpus // 16}G",
               "-nodefaults", "-no-reboot", "-display", "none",
               "-serial", "stdio", "-kernel", str(image),
               "-initrd", str(initramfs), "-append",
               f"{arch.append} {isolated} kunit.enable=0 loglevel=5 "
               f"panic=-1 {append}"]
    lines, rest, splat = [], b"", None
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(what)
    result = "failed"
    with open(log, "wb") as out:
        out.write(f"$ {shlex.join(command)}\n".encode())
        out.flush()
        qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        try:
            while "@@ bye" not in lines:
                if stop and stop():
                    result = "interrupted"
                    break
                if progress.seconds() > timeout:
                    result = splat or "hung"
                    break
                progress.tick()
                if not select.select([qemu.stdout], [], [], 1)[0]:
                    continue
                data = os.read(qemu.stdout.fileno(), 65536)
                if not data:
                    result = splat or "stopped early"
                    break
                out.write(data)
                *new, rest = (rest + data).split(b"\n")
                for line in new:
                    lines.append(line.decode(errors="replace").rstrip("\r"))
                    progress.line(lines[-1])
                    found = (run_kunit.SPLAT.search(lines[-1]) and
                             LATE_TICK not in lines[-1])
                    splat = splat or found and lines[-1].strip()
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
    try:
        return boot(what, arch, image, initramfs, append, log, timeout,
                    **how), True
    except SystemExit as error:
        # Not Ctrl-C's end.
        if error.code != 1:
            raise
    text = log.read_text(errors="replace")
    return [line.rstrip("\r") for line in text.split("\n")], False
