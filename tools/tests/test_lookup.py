# SPDX-License-Identifier: GPL-2.0
"""What differs between versions and architectures is found where it should be."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from host import lookup


class Lookup(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def file(self, name, text=""):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def test_version_before_common(self):
        common = self.file("common/rules")
        own = self.file("6.12/rules")
        self.assertEqual(lookup.find(self.folder, "6.12", "rules"), own)
        self.assertEqual(lookup.find(self.folder, "7.2", "rules"), common)

    def test_neither(self):
        self.file("common/other")
        self.assertIsNone(lookup.find(self.folder, "6.12", "rules"))

    def test_module(self):
        self.file("toy/zone.py", "MACHINE = 'EM_TOY'\n")
        lookup.module.cache_clear()
        self.addCleanup(lookup.module.cache_clear)
        with mock.patch.object(lookup, "FOLDERS", self.folder):
            self.assertEqual(lookup.module("toy", "zone").MACHINE, "EM_TOY")
            self.assertIsNone(lookup.module("toy", "litmus"))
