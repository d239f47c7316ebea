# SPDX-License-Identifier: GPL-2.0
"""Our own kernel tree, build/<version>/linux, from the Debian source package; a
second run writes only what has changed."""

import argparse

from host import common, overlay


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default=common.KERNELS[0])
    overlay.tree(parser.parse_args().kernel)
