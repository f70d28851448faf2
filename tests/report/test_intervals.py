"""Intervals of shares are scipy's; those of F1 follow from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from medalist.report.intervals import f1_interval, wilson


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
    true, said = hit + missed, hit + extra
    low, high = f1_interval(np.array([hit]), np.array([true]), np.array([said]))
    if true + said == 0:
        assert np.isnan(low[0])
        return
    assert low[0] - 1e-12 <= 2 * hit / (true + said) <= high[0] + 1e-12


def test_f1_covers_the_truth_as_often_as_it_says() -> None:
    # A class of a fifth of the rows, found with recall 0.7 and precision 0.6.
    rng = np.random.default_rng(0)
    true_RN = rng.random((2000, 300)) < 0.2
    said_RN = np.where(true_RN, rng.random((2000, 300)) < 0.7, rng.random((2000, 300)) < 0.1167)
    hit_R, true_R, said_R = ((true_RN & said_RN).sum(1), true_RN.sum(1), said_RN.sum(1))
    low_R, high_R = f1_interval(hit_R, true_R, said_R)
    truth = 2 * 0.14 / (0.2 + 0.14 + 0.8 * 0.1167)
    assert np.mean((low_R <= truth) & (truth <= high_R)) == pytest.approx(0.95, abs=0.02)
