"""What an image must reach: worked by hand, honest on rows that did not set it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medalist.expansion.bars import SHARE, Bar, rates
from medalist.expansion.likeness import Fit


def test_a_bar_worked_by_hand() -> None:
    # Nine images of one class: probabilities 0.1 to 0.9, all equally near. int(0.15 x 10) = 1: the least one sets it.
    prob_N1 = np.arange(1, 10)[:, None] / 10
    bar = Bar.of(Fit(prob_N1, np.full((9, 1), 0.5)), np.ones((9, 1), bool))
    assert bar.least == 0.1  # nobody is below the lowest, which counts itself: 1 of 10
    shares = bar.shares(np.array([0.05, 0.35]), np.array([0.9, 0.4]))
    assert [share.tolist() for share in shares] == [[0.1, 0.4], [1.0, 0.1]]
    passed = bar.passes(Fit(np.array([[0.05], [0.35]]), np.array([[0.9], [0.9]])))
    assert passed.tolist() == [[True], [True]]


def test_it_takes_both_a_head_and_near_neighbours() -> None:
    rng = np.random.default_rng(0)
    bar = Bar.of(Fit(rng.uniform(0.5, 1, (200, 1)), rng.uniform(0.5, 1, (200, 1))), np.ones((200, 1), bool))
    passed = bar.passes(Fit(np.array([[0.9], [0.9], [0.1]]), np.array([[0.9], [0.1], [0.9]])))
    assert passed.ravel().tolist() == [True, False, False]


@given(st.integers(1, 60), st.integers(0, 1000))
def test_labelled_images_reach_the_bar_that_they_set(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fit = Fit(rng.random((count, 1)).round(1), rng.random((count, 1)).round(1))
    assert Bar.of(fit, np.ones((count, 1), bool)).passes(fit).mean() >= SHARE


def test_the_stated_share_holds_for_new_images_of_the_same_kind() -> None:
    """Over many draws 85 % of new images pass, or a little more: two of 60 images may share the score of the bar."""
    rng = np.random.default_rng(1)
    passed = []
    for _ in range(300):
        old, new = (Fit(rng.normal(size=(60, 1)), rng.normal(size=(60, 1))) for _ in range(2))
        passed.append(Bar.of(old, np.ones((60, 1), bool)).passes(new).mean())
    error = np.std(passed) / np.sqrt(len(passed))
    assert SHARE - 2 * error < np.mean(passed) < SHARE + 2 * error + 2 / 60


def test_rates_of_noise_are_the_same_for_own_and_others() -> None:
    rng = np.random.default_rng(2)
    has_NC = np.eye(4, dtype=bool)[rng.integers(4, size=2000)]
    measured = rates(Fit(rng.random((2000, 4)), rng.random((2000, 4))), has_NC, rng.integers(5, size=2000))
    np.testing.assert_allclose(measured.own_C, SHARE, atol=0.05)
    np.testing.assert_allclose(measured.other_C, SHARE, atol=0.05)


def test_a_class_without_images_has_no_rate() -> None:
    has_NC = np.zeros((40, 2), bool)
    has_NC[:, 0] = True
    measured = rates(Fit(np.random.default_rng(0).random((40, 2)), np.ones((40, 2))), has_NC, np.arange(40) % 4)
    assert np.isnan(measured.own_C[1]) and np.isnan(measured.other_C[0]) and measured.own_C[0] > 0.7
