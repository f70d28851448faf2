"""A run of medalist against what a user would write by hand, on the same features and folds: a paired table.

By hand: all banks side by side, StandardScaler, LogisticRegression (one against the rest for tags), C by the metric on
the same folds (its own score is then a little too good), answers as they come; for tags a threshold chosen on the
other folds. Differences are positive where medalist is better: paired by image, averaged over draws of the folds, with
an error over groups of images.

    python benchmarks/baseline.py --data ROOT --cards DIR
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SETS = {
    "cats-dogs": "log_loss",
    "mushrooms8": "accuracy",
    "grocery81": "accuracy",
    "flowers102": "accuracy",
    "movie-posters": "f1_samples",
}
C_GRID = np.geomspace(1e-4, 1e1, 6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the five image sets")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--backbone", nargs="+", default=["mobilenetv2_100_coral", "mobilenetv1_100_coral"])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="a draw of the folds each")
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    print(
        f"{'set':14s} {'metric':10s} {'by hand':>8s} {'medalist':>9s} {'better by':>10s} {'stderr':>7s} {'ratio':>6s}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.sets:
            cache = arguments.cache or Path(temporary) / "cache"
            print(
                line(name, arguments.data / name, arguments.backbone, arguments.cards, cache, arguments.seeds),
                flush=True,
            )


def line(name: str, root: Path, backbones: list[str], cards: Path, cache: Path, seeds: list[int]) -> str:
    """One set, both ways."""
    from medalist.evidence import verdict
    from medalist.metrics import metrics
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    recipe = load_recipe(metric=SETS[name], backbones=backbones, cards=str(cards))
    features = way.embed(recipe, way.read(recipe, root), cache=cache)
    y, metric, num_classes = features.train.labels, metrics.bind(recipe.metric), len(features.train.classes)
    x_ND, terms_2SN = features.x_ND[:], list[Any]()
    for seed in seeds:
        drawn = recipe.model_copy(update={"folds": recipe.folds.model_copy(update={"seed": seed}), "seed": seed})
        fold_N = way.split(drawn, features).fold_N
        ours = our_answers(drawn, x_ND, y, fold_N, num_classes)
        theirs = hand_answers(metric, x_ND, y, fold_N, num_classes)
        terms_2SN.append([metric.facts["rows"](y, theirs), metric.facts["rows"](y, ours)])
    hand_N, our_N = np.mean(terms_2SN, axis=0)
    better_N = (our_N - hand_N) * (1 if metric.facts["better"] == "higher" else -1)
    difference, stderr = better_N.mean(), error_of_mean(better_N, features.group_N)
    return (
        f"{name:14s} {recipe.metric:10s} {hand_N.mean():8.4f} {our_N.mean():9.4f} {difference:+10.4f} "
        f"{stderr:7.4f} {difference / stderr:+6.1f}  {verdict(difference, stderr)}"
    )


def error_of_mean(term_N: np.ndarray, group_N: np.ndarray) -> float:
    """Standard error of a mean over rows whose groups are independent of each other, but not their rows."""
    sum_G = np.bincount(group_N, term_N - term_N.mean())
    return float(np.sqrt((sum_G**2).sum() * len(sum_G) / (len(sum_G) - 1)) / len(term_N))


def our_answers(recipe: Any, x_ND: np.ndarray, y: Any, fold_N: np.ndarray, num_classes: int) -> np.ndarray:
    """The recipe's heads, blend and rule, cross-fitted."""
    from medalist.pipeline.chain import Chain
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    oofs = [
        crossval(heads.bind(head), x_ND, y, fold_N, x_ND[:0], num_classes=num_classes, seed=recipe.seed)[1].oof_NC
        for head in recipe.heads
    ]
    names = tuple(map(str, range(num_classes)))
    return Chain.of(recipe, names).crossfit(np.stack(oofs, axis=1), y, fold_N).answers_N


def hand_answers(metric: Any, x_ND: np.ndarray, y: Any, fold_N: np.ndarray, num_classes: int) -> np.ndarray:
    """The answers of the best C."""
    from joblib import Parallel, delayed

    target = y if isinstance(y, np.ndarray) else y.toarray().astype(int)
    folds = [(np.flatnonzero(fold_N != k), np.flatnonzero(fold_N == k)) for k in range(fold_N.max() + 1)]
    jobs = (delayed(hand_fit)(x_ND, target, c, train, held, num_classes) for c in C_GRID for train, held in folds)
    parts = np.empty((len(C_GRID), len(x_ND), num_classes), np.float32)
    for i, prob in enumerate(Parallel(n_jobs=2)(jobs)):
        parts[i // len(folds), folds[i % len(folds)][1]] = prob
    answers = [hand_answer(metric, prob_NC, y, fold_N) for prob_NC in parts]
    scores = [metric(y, answer) * (1 if metric.facts["better"] == "higher" else -1) for answer in answers]
    return answers[int(np.argmax(scores))]


def hand_fit(
    x_ND: np.ndarray, y: np.ndarray, c: float, train: np.ndarray, held: np.ndarray, num_classes: int
) -> np.ndarray:
    """Probabilities of held-out rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=c, max_iter=2000)
    pipe = make_pipeline(StandardScaler(), OneVsRestClassifier(model) if y.ndim == 2 else model)
    pipe.fit(x_ND[train], y[train])
    prob = np.zeros((len(held), num_classes), np.float32)
    prob[:, pipe.classes_] = pipe.predict_proba(x_ND[held])
    return prob


def hand_answer(metric: Any, prob_NC: np.ndarray, y: Any, fold_N: np.ndarray) -> np.ndarray:
    """What the metric eats."""
    from medalist.crossfit import crossfit
    from medalist.decisions.rules import rules

    if metric.facts["eats"] == "prob":
        return prob_NC
    rule = rules.bind("argmax" if metric.facts["eats"] == "labels" else "threshold")
    return crossfit(rule, rule.facts["apply"], prob_NC, y, fold_N)[0]


if __name__ == "__main__":
    main()
