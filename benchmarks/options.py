"""What each option of a recipe gains over a plain base, paired by image and pooled over the five image sets.

An option is a few `key=value`. Its gain on a set is the share of the base's error (one minus the score, or the
log-loss) that it removes, averaged over draws of the folds; the pooled gain is the mean over the sets, with the error
that follows from theirs. An option becomes the default if it gains more than two standard errors for its cost. The
base here is one view and one tap (`views=[center]`, `taps=[pooled]`), the recipe's default but for these.

    python benchmarks/options.py --data ROOT --cards DIR
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from baseline import SETS, error_of_mean, our_answers

from medalist.errors import RecipeError

BASE, NO_ROOT = "base", "without the square root"
OPTIONS = {
    BASE: [],
    "views center, flip": ["views=[center, flip]"],
    "tap gem": ["taps=[gem]"],
    "taps pooled, gem": ["taps=[pooled, gem]"],
    "taps pooled, middle": ["taps=[pooled, middle]"],
    "taps pooled, logits": ["taps=[pooled, logits]"],
    "taps pooled, middle, logits": ["taps=[pooled, middle, logits]"],
    "size 288": ["size=288"],
    "sizes 224, 288": ["size=[224, 288]"],
    "normalise l2": ["normalise=l2"],
    "normalise l1 (power, L2)": ["normalise=l1"],
    NO_ROOT: [],
    "heads ridge, logistic, lda": ["heads=[ridge, logistic, lda]"],
    "head lda": ["heads=[lda]"],
    "head ridge": ["heads=[ridge]"],
    "head logistic": ["heads=[logistic]"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the five image sets")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--backbone", nargs="+", default=["mobilenetv2_100_coral", "mobilenetv1_100_coral"])
    parser.add_argument("--runtime", default="torch_f32", help="torch's share one pass between taps")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--options", nargs="+", default=list(OPTIONS), choices=list(OPTIONS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="a draw of the folds each")
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        arguments.cache = arguments.cache or Path(temporary)
        base = {name: terms(arguments, name, []) for name in arguments.sets}
        print(f"{'option':28s} {'columns':>7s} {'fit s':>6s}  pooled gain      " + "".join(f"{n:>17s}" for n in base))
        for option in arguments.options:
            print(line(arguments, option, base), flush=True)


def line(arguments: argparse.Namespace, option: str, base: dict[str, Any]) -> str:
    """An option on all sets."""
    if option == BASE:
        scores = "".join(f"{term_N.mean():17.4f}" for term_N, *_ in base.values())
        columns, seconds = (max(found[i] for found in base.values()) for i in (2, 3))
        return f"{option:28s} {columns:7d} {seconds:6.1f}  {'':17s}{scores}"
    gains, errors, cells, columns, seconds = [], [], [], 0, 0.0
    for name, (base_N, group_N, *_) in base.items():
        try:
            term_N, _, columns, fit_s = terms(arguments, name, OPTIONS[option], root=option != NO_ROOT)
        except RecipeError:  # a head that does not learn this task: pooled over the other sets
            cells.append("-")
            continue
        seconds = max(seconds, fit_s)
        better_N = (term_N - base_N) * (-1 if SETS[name] == "log_loss" else 1)
        error = base_N.mean() if SETS[name] == "log_loss" else 1 - base_N.mean()
        gains.append(better_N.mean() / error)
        errors.append(error_of_mean(better_N, group_N) / error)
        cells.append(f"{gains[-1]:+9.1%} ({gains[-1] / max(errors[-1], 1e-12):+4.1f})")
    pooled, stderr = float(np.mean(gains)), float(np.linalg.norm(errors)) / len(errors)
    text = f"{pooled:+6.1%} ({pooled / max(stderr, 1e-12):+4.1f} se)"
    return f"{option:28s} {columns:7d} {seconds:6.1f}  {text:17s}" + "".join(f"{cell:>17s}" for cell in cells)


def terms(
    arguments: argparse.Namespace, name: str, changes: list[str], *, root: bool = True
) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Each row's term of the metric, averaged over draws of the folds; groups; columns; seconds of one draw's heads.

    The heads root features that are never negative. Shifted below zero none is rooted, and a shift is nothing to them.
    """
    from medalist.metrics import metrics
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    changes = [f"runtime={arguments.runtime}", "views=[center]", "taps=[pooled]", *changes]
    recipe = load_recipe(None, changes, metric=SETS[name], backbones=arguments.backbone, cards=str(arguments.cards))
    features = way.embed(recipe, way.read(recipe, arguments.data / name), cache=arguments.cache)
    y, metric, x_ND = features.train.labels, metrics.bind(recipe.metric), features.x_ND[:]
    x_ND = x_ND if root else x_ND - x_ND.max(axis=0)
    start, found = time.perf_counter(), []
    for seed in arguments.seeds:
        drawn = recipe.model_copy(update={"folds": recipe.folds.model_copy(update={"seed": seed}), "seed": seed})
        answers = our_answers(drawn, x_ND, y, way.split(drawn, features).fold_N, len(features.train.classes))
        found.append(metric.facts["rows"](y, answers))
    seconds = (time.perf_counter() - start) / len(arguments.seeds)
    return np.mean(found, axis=0), features.group_N, x_ND.shape[1], seconds


if __name__ == "__main__":
    main()
