"""Known counts: against scipy's assignment of images to places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from medalist.decisions import counts
from medalist.decisions.counts import assign_counts
from medalist.errors import MismatchError


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 6), st.sampled_from([1, 9]))
@settings(max_examples=80, deadline=None)
def test_no_labels_with_these_counts_are_likelier(seed: int, num: int, num_classes: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    prob_MC = np.round(rng.dirichlet(np.full(num_classes, 0.4), num), decimals)
    counts_C = rng.multinomial(num, rng.dirichlet(np.ones(num_classes)))
    label_M = assign_counts(prob_MC, counts_C)
    assert label_M.dtype == np.int32
    np.testing.assert_array_equal(np.bincount(label_M, minlength=num_classes), counts_C)
    log_MC = np.log(np.maximum(prob_MC, 1e-15))
    place = np.repeat(np.arange(num_classes), counts_C)
    row, column = linear_sum_assignment(-log_MC[:, place])
    best = log_MC[row, place[column]].sum()
    assert log_MC[np.arange(num), label_M].sum() == pytest.approx(best, abs=1e-6)


def test_it_is_exact_at_size_too() -> None:
    rng = np.random.default_rng(0)
    prob_MC = rng.dirichlet(np.full(8, 0.3), 1200)
    counts_C = np.array([600, 0, 100, 100, 100, 100, 100, 100])
    log_MC = np.log(np.maximum(prob_MC, 1e-15))
    place = np.repeat(np.arange(8), counts_C)
    row, column = linear_sum_assignment(-log_MC[:, place])
    got = log_MC[np.arange(1200), assign_counts(prob_MC, counts_C)].sum()
    assert got == pytest.approx(log_MC[row, place[column]].sum(), abs=1e-6)


@pytest.mark.parametrize("counts", [[1, 1], [4, -1], [3], [1, 1, 1]])
def test_counts_that_do_not_fit_are_refused(counts: list[int]) -> None:
    with pytest.raises(MismatchError, match="one count"):
        assign_counts(np.full((3, 2), 0.5), counts)


def test_float32_is_exact_and_prices_leave_few_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    prob_MC = rng.dirichlet(rng.random(30) + 0.05, 600).astype(np.float32)
    counts_C = np.full(30, 20)
    sizes, plain = [], counts._shortest_path
    monkeypatch.setattr(counts, "_shortest_path", lambda *args: sizes.append(1) or plain(*args))
    label_M = assign_counts(prob_MC, counts_C)
    log_MC = np.log(np.maximum(prob_MC, np.float32(1e-15)).astype(np.float64))
    place = np.repeat(np.arange(30), counts_C)
    row, column = linear_sum_assignment(-log_MC[:, place])
    assert log_MC[np.arange(600), label_M].sum() == pytest.approx(log_MC[row, place[column]].sum(), rel=1e-6)
    assert len(sizes) <= 60


def test_the_two_best_follow_every_price() -> None:
    rng = np.random.default_rng(4)
    log_MC, price_C = np.round(rng.normal(size=(200, 6)), 1), np.zeros(6)
    two = counts._two_best(log_MC, price_C)
    for _ in range(60):
        label = int(rng.integers(6))
        old_M = log_MC[:, label] - price_C[label]
        price_C[label] += rng.normal()
        counts._reprice(log_MC, price_C, label, old_M, two)
        ordered_MC = np.sort(log_MC - price_C, axis=1)
        np.testing.assert_array_equal(two[1], ordered_MC[:, -1])
        np.testing.assert_array_equal(two[2], ordered_MC[:, -2])
        np.testing.assert_array_equal((log_MC - price_C)[np.arange(200), two[0]], two[1])
