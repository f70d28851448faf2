"""The best set by expected F: against all sets and all truths by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medalist.decisions import expected
from medalist.decisions.expected import best_sets, expected_f


def by_hand(prob_C: np.ndarray, set_C: np.ndarray, beta: float) -> float:
    """E F of one set, summed over every possible truth."""
    total = 0.0
    for truth in itertools.product([False, True], repeat=len(prob_C)):
        chance = np.prod(np.where(truth, prob_C, 1 - prob_C))
        both = beta**2 * sum(truth) + set_C.sum()
        total += chance * (1.0 if both == 0 else (1 + beta**2) * np.count_nonzero(set_C & np.array(truth)) / both)
    return float(total)


def all_sets(num: int) -> list[np.ndarray]:
    return [np.array(bits) for bits in itertools.product([False, True], repeat=num)]


@given(st.lists(st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.5, 0.8, 1.0]), min_size=1, max_size=6), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_no_set_is_better(prob: list[float], which: int) -> None:
    beta = (0.5, 1.0, 1.5, 2.0)[which]
    prob_C = np.array(prob)
    best = max(by_hand(prob_C, set_C, beta) for set_C in all_sets(len(prob)))
    assert by_hand(prob_C, best_sets(prob_C[None], beta=beta)[0], beta) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("beta", [1e-4, 0.1, 0.2, 0.37, 0.5, 2, 3, 3.3, 20])
def test_every_beta_is_exact(beta: float) -> None:
    prob_C = -np.sort(-(np.random.default_rng(3).random(7) ** 2))
    score_K = expected_f(prob_C[None], np.zeros(1), beta)[0]
    np.testing.assert_allclose(score_K, [by_hand(prob_C, np.arange(7) < k, beta) for k in range(8)], atol=1e-11)


def test_both_ways_to_sum_agree_with_tags_beyond_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    prob_MQ, rest_M = -np.sort(-np.random.default_rng(4).random((5, 9)), axis=1), np.linspace(0, 3, 5)
    grid_MK = expected_f(prob_MQ, rest_M, 2.0)
    monkeypatch.setattr(expected, "MAX_POINTS", 0)
    np.testing.assert_allclose(expected_f(prob_MQ, rest_M, 2.0), grid_MK, atol=1e-12)


def test_eight_tags_within_limits() -> None:
    prob_C = np.random.default_rng(0).random(8) ** 2
    scored = {set_C.tobytes(): by_hand(prob_C, set_C, 1.0) for set_C in all_sets(8)}
    for least, most in ((0, None), (0, 1), (5, None), (2, 2), (8, 8)):
        got_C = best_sets(prob_C[None], beta=1.0, at_least=least, at_most=most)[0]
        allowed = [set_C for set_C in all_sets(8) if least <= set_C.sum() <= (8 if most is None else most)]
        assert scored[got_C.tobytes()] == pytest.approx(max(scored[set_C.tobytes()] for set_C in allowed), abs=1e-12)


def test_a_barred_tag_is_never_taken_but_may_be_true() -> None:
    prob_C = np.array([0.9, 0.6, 0.5])
    got_C = best_sets(np.array([[0.9, -1.6, 0.5]]), beta=1.0)[0]
    allowed = [set_C for set_C in all_sets(3) if not set_C[1]]
    # One barred tag is a Poisson number here, not a coin: the set is the best one, the score only nearly.
    assert by_hand(prob_C, got_C, 1.0) == max(by_hand(prob_C, set_C, 1.0) for set_C in allowed)


def test_tags_beyond_the_candidates_count_as_a_poisson_number() -> None:
    rng = np.random.default_rng(1)
    prob_MC = np.concatenate([rng.random((20, 6)), np.full((20, 200), 0.01)], axis=1)
    top_MQ = -np.sort(-prob_MC, axis=1)
    whole_MK = expected_f(top_MQ, np.zeros(20), 1.0)[:, :10]
    cut_MK = expected_f(top_MQ[:, :9], top_MQ[:, 9:].sum(axis=1), 1.0)
    # Le Cam 1960: the number of the others is off by the sum of their squares at most.
    bound_M = (top_MQ[:, 9:] ** 2).sum(axis=1)
    assert (np.abs(whole_MK - cut_MK).max(axis=1) <= bound_M).all()
    assert np.abs(whole_MK - cut_MK).max() < 2e-3
    np.testing.assert_array_equal(best_sets(prob_MC, beta=1.0, candidates=9), best_sets(prob_MC, beta=1.0))


def test_chunks_change_nothing_and_no_image_gives_no_set(monkeypatch: pytest.MonkeyPatch) -> None:
    prob_MC = np.random.default_rng(2).random((50, 12)) ** 3
    before_MC = best_sets(prob_MC, beta=2.0)
    monkeypatch.setattr(expected, "CHUNK_BYTES", 8 * 144 * 3)
    np.testing.assert_array_equal(best_sets(prob_MC, beta=2.0), before_MC)
    assert best_sets(prob_MC[:0], beta=1.0).shape == (0, 12)


def test_equal_probabilities_rank_by_column() -> None:
    assert best_sets(np.full((1, 3), 0.4), beta=1.0, at_least=1, at_most=1).tolist() == [[True, False, False]]
