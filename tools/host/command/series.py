# SPDX-License-Identifier: GPL-2.0
"""Writes the series as mails, as git format-patch does, and checks them: the
kernel's checkpatch.pl finds nothing, git am makes of the untouched tree what make
tree lays, and MAINTAINERS lists each file."""

import argparse
import concurrent.futures
import fnmatch
import json
import re
import shutil
import tempfile
import time
from pathlib import Path

from host import command_line, overlay
from host.arch import having
from host.bench import report
from host.checkpatch import checkpatch
from host.common import BUILD, ROOT, die
from host.results import Tests
from host.series import NOBODY, STOCK, TIP, Series, committer, output_of

COVER = ROOT / "patches" / "cover.txt"
MAIL = re.compile(r"\d{4}-.*\.patch")
# A line of the cover letter that stands for a table of make bench.
TABLE = re.compile(r"^\{(\w+)\}$", re.M)
TABLES = {"getpid": report.getpid_text, "entry": report.entry_text,
          "sources": report.sources_text}


# --- The cover letter ---

def measured(name, part):
    """The last figures of a part of the benchmark, or None."""
    files = sorted(BUILD.glob(f"bench-{name}*.json"), reverse=True,
                   key=lambda file: file.stat().st_mtime)
    for file in files:
        data = json.loads(file.read_text())
        if part in data and data["arch"] == name and not data["append"]:
            return data, file.stat().st_mtime
    return None


def figures(part):
    """A table for each architecture, or how to get it."""
    if part not in TABLES:
        die(f"{COVER.relative_to(ROOT)}: there is no table {part}; valid: "
            + " ".join(TABLES))
    text = []
    for name, facts in having("bench").items():
        if part == "entry" and not facts.bench.entries:
            continue
        found = measured(name, part)
        if found:
            data, when = found
            day = time.strftime("%Y-%m-%d", time.localtime(when))
            title, *table = TABLES[part](data[part])
            release = data["kernels"]["cpuword"]["release"]
            text += [f"{name}, Linux {release}, QEMU {data['qemu']} (TCG), "
                     f"{day}:", title, *table]
        else:
            text += [f"{name}: not measured; "
                     f"make bench ARCH={name} PARTS={part}", ""]
    return "\n".join(text).rstrip("\n")


def cover():
    """(subject, text)"""
    subject, _, text = COVER.read_text().partition("\n\n")
    if not subject.startswith("Subject: ") or "\n" in subject:
        die(f"{COVER.relative_to(ROOT)} does not begin with a Subject, and an "
            "empty line")
    return (subject.removeprefix("Subject: "),
            TABLE.sub(lambda found: figures(found[1]), text).strip("\n"))


# --- The mails ---

def write_mails(series, folder, base):
    """Writes them to a folder; returns their paths, the cover letter first."""
    series.git("format-patch", "--quiet", "--cover-letter", f"--base={STOCK}",
               f"--output-directory={folder}", f"{STOCK}..{TIP}",
               env=committer(series.who))
    mails = sorted(folder.iterdir())
    subject, text = cover()
    letter = mails[0].read_text()
    for mark, value in (("*** SUBJECT HERE ***", subject),
                        ("*** BLURB HERE ***", text)):
        if letter.count(mark) != 1:
            die(f"git format-patch: no {mark} in its cover letter")
        letter = letter.replace(mark, value)
    # Nobody else has our commit of the untouched tree.
    line = f"base-commit: {base}\n" if base else ""
    mails[0].write_text(re.sub(r"^base-commit: .*\n", line, letter, flags=re.M))
    return mails


def replace_mails(folder, mails):
    """Puts them where an older series may be."""
    strange = [path.name for path in folder.iterdir()
               if not MAIL.fullmatch(path.name)]
    if strange:
        die(f"{folder} has other files than mails: {strange[0]}")
    for old in folder.iterdir():
        old.unlink()
    return [Path(shutil.move(mail, folder)) for mail in mails]


# --- Checks ---

def am(series, mails):
    """Applies the mails to the untouched tree; returns what is wrong."""
    with tempfile.TemporaryDirectory(prefix="cpuword-") as folder:
        git = ["git", "-C", folder]
        # Nobody's hooks or settings. Of the files, git gets those that it needs.
        env = committer(NOBODY, GIT_CONFIG_GLOBAL="/dev/null")
        output_of(["git", "clone", "--quiet", "--shared", "--no-checkout",
                   "--branch", STOCK.rpartition("/")[2], series.git_dir, folder],
                  env=env)
        output_of([*git, "read-tree", "HEAD"], env=env)
        output_of([*git, "am", "--quiet", *mails[1:]], env=env)
        tree = output_of([*git, "rev-parse", "HEAD^{tree}"], env=env)
        if tree.decode().strip() != series.tree(TIP):
            return "what git am has made is not what make tree lays"
    return ""


def unlisted(maintainers, paths):
    """The paths that our entry in MAINTAINERS does not list."""
    entry = re.search(r"^CPUWORD\n(.+\n)+", maintainers, re.M)
    patterns = re.findall(r"^F:\s+(\S+)", entry[0], re.M) if entry else []
    return [path for path in paths if not any(
        path.startswith(pattern) if pattern.endswith("/") else
        fnmatch.fnmatchcase(path, pattern) and
        path.count("/") == pattern.count("/") for pattern in patterns)]


def check(series, mails, jobs):
    linux = BUILD / series.version / "linux"
    tests = Tests(3)
    tests.test("git am", am(series, mails), f"{len(mails) - 1} patches")
    maintainers = (linux / "MAINTAINERS").read_text()
    missing = unlisted(maintainers, sorted(series.files))
    tests.test("MAINTAINERS", missing and "it does not list " + " ".join(missing),
               f"{len(series.files)} files")
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool, \
            tests.group("checkpatch", len(mails) - 1) as group:
        found = pool.map(lambda mail: checkpatch(linux, mail), mails[1:])
        for mail, findings in zip(mails[1:], found):
            group.test(mail.name, findings)
    return tests.end()


def commit_id(text):
    if not re.fullmatch("[0-9a-f]{40}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the full id of a commit")
    return text


def main():
    parser = command_line.parser(__doc__)
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where to write them, by default "
                        "build/<kernel>/series")
    parser.add_argument("--base", type=commit_id, metavar="COMMIT",
                        help="what they are made on, for the cover letter")
    parser.add_argument("--check", action="store_true",
                        help="write nothing, check only; nobody signs them off")
    args = parser.parse_args()
    if args.check and args.out:
        die("--check writes nothing: leave out " + command_line.name("out"))
    series = Series(args.kernel, NOBODY if args.check else None)
    overlay.tree(args.kernel)
    series.make()
    with tempfile.TemporaryDirectory(prefix="cpuword-") as folder:
        mails = write_mails(series, Path(folder), args.base)
        if args.check:
            return check(series, mails, args.jobs)
        out = args.out or BUILD / args.kernel / "series"
        out.mkdir(parents=True, exist_ok=True)
        mails = replace_mails(out, mails)
    print(f"{out}: a cover letter and {len(mails) - 1} patches")
    return check(series, mails, args.jobs)
