"""`--budget` against the default run of the same cards: is the deadline kept, and what does the plan bring?

    python benchmarks/budget.py --data ROOT --cards DIR [--budget 3m] [--sets flowers102,grocery81] [--out DIR]

Each set starts with an empty feature bank, once within the budget and once by `medalist run` with its defaults, so that
both pay for the same extraction. Lateness is wall seconds from spawning to exit, less the budget. The difference is
paired by image on the rows that both were scored on (of a holdout, one fold), positive where the budget's is better;
its p is of one comparison a set. Wall seconds of the default run say what its score took.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETS = {
    "cats-dogs": "log_loss",
    "flowers102": "accuracy",
    "grocery81": "accuracy",
    "mushrooms8": "accuracy",
    "movie-posters": "f1_samples",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the image sets")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--sets", default=",".join(SETS), help="names, with commas")
    parser.add_argument("--out", type=Path, help="keep the runs here")
    arguments = parser.parse_args()
    print(
        f"{'':16s}{'budget':>8s}{'took s':>9s}{'late':>8s}{'score':>20s}{'default took s':>16s}{'score':>20s}   paired"
    )
    for name in arguments.sets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            print(line(name, arguments, (arguments.out or Path(folder)) / name), flush=True)


def line(name: str, arguments: argparse.Namespace, out: Path) -> str:
    """A set: the budget's run, the default run, and the difference."""
    from medalist.experiments.budget.clock import seconds_of
    from medalist.experiments.budget.incumbent import against
    from medalist.pipeline.outcome import summary_of

    metric, budget_s = SETS[name], seconds_of(arguments.budget)
    words = [str(arguments.data / name), "--metric", metric, "--cards", str(arguments.cards)]
    taken = spawned([*words, "--budget", arguments.budget], out / "budget", out / "cache-budget")
    every = [word for card in sorted(arguments.cards.glob("*.json")) for word in ("--backbone", card.stem)]
    default = spawned([*words, *every], out / "default", out / "cache-default")
    mine, theirs = summary_of(out / "budget"), summary_of(out / "default")
    gap, rows = against(out / "budget", out / "default", metric)
    scores = [f"{one['score']:.4f} +- {one['score_stderr']:.4f}" for one in (mine, theirs)]
    return (
        f"{name:16s}{arguments.budget:>8s}{taken:9.1f}{taken / budget_s - 1:+8.1%}{scores[0]:>20s}{default:16.1f}"
        f"{scores[1]:>20s}   {gap.difference:+.4f} +- {gap.stderr:.4f} {gap.verdict} ({rows} rows)"
    )


def spawned(words: list[str], out: Path, cache: Path) -> float:
    """Wall seconds of `medalist run`, from spawning to exit."""
    command = [sys.executable, "-m", "medalist.cli", "run", *words, "--out", str(out), "--cache", str(cache)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
