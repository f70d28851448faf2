"""Rules of labels: the adjustment where theory gives it, cut points against trying every cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from medalist.decisions.kappa import best_cuts, expected_value
from medalist.decisions.rules import rules
from medalist.errors import RecipeError


def unequal(seed: int, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities of three classes, of 80, 17 and 3 images in a hundred."""
    rng = np.random.default_rng(seed)
    prior_C = np.array([0.8, 0.17, 0.03])
    y_N = rng.choice(3, num_rows, p=prior_C)
    x_NC = 1.5 * np.eye(3)[y_N] + rng.standard_normal((num_rows, 3))
    return softmax(1.5 * x_NC + np.log(prior_C), axis=1).astype(np.float32), y_N


def test_balanced_accuracy_takes_the_prior_off() -> None:
    prob_NC, y_N = unequal(0, 3000)
    prob_MC, y_M = unequal(1, 20_000)
    rule = rules.bind("adjusted")
    state = rule(prob_NC, y_N)
    assert state["tau"] == 1.0
    got_M = rule.facts["apply"](state, prob_MC)
    # By hand: Bayes' rule with equal priors.
    best = balanced_accuracy_score(y_M, (prob_MC / [0.8, 0.17, 0.03]).argmax(axis=1))
    assert balanced_accuracy_score(y_M, got_M) == pytest.approx(best, abs=0.01)
    assert balanced_accuracy_score(y_M, got_M) > balanced_accuracy_score(y_M, prob_MC.argmax(axis=1)) + 0.05


def test_accuracy_takes_nothing_off() -> None:
    assert rules.bind("adjusted(metric='accuracy')")(*unequal(2, 3000))["tau"] == 0.0


def test_a_fitted_tau_gets_in_where_it_is_better_beyond_doubt() -> None:
    prob_NC, y_N = unequal(3, 6000)
    # The square root of calibrated probabilities has half their log prior: the best tau is a half.
    root_NC = np.sqrt(prob_NC) / np.sqrt(prob_NC).sum(axis=1, keepdims=True)
    assert rules.bind("adjusted")(root_NC, y_N)["tau"] == pytest.approx(0.5, abs=0.25)


def test_tau_can_be_given_and_nonsense_is_refused() -> None:
    prob_NC, y_N = unequal(4, 50)
    assert rules.bind("adjusted(tau=0.3)")(prob_NC, y_N)["tau"] == 0.3
    for call in ("adjusted(tau=-1)", "adjusted(metric='log_loss')"):
        with pytest.raises(RecipeError, match="takes"):
            rules.bind(call)(prob_NC, y_N)


def kappa(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """scikit-learn's quadratic kappa; 0 where it is not defined."""
    if len(np.unique(np.concatenate([y_N, label_N]))) < 2:
        return 0.0
    return float(cohen_kappa_score(y_N, label_N, weights="quadratic"))


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.sampled_from([1, 7]))
@settings(max_examples=25, deadline=None)
def test_one_cut_is_the_best_of_all(seed: int, num_rows: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    y_N = rng.integers(2, size=num_rows)
    value_N = np.round(np.clip(0.5 * y_N + 0.5 * rng.random(num_rows), 0, 1), decimals)
    got = kappa(y_N, np.searchsorted(best_cuts(value_N, y_N, 2), value_N, side="right"))
    tried = [kappa(y_N, (value_N >= cut).astype(int)) for cut in [*value_N, 9.0]]
    assert got == pytest.approx(max(tried), abs=1e-9)


def test_cuts_are_nearly_the_best_of_all_and_never_below_rounding() -> None:
    shortfall = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y_N = rng.choice(3, 12, p=[0.6, 0.3, 0.1])
        value_N = 0.6 * y_N + 0.8 * rng.random(12)
        cut_T = best_cuts(value_N, y_N, 3)
        assert (np.diff(cut_T) >= 0).all()
        got = kappa(y_N, np.searchsorted(cut_T, value_N, side="right"))
        rounded = kappa(y_N, np.clip(np.rint(value_N), 0, 2).astype(int))
        places = itertools.combinations_with_replacement([*np.sort(value_N), 9.0], 2)
        best = max(kappa(y_N, np.searchsorted(cuts, value_N, side="right")) for cuts in places)
        assert rounded - 1e-9 <= got <= best + 1e-9
        shortfall.append(best - got)
    assert np.mean(shortfall) < 0.005


def test_cut_points_beat_rounding_on_new_images() -> None:
    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        y_N = rng.choice(5, 4000, p=[0.7, 0.1, 0.1, 0.06, 0.04])
        logit_NC = 0.6 * np.eye(5)[y_N] + rng.standard_normal((4000, 5)) - 0.8 * np.abs(np.arange(5) - y_N[:, None])
        return softmax(logit_NC, axis=1), y_N

    prob_NC, y_N = draw(0)
    prob_MC, y_M = draw(1)
    rule = rules.bind("cut_points")
    got_M = rule.facts["apply"](rule(prob_NC, y_N), prob_MC)
    assert kappa(y_M, got_M) > kappa(y_M, np.rint(expected_value(prob_MC)).astype(int)) + 0.03


def test_where_rounding_is_best_it_is_kept() -> None:
    y_N = np.arange(40) % 4
    np.testing.assert_allclose(best_cuts(y_N + 0.1, y_N, 4), [0.5, 1.5, 2.5])
    np.testing.assert_allclose(best_cuts(np.zeros(0), np.zeros(0, int), 3), [0.5, 1.5])
