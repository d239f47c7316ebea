# SPDX-License-Identifier: GPL-2.0
"""Text that is to be changed in one place."""

import re


class Bad(Exception):
    """A test or a fault that cannot be made as it is written."""


def loosely(text):
    """A pattern for text, whatever its white space."""
    return r"\s+".join(map(re.escape, text.split()))


def substitute(text, old, new, where):
    """text with its only occurrence of old replaced."""
    result, count = re.subn(loosely(old), lambda _: new, text)
    if count != 1:
        raise Bad(f"'{old}' is {count} times in {where}")
    return result
