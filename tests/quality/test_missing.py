"""Soft targets for missing tags: the formula by hand, what is set stays, drawn truth is told better than by zeros."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.special import expit
from scipy.stats import norm

from medalist.errors import RecipeError
from medalist.quality.missing import completed


def drawn(seed: int, *, num_images: int = 4000, num_tags: int = 8, tied: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """What an image says of each tag, and true tags; what it does not show makes every second tag likelier, or less."""
    rng = np.random.default_rng(seed)
    logit_NC = rng.normal(-1.5, 0.5, num_tags) + 1.5 * rng.standard_normal((num_images, num_tags))
    sign_C = tied * np.where(np.arange(num_tags) % 2, 1, -1)
    hidden_Q = norm.ppf((np.arange(50) + 0.5) / 50)
    prob_NC = expit(logit_NC + hidden_Q[:, None, None] * sign_C).mean(axis=0)
    return prob_NC, rng.random(logit_NC.shape) < expit(logit_NC + rng.standard_normal((num_images, 1)) * sign_C)


def dropped(y_NC: np.ndarray, share: float, seed: int) -> np.ndarray:
    return y_NC & (np.random.default_rng(seed).random(y_NC.shape) >= share)


def test_independent_tags_follow_the_formula() -> None:
    prob_NC, y_NC = drawn(0, num_images=40_000)
    set_NC = dropped(y_NC, 0.3, 1)
    told_NC = 0.7 * prob_NC  # of a perfect model of the tags that are set
    found_NC = completed(told_NC, set_NC, share=0.3)
    expected_NC = np.where(set_NC, 1, 0.3 / 0.7 * told_NC / (1 - told_NC))
    # Calibration and evidence find nothing here but chance.
    assert np.abs(found_NC - expected_NC).mean() < 0.01
    assert found_NC.sum() == pytest.approx(y_NC.sum(), rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_drawn_truth_is_told_better_than_by_zeros_and_by_the_model_alone(seed: int) -> None:
    prob_NC, y_NC = drawn(seed, tied=2.0)
    set_NC = dropped(y_NC, 0.3, seed + 10)
    found_NC = completed(0.7 * prob_NC, set_NC, share=0.3)
    alone_NC = np.where(set_NC, 1, 0.3 / 0.7 * 0.7 * prob_NC / (1 - 0.7 * prob_NC))
    nothing, alone, found = (((guess_NC - y_NC) ** 2).mean() for guess_NC in (1.0 * set_NC, alone_NC, found_NC))
    assert found < alone < nothing


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.95), st.integers(1, 6), st.integers(1, 40))
def test_targets_keep_what_is_set_and_grow_with_the_share(seed: int, share: float, tags: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    prob_NC, set_NC = rng.random((images, tags)), rng.random((images, tags)) < 0.4
    prob_NC[0, 0] = rng.choice([0.0, 1.0])
    found_NC = completed(prob_NC, csr_array(set_NC), share=share)
    assert found_NC.dtype == np.float32 and found_NC.shape == set_NC.shape
    assert ((found_NC >= 0) & (found_NC <= 1)).all() and (found_NC[set_NC] == 1).all()
    assert (found_NC <= completed(prob_NC, set_NC, share=min(share + 0.04, 0.99))).all()
    assert (completed(prob_NC, set_NC, share=0) == set_NC).all()


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(RecipeError, match="share of true tags that are missing"):
        completed(np.full((2, 2), 0.5), np.ones((2, 2), bool), share=share)
