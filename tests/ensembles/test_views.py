"""Weights of views: a harmful one is left out, equal ones stay equal; flips counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.ensembles import ensembles, flips
from medalist.ensembles.views import apply


def draw(seed: int, noise_V: tuple[float, ...], num_rows: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Views of one learner: a common part, and each its own noise."""
    rng = np.random.default_rng(seed)
    y_N = rng.integers(0, 5, num_rows)
    common_NC = 3 * np.eye(5)[y_N] + rng.normal(size=(num_rows, 5))
    logit_NVC = np.stack([common_NC + noise * rng.normal(size=(num_rows, 5)) for noise in noise_V], axis=1)
    prob_NVC = np.exp(logit_NVC) / np.exp(logit_NVC).sum(axis=2, keepdims=True)
    return prob_NVC.astype(np.float32), y_N


@pytest.mark.parametrize("harm", ["noisy", "elsewhere", "shuffled"])
def test_a_harmful_view_gets_next_to_nothing_in_9_of_10_seeds(harm: str) -> None:
    left_out = 0
    for seed in range(10):
        prob_NVC, y_N = draw(seed, (0.5, 0.5, 4.0 if harm == "noisy" else 0.5))
        if harm == "elsewhere":  # such as a crop that cuts the object off: it sees something else
            prob_NVC[:, 2] = np.roll(prob_NVC[:, 2], 1, axis=1)
        if harm == "shuffled":
            prob_NVC[:, 2] = np.random.default_rng(seed).permutation(prob_NVC[:, 2])
        left_out += ensembles.bind("views")(prob_NVC, y_N)["weights"][2] <= 0.01
    assert left_out >= 9


def test_equal_views_stay_near_equal() -> None:
    worst = 0.0
    for seed in range(10):
        prob_NVC, y_N = draw(seed, (0.5, 0.5, 0.5, 0.5))
        weights = np.array(ensembles.bind("views")(prob_NVC, y_N)["weights"])
        assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
        worst = max(worst, float(np.abs(weights - 0.25).max()))
    assert worst <= 0.05


def test_a_better_view_weighs_more_and_a_pull_draws_it_back() -> None:
    prob_NVC, y_N = draw(1, (0.3, 2.0), 2000)
    learnt = ensembles.bind("views")(prob_NVC, y_N)["weights"]
    assert learnt[0] > 0.7
    np.testing.assert_allclose(ensembles.bind("views(pull=1e9)")(prob_NVC, y_N)["weights"], 0.5, atol=1e-3)


def test_a_vague_view_is_not_wanted_for_making_others_less_sure() -> None:
    prob_NVC, y_N = draw(2, (0.2, 0.2), 2000)
    sure_NVC = prob_NVC**3 / (prob_NVC**3).sum(axis=2, keepdims=True)
    with_vague_NVC = np.concatenate([sure_NVC, np.full_like(sure_NVC[:, :1], 0.2)], axis=1)
    state = ensembles.bind("views(pull=0)")(with_vague_NVC, y_N)
    # A flat view changes no order: its weight is a temperature, and nothing in the data asks for one.
    assert (
        apply(state, with_vague_NVC).argmax(axis=1) == apply({**state, "weights": [0.5, 0.5]}, sure_NVC).argmax(axis=1)
    ).mean() > 0.98


def test_views_of_tags() -> None:
    rng = np.random.default_rng(3)
    y_NC = rng.random((800, 6)) < 0.3
    good = 1 / (1 + np.exp(-(4 * y_NC - 2 + rng.normal(size=(2, 800, 6)))))
    prob_NVC = np.concatenate([good, rng.random((1, 800, 6))]).transpose(1, 0, 2).astype(np.float32)
    weights = ensembles.bind("views")(prob_NVC, y_NC)["weights"]
    assert weights[2] <= 0.01
    np.testing.assert_allclose(weights[:2], 0.5, atol=0.1)


def test_flips_of_tags_by_hand() -> None:
    y_NC = np.array([[True, False, True]])
    base_NC, other_NC = np.array([[0.2, 0.6, 0.9]]), np.array([[0.7, 0.6, 0.1]])
    assert flips(y_NC, base_NC, other_NC) == (1, 1)


def test_fewer_rows_than_parts_are_enough() -> None:
    prob_NVC, y_N = draw(1, (0.3, 2.0), 4)
    weights = ensembles.bind("views")(prob_NVC, y_N)["weights"]
    assert np.isfinite(weights).all() and min(weights) >= 0
