"""Known counts: against scipy's assignment of images to places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

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
