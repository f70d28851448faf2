"""Intervals of shares are scipy's; those of F1 follow from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from medalist.report.intervals import f1_interval, independent, share_interval, wilson


@given(st.integers(1, 500), st.data())
def test_wilson_is_scipys(total: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, total))
    low, high = wilson(np.array([hits]), np.array([total]))
    expected = binomtest(hits, total).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_of_no_rows_nothing_is_known() -> None:
    assert np.isnan(wilson(np.array([0]), np.array([0]))).all()


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_f1_lies_in_its_interval(hit: int, missed: int, extra: int) -> None:
    true, said = (np.repeat(part, [hit, missed, extra, 1])[:, None] for part in ([1, 1, 0, 0], [1, 0, 1, 0]))
    low, high = f1_interval(true.astype(bool), said.astype(bool), np.arange(len(true)))
    if not hit + missed + extra:
        assert np.isnan(low[0])
        return
    assert low[0] - 1e-12 <= 2 * hit / (2 * hit + missed + extra) <= high[0] + 1e-12


def test_f1_covers_the_truth_as_often_as_it_says() -> None:
    # A class of a fifth of the rows, found with recall 0.7 and precision 0.6; a column a repetition.
    rng = np.random.default_rng(0)
    true_NR = rng.random((300, 2000)) < 0.2
    said_NR = np.where(true_NR, rng.random((300, 2000)) < 0.7, rng.random((300, 2000)) < 0.1167)
    low_R, high_R = f1_interval(true_NR, said_NR, np.arange(300))
    truth = 2 * 0.14 / (0.2 + 0.14 + 0.8 * 0.1167)
    assert np.mean((low_R <= truth) & (truth <= high_R)) == pytest.approx(0.95, abs=0.02)


def test_rows_of_their_own_are_all_independent() -> None:
    rng = np.random.default_rng(1)
    of_NC = rng.random((90, 6)) < 0.6
    hit_NC = of_NC & (rng.random((90, 6)) < np.linspace(0, 1, 6))
    np.testing.assert_allclose(independent(hit_NC, of_NC, rng.permutation(90)), of_NC.sum(axis=0))
    low_C, _ = share_interval(hit_NC, of_NC, np.arange(90))
    np.testing.assert_allclose(low_C, wilson(hit_NC.sum(axis=0), of_NC.sum(axis=0))[0])


def test_copies_are_worth_their_originals() -> None:
    # Each row three times: what the copies add is nothing but the n - 1 of few rows.
    hit_N = np.random.default_rng(2).random(200) < 0.7
    hit_NC, group_N = np.repeat(hit_N, 3)[:, None], np.repeat(np.arange(200), 3)
    assert independent(hit_NC, np.ones_like(hit_NC), group_N)[0] == pytest.approx(200, rel=0.01)
    full = np.ones((6, 1), bool)
    assert independent(full, full, np.array([0, 0, 0, 1, 1, 1]))[0] == pytest.approx(2)  # all hits: by size alone
    assert independent(full, full, np.zeros(6, int))[0] == pytest.approx(1)


def test_the_variance_is_that_of_a_bootstrap_over_groups() -> None:
    # Groups of 1 to 6 rows, each with a share of its own.
    rng = np.random.default_rng(3)
    size_G = rng.integers(1, 7, 150)
    group_N = np.repeat(np.arange(150), size_G)
    hit_N = rng.random(len(group_N)) < rng.beta(2, 1, 150)[group_N]
    hit_G = np.bincount(group_N, hit_N)
    draw_BG = rng.integers(0, 150, (20_000, 150))
    drawn = (hit_G[draw_BG].sum(axis=1) / size_G[draw_BG].sum(axis=1)).var()
    worth = independent(hit_N[:, None], np.ones((len(hit_N), 1), bool), group_N)[0]
    p = hit_N.mean()
    assert worth < 0.8 * len(hit_N) and p * (1 - p) / worth == pytest.approx(drawn, rel=0.06)


def test_intervals_of_groups_cover_the_truth() -> None:
    # 40 products of 3 pictures, each right or wrong as a whole in 3 of 4 cases; a column a repetition.
    rng = np.random.default_rng(4)
    whole = np.repeat(rng.random((40, 2000)) < 0.8, 3, axis=0)
    hit_NR = np.where(np.repeat(rng.random((40, 2000)) < 0.75, 3, axis=0), whole, rng.random((120, 2000)) < 0.8)
    group_N = np.repeat(np.arange(40), 3)
    ends = {
        name: share_interval(hit_NR, np.ones_like(hit_NR), one)
        for name, one in (("as", group_N), ("no", np.arange(120)))
    }
    cover = {name: np.mean((low <= 0.8) & (high >= 0.8)) for name, (low, high) in ends.items()}
    assert cover["as"] == pytest.approx(0.95, abs=0.025) and cover["no"] < 0.85


def test_one_miss_in_two_groups_makes_nobody_surer() -> None:
    hit_NC = np.ones((6, 2), bool)
    hit_NC[0, 1] = False
    low_C, high_C = share_interval(hit_NC, np.ones_like(hit_NC), np.array([0, 0, 0, 1, 1, 1]))
    assert high_C[1] - low_C[1] > 0.95 * (high_C[0] - low_C[0]) and low_C[1] <= low_C[0] < 0.5


def test_intervals_of_three_groups_cover_the_truth() -> None:
    # 3 groups of 8 rows, with shares of their own about 0.8, intraclass correlation 0.2; a column a repetition.
    rng = np.random.default_rng(5)
    share_GR = rng.beta(3.2, 0.8, (3, 3000))
    hit_NR = rng.random((24, 3000)) < np.repeat(share_GR, 8, axis=0)
    low_R, high_R = share_interval(hit_NR, np.ones_like(hit_NR), np.repeat(np.arange(3), 8))
    assert np.mean((low_R <= 0.8) & (high_R >= 0.8)) >= 0.93
