"""Strange images: distances against scikit-learn, deviations by hand, planted strangers found, likes left alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from medalist.quality import outliers
from medalist.quality.outliers import FLAGGED, NEIGHBOUR, class_deviations, deviations, distances


def unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), np.float32)


def crowd(rng: np.random.Generator, num_rows: int, centre_D: np.ndarray, spread: float = 0.4) -> np.ndarray:
    return unit(centre_D + spread * rng.normal(size=(num_rows, len(centre_D))))


def test_distances_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    x_ND, x_QD = unit(rng.normal(size=(300, 8))), unit(rng.normal(size=(700, 8)))
    far_Q = distances(x_QD, x_ND, np.full(700, -1), np.arange(300))
    theirs_QK, _ = (
        NearestNeighbors(n_neighbors=NEIGHBOUR, metric="cosine", algorithm="brute").fit(x_ND).kneighbors(x_QD)
    )
    np.testing.assert_allclose(far_Q, theirs_QK[:, -1], atol=1e-6)


def test_copies_are_no_neighbours() -> None:
    rng = np.random.default_rng(1)
    x_ND = unit(rng.normal(size=(50, 8)))
    group_N = np.arange(50)
    copied_ND, copies_N = np.concatenate([x_ND, x_ND[[0] * 9]]), np.concatenate([group_N, [0] * 9])
    np.testing.assert_allclose(
        distances(copied_ND, copied_ND, copies_N, copies_N)[[0, -1]],
        distances(x_ND, x_ND, group_N, group_N)[[0, 0]],
        atol=1e-6,
    )


def test_too_few_neighbours_say_nothing() -> None:
    x_ND, few = unit(np.random.default_rng(2).normal(size=(30, 4))), np.arange(NEIGHBOUR)
    assert np.isinf(distances(x_ND[few], x_ND[few], few, few)).all()
    assert np.isinf(distances(x_ND[few], x_ND[few[1:]], few, few[1:])).all()
    np.testing.assert_array_equal(deviations(np.array([np.inf, 1.0]), np.full(4, np.inf)), [0, 0])


def test_deviations_by_hand() -> None:
    # The median is 3, the median distance from it 1.
    found = deviations(np.array([3.0, 3 + 1.4826, np.inf]), np.array([1.0, 2.0, 3.0, 4.0, 50.0]))
    np.testing.assert_allclose(found, [0, 1, 0])
    np.testing.assert_array_equal(deviations(np.array([1.0, 9.0]), np.ones(5)), [0, 0])


def test_planted_strangers_are_found_and_their_hosts_are_not() -> None:
    rng = np.random.default_rng(3)
    home_D, away_D = np.eye(20)[0] * 3, -np.eye(20)[1] * 3
    x_ND = np.concatenate([crowd(rng, 400, home_D), crowd(rng, 3, away_D)])
    far_N = distances(x_ND, x_ND, np.arange(403), np.arange(403))
    strange_N = deviations(far_N, far_N) > FLAGGED
    assert strange_N[400:].all() and strange_N[:400].mean() < 0.01


def test_an_image_like_another_class_is_strange_in_its_own() -> None:
    rng = np.random.default_rng(4)
    x_ND = np.concatenate([crowd(rng, 100, np.eye(10)[c] * 4) for c in range(2)])
    y_N, group_N = np.repeat([0, 1], 100), np.arange(200)
    y_N[0] = 1
    far_N = distances(x_ND, x_ND, group_N, group_N)
    assert deviations(far_N, far_N)[0] < FLAGGED < class_deviations(x_ND, y_N, group_N)[0]
    assert not class_deviations(x_ND[:40], y_N[:40], group_N[:40]).any()


def test_many_images_are_compared_with_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    x_ND, group_N = crowd(rng, 2000, np.eye(10)[0] * 4), np.arange(2000)
    exact_N = distances(x_ND, x_ND, group_N, group_N)
    monkeypatch.setattr(outliers, "MOST_COMPARED", 1000)
    assert np.corrcoef(exact_N, distances(x_ND, x_ND, group_N, group_N))[0, 1] > 0.9
