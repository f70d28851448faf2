"""The demo: a drawn competition, run offline from nothing to a submission, scored on the labels that only we know."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from medalist import ledger
from medalist.data.drawn import draw_competition
from medalist.pipeline import run
from medalist.progress import Sink, ignore
from medalist.recipe import load_recipe


def demo(out: Path, *, sink: Sink = ignore) -> str:
    """Draw `out/data`, run into `out/run`, and compare the out-of-fold estimate with the score on the drawn test set.

    Args:
        out: folder of the demo; a second call draws and runs nothing anew.
        sink: takes progress events.

    Returns:
        Plain text: the run's summary, the score on the test labels, and where to look.
    """
    data, run_folder = out / "data", out / "run"
    answers = draw_competition(data, seed=0)
    recipe = load_recipe(metric="accuracy", backbones=("embedded",))
    summary = run(recipe, data, run_folder, cache=out / "cache", sink=sink)
    truth, given = _column(answers), _column(run_folder / "submission.csv")
    hits = np.array([given[image_id] == label for image_id, label in truth.items()], dtype=float)
    error = hits.std(ddof=1) / np.sqrt(len(hits))
    return "\n".join(
        [
            summary.text(run_folder),
            "",
            f"on the drawn test labels: accuracy {hits.mean():.4f} +- {error:.4f} ({len(hits)} images);"
            f" out of fold it was estimated as {summary.score:.4f} +- {summary.score_stderr:.4f}",
            f"look at {data} (the competition), {run_folder / 'submission.csv'} and {run_folder / ledger.SUMMARY};"
            " then: medalist run YOUR_DATA --metric accuracy --out out",
        ]
    )


def _column(file: Path) -> dict[str, str]:
    """Second column of a CSV, keyed by the first."""
    with file.open(newline="", encoding="utf-8") as lines:
        return {row[0]: row[1] for row in list(csv.reader(lines))[1:]}
