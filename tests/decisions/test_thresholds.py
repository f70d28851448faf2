"""The threshold search against trying every cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from medalist.decisions import thresholds
from medalist.decisions.thresholds import best_threshold, cut
from medalist.metrics import f1_samples


@st.composite
def tagged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, often equal or 0 or 1, and a truth that they say something about."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y_NC = rng.random((draw(st.integers(1, 12)), draw(st.integers(1, 8)))) < draw(st.floats(0, 1))
    prob_NC = np.clip(0.5 * rng.random(y_NC.shape) + 0.5 * y_NC * rng.random(y_NC.shape), 0, 1)
    decimals = draw(st.sampled_from([0, 1, 2, 7]))
    return np.round(prob_NC, decimals).astype(np.float32), y_NC


def by_trying(prob_NC: np.ndarray, y_NC: np.ndarray, at_least: int) -> float:
    """The largest mean F1 over all cuts, one after the other."""
    cuts = [2.0, *np.unique(prob_NC).astype(np.float64)]
    return max(f1_samples(y_NC, naive_cut(prob_NC, value, at_least)) for value in cuts)


def naive_cut(prob_NC: np.ndarray, value: float, at_least: int) -> np.ndarray:
    """By hand: a set of tags an image, ranked by probability and then by column."""
    set_NC = np.zeros(prob_NC.shape, bool)
    for row, prob_C in enumerate(prob_NC.tolist()):
        ranked = sorted(range(len(prob_C)), key=lambda tag: (-prob_C[tag], tag))
        for rank, tag in enumerate(ranked):
            set_NC[row, tag] = prob_C[tag] >= value or rank < at_least
    return set_NC


@given(tagged(), st.integers(0, 3))
@settings(max_examples=300)
def test_the_threshold_is_as_good_as_any(case: tuple[np.ndarray, np.ndarray], at_least: int) -> None:
    prob_NC, y_NC = case
    value = best_threshold(prob_NC, y_NC, at_least=at_least)
    assert f1_samples(y_NC, cut(prob_NC, value, at_least)) == pytest.approx(by_trying(prob_NC, y_NC, at_least))


@given(tagged(), st.floats(0, 1), st.integers(0, 3))
def test_the_cut_is_the_one_by_hand(case: tuple[np.ndarray, np.ndarray], value: float, at_least: int) -> None:
    np.testing.assert_array_equal(cut(case[0], value, at_least), naive_cut(case[0], value, at_least))


def test_by_hand() -> None:
    prob_NC = np.array([[0.9, 0.6, 0.1], [0.2, 0.5, 0.3]], np.float32)
    y_NC = np.array([[1, 1, 0], [0, 1, 1]], bool)
    # Down to 0.3 every set is right; the next probability is 0.2.
    value = best_threshold(prob_NC, y_NC)
    assert value == pytest.approx(0.25)
    np.testing.assert_array_equal(cut(prob_NC, value, 1), y_NC)


def test_where_the_likeliest_tag_is_best_nothing_else_joins() -> None:
    prob_NC = np.array([[1.0, 0.9], [0.4, 0.3]], np.float32)
    y_NC = np.array([[1, 0], [1, 0]], bool)
    value = best_threshold(prob_NC, y_NC, at_least=1)
    np.testing.assert_array_equal(cut(prob_NC, value, 1), y_NC)


def test_the_search_stays_exact_on_sets_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    y_NC = rng.random((200, 50)) < 0.06
    prob_NC = (0.5 * rng.random((200, 50)) ** 3 + 0.5 * y_NC * rng.random((200, 50))).astype(np.float32)
    value = best_threshold(prob_NC, y_NC)
    # 1,000 events are 5 tags an image on average, more than the best cut gives.
    assert cut(prob_NC, value, 1).sum() < 1000
    monkeypatch.setattr(thresholds, "MAX_EVENTS", 1000)
    assert best_threshold(prob_NC, y_NC) == value


def test_the_score_at_the_threshold_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    y_NC = rng.random((40, 6)) < 0.3
    prob_NC = (0.6 * rng.random((40, 6)) + 0.4 * y_NC).astype(np.float32)
    value = best_threshold(prob_NC, y_NC, at_least=0)
    scores = [f1_score(y_NC, prob_NC >= level, average="samples", zero_division=1.0) for level in np.unique(prob_NC)]
    assert f1_score(y_NC, prob_NC >= value, average="samples", zero_division=1.0) == pytest.approx(max(scores))
