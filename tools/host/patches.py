# SPDX-License-Identifier: GPL-2.0
"""The files below patches/: header lines as a mail has them, an empty line, the
changelog, "---", and the changes.

    Subject: what it does
    Adds: path        a file of ours that comes with it, may be repeated; with a
                      slash at its end, all below that no other patch names
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from host.common import ROOT, die

HEADERS = ("Subject", "Adds")
CHANGE = re.compile(r"^--- (\S+).*\n\+\+\+ (\S+)", re.M)


@dataclass
class Patch:
    file: Path
    subject: str = ""
    adds: list = field(default_factory=list)
    changelog: str = ""
    # Paths in the kernel tree.
    changes: set = field(default_factory=set)

    @property
    def name(self):
        return self.file.relative_to(ROOT)


def read(file):
    patch = Patch(file)
    text = file.read_text(errors="surrogateescape")
    lines = text.splitlines()
    # One that was made for a moment has no header.
    for number, line in enumerate(lines if text.startswith("Subject:") else [],
                                  1):
        key, _, value = line.partition(": ")
        if not line:
            break
        if key not in HEADERS or not value:
            die(f"{patch.name}:{number}: {line!r} is no header; valid: "
                + " ".join(HEADERS))
        if key == "Adds":
            patch.adds.append(value)
        elif patch.subject:
            die(f"{patch.name}:{number}: a second Subject")
        else:
            patch.subject = value
    if patch.subject:
        body = text.partition("\n\n")[2]
        end = re.search(r"^---$|^--- \S+.*\n\+\+\+ ", body, re.M)
        patch.changelog = (body[:end.start()] if end else body).strip("\n")
    for names in CHANGE.findall(text):
        patch.changes |= {name.split("/", 1)[-1] for name in names
                          if name != "/dev/null"}
    if not (patch.changes or patch.adds):
        die(f"{patch.name} changes nothing and adds nothing")
    return patch


def adders(patches, files):
    """{path: the patch that adds it} of those files of ours which a patch
    names: by itself, or else the closest directory."""
    named: dict = {}
    for patch in patches:
        for name in patch.adds:
            if name in named:
                die(f"{patch.name} and {named[name].name} both add {name}")
            named[name] = patch
    found, used = {}, set()
    for path in files:
        parents = [f"{parent}/" for parent in Path(path).parents]
        for name in [path, *parents]:
            if name in named:
                found[path] = named[name]
                used.add(name)
                break
    for name, patch in named.items():
        if name not in used:
            die(f"{patch.name} adds {name}, which is no file of ours that is "
                "left to add")
    return found
