# SPDX-License-Identifier: GPL-2.0
"""Without CONFIG_CPUWORD nothing changes in entry code: assembles it from
the stock tree and from ours, with the configuration of the KUnit kernel less
cpuword, and compares what is in the objects."""

import difflib
import subprocess

from host import command_line, overlay
from host.arch import only
from host.common import BUILD, LOGS, die, must
from host.kernel import Kernel, StockKernel, ccache_works
from host.results import Tests

SECTIONS = [".entry.text", ".noinstr.text", ".text", ".altinstructions",
            ".altinstr_replacement"]


def assemble(kernel, out, config, objects, log):
    """Assembles the objects from a tree, in a build directory of their own."""
    out.mkdir(parents=True, exist_ok=True)
    lines = [line for line in config.read_text().splitlines(keepends=True)
             if "CPUWORD" not in line]
    (out / ".config").write_text(
        "".join([*lines, "# CONFIG_CPUWORD is not set\n"]))
    compiler = "ccache gcc" if ccache_works("gcc") else "gcc"
    make = ["make", f"-j{kernel.jobs}", "-C", kernel.linux, f"O={out}",
            f"ARCH={kernel.arch}", f"CC={compiler}", f"HOSTCC={compiler}"]
    what = f"assembling the entry code, {kernel.linux.name}"
    must(f"{what}: configuration", [*make, "olddefconfig"], log)
    must(what, [*make, *objects], log)


def contents(file):
    """Code and relocations, as lines of text; the first three name the file."""
    sections = [word for name in SECTIONS for word in ("-j", name)]
    return subprocess.run(["objdump", "-s", "-r", *sections, file], text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.splitlines()[3:]


def main():
    args = command_line.parser(__doc__).parse_args()
    overlay.tree(args.kernel)
    arch = only("entry_text")
    ours = Kernel(arch.name, args.kernel, args.jobs)
    stock = StockKernel(arch.name, args.kernel, args.jobs)
    config = ours.build_dir / ".config"
    if not config.exists() and not ours.configure():
        die("no configuration to take")
    objects = [f"{source}.o" for source in arch.entry_text]
    log = LOGS / "entry-text.log"
    log.unlink(missing_ok=True)
    folders = []
    for kernel in (stock, ours):
        folder = BUILD / args.kernel / f"entry-{kernel.linux.name}"
        assemble(kernel, folder, config, objects, log)
        folders.append(folder)
    if "CONFIG_CPUWORD=y\n" in (folders[1] / ".config").read_text():
        die(f"CONFIG_CPUWORD is still set in {folders[1]}/.config")

    tests = Tests(len(objects))
    for name in objects:
        theirs, own = (contents(folder / name) for folder in folders)
        with open(log, "a") as out:
            out.writelines(f"{line}\n" for line in difflib.unified_diff(
                theirs, own, "stock", "ours", lineterm=""))
        tests.check(name, own and own == theirs,
                    f"differs from stock's; see {log}" if own else
                    "there is nothing in it")
    return tests.end()
