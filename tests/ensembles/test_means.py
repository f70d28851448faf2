"""Geometric, power and rank means, and stacking, against formulas, scipy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gmean, pmean, rankdata
from sklearn.linear_model import LinearRegression

from medalist.ensembles import ensembles


def draw(num_rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    prob_NRC = rng.dirichlet(np.ones(4), (num_rows, 3)).astype(np.float32)
    return prob_NRC, np.array([rng.choice(4, p=p / p.sum()) for p in prob_NRC[:, 0].astype(np.float64)])


def answered(text: str, prob_NRC: np.ndarray, y: np.ndarray) -> np.ndarray:
    bound = ensembles.bind(text)
    return np.asarray(bound.facts["apply"](bound(prob_NRC, y), prob_NRC))


def test_geometric_mean_of_classes_and_of_tags() -> None:
    prob_NRC, y_N = draw()
    mean_NC = gmean(prob_NRC, axis=1)
    expected_NC = mean_NC / mean_NC.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answered("geometric", prob_NRC, y_N), expected_NC, atol=1e-6)
    odds_NC = gmean(prob_NRC / (1 - prob_NRC), axis=1)
    tags_NC = np.eye(4)[y_N] > 0
    np.testing.assert_allclose(answered("geometric", prob_NRC, tags_NC), odds_NC / (1 + odds_NC), atol=1e-5)


@pytest.mark.parametrize("p", [-1.0, 0.5, 2.0])
def test_power_mean_is_scipys_rescaled(p: float) -> None:
    prob_NRC, y_N = draw()
    mean_NC = pmean(prob_NRC.astype(np.float64), p, axis=1)
    expected_NC = mean_NC / mean_NC.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answered(f"power(p={p})", prob_NRC, y_N), expected_NC, atol=1e-5)


def test_power_mean_holds_both_the_mean_and_the_geometric_one() -> None:
    prob_NRC, y_N = draw()
    for y in (y_N, np.eye(4)[y_N] > 0):
        for p, name in ((1, "mean"), (0, "geometric"), (0.0011, "geometric")):
            np.testing.assert_allclose(
                answered(f"power(p={p})", prob_NRC, y), answered(name, prob_NRC, y), atol=1e-3 if p == 0.0011 else 1e-6
            )


def test_the_learnt_exponent_has_the_least_loss_of_a_grid() -> None:
    prob_NRC, y_N = draw()

    def loss(text: str) -> float:
        return float(-np.log(answered(text, prob_NRC, y_N)[np.arange(len(y_N)), y_N]).mean())

    assert loss("power") <= min(loss(f"power(p={p})") for p in (-3.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)) + 1e-4


def test_rank_mean_orders_as_the_mean_of_scipys_ranks_and_scale_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    prob_NRC = rng.random((2000, 2, 1)).astype(np.float32)
    prob_NRC[:, 0] = np.round(prob_NRC[:, 0], 1)  # ties
    y_NC = rng.random((2000, 1)) < 0.5
    ranks_NR = np.stack([rankdata(prob_NRC[:, r, 0]) / 2000 for r in range(2)], axis=1)
    found_N = answered("rank", prob_NRC, y_NC)[:, 0]
    np.testing.assert_allclose(found_N, ranks_NR.mean(axis=1), atol=0.012)
    bent_NRC = prob_NRC.copy()
    bent_NRC[:, 1] = bent_NRC[:, 1] ** 8
    np.testing.assert_allclose(answered("rank", bent_NRC, y_NC)[:, 0], found_N, atol=0.012)


def test_rank_of_an_image_beyond_all_seen() -> None:
    prob_NRC, y_N = draw()
    bound = ensembles.bind("rank")
    state = bound(prob_NRC * 0.5 + 0.1, np.eye(4)[y_N] > 0)
    ends_NC = bound.facts["apply"](state, np.array([[[0.0] * 4] * 3, [[1.0] * 4] * 3], np.float32))
    np.testing.assert_allclose(ends_NC, [[0] * 4, [1] * 4], atol=1e-6)


@pytest.mark.parametrize("tags", [False, True])
def test_stacking_is_non_negative_least_squares(tags: bool) -> None:
    prob_NRC, y_N = draw(1500)
    truth_NC = np.eye(4)[y_N]
    state = ensembles.bind("stack(pull=0)")(prob_NRC, truth_NC > 0 if tags else y_N)
    columns_ER = prob_NRC.transpose(0, 2, 1).reshape(-1, 3).astype(np.float64)
    reference = LinearRegression(positive=True, fit_intercept=False).fit(columns_ER, truth_NC.ravel())
    np.testing.assert_allclose(state["weights"], reference.coef_, atol=1e-6)
    assert state["weights"][0] > 0.8


def test_stacking_under_a_strong_pull_is_the_mean() -> None:
    prob_NRC, y_N = draw()
    np.testing.assert_allclose(answered("stack(pull=1e9)", prob_NRC, y_N), answered("mean", prob_NRC, y_N), atol=1e-5)
