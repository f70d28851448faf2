"""The one test that guards every leak: with shuffled labels, the whole pipeline scores at chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medalist.pipeline.decide import Decision
from medalist.pipeline.way import decide, embed, fit, read, split
from medalist.recipe import load_recipe

NUM_SHUFFLES = 6


def shuffled_decision(competition: Path, cache: Path, out: Path, metric: str, seed: int) -> tuple[Decision, np.ndarray]:
    """Everything that learns, on labels that know nothing of the images."""
    recipe = load_recipe(None, ["folds.k=3", "heads=[ridge, logistic, knn]"], metric=metric, backbones=("embedded",))
    features = embed(recipe, read(recipe, competition), cache=cache)
    label_N = np.random.default_rng(seed).permutation(features.train.labels)
    features = replace(features, train=replace(features.train, labels=label_N))
    folds = split(recipe, features)
    runs = fit(recipe, features, folds, out / f"{metric}{seed}")
    return decide(recipe, runs, features, folds), label_N


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_shuffled_labels_score_at_chance(competition: Path, cache: Path, tmp_path: Path, metric: str) -> None:
    gains, errors = [], []
    for seed in range(NUM_SHUFFLES):
        decision, label_N = shuffled_decision(competition, cache, tmp_path, metric, seed)
        share_C = np.bincount(label_N) / len(label_N)
        chance = share_C.max() if metric == "accuracy" else -float((share_C * np.log(share_C)).sum())
        sign = 1 if metric == "accuracy" else -1
        gains.append(sign * (decision.estimate.score - chance))
        errors.append(decision.estimate.stderr)
    standard_error = float(np.sqrt(np.square(errors).mean() / NUM_SHUFFLES))
    assert np.mean(gains) <= 2 * standard_error


def test_true_labels_score_above_it(competition: Path, cache: Path, tmp_path: Path) -> None:
    recipe = load_recipe(None, ["folds.k=3"], metric="log_loss", backbones=("embedded",))
    features = embed(recipe, read(recipe, competition), cache=cache)
    folds = split(recipe, features)
    runs = fit(recipe, features, folds, tmp_path)
    decision = decide(recipe, runs, features, folds)
    assert decision.estimate.score + 4 * decision.estimate.stderr < np.log(len(features.train.classes))
    assert decision.in_sample < decision.estimate.score  # the gap that the summary shows
