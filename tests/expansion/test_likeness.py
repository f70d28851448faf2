"""How images fit classes: neighbours as scikit-learn finds them, never of an image's own fold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from medalist.expansion.likeness import Fit, fits
from medalist.quality import outliers
from medalist.quality.outliers import NEIGHBOUR


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features with a sign each, so that none is rooted, and classes that show in them."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    return (rng.normal(size=(count, 8)) + 2 * np.eye(8)[y]).astype(np.float32), y.astype(np.int32)


def unit(x_ND: np.ndarray) -> np.ndarray:
    """Rows of norm 1."""
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), np.float32)


def fitted(x_ND: np.ndarray, y: np.ndarray, fold_N: np.ndarray, x_XD: np.ndarray, num_classes: int) -> tuple[Fit, Fit]:
    """Labelled images and new ones, the head's features pooled ones too."""
    x_JD = np.concatenate([x_ND, x_XD])
    return fits(x_JD, unit(x_JD), y, fold_N, num_classes=num_classes)


def test_nearness_is_that_of_scikit_learn_outside_the_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "BLOCK", 7)
    (x_ND, y), (x_XD, _) = rows(60, 0), rows(20, 1)
    fold_N = np.arange(60) // 3 % 4
    own, new = fitted(x_ND, y, fold_N, x_XD, 3)
    new_KXC = []
    for k in range(4):
        for c in range(3):
            near = NearestNeighbors(n_neighbors=NEIGHBOUR, metric="cosine").fit(x_ND[(fold_N != k) & (y == c)])
            inside = fold_N == k
            np.testing.assert_allclose(own.near_MC[inside, c], 1 - near.kneighbors(x_ND[inside])[0][:, -1], atol=1e-5)
            new_KXC.append(1 - near.kneighbors(x_XD)[0][:, -1])
    np.testing.assert_allclose(new.near_MC, np.mean(np.reshape(new_KXC, (4, 3, -1)), axis=0).T, atol=1e-5)


def test_of_a_class_of_fewer_than_five_the_farthest_counts() -> None:
    x_ND, y = rows(60, 5)
    y[[0, 3, 6]] = 3
    own, _ = fitted(x_ND, y, np.arange(60) // 3 % 4, x_ND[:5], 4)
    unit_ND = unit(x_ND)
    assert own.near_MC[1, 3] == pytest.approx(min(unit_ND[[3, 6]] @ unit_ND[1]), abs=1e-6)  # 0 is of its own fold


def test_a_class_of_one_image_has_no_neighbours_for_it() -> None:
    x_ND, y = rows(60, 2)
    y[0] = 3
    own, new = fitted(x_ND, y, np.arange(60) // 3 % 4, x_ND[:5], 4)
    assert own.near_MC[0, 3] == -1
    assert (own.near_MC[1:, 3] > -1).any() and np.isfinite(new.near_MC).all()


def test_probabilities_are_of_models_that_did_not_see_the_image() -> None:
    """With labels that mean nothing, labelled images look no better than new ones."""
    rng = np.random.default_rng(3)
    x_ND, y = rng.normal(size=(400, 30)).astype(np.float32), rng.integers(2, size=400).astype(np.int32)
    own, new = fitted(x_ND, y, np.arange(400) % 5, x_ND + 0, 2)
    mine = own.prob_MC[np.arange(400), y].mean()
    assert abs(mine - 0.5) < 0.03
    assert new.prob_MC[np.arange(400), y].mean() > mine  # the folds' mean has seen them, four times of five


def test_tags_are_classes_that_an_image_may_have_several_of() -> None:
    x_ND, y = rows(60, 4)
    has_NC = np.eye(3, dtype=bool)[y] | np.eye(3, dtype=bool)[(y + 1) % 3]
    own, new = fitted(x_ND, has_NC, np.arange(60) // 3 % 4, x_ND[:4], 3)
    assert own.prob_MC[has_NC].mean() > own.prob_MC[~has_NC].mean() + 0.2
    assert new.near_MC.shape == (4, 3)
