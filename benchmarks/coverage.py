"""Does the forecast's 95 % interval hold the score of new images, also when the answers were the best of many?

Each of the splits takes 30 % of a training set's groups of images as a test set, at random or (`--stratified`) with
each class's share. At random a class that is rare in training is frequent in the test set and the other way round,
since both come from one pool; with few images a class that alone lowers the truth.

On the other 70 % all is done that a run does: folds, the ridge head with its penalty chosen on other folds, the
metric's own rule, cross-fitted. `forecast` sees those out-of-fold answers and the number of held-out images; the truth
is the score, on the held-out images, of head and rule refitted on the 70 %. An interval must cover as often as it says
and be no wider than need be: its width is compared with 2 x 1.96 sd sqrt(1 / n + 1 / m) of n training and m test rows
taken as independent, sd that of the metric's row terms (for accuracy the binomial's).

Then the same after a choice: ridge on draws of 200 columns with 5 penalties each, the rule a fixed one (no
calibration, tags from 0.3), the best out of fold is taken. `best_of_many` corrects the forecast; the one that believes
the best score as it looks is shown beside it, and z, the mean of (truth - forecast) / stderr, positive where the truth
is better.

    OMP_NUM_THREADS=1 python benchmarks/coverage.py --data ROOT [--stratified]    # small matrices want one thread
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from baseline import SETS
from table import ratio

PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1)
COLUMNS, TEMPERATURE, TAGS_FROM, HELD_OUT = 200, 10.0, 0.3, 0.3
ARMS = ("one run", "best of many, corrected", "best of many, naive")


@dataclass(frozen=True)
class Split:
    """Training rows with their folds and groups, and held-out rows, as numbers."""

    x_ND: np.ndarray
    y: Any
    fold_N: np.ndarray
    group_N: np.ndarray
    x_MD: np.ndarray
    y_M: Any
    num_classes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the five image sets")
    parser.add_argument("--cards", type=Path, help="folder of backbones' cards")
    parser.add_argument("--backbone", nargs="+", default=["embedded"])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--stratified", action="store_true", help="each class 70 to 30, as organisers mostly split")
    parser.add_argument(
        "--configurations", type=int, default=50, help="among which the best is chosen; a multiple of 5"
    )
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    print(f"{'set':14s} {'metric':10s} {'':24s} {'covered':>9s} {'median width':>13s} {'z':>6s}")
    found: dict[str, list[Any]] = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory() as temporary:
        arguments.cache = arguments.cache or Path(temporary)
        for name in arguments.sets:
            rows = [one_split(SETS[name], split, arguments) for split in splits(name, arguments)]
            for arm in ARMS:
                print(line(f"{name:14s} {SETS[name]:10s}", arm, [row[arm] for row in rows]), flush=True)
                found[arm] += [row[arm] for row in rows]
    for arm in ARMS:
        print(line(f"{'all':14s} {'':10s}", arm, found[arm]))
        ratio(f"forecast covers, {arm}", float(np.mean(found[arm], axis=0)[0]), "0.95 claimed")
        ratio(f"median width of the forecast, {arm}", float(np.median(found[arm], axis=0)[1]), "independent rows")


def line(what: str, arm: str, found: list[tuple[bool, float, float]]) -> str:
    """A row of the table: how many intervals held the truth, their width, their bias."""
    covered, width, z = (np.array(part, float) for part in zip(*found, strict=True))
    return f"{what} {arm:24s} {covered.sum():4.0f}/{len(covered):<4d} {np.median(width):13.2f} {z.mean():+6.2f}"


def splits(name: str, arguments: argparse.Namespace) -> Iterator[Split]:
    """Random splits of a training set by groups, with folds drawn on the training part."""
    from medalist.data.splits import make_folds
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    cards = {"cards": str(arguments.cards)} if arguments.cards else {}
    recipe = load_recipe(None, ["heads=[ridge]"], metric=SETS[name], backbones=arguments.backbone, **cards)
    features = way.embed(recipe, way.read(recipe, arguments.data / name), cache=arguments.cache)
    x_ND, y, group_N = features.x_ND[:], features.train.labels, features.group_N
    for seed in range(arguments.splits):
        if arguments.stratified:
            held = make_folds(y, group_N, num_folds=10, seed=seed) < 10 * HELD_OUT
        else:
            order_G = np.random.default_rng(seed).permutation(group_N.max() + 1)
            rows_G = np.bincount(group_N)[order_G].cumsum()
            held = np.isin(group_N, order_G[rows_G <= HELD_OUT * len(group_N)])
        own_N = np.unique(group_N[~held], return_inverse=True)[1]
        fold_N = make_folds(y[~held], own_N, num_folds=recipe.folds.k, seed=seed)
        yield Split(x_ND[~held], y[~held], fold_N, own_N, x_ND[held], y[held], len(features.train.classes))


def one_split(metric: str, split: Split, arguments: argparse.Namespace) -> dict[str, tuple[bool, float, float]]:
    """(covered, width against the formula, z) of each arm."""
    from medalist.evidence import best_of_many

    answers, answers_M = run(metric, split)
    tried = [*configurations(metric, split, arguments.configurations)]
    best = best_of_many(metric, split.y, [answers for answers, _ in tried], groups=split.group_N)
    chosen = tried[best.index]
    return {
        ARMS[0]: judged(metric, split, answers, answers_M),
        ARMS[1]: judged(metric, split, *chosen, after=best),
        ARMS[2]: judged(metric, split, *chosen),
    }


def judged(
    metric: str, split: Split, answers: np.ndarray, answers_M: np.ndarray, **options: Any
) -> tuple[bool, float, float]:
    """A forecast against the held-out score."""
    from medalist.evidence import forecast
    from medalist.metrics import metrics

    bound, num_test = metrics.bind(metric), len(answers_M)
    told = forecast(bound, split.y, answers, num_test=num_test, groups=split.group_N, **options)
    truth, (low, high) = bound(split.y_M, answers_M), told.interval95
    plain = bound.facts["rows"](split.y, answers).std() * np.sqrt(1 / len(answers) + 1 / num_test)
    way = 1 if bound.facts["better"] == "higher" else -1
    return low <= truth <= high, (high - low) / (2 * 1.96 * plain), way * (truth - told.score) / told.stderr


def run(metric: str, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-fold answers, and those of the refit to the held-out rows: ridge, then the metric's own rule."""
    from medalist.crossfit import crossfit
    from medalist.decisions.rules import default_rule, rules
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads, predict

    rule = rules.bind(default_rule(metric))
    fitted, found = crossval(
        heads.bind("ridge"), split.x_ND, split.y, split.fold_N, split.x_MD[:0], num_classes=split.num_classes
    )
    answers, state = crossfit(rule, rule.facts["apply"], found.oof_NC, split.y, split.fold_N)
    return answers, rule.facts["apply"](state, predict("ridge", fitted.refit, split.x_MD))


def configurations(metric: str, split: Split, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Answers, out of fold and held out, of ridge on random columns with each penalty; nothing is chosen within."""
    rng, (num_rows, num_columns) = np.random.default_rng(0), split.x_ND.shape
    mean_D, deviation_D = split.x_ND.mean(axis=0), split.x_ND.std(axis=0) + 1e-6
    for _ in range(number // len(PENALTIES)):
        columns = rng.choice(num_columns, size=min(COLUMNS, num_columns), replace=False)
        x_ND, x_MD = (((x - mean_D) / deviation_D)[:, columns] for x in (split.x_ND, split.x_MD))
        prob_PNC = np.empty((len(PENALTIES), num_rows, split.num_classes))
        *parts, prob_PMC = paths(split, x_ND, x_MD)
        for fold, part in enumerate(parts):
            prob_PNC[:, split.fold_N == fold] = part
        yield from ((fixed(metric, a), fixed(metric, b)) for a, b in zip(prob_PNC, prob_PMC, strict=True))


def paths(split: Split, x_ND: np.ndarray, x_MD: np.ndarray) -> Iterator[np.ndarray]:
    """Probabilities with each penalty: of each fold by the other folds, last of the held-out rows by all."""
    from medalist.training.heads.contract import is_tags, link
    from medalist.training.heads.ridge import RidgeProblem

    problem, tags = RidgeProblem(x_ND, split.y, split.num_classes), is_tags(split.y)
    for fold in range(split.fold_N.max() + 2):
        left_out = split.fold_N == fold
        asked = x_ND[left_out] if left_out.any() else x_MD
        fits = problem.path(np.flatnonzero(~left_out), PENALTIES)
        yield np.stack([link(TEMPERATURE * (asked @ fit.weight_DC + fit.bias_C) + fit.offset_C, tags) for fit in fits])


def fixed(metric: str, prob_NC: np.ndarray) -> np.ndarray:
    """Answers by a rule that learns nothing."""
    from medalist.metrics import metrics

    eats = metrics.bind(metric).facts["eats"]
    answers: dict[str, np.ndarray] = {"labels": prob_NC.argmax(axis=1), "sets": prob_NC >= TAGS_FROM, "prob": prob_NC}
    return answers[eats]


if __name__ == "__main__":
    main()
