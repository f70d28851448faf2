"""What benchmarks that plant something in image sets are asked: the sets, a backbone for their features, how often."""

from __future__ import annotations

import argparse
from pathlib import Path


def asked(what: str, sets: str) -> argparse.Namespace:
    """The arguments as typed.

    Args:
        what: one line on the benchmark.
        sets: what its image sets are.
    """
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help=sets)
    parser.add_argument("--cards", type=Path, help="folder of the backbones' cards")
    parser.add_argument("--backbone", default="mobilenetv1_100_coral")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    return parser.parse_args()
