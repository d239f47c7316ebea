# SPDX-License-Identifier: GPL-2.0
"""Does tools/setup.sh do what the Makefile's targets rely on? Tries it, as
root, in chroots of bare Debian systems, made by debootstrap from the machine's
own apt sources: each target as the first one, each after any other, and on
systems that are not as bare or not as well. docs/tools/setup.rst says what is
simulated."""

import argparse
import fcntl
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field

from host import common
from host.arch import ARCHES
from host.bare import (CACHE, LOG, PROGRESS, WORK, Failed, System, bare, log,
                       must, remove)
from host.common import KERNELS, LOGS, ROOT, die
from host.results import Tests

RELEASES = ["bookworm", "trixie"]
PRIVATE = "CPUWORD_SETUP_TEST_MOUNTS"
NOBODY = 65534

# What has to start after "tools/setup.sh <word>", by shell.
KERNEL = r"""
for tool in make flex bison bc cpio kmod patch perl ccache sparse tar xz gcc \
	    python3 gnuplot; do
	$tool --version
done
printf '#include <%s>\n' stdio.h gelf.h openssl/ssl.h >/tmp/build.c
echo 'int main(void) { return puts("built") < 0; }' >>/tmp/build.c
gcc /tmp/build.c -lelf -lcrypto -o /tmp/build
/tmp/build
/usr/bin/python3 -c "import elftools"
"""
QEMU = r"""
version=$(qemu-system-%s --version | sed -n 's/.* version \([0-9.]*\).*/\1/p')
printf '%%s\n' 8.1 "$version" | sort --check --version-sort
echo quit | qemu-system-%s -machine %s -accel tcg -S -nodefaults -display none -monitor stdio
"""
CROSS = r"""
echo 'int f(void) { return 0; }' | %sgcc -x c -c - -o /tmp/cross.o
"""
SOURCE = r"""
PYTHONPATH=tools python3 -c '
from host import overlay
print(overlay.tarball("%s"))' | xargs xz --list
"""
TOOL = r"""
PYTHONPATH=tools python3 -c '
import subprocess
from host import aside
subprocess.run([*aside.%s(), "%s"], check=True)'
"""


def starts_of(arch):
    """The same of an architecture."""
    text = KERNEL
    packages = (arch.folder / "packages").read_text()
    qemu = re.search(r"^qemu (\S+)", packages, re.M)
    if qemu:
        # kunit.py knows what machine it is that has KUnit alone.
        options = arch.machine.options if arch.machine else ["-machine", "none"]
        kind = dict(zip(options, options[1:])).get("-machine", "virt")
        text += QEMU % (qemu[1], qemu[1], kind)
    if arch.cross:
        text += CROSS % arch.cross
    return text


# Kernels whose source is unpacked aside.
OTHERS = [version for version in KERNELS
          if (ROOT / "patches" / version / "source").exists()]
STARTS = {
    **{name: starts_of(arch) for name, arch in ARCHES.items()},
    **{version: "" if version in OTHERS else SOURCE % version
       for version in KERNELS},
    "checks": "shellcheck --version; mypy --version",
    "litmus": "",
    "model": "gcc --version",
    "noise": "gcc --version; python3 --version; gnuplot --version",
    "apply": "python3 --version; patch --version",
    "selftests": r"""
echo '#include <stdio.h>
int main(void) { return puts("built") < 0; }' | gcc -m32 -x c - -o /tmp/build
/tmp/build
""",
    "series": "git --version",
}

ASIDE = {
    **{version: SOURCE % version for version in OTHERS},
    "litmus": TOOL % ("find_herd", "-version"),
    "model": TOOL % ("find_cbmc", "--version"),
}

# In front of apt-get, it lets setup.sh ask what it likes, but installs nothing
# and notes what would have been. Lists are read once: they are there.
SIMULATE = r"""#!/bin/bash
set -o pipefail
case " $* " in
*" -s "*) ;;
*" install "*)
	/usr/bin/apt-get -s "$@" | tee -a /tmp/plan
	exit ;;
*" update "*Dir::Etc::sourcelist=*)
	[ -e /sim/updated ] || /usr/bin/apt-get "$@" && touch /sim/updated
	exit ;;
*" update "*)
	exit ;;
esac
exec /usr/bin/apt-get "$@"
"""


@dataclass
class Target:
    """What the Makefile has setup.sh do, and for what."""
    words: tuple
    names: list = field(default_factory=list)
    tools: set = field(default_factory=set)

    def __str__(self):
        return " ".join(self.words)

    def starts(self, aside=True):
        """What has to start, as pieces of shell, each once."""
        return dict.fromkeys([
            *(STARTS[word] for word in self.words),
            *(ASIDE.get(word, "") for word in self.words if aside),
            *(f"{tool} --help" for tool in sorted(self.tools))])


def targets():
    """All sets of arguments that the Makefile gives setup.sh."""
    names = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(),
                       re.MULTILINE)
    found: dict = {}
    for name in names:
        variables = ["", *(f"ARCH={arch}" for arch in [*ARCHES, "all"])]
        if name == "tree":
            variables += [f"KERNEL={version}" for version in KERNELS]
        for variable in variables:
            make = subprocess.run(
                ["make", "-n", name, *variable.split()],
                cwd=ROOT, text=True, capture_output=True)
            if make.returncode:		# ARCH is not valid for this one
                continue
            match = re.search(r"^tools/setup\.sh(.*)$", make.stdout, re.M)
            if not match:
                continue
            words = tuple(match[1].split())
            target = found.setdefault(frozenset(words), Target(words))
            target.names.append(
                f"{name} {variable.partition('=')[2]}".strip())
            target.tools.update(re.findall(r"^(tools/cpuword [\w-]+)", make.stdout,
                                           re.M))
            for word in words:
                if word not in STARTS:
                    die(f"make {name}: nothing says what has to start after "
                        f"'setup.sh {word}'; add it to STARTS")
    return list(found.values())


# --- what has to be so ---

def one_line(errors):
    lines = errors.strip().split("\n")
    if len(lines) != 1 or not lines[0].startswith("setup: "):
        raise Failed(f"errors are not one line: {errors.strip()}")
    return lines[0]


def one_version(packages):
    """Of QEMU; those that were only built again (+b1) are of the same one."""
    qemu = {name: re.sub(r"\+b\d+$", "", version)
            for name, version in packages.items()
            if name.startswith("qemu-system-")}
    if len(set(qemu.values())) > 1:
        raise Failed(f"QEMU's packages are of several versions: {qemu}")


def works(system, target, **how):
    """setup.sh goes to its end, and then all that it promises starts."""
    before = system.packages()
    status, output, errors = system.setup(target.words, **how)
    if status or errors:
        raise Failed(f"setup.sh {target}: {errors.strip() or status}")
    after = system.packages()
    one_version(after)
    if system.sh("dpkg --audit; apt-get check >/dev/null"):
        raise Failed("dpkg --audit finds something")
    if before.keys() - after.keys():
        raise Failed(f"setup.sh {target} removed "
                     f"{' '.join(before.keys() - after.keys())}")
    system.sh("\n".join(target.starts()))
    if system.setup(target.words) != (0, "", ""):
        raise Failed(f"setup.sh {target} a second time has something to do")
    return output


def refuses(system, words, *said, **how):
    """setup.sh says why not, in one line, and has changed nothing."""
    def state():
        return system.packages(), system.sh(
            "ls /etc/apt/sources.list.d; find build/tools 2>&1 || true")

    before = state()
    status, _, errors = system.setup(words, **how)
    if not status:
        raise Failed("setup.sh did not fail")
    line = one_line(errors)
    for text in said:
        if text not in line:
            raise Failed(f"'{text}' is not in: {line}")
    if state() != before:
        raise Failed(f"setup.sh failed, but has changed something: {line}")


def planned(system, first, target):
    """apt would install all that is missing, together: in a simulation. What
    is unpacked aside does not depend on what is installed; it is left out. If
    nothing is missing, all that was not tried after the first one starts."""
    for tool in ("herd/usr/bin/herd7", "cbmc/usr/bin/cbmc",
                 *(f"linux-source-{version}/usr/src/linux-source-{version}.tar.xz"
                   for version in OTHERS)):
        if not system.file(f"/cpuword/build/tools/{tool}").exists():
            system.file(f"/cpuword/build/tools/{tool}", "")
    system.file("/sim/apt-get", SIMULATE, 0o755)
    plan = system.file("/tmp/plan", "")
    status, _, errors = system.setup(target.words)
    plan = plan.read_text()
    if not status and not errors and not plan:
        system.sh("\n".join(piece for piece in target.starts(aside=False)
                            if piece not in first.starts()))
        return
    line = one_line(errors)
    if "still missing: " not in line or not plan:
        raise Failed(line)
    if re.search("^Remv ", plan, re.M):
        raise Failed("apt would remove something")
    one_version(system.packages() | dict(re.findall(
        r"^Inst (\S+) (?:\[[^]]*\] )?\((\S+) ", plan, re.M)))


# --- what is tried ---

@dataclass
class Report:
    release: str
    only: str
    tests: Tests

    def wanted(self, what):
        return re.search(self.only, f"{self.release}: {what}")

    def check(self, what, function, *args):
        """Whether function went well; what it had to do, too, if not wanted."""
        title = f"{self.release}: {what}"
        log(f"\n### {title}\n")
        PROGRESS.append(common.Progress(title))
        try:
            function(*args)
        except Failed as error:
            self.tests.test(what, str(error) or "it failed")
            log(f"### FAILED: {error}\n")
            PROGRESS.pop().done(f"FAILED: {error}")
            return False
        self.tests.test(what)
        PROGRESS.pop().done("ok")
        return True

    def each_after_each(self, layer, found):
        """Each target for real on the bare system; README's order for real on
        top of that, and every other target by simulation."""
        for number, first in enumerate(found):
            pairs = [(f"{first}; then {then}", then) for then in found
                     if then is not first]
            if not any(map(self.wanted, [str(first), *(p[0] for p in pairs)])):
                continue
            with System(self.release, f"first{number}", [layer]) as system:
                done = self.check(str(first), works, system, first)
            if done:
                with system.on_top("then") as then:
                    for what, target in pairs:
                        if self.wanted(what):
                            self.check(what, planned, then, first, target)
                then.remove()
                test = next(t for t in found if "test" in t.names)
                what = f"{first}; then {test}, not simulated"
                if (test is not first and self.wanted(what)
                        and any(n.split()[0] == "demo" for n in first.names)):
                    with system.on_top("then") as then:
                        self.check(what, works, then, test)
                    then.remove()
            system.remove()

    def other_systems(self, layer, found):
        for what, (prepare_and_try, releases) in SCENARIOS.items():
            if self.release in releases and self.wanted(what):
                with System(self.release, "other", [layer]) as system:
                    self.check(what, prepare_and_try, system, {
                        name: t for t in found for name in t.names})
                system.remove()


SCENARIOS = {}


def scenario(what, *releases):
    def add(function):
        SCENARIOS[what] = function, releases or RELEASES
    return add


@scenario("an older QEMU is there")
def _(system, target):
    system.apt_install("qemu-system-x86", "qemu-system-misc", "qemu-utils",
                       "qemu-block-extra")
    works(system, target["test"])


@scenario("QEMU and its libraries are there from backports")
def _(system, target):
    archive = system.file("/etc/apt/sources.list").read_text().split()[1]
    backports = f"{system.release}-backports"
    system.file("/etc/apt/sources.list.d/own.list",
                f"deb {archive} {backports} main\n")
    system.apt_install("-t", backports, "qemu-system-x86")
    works(system, target["test"])


@scenario("half of the packages are there")
def _(system, target):
    system.apt_install("gcc", "python3", "make", "xz-utils", "libelf-dev",
                       "gcc-riscv64-linux-gnu", "qemu-system-arm")
    works(system, target["test"])


@scenario("gcc-multilib is there, which conflicts")
def _(system, target):
    system.apt_install("gcc-multilib")
    refuses(system, target["test"].words, "gcc-multilib")


@scenario("libc6 is there from elsewhere")
def _(system, target):
    system.sh(r"sed -i '/^Package: libc6$/,/^$/s/^\(Version: [^-]*\).*/\1-99/' "
              "/var/lib/dpkg/status")
    refuses(system, target["kunit um"].words, "libc6 (= ",
            "-99 is to be installed")


@scenario("a QEMU is there that is newer than any source's")
def _(system, target):
    system.apt_install("qemu-system-common", "qemu-system-data")
    system.sh("sed -i '/^Package: qemu-system/,/^$/s/^Version: .*/Version: "
              "1:99.0/' /var/lib/dpkg/status")
    refuses(system, target["kunit x86_64"].words, "qemu-system-common", "99.0")


@scenario("without root")
def _(system, target):
    refuses(system, target["test"].words, "run as root: tools/setup.sh",
            user=NOBODY)


@scenario("without root, and only cbmc is missing")
def _(system, target):
    system.apt_install("gcc", "python3")
    system.sh(f"rm -rf /var/lib/apt/lists/*_*; chown -R {NOBODY} .")
    works(system, target["model"], user=NOBODY)


@scenario("with sudo")
def _(system, target):
    system.apt_install("sudo")
    system.file("/etc/sudoers.d/test", f"#{NOBODY} ALL=(ALL) NOPASSWD: ALL\n")
    system.sh(f"chown -R {NOBODY} .")
    works(system, target["apply"], user=NOBODY)


@scenario("without a network")
def _(system, target):
    refuses(system, target["test"].words, "gcc", "not read: http",
            network=False)


@scenario("without a network, but with apt's lists")
def _(system, target):
    system.sh("apt-get update")
    refuses(system, target["apply"].words, "python3", "Failed to fetch",
            network=False)


DEAD = "http://127.0.0.1:9/debian"


@scenario("a source that cannot be read")
def _(system, target):
    system.file("/etc/apt/sources.list.d/dead.list",
                f"deb {DEAD} {system.release} main\n")
    if DEAD not in works(system, target["apply"]):
        raise Failed("setup.sh does not say which source it cannot read")


@scenario("the main archive cannot be read")
def _(system, target):
    system.file("/etc/apt/sources.list", f"deb {DEAD} {system.release} main\n")
    refuses(system, target["apply"].words, "python3", "patch", DEAD)


@scenario("backports cannot be read", "bookworm")
def _(system, target):
    # its list names this keyring, the system's own do not
    system.sh("rm /usr/share/keyrings/debian-archive-keyring.gpg")
    refuses(system, target["kunit x86_64"].words, "bookworm-backports")


@scenario("build/ cannot be written")
def _(system, target):
    system.sh("mkdir build")
    must(["mount", "-t", "tmpfs", "-o", "ro", "none",
          system.root / "cpuword/build"])
    refuses(system, target["apply"].words, "cannot write", "build/log")


@scenario("two at once")
def _(system, target):
    system.sh("tools/setup.sh noise & tools/setup.sh apply; wait $!")
    for name in ("noise", "apply"):
        works(system, target[name])


@scenario("apt's lists are locked for a while")
def _(system, target):
    with open(system.file("/var/lib/apt/lists/lock"), "w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        timer = threading.Timer(15, fcntl.lockf, [lock, fcntl.LOCK_UN])
        timer.start()
        works(system, target["apply"])
        timer.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", choices=RELEASES,
                        help="one of them alone")
    parser.add_argument("--only", metavar="PATTERN", default="",
                        help="checks whose line, without the result, has it")
    args = parser.parse_args()
    if os.geteuid():
        die("chroots and mounts take root: sudo tools/cpuword setup-test")
    if PRIVATE not in os.environ:
        # Mounts of our own, which go with us whatever ends us.
        os.environ[PRIVATE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation=private",
                              sys.executable, str(ROOT / "tools" / "cpuword"),
                              "setup-test", *sys.argv[1:]])
    if subprocess.run([ROOT / "tools/setup.sh", "bare"]).returncode:
        sys.exit(1)
    for folder in (CACHE, LOGS):
        folder.mkdir(parents=True, exist_ok=True)
    lock = open(CACHE / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        die("another one is running")
    LOG.unlink(missing_ok=True)
    found = targets()
    releases = [args.release] if args.release else RELEASES
    tests = Tests(len(releases))
    remove(WORK)
    WORK.mkdir()
    os.chdir(WORK)
    try:
        for release in releases:
            layer = bare(release)
            with tests.group(release) as group:
                report = Report(release, args.only, group)
                report.each_after_each(layer, found)
                report.other_systems(layer, found)
            remove(layer)
    except Failed as error:
        die(f"{error}; see {LOG}")
    finally:
        remove(WORK)
    if tests.failed:
        print(f"see {LOG}")
    return tests.end()

