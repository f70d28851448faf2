"""Logistic regression along a path of penalties, out of fold: `medalist.training` against scikit-learn's grid search.

Both sides fit the same features on the same folds with 10 values of C and 1 / C |W|^2 / 2 as the penalty; each fold is
standardised by its own training rows, as the pipeline of scikit-learn does. The loss out of fold must agree at each C.
Outside the grid scikit-learn's default tolerance stops it short of the minimum (at C = 0.03 on flowers102 its objective
is 1e-4 above what tol=1e-10 reaches, ours 1e-6), and the two would differ by more.
A second ratio is for all of `crossval`: the same path chosen honestly (10 pair models more), the refit, predictions.

    python benchmarks/heads.py --data DIR/flowers102 --cards DIR
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from table import ratio

CARDS = ("mobilenetv2_100_coral", "mobilenetv1_100_coral")
C_GRID = np.geomspace(1e-4, 1e-2, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="an image set of classes, such as flowers102")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        rows, y, fold_N = load(arguments.data, arguments.cards, arguments.cache or Path(cache))
        x_ND = rows[:]
    num_classes = int(y.max()) + 1
    print(f"{len(x_ND)} x {x_ND.shape[1]}, {num_classes} classes, {fold_N.max() + 1} folds, {os.cpu_count()} cores")
    path_s, ours = timed(lambda: path_losses(x_ND, y, fold_N, num_classes))
    all_s, _ = timed(lambda: cross_validate(x_ND, y, fold_N, num_classes))
    search_s, theirs = timed(lambda: search_losses(x_ND, y, fold_N, num_classes))
    print(f"{'C':>9s} {'scikit-learn':>13s} {'medalist':>9s} {'difference':>11s}")
    for c, a, b in zip(C_GRID, theirs, ours, strict=True):
        print(f"{c:9.2e} {a:13.4f} {b:9.4f} {b - a:+11.5f}")
    worst = np.abs(ours - theirs).max()
    print(f"largest difference {worst:.1e} (at most 1e-3: {'yes' if worst <= 1e-3 else 'NO'})")
    print(
        f"GridSearchCV {search_s:.1f} s; path {path_s:.2f} s, {search_s / path_s:.0f} times faster (at least 20 wanted)"
    )
    ratio(f"path of 10 penalties, {num_classes} classes, times as fast", search_s / path_s, "GridSearchCV")
    ratio("nested crossval with refit, times as fast", search_s / all_s, "GridSearchCV")
    print(f"crossval with nested choice, 13 penalties {all_s:.2f} s, {search_s / all_s:.0f} times faster")


def load(data: Path, cards: Path, cache: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of the centre view of both backbones, class indices and folds."""
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    recipe = load_recipe(metric="accuracy", backbones=CARDS, cards=str(cards), views=("center",))
    features = way.embed(recipe, way.read(recipe, data), cache=cache)
    return features.x_ND, np.asarray(features.train.labels), way.split(recipe, features).fold_N


def timed(work: Any) -> tuple[float, Any]:
    """Wall seconds of `work()`, and what it returned."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def path_losses(x_ND: np.ndarray, y: np.ndarray, fold_N: np.ndarray, num_classes: int) -> np.ndarray:
    """Mean over folds of the held-out log-loss at each C."""
    from medalist.training.blas import one_thread
    from medalist.training.heads.contract import log_loss
    from medalist.training.heads.logistic import LogisticProblem
    from medalist.training.reduce import rotate, standard

    def one(k: int) -> list[float]:
        train, held = np.flatnonzero(fold_N != k), np.flatnonzero(fold_N == k)
        x_NR, _ = rotate(standard(x_ND[train], root=False)(x_ND))
        problem = LogisticProblem(x_NR, y, num_classes)
        fits = problem.path(train, 1 / (C_GRID * problem.unit))
        return [log_loss(x_NR[held] @ fit.weight_DC + fit.bias_C, y[held]) / len(held) for fit in fits]

    from concurrent.futures import ThreadPoolExecutor

    with one_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.mean(list(pool.map(one, range(fold_N.max() + 1))), axis=0)


def cross_validate(x_ND: np.ndarray, y: np.ndarray, fold_N: np.ndarray, num_classes: int) -> Any:
    """The head as a run fits it."""
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    return crossval(heads.bind("logistic"), x_ND, y, fold_N, x_ND[:0], num_classes=num_classes)


def search_losses(x_ND: np.ndarray, y: np.ndarray, fold_N: np.ndarray, num_classes: int) -> np.ndarray:
    """The same by scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    def loss(model: Any, x: np.ndarray, labels: np.ndarray) -> float:
        column = {c: i for i, c in enumerate(model.classes_)}
        prob = model.predict_proba(x)[np.arange(len(labels)), [column[label] for label in labels]]
        return -float(-np.log(np.maximum(prob, 1e-15)).mean())

    search = GridSearchCV(
        Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression(max_iter=2000))]),
        {"fit__C": C_GRID},
        scoring=loss,
        cv=PredefinedSplit(fold_N),
        n_jobs=2,
        refit=False,
    )
    search.fit(x_ND.astype(np.float32), y)
    return -search.cv_results_["mean_test_score"]


if __name__ == "__main__":
    main()
