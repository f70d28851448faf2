"""Files a second of `medalist check` against CleanVision's default checks, on the same files; both start with nothing.

    pip install cleanvision
    python benchmarks/audit.py --data mushrooms8 cats-dogs [--pairs 3]

CleanVision looks for dark, light, blurry, odd aspect, odd size, low information, grey, exact and near duplicates, with
as many processes as there are cores; its time is `find_issues` alone. Ours is the reading, decoding and all of the
findings with an empty cache, in a process that has imported what it needs; no pictures are drawn by either. All files
are read once before, so that the first to look at them does not wait for the disk alone. They take turns, and the ratio
is of the medians.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of image sets")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--child", choices=sorted(SIDES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(SIDES[arguments.child](arguments.data[0])))
        return
    for root in arguments.data:
        taken: dict[str, list[float]] = {who: [] for who in SIDES}
        for file in root.rglob("*"):
            if file.is_file():
                file.read_bytes()
        for _ in range(arguments.pairs):
            for who, seconds in taken.items():
                command = [sys.executable, __file__, "--child", who, "--data", str(root)]
                run = subprocess.run(command, capture_output=True, text=True, check=True)
                answer = json.loads(run.stdout.splitlines()[-1])
                seconds.append(answer["seconds"] / answer["files"])
        files_s = {who: 1 / statistics.median(seconds) for who, seconds in taken.items()}
        print(", ".join(f"{who} {rate:.0f} files/s" for who, rate in files_s.items()))
        ratio(f"check of {root.name}, times as fast", files_s["medalist"] / files_s["cleanvision"], "CleanVision")


def ours(root: Path) -> dict[str, float]:
    """Facts of all files and all findings."""
    from medalist.data.ingest import facts_of
    from medalist.pipeline.way import read
    from medalist.quality.findings import findings
    from medalist.recipe import load_recipe

    table = read(load_recipe(metric="accuracy"), root)
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        findings(table, facts_of(table.root, list(table.paths), cache=Path(cache)))
        return {"seconds": time.perf_counter() - start, "files": len(table)}


def theirs(root: Path) -> dict[str, float]:
    """CleanVision's Imagelab on the same files."""
    from cleanvision import Imagelab

    from medalist.pipeline.way import read
    from medalist.recipe import load_recipe

    table = read(load_recipe(metric="accuracy"), root)
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Imagelab(filepaths=[str(root / path) for path in table.paths])
        start = time.perf_counter()
        lab.find_issues(verbose=False)
    return {"seconds": time.perf_counter() - start, "files": len(table)}


SIDES = {"medalist": ours, "cleanvision": theirs}

if __name__ == "__main__":
    main()
