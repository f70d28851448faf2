"""Designs, effects and their errors, against hand counts and planted responses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.experiments.augmenting.screening import Design, design, effects, lenth, one_at_a_time, run_noise


@given(st.integers(1, 15), st.integers(0, 5))
def test_columns_are_balanced_and_orthogonal(num_factors: int, seed: int) -> None:
    found = design(num_factors, seed=seed)
    every_RC = np.hstack([found.sign_RF, found.spare_RS])
    num_runs = 8 if num_factors <= 4 else 16
    assert every_RC.shape == (num_runs, num_runs - 1)
    assert set(every_RC.ravel().tolist()) == {-1, 1}
    assert (every_RC.sum(axis=0) == 0).all()
    assert (every_RC.T @ every_RC == num_runs * np.eye(num_runs - 1)).all()


@given(st.integers(2, 8), st.integers(0, 5))
def test_few_factors_are_clear_of_products_of_two(num_factors: int, seed: int) -> None:
    found = design(num_factors, seed=seed)
    assert found.clear
    for i in range(num_factors):
        for j in range(i):
            product_R = found.sign_RF[:, i] * found.sign_RF[:, j]
            assert (product_R @ found.sign_RF == 0).all()


def test_many_factors_are_told_to_be_mixed() -> None:
    assert not design(9).clear
    # With all columns taken, a product of two factors is plus or minus a third one.
    sign_RF = design(15).sign_RF
    assert abs((sign_RF[:, 0] * sign_RF[:, 1]) @ sign_RF).max() == 16


def test_the_seed_moves_the_factors() -> None:
    assert (design(6, seed=1).sign_RF == design(6, seed=1).sign_RF).all()
    assert (design(6, seed=1).sign_RF != design(6, seed=2).sign_RF).any()


def test_too_many_factors_are_refused() -> None:
    with pytest.raises(RecipeError, match="1 to 15 factors, got 16"):
        design(16)
    with pytest.raises(RecipeError, match="got 0"):
        design(0)


def answers_of(accuracy_R: np.ndarray, num_rows: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels, and answers a run of which exactly that share is right, the same rows first."""
    y_N = np.zeros(num_rows, np.int32)
    return y_N, [(np.arange(num_rows) >= round(accuracy * num_rows)).astype(np.int32) for accuracy in accuracy_R]


def test_a_linear_response_is_recovered_exactly() -> None:
    found = design(3, seed=4)
    # From off to on an effect is twice its coefficient: 0.1, -0.04 and nothing.
    y_N, answers_R = answers_of(0.7 + found.sign_RF @ [0.05, -0.02, 0.0], 1000)
    told = effects("accuracy", y_N, answers_R, found, rounds=200)
    assert [one.difference for one in told] == pytest.approx([0.1, -0.04, 0.0])
    assert [one.verdict for one in told] == ["better", "worse", "equal"]


def test_lower_is_better_for_a_loss() -> None:
    found = design(1, seed=0)
    y_N = np.arange(200) % 2
    answers_R = []
    for sign in found.sign_RF[:, 0]:
        right = 0.9 if sign > 0 else 0.6
        answers_R.append(np.where(y_N[:, None] == [0, 1], right, 1 - right).astype(np.float32))
    (told,) = effects("log_loss", y_N, answers_R, found, rounds=200)
    assert told.difference == pytest.approx(np.log(0.9) - np.log(0.6), abs=1e-5)
    assert told.verdict == "better"


def test_the_error_of_rows_is_that_of_a_paired_difference() -> None:
    """One factor, no noise between runs: on right for all rows but the last 30 %, off for half."""
    found = design(1, seed=0)
    y_N, answers_R = answers_of(np.where(found.sign_RF[:, 0] > 0, 0.7, 0.5), 400)
    (told,) = effects("accuracy", y_N, answers_R, found, rounds=4000)
    # A fifth of the rows gains: variance 0.2 - 0.2^2 a row.
    assert told.stderr == pytest.approx(np.sqrt(0.16 / 400), rel=0.05)


@pytest.mark.parametrize("num_factors", [5, 12])
def test_nothing_is_rarely_taken_for_something(num_factors: int) -> None:
    """Runs that differ by luck alone: a false alarm among all factors in about 5 % of the experiments."""
    rng = np.random.default_rng(7)
    plan, alarms = design(num_factors, seed=1), 0
    for _ in range(100):
        share_R = 0.7 + rng.normal(0, 0.03, 16)
        right_RN = rng.random((16, 300)) < share_R[:, None]
        told = effects("accuracy", np.zeros(300, np.int32), list((~right_RN).astype(np.int32)), plan, rounds=100)
        alarms += any(one.verdict in ("better", "worse") for one in told)
    assert alarms <= 10


def test_spare_columns_tell_the_noise_of_runs() -> None:
    effect_F, spare_S = np.array([9.0, 1.0]), np.array([3.0, -4.0, 0.0, 0.0])
    assert run_noise(effect_F, spare_S) == pytest.approx((2.5, 4))


def test_without_spare_columns_small_effects_tell_it() -> None:
    """Lenth by hand: median 3 gives s0 = 4.5, those below 11.25 are 1, 2, 3, 4, whose median 2.5 gives 3.75."""
    effect_M = np.array([1.0, -2.0, 3.0, 4.0, -100.0])
    assert lenth(effect_M) == pytest.approx((3.75, 5 / 3))
    assert run_noise(effect_M[:4], effect_M[4:]) == pytest.approx((3.75, 5 / 3))
    assert lenth(np.zeros(6)) == (0.0, 2.0)


def test_one_at_a_time_needs_half_the_runs_an_arm() -> None:
    """15 factors: an effect of 16 runs has a quarter of a run's variance, as the difference of 8 and 8 runs."""
    assert one_at_a_time(15, 16) == 16 * 8
    assert one_at_a_time(4, 8) == 5 * 4


def test_a_design_knows_its_spare_columns() -> None:
    found = design(15)
    assert isinstance(found, Design) and found.spare_RS.shape == (16, 0)
