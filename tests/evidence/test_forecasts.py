"""Forecasts against simulated leaderboards and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from medalist.errors import MismatchError
from medalist.evidence import Forecast, Surprise, best_of_many, forecast, rank_interval, surprise
from medalist.metrics import f1_macro


def right(rng: np.random.Generator, num_rows: int) -> np.ndarray:
    return (rng.random(num_rows) < 0.8).astype(int)


def test_the_error_has_both_parts() -> None:
    label_N = right(np.random.default_rng(0), 600)
    share = label_N.mean()
    for num_test in (60, 600, 60_000):
        got = forecast("accuracy", np.ones(600, int), label_N, num_test=num_test, rounds=8000)
        assert got.score == pytest.approx(share)
        assert got.stderr == pytest.approx(np.sqrt(share * (1 - share) * (1 / 599 + 1 / num_test)), rel=0.03)
        assert got.interval95 == pytest.approx((share - 1.96 * got.stderr, share + 1.96 * got.stderr), abs=0.01)


def test_a_small_test_set_of_many_rows_is_drawn_row_by_row() -> None:
    label_N = right(np.random.default_rng(1), 20_000)
    got = forecast("accuracy", np.ones(20_000, int), label_N, num_test=50, rounds=600)
    assert got.stderr == pytest.approx(np.sqrt(0.8 * 0.2 / 50), rel=0.1)


def test_the_interval_covers_the_leaderboard_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(2), 0
    for seed in range(300):
        got = forecast("accuracy", np.ones(300, int), right(rng, 300), num_test=150, seed=seed, rounds=300)
        covered += got.interval95[0] <= right(rng, 150).mean() <= got.interval95[1]
    assert 0.91 <= covered / 300 <= 0.985


def skewed(rng: np.random.Generator, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Tags of which some are rare, and answers that are often right."""
    y_NC = rng.random((num_rows, 6)) < np.array([0.5, 0.3, 0.2, 0.05, 0.03, 0.02])
    return y_NC, np.where(rng.random(y_NC.shape) < 0.85, y_NC, rng.random(y_NC.shape) < 0.1)


def test_it_covers_also_a_metric_that_is_no_mean() -> None:
    rng, covered = np.random.default_rng(3), 0
    for seed in range(120):
        got = forecast("f1_macro", *skewed(rng, 300), num_test=150, seed=seed, rounds=200)
        covered += got.interval95[0] <= f1_macro(*skewed(rng, 150)) <= got.interval95[1]
    assert 0.88 <= covered / 120 < 1


def test_rows_of_a_group_come_together_on_the_test_set_too() -> None:
    label_N = right(np.random.default_rng(4), 300)
    once = forecast("accuracy", np.ones(300, int), label_N, num_test=100)
    four = forecast(
        "accuracy", np.ones(1200, int), np.repeat(label_N, 4), num_test=400, groups=np.repeat(np.arange(300), 4)
    )
    assert four.stderr == pytest.approx(once.stderr, rel=0.06)


def test_after_a_choice_the_forecast_is_the_corrected_one() -> None:
    rng = np.random.default_rng(5)
    y_N, answers = np.ones(400, int), [right(rng, 400) for _ in range(50)]
    best = best_of_many("accuracy", y_N, answers)
    naive = forecast("accuracy", y_N, answers[best.index], num_test=10**6)
    after = forecast("accuracy", y_N, answers[best.index], num_test=10**6, after=best)
    assert naive.score == pytest.approx(best.naive)
    assert after.score == pytest.approx(best.score)
    assert after.stderr == pytest.approx(best.stderr, rel=0.1)
    assert after.interval95[0] < 0.8 < after.interval95[1]
    assert naive.interval95[0] > after.interval95[0]


def test_surprise_is_a_z_score() -> None:
    given = Forecast(0.9, 0.01, (0.88, 0.92), 500)
    assert surprise(given, 0.905).z == pytest.approx(0.5)
    assert surprise(given, 0.87) == pytest.approx((-3.0, 2 * norm.sf(3)))
    assert surprise(Forecast(1.0, 0.0, (1.0, 1.0), 5), 0.5) == (-np.inf, 0.0)
    assert surprise(Forecast(1.0, 0.0, (1.0, 1.0), 5), 1.0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("z", "better", "told"),
    [
        (0.0, "higher", "z +0.0, as forecast"),
        (-0.1, "higher", "z -0.1, as forecast"),
        (0.99, "lower", "z +1.0, as forecast"),
        (1.0, "higher", "z +1.0, within what was forecast"),
        (-1.9, "higher", "z -1.9, within what was forecast"),
        (2.0, "higher", "z +2.0, better than forecast"),
        (2.0, "lower", "z +2.0, worse than forecast"),
        (-3.0, "higher", "z -3.0, worse than forecast"),
        (-3.0, "lower", "z -3.0, better than forecast"),
        (-np.inf, "higher", "z more than 100, worse than forecast"),
    ],
)
def test_only_two_standard_errors_are_better_or_worse(z: float, better: str, told: str) -> None:
    assert Surprise(z, 0.5).told(better) == told


def test_ranks_on_a_board_by_hand() -> None:
    given, board = Forecast(0.30, 0.05, (0.20, 0.40), 500), np.array([0.10, 0.25, 0.30, 0.35, 0.50])
    assert rank_interval(given, board, "lower") == (2, 3, 5)
    assert rank_interval(given, board, "higher") == (2, 3, 5)
    assert rank_interval(given, board[:0], "higher") == (1, 1, 1)
    with pytest.raises(MismatchError, match="no numbers"):
        rank_interval(given, np.array([0.1, np.nan]), "lower")


def test_a_test_set_has_rows() -> None:
    with pytest.raises(MismatchError, match="num_test=0"):
        forecast("accuracy", np.ones(5, int), np.ones(5, int), num_test=0)
