# SPDX-License-Identifier: GPL-2.0
"""The steps of make test and make test-long: commands take their options."""

import subprocess
import unittest

from host.command import test
from host.common import KERNELS, ROOT


class Steps(unittest.TestCase):
    def test_commands_take_the_options_that_they_are_given(self):
        tried = set()
        for step in test.DAILY + test.LONG:
            if not step.command:
                continue
            command = step.command(kernel=KERNELS[0], jobs=1)
            kind = tuple(word.partition("=")[0] for word in command)
            if kind in tried:
                continue
            tried.add(kind)
            with self.subTest(step.name):
                # It has to be the only one that is refused.
                done = subprocess.run([*command, "--no-such-option"], cwd=ROOT,
                                      text=True, capture_output=True)
                self.assertEqual(done.returncode, 2)
                self.assertIn("unrecognized arguments: --no-such-option\n",
                              done.stderr)
        self.assertGreater(len(tried), 10)

    def test_names_are_unique(self):
        names = [step.name for step in test.DAILY + test.LONG]
        self.assertEqual(len(names), len(set(names)))
