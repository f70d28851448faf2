"""One threshold for micro F: against trying every cut, and half of F where probabilities are calibrated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import fbeta_score

from medalist.decisions import micro
from medalist.decisions.micro import best_micro_threshold


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.sampled_from([0, 1, 2, 7]), st.sampled_from([0.5, 1.0, 2.0]))
@settings(max_examples=50, deadline=None)
def test_no_cut_is_better(seed: int, num_rows: int, decimals: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    y_NC = rng.random((num_rows, 4)) < 0.3
    y_NC[0, 0] = True
    prob_NC = np.round(0.6 * rng.random(y_NC.shape) + 0.4 * y_NC * rng.random(y_NC.shape), decimals).astype(np.float32)
    value, score = best_micro_threshold(prob_NC, csr_array(y_NC), beta=beta)
    best = max(
        fbeta_score(y_NC, prob_NC >= cut, beta=beta, average="micro", zero_division=0.0) for cut in np.unique(prob_NC)
    )
    got = fbeta_score(y_NC, prob_NC >= value, beta=beta, average="micro", zero_division=0.0)
    assert got == pytest.approx(best, abs=1e-12)
    assert score == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_on_calibrated_probabilities_it_is_f_over_one_plus_beta_squared(beta: float) -> None:
    # Lipton, Elkan and Naryanaswamy 2014, theorem 1.
    rng = np.random.default_rng(0)
    prob_NC = rng.random((20_000, 20)).astype(np.float32) ** 3
    value, score = best_micro_threshold(prob_NC, rng.random(prob_NC.shape) < prob_NC, beta=beta)
    assert value == pytest.approx(score / (1 + beta**2), abs=0.02)


def test_blocks_change_nothing_and_neither_do_tags_that_are_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    y_NC = rng.random((200, 5)) < 0.3
    prob_NC = (0.6 * rng.random(y_NC.shape) + 0.4 * y_NC).astype(np.float32)
    before = best_micro_threshold(prob_NC, y_NC)
    monkeypatch.setattr(micro, "BLOCK", 35)
    assert best_micro_threshold(prob_NC, y_NC) == before
    more_NC = np.concatenate([prob_NC, np.full_like(prob_NC, -1)])
    assert best_micro_threshold(more_NC, np.concatenate([y_NC, np.zeros_like(y_NC)])) == before


def test_without_a_true_tag_it_is_one_half() -> None:
    assert best_micro_threshold(np.full((3, 2), 0.7, np.float32), np.zeros((3, 2), bool)) == (0.5, 0.0)
