"""Decisions and ensembles on real probabilities: each against what a user would write, paired by image.

    python benchmarks/podium.py --data ROOT --cards DIR [--cache DIR]

movie-posters (mean F1 an image) with two and three backbones, cats-dogs (log-loss) with two: the probabilities are made
once, out of fold; then every line is cross-fitted on them as one chain, weights and thresholds learnt on the other
folds. Differences are to the first line, positive where the line is better. In sample is the same chain scored on the
rows that it was fitted on: what a threshold seems to gain where nobody cross-fits.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

CARDS = ("mobilenetv2_100_coral", "mobilenetv1_100_coral", "mobilenet_edgetpu_075_coral")
HALF = "threshold(value=0.5, at_least=1)"
POSTERS = {
    "fixed 0.5, at least one tag": ("blend", HALF),
    "fixed 0.3, at least one tag": ("blend", "threshold(value=0.3, at_least=1)"),
    "one fitted threshold": ("blend", "threshold"),
    "a threshold a tag": ("blend", "tag_thresholds"),
    "expected F (the default)": ("blend", "expected_f"),
    "union at 0.3": ("union(threshold=0.3)", HALF),
    "union at fitted thresholds": ("union", HALF),
    "intersection at fitted thresholds": ("intersection", HALF),
    "vote of two at fitted thresholds": ("vote(least=2)", HALF),
    "mean, expected F": ("mean", "expected_f"),
    "geometric mean, expected F": ("geometric", "expected_f"),
    "rank mean, expected F": ("rank", "expected_f"),
    "greedy, expected F": ("greedy", "expected_f"),
    "stack, expected F": ("stack", "expected_f"),
    "ridge across tags, expected F": ("ridge_tags", "expected_f"),
}
PETS = {
    "raw": ("mean", "as_is"),
    "clipped to [0.005, 0.995]": ("mean", "calibrated(temperature=1.0, low=0.005, high=0.995)"),
    "temperature and clip learnt": ("mean", "calibrated"),
    "blend, temperature and clip learnt": ("blend", "calibrated"),
    "greedy, temperature and clip learnt": ("greedy", "calibrated"),
    "stack, temperature and clip learnt": ("stack", "calibrated"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the image sets")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments.cache = arguments.cache or Path(folder) / "cache"
        for number in (2, 3):
            posters = arguments.data / "movie-posters"
            table(f"movie-posters, {number} backbones", posters, "f1_samples", POSTERS, number, arguments, Path(folder))
        table("cats-dogs, 2 backbones", arguments.data / "cats-dogs", "log_loss", PETS, 2, arguments, Path(folder))


def table(
    title: str, data: Path, metric: str, lines: dict[str, tuple[str, str]], number: int, arguments: Any, folder: Path
) -> None:
    """A line a chain: cross-fitted score with its error, in-sample score, paired difference to the first line."""
    from medalist.evidence import compare, estimate
    from medalist.metrics import metrics
    from medalist.pipeline.chain import Chain

    runs, truth = made(data, metric, number, arguments, folder / title)
    oof_NRC = np.stack([run.oof_NC for run in runs], axis=1)
    print(f"\n{title}: {metric}, {len(oof_NRC)} images; members: {', '.join(run.name for run in runs)}")
    print(f"{'':36s}{'out of fold':>18s}{'in sample':>11s}   against the first line")
    first = None
    for name, (ensemble, rule) in lines.items():
        chain = Chain(metric, ensemble, rule, truth.classes)
        found = chain.crossfit(oof_NRC, truth.labels, truth.fold_N)
        inside = metrics.bind(metric)(truth.labels, chain.answers(found.state, oof_NRC))
        score = estimate(metric, truth.labels, found.answers_N, groups=truth.group_N)
        first = found.answers_N if first is None else first
        gain = compare(metric, truth.labels, found.answers_N, first, groups=truth.group_N)
        told = f"{gain.difference:+.4f} +- {gain.stderr:.4f} {gain.verdict}" if found.answers_N is not first else ""
        print(f"{name:36s}{score.score:9.4f} +- {score.stderr:.4f}{inside:11.4f}   {told}", flush=True)


def made(data: Path, metric: str, number: int, arguments: Any, out: Path) -> tuple[Any, Any]:
    """Heads on each backbone alone and on all side by side, out of fold; and the truth."""
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    keys = {"metric": metric, "backbones": CARDS[:number], "cards": str(arguments.cards), "members": "both"}
    recipe = load_recipe(None, [f"runtime={arguments.runtime}"], **keys)
    features = way.embed(recipe, way.read(recipe, data), cache=arguments.cache)
    folds = way.split(recipe, features)
    runs = way.fit(recipe, features, folds, out)
    return [replace(run, test_KMC=run.test_KMC[:, :0], test_ids=()) for run in runs], way.truth_of(features, folds)


if __name__ == "__main__":
    main()
