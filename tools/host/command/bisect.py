# SPDX-License-Identifier: GPL-2.0
"""Builds the kernel at each patch of the series, with our configuration as far
as that kernel has the options and with CONFIG_CPUWORD=n, and runs the KUnit
suites once they are there. A patch has to build, without a warning that was not
there before it."""

import fcntl
import re

from host import command_line, common, overlay
from host.arch import ARCHES
from host.common import BUILD, LOGS, die
from host.kernel import OURS, Kernel, config_lines, sources
from host.kunit import TIMEOUT, run_variant
from host.results import Tests
from host.series import NOBODY, Series

# Of make, the compilers, Kconfig, modpost and objtool.
WARNING = re.compile(r"\bwarning: ", re.I)
# Lines of a failure that are shown; a log has all of them.
SHOWN = 5


def warnings(log):
    """The warnings in a log, without numbers of lines."""
    found = dict.fromkeys(
        re.sub(r":\d+(?=[:,]| )|\+0x[0-9a-f]+", "", line.strip())
        for line in log.read_text(errors="replace").splitlines()
        if WARNING.search(line))
    return list(found)


def errors(log):
    """Why a build has failed, in a few lines."""
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(["it does not build", *(
        [line for line in lines if re.search(r"\berror: |\*\*\*|undefined", line)]
        or lines)[:SHOWN]])


def concerns(arch, paths):
    """May a change of these paths change the kernel of this architecture?"""
    return any(not re.match(r"Documentation/|MAINTAINERS$|"
                            rf"arch/(?!{ARCHES[arch].srcarch}/)", path)
               for path in paths)


class Built(Kernel):
    """A kernel that is built at one patch after the other."""

    prefix = "bisect"

    def __init__(self, arch, version, jobs, on, files=()):
        """With files, only these are compiled, and what is ours."""
        super().__init__(arch, version, jobs)
        self.files = files
        self.on = on
        self.name = arch if on else f"{arch}, CPUWORD=n"
        folder = f"bisect-{arch}" + ("" if on else "-off")
        self.linux = BUILD / version / "bisect"
        self.build_dir = BUILD / version / folder
        self.log = LOGS / f"{folder}-build.log"

    def configure(self):
        """True if that worked. Options that are not there yet are dropped."""
        lines = config_lines(self.arch, self.version, "")
        if not self.on:
            lines["CONFIG_CPUWORD"] = "# CONFIG_CPUWORD is not set\n"
        facts = ARCHES[self.arch]
        machine = (facts.qemu_config.kconfig if facts.machine else
                   (self.linux / "tools/testing/kunit/configs/arch_uml.config")
                   .read_text())
        self.build_dir.mkdir(parents=True, exist_ok=True)
        # As in kunit.py, what we say comes after what the machine wants.
        (self.build_dir / ".config").write_text(
            f"{machine}\nCONFIG_GCC_PLUGINS=n\n" + "".join(lines.values()))
        return self.run_make("configuring", "olddefconfig")

    def run_make(self, what, *targets):
        *command, _ = self.make("")
        return common.run(f"{what} {self.build_dir.name}", [*command, *targets],
                          self.log, cwd=self.linux) == 0

    def build_step(self, log, strict):
        """Builds, and (strict) what is ours with W=1 as well; returns (what is
        wrong, the warnings)."""
        self.log = log
        log.unlink(missing_ok=True)
        ours = [folder for folder in OURS if (self.linux / folder).is_dir()]
        objects = [f"{file[:-2]}.o" for file in self.files]
        if not self.configure() or not self.run_make(
                "building", *([*objects, *ours] if objects else ["all"])):
            return errors(log), []
        found = warnings(log)
        if strict and ours:
            if not self.run_make("building with W=1", "W=1", *ours):
                return errors(log), found
            found += [line for line in warnings(log)
                      if line not in found and "cpuword" in line]
        return "", found

    def has_the_word(self):
        """Is CPUWORD on, in the configuration that was made last?"""
        return "CONFIG_CPUWORD=y\n" in (self.build_dir / ".config").read_text()


class Steps:
    """One architecture, from one patch to the next."""

    def __init__(self, arch, version, jobs, files):
        self.arch = arch
        self.on, self.off = (Built(arch, version, jobs, on, files)
                             for on in (True, False))
        # Warnings that have been there before.
        self.known = set()

    def kernels(self):
        """Those to build, in turn; the second is the first without CPUWORD."""
        yield self.on
        if self.on.has_the_word():
            yield self.off

    def start(self, log):
        """Builds what comes before the first patch."""
        for kernel in self.kernels():
            trouble, found = kernel.build_step(
                log.with_name(f"{log.name}-{kernel.build_dir.name}.log"), False)
            if trouble:
                die(f"{kernel.name} does not build before the first patch: "
                    + trouble.replace("\n", " "))
            self.known.update(found)

    def step(self, tests, name, paths, log):
        """Reports a test for each configuration."""
        if not concerns(self.arch, paths):
            for kernel in (self.on, self.off):
                tests.skip(f"{name}, {kernel.name}", "of another architecture")
            return
        strict = any(path.startswith(OURS) or path.endswith("Kconfig")
                     for path in paths)
        seen = set()
        for kernel in self.kernels():
            this = log.with_name(f"{log.name}-{kernel.build_dir.name}.log")
            trouble, found = kernel.build_step(this, strict)
            new = [line for line in found if line not in self.known]
            if not trouble and new:
                trouble = "\n".join(["new warnings", *new[:SHOWN]])
            elif not (trouble or kernel.files) and (
                    kernel.linux / OURS[1]).is_dir():
                run = run_variant(kernel, "default", TIMEOUT, False)
                trouble = "\n".join(run.trouble) if run.failed else ""
            tests.test(f"{name}, {kernel.name}",
                       trouble and f"{trouble}\nsee {this}")
            seen.update(found)
        if not self.on.has_the_word():
            tests.skip(f"{name}, {self.off.name}", "it is the same kernel")
        self.known |= seen


def main():
    parser = command_line.parser(__doc__, ARCHES, every=True)
    parser.set_defaults(arch="all")
    parser.add_argument("--from", dest="first", type=int, default=1,
                        metavar="N", help="the first patch, by its number")
    parser.add_argument("--to", dest="last", type=int, metavar="N",
                        help="the last one")
    parser.add_argument("--quick", action="store_true",
                        help="compile only what the series changes, link nothing "
                        "and run nothing")
    args = parser.parse_args()
    series = Series(args.kernel, NOBODY)
    args.last = args.last or len(series.patches)
    if not 1 <= args.first <= args.last <= len(series.patches):
        die(f"{command_line.name('from')}, {command_line.name('to')}: there are "
            f"patches 1 to {len(series.patches)}")
    overlay.tree(args.kernel)
    folder = BUILD / args.kernel / "bisect"
    logs = LOGS / "bisect"
    logs.mkdir(parents=True, exist_ok=True)
    with open(BUILD / args.kernel / ".bisect.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        series.make()
        commits = series.commits()
        stock = sorted(path for path in overlay.touched(
            patch.file for patch in series.patches) if series.stock_file(path))
        arches = [Steps(arch, args.kernel, args.jobs,
                        sources(arch, stock) if args.quick else [])
                  for arch in command_line.chosen(args.arch, ARCHES)]
        series.check_out(commits[args.first - 1], folder)
        print(f"== before patch {args.first}", flush=True)
        for arch in arches:
            arch.start(logs / f"{args.first - 1:02}")
        tests = Tests(2 * len(arches) * (args.last - args.first + 1))
        for number in range(args.first, args.last + 1):
            patch = series.patches[number - 1]
            print(f"== patch {number} of {args.last}: {patch.subject}",
                  flush=True)
            series.check_out(commits[number], folder)
            paths = patch.changes | {path for path, adder in
                                     series.adders.items() if adder is patch}
            for arch in arches:
                arch.step(tests, f"{number:02} {patch.file.stem}", paths,
                          logs / f"{number:02}")
        return tests.end()
