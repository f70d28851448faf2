"""200 pairs that differ in nothing but luck: at most 8 % may be called different, whichever way they are compared.

Drawn features, four classes, the same rows and folds for both of a pair. Axes: N images, D features, S seeds.
"""

from __future__ import annotations

import numpy as np
import pytest

from medalist.data.splits import make_folds
from medalist.evidence import compare, compare_seeds
from medalist.experiments.seeds import ENOUGH_SEEDS
from medalist.training.crossval import crossval
from medalist.training.heads import heads

PAIRS, ALLOWED = 200, 16
NET = "mlp(hidden=8, epochs=4, batch=16, lr=0.02)"


def drawn(rng: np.random.Generator, num_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of four overlapping classes, labels, and folds."""
    mean_CD = 0.9 * rng.normal(size=(4, 12))
    y_N = rng.permutation(np.arange(num_rows) % 4)
    fold_N = make_folds(y_N, np.arange(num_rows), num_folds=4, seed=int(rng.integers(1000)))
    return mean_CD[y_N] + rng.normal(size=(num_rows, 12)), y_N, fold_N


def answers(head: str, x_ND: np.ndarray, y_N: np.ndarray, fold_N: np.ndarray, seed: int = 0) -> np.ndarray:
    """The label of each row by the model that saw nothing of its fold."""
    x_ND = x_ND.astype(np.float32)
    _, found = crossval(heads.bind(head), x_ND, y_N, fold_N, x_ND[:1], num_classes=4, seed=seed)
    return np.asarray(found.oof_NC.argmax(axis=1))


def wrong(verdicts: list[str]) -> int:
    return sum(verdict in ("better", "worse") for verdict in verdicts)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ridge_on_features_seen_through_noise_of_their_own() -> None:
    verdicts = []
    for pair in range(PAIRS):
        rng = np.random.default_rng([7, pair])
        x_ND, y_N, fold_N = drawn(rng, 200)
        a_N, b_N = (answers("ridge", x_ND + rng.normal(size=x_ND.shape), y_N, fold_N) for _ in range(2))
        verdicts.append(compare("accuracy", y_N, a_N, b_N).verdict)
    assert wrong(verdicts) <= ALLOWED
    assert verdicts.count("equal") > PAIRS / 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nets_that_differ_in_their_seed_need_several_of_them() -> None:
    alone, together = [], []
    for pair in range(PAIRS):
        x_ND, y_N, fold_N = drawn(np.random.default_rng([9, pair]), 120)
        first = 2 * ENOUGH_SEEDS * pair
        runs = [answers(NET, x_ND, y_N, fold_N, seed) for seed in range(first, first + 2 * ENOUGH_SEEDS)]
        alone.append(compare("accuracy", y_N, runs[0], runs[1]).verdict)
        together.append(compare_seeds("accuracy", y_N, runs[:ENOUGH_SEEDS], runs[ENOUGH_SEEDS:]).verdict)
    assert wrong(together) <= ALLOWED
    # Why a training that draws gets several seeds: errors of the rows alone call too many pairs different.
    assert wrong(alone) > ALLOWED
