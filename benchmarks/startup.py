"""Start-up: `medalist --help` against `python -c 'import typer'`, which any typer program pays.

Both run in fresh processes, in turn, after one unmeasured run of each; the table holds medians over the pairs, and the
ratio is the median of the pairs' own ratios.

    python benchmarks/startup.py --pairs 15
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
from table import ratio

COMMANDS = {
    "import typer": [sys.executable, "-c", "import typer"],
    "medalist --help": [sys.executable, "-m", "medalist.cli", "--help"],
    "import medalist": [sys.executable, "-c", "import medalist"],
    "python": [sys.executable, "-c", ""],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    for command in COMMANDS.values():
        seconds_of(command)
    # Axes: P pairs, C commands, 2 clocks.
    found_PC2 = np.array([[seconds_of(command) for command in COMMANDS.values()] for _ in range(pairs)])
    for name, (wall, cpu) in zip(COMMANDS, np.median(found_PC2, axis=0), strict=True):
        print(f"{name:16s} {1000 * wall:6.0f} ms wall  {1000 * cpu:6.0f} ms user + sys")
    ratio_P2 = found_PC2[:, 1] / found_PC2[:, 0]
    (wall, cpu), (low, high) = np.median(ratio_P2, axis=0), np.quantile(ratio_P2[:, 0], (0.25, 0.75))
    ratio("medalist --help, share of the time of", wall, "python -c 'import typer' (at most 1.5)")
    print(
        f"medalist --help / import typer: {wall:.2f} of the time (quartiles {low:.2f} to {high:.2f}), {cpu:.2f} of CPU"
    )


def seconds_of(command: list[str]) -> tuple[float, float]:
    """Wall and processor seconds of one fresh process."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
