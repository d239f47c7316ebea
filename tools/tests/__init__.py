# SPDX-License-Identifier: GPL-2.0
"""Tests of the tools, without a kernel build:

    python3 -m unittest discover -s tools/tests -t tools
"""

import contextlib
import io


def last_words(call, *args):
    """What a call that has to end in die() says."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), \
                contextlib.redirect_stdout(io.StringIO()):
            call(*args)
    except SystemExit as end:
        assert end.code == 1, end.code
        return said.getvalue().strip().partition(": ")[2]
    raise AssertionError("it did not die")
