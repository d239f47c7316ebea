# SPDX-License-Identifier: GPL-2.0
"""Options that several commands have, and how a command is found."""

import argparse
import contextlib
import io
import os
import unittest
from unittest import mock

from host import command_line, commands
from host.common import KERNELS


class Options(unittest.TestCase):
    def refused(self, parser, *args):
        with contextlib.redirect_stderr(io.StringIO()), \
                self.assertRaises(SystemExit) as end:
            parser.parse_args(args)
        self.assertEqual(end.exception.code, 2)

    def test_defaults(self):
        args = command_line.parser("doc", ["arm64", "x86_64"]).parse_args([])
        self.assertEqual((args.arch, args.kernel, args.jobs),
                         ("x86_64", KERNELS[0], os.cpu_count()))

    def test_no_architecture_unless_there_are_some(self):
        self.assertFalse(hasattr(command_line.parser("doc").parse_args([]),
                                 "arch"))

    def test_all_is_for_those_that_take_it(self):
        arches = {"arm64": 1, "x86_64": 2}
        self.refused(command_line.parser("doc", arches), "--arch=all")
        every = command_line.parser("doc", arches, every=True)
        self.refused(every, "--arch=sparc")
        args = every.parse_args(["--arch=all"])
        self.assertEqual(command_line.chosen(args.arch, arches),
                         ["arm64", "x86_64"])
        self.assertEqual(command_line.chosen("arm64", arches), ["arm64"])


class Lists(unittest.TestCase):
    def test_commas_and_spaces(self):
        for text in ("bpf,module", "bpf module", " bpf, module ,"):
            self.assertEqual(command_line.words(text), ["bpf", "module"])

    def test_cpus(self):
        self.assertEqual(command_line.cpus("1-3 5, 7"), "1-3,5,7")

    def test_refused(self):
        for kind, text in (("words", " , "), ("cpus", ""), ("cpus", "a"),
                           ("cpus", "1-"), ("cpus", "1--2"), ("cpus", "1.5")):
            with self.subTest(text), \
                    self.assertRaises(argparse.ArgumentTypeError):
                getattr(command_line, kind)(text)


class Errors(unittest.TestCase):
    def error(self, *args):
        parser = command_line.Parser("doc")
        parser.add_argument("--seconds", type=int)
        parser.add_argument("--times", type=int)
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
            parser.parse_args(args)
        return said.getvalue()

    def test_a_variable_is_named(self):
        said = self.error("--seconds=x")
        self.assertIn(": SECONDS= (--seconds): invalid", said)
        self.assertEqual(said.count("\n"), 1)

    def test_an_option_without_one(self):
        self.assertIn(": --times: invalid", self.error("--times=x"))


class Commands(unittest.TestCase):
    def test_names(self):
        self.assertLessEqual({"kunit", "noise", "setup-test"},
                             set(commands.names()))

    def test_none_or_an_unknown_one(self):
        for argv in (["cpuword"], ["cpuword", "none"],
                     # As a module it is there, and by this name it is not.
                     ["cpuword", "setup_test"]):
            said = io.StringIO()
            with self.subTest(argv), mock.patch("sys.argv", argv), \
                    contextlib.redirect_stderr(said):
                self.assertEqual(commands.main(), 1)
                self.assertEqual(
                    said.getvalue(), "cpuword: which command? one of "
                    + " ".join(commands.names()) + "\n")
