# SPDX-License-Identifier: GPL-2.0
"""Lays cpuword over a kernel tree of yours; changes all of it or nothing."""

import argparse

from host import overlay


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kdir")
    overlay.apply(parser.parse_args().kdir)
