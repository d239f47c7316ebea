# SPDX-License-Identifier: GPL-2.0
"""The rules of the danger zone: how they are read, and what fits them."""

import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from host.zone import rules
from host.zone.rules import BadRules, Rules


class Case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        patcher = mock.patch.object(rules, "TOOLS", self.folder)
        patcher.start()
        self.addCleanup(patcher.stop)

    def read(self, text, *symbols):
        file = self.folder / "some.rules"
        file.write_text(text)
        return Rules([file], SimpleNamespace(symbols=dict.fromkeys(symbols)))


class Reading(Case):
    def test_a_rule(self):
        rule, = self.read("# comment\n\ncall printk in panic needs warning: "
                          "it has\n\tto get out\n").of("call")
        self.assertEqual(rule, ("call", "printk", "panic", None,
                                frozenset({"warning"}), "it has to get out",
                                "some.rules:3"))

    def test_a_condition_is_of_the_kernels_symbols(self):
        text = "hook one if here: why\nhook two if no here: why\n"
        self.assertEqual([rule.pattern for rule in self.read(
            text, "here").of("hook")], ["one"])
        self.assertEqual([rule.pattern for rule in self.read(
            text).of("hook")], ["two"])

    def test_facts_that_go_without_saying(self):
        read = self.read("memory global: a\nmemory a->b: b\nmemory ?: c\n"
                         "back f: d\nends f: e\n")
        self.assertEqual([rule.facts for rule in read.of("memory")],
                         [{"image"}, set(), set()])
        self.assertEqual([rule.facts for kind in ("back", "ends")
                          for rule in read.of(kind)], [{"kernel"}] * 2)

    def test_what_is_none(self):
        for line, said in (("call printk", "some.rules:1: not 'kind pattern"),
                           ("cal printk: why", "some.rules:1: kind cal is not"),
                           ("call printk:", "some.rules:1: no reason"),
                           ("call f needs luck: why", "luck cannot be verified")):
            with self.subTest(line), self.assertRaisesRegex(BadRules, said):
                self.read(f"{line}\n")


class Finding(Case):
    def test_patterns(self):
        read = self.read("call trace_*: a\nmemory task->0x10: b\n")
        self.assertTrue(read.find("call", "trace_irq"))
        for kind, what in (("call", "tracer"), ("ftrace", "trace_irq"),
                           ("memory", "task"), ("memory", "task->0x10->0"),
                           ("memory", "task->0x18")):
            with self.subTest(what):
                self.assertIsNone(read.find(kind, what))
        self.assertTrue(read.find("memory", "task->0x10"))

    def test_the_function_that_it_is_in(self):
        read = self.read("call f in entry_*: why\n")
        self.assertTrue(read.find("call", "f", "entry_64"))
        self.assertIsNone(read.find("call", "f", "exit"))

    def test_its_callers(self):
        read = self.read("call f in outer>inner: why\n")
        self.assertTrue(read.find("call", "f", "inner",
                                  ("entry", "outer.constprop.0")))
        self.assertIsNone(read.find("call", "f", "inner", ("entry",)))
        self.assertIsNone(read.find("call", "f", "outer", ("outer",)))

    def test_facts_have_to_be_verified(self):
        read = self.read("call f needs warning: why\n")
        self.assertIsNone(read.find("call", "f"))
        self.assertIsNone(read.find("call", "f", facts=frozenset({"image"})))
        self.assertTrue(read.find("call", "f",
                                  facts=frozenset({"image", "warning"})))

    def test_what_was_used_is_known(self):
        read = self.read("call f: a\ncall g: b\n")
        read.find("call", "f")
        read.find("call", "h")
        self.assertEqual([rule.pattern for rule in read.used], ["f"])


class Own(unittest.TestCase):
    def test_all_can_be_read(self):
        files = [*rules.TOOLS.glob("zone/*/rules"),
                 *rules.TOOLS.glob("arch/*/*/rules")]
        self.assertIn(rules.TOOLS / "zone/common/rules", files)
        self.assertGreater(len(files), 3)
        for file in files:
            with self.subTest(file):
                self.assertTrue(Rules([file], SimpleNamespace(
                    symbols={})).rules)
