"""Everything small, one benchmark after the other, then one table of their ratios. `make bench` calls this.

    python benchmarks/table.py [--data ROOT --cards DIR]     # with the image sets, those on real images too

A benchmark tells its ratios by `ratio`, a line each; how much faster, or for shares and exponents the number itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

MARK = "ratio: "
HERE = Path(__file__).parent


def ratio(what: str, value: float, against: str) -> None:
    """Print a line of the table: what was measured, the number, and what it is a ratio to."""
    print(f"{MARK}{what} | {value:.2f} | {against}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the five image sets")
    parser.add_argument("--cards", type=Path, help="folder of the backbones' cards")
    arguments = parser.parse_args()
    found = []
    for command in commands(arguments.data, arguments.cards):
        print(f"\n== {' '.join(command)}", flush=True)
        start = time.perf_counter()
        lines = followed(command)
        print(f"== {time.perf_counter() - start:.0f} s")
        found += [line.removeprefix(MARK).strip().split(" | ") for line in lines if line.startswith(MARK)]
    print(f"\n{'what':58s} {'number':>8s}  against")
    for what, value, against in found:
        print(f"{what:58s} {value:>8s}  {against}")


def commands(data: Path | None, cards: Path | None) -> list[list[str]]:
    """What is run, small."""
    drawn = [
        ["startup.py", "--pairs", "7"],
        ["read.py", "--images", "100000"],
        ["heads_scale.py", "--scale", "0.1", "--limit-s", "30"],
        ["overhead.py", "--drawn", "1000"],
        ["scale.py", "--sizes", "500", "1000", "2000"],
        ["thresholds.py", "--images", "5000", "--tags", "500"],
        ["ensembles.py", "--members", "40", "--images", "10000", "--rounds", "20"],
    ]
    if data is None or cards is None:
        return drawn
    sets = ["--cards", str(cards), "--data"]
    return [
        *drawn,
        ["extract.py", *sets, str(data / "cats-dogs"), "--images", "500", "--pairs", "1"],
        ["labels.py", *sets, str(data / "cats-dogs"), "--seeds", "3"],
        ["heads.py", *sets, str(data / "flowers102")],
        ["overhead.py", *sets, str(data / "cats-dogs"), "--metric", "log_loss", "--backbone", "mobilenetv2_100_coral"],
    ]


def followed(command: list[str]) -> list[str]:
    """The lines that a benchmark prints, printed as they come.

    Raises:
        SystemExit: it failed.
    """
    process = subprocess.Popen(
        [sys.executable, str(HERE / command[0]), *command[1:]], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    lines = []
    for line in process.stdout or ():
        print(line, end="", flush=True)
        lines.append(line)
    if process.wait():
        raise SystemExit(f"{command[0]} failed with exit status {process.returncode}")
    return lines


if __name__ == "__main__":
    main()
