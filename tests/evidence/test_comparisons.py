"""Paired comparisons against formulas, simulations and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from medalist.errors import MismatchError
from medalist.evidence import compare, compare_arms, compare_seeds, estimate, holm, two_sided, verdict


def binomial(rng: np.random.Generator, num_rows: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A truth of ones and labels that are right with probability `share`."""
    return np.ones(num_rows, int), (rng.random(num_rows) < share).astype(int)


def test_pairs_are_compared_as_pairs() -> None:
    rng = np.random.default_rng(5)
    y_N, a_N = binomial(rng, 1000, 0.7)
    b_N = a_N.copy()
    b_N[np.flatnonzero(a_N)[:20]] = 0
    got = compare("accuracy", y_N, a_N, b_N)
    # d is 1 on 20 rows and 0 elsewhere.
    assert got.difference == pytest.approx(0.02)
    assert got.stderr == pytest.approx(np.sqrt(0.02 * 0.98 / 999), rel=0.06)
    assert got.verdict == "better"
    assert estimate("accuracy", y_N, a_N).stderr > 3 * got.stderr
    mirrored = compare("accuracy", y_N, b_N, a_N)
    assert (mirrored.difference, mirrored.stderr, mirrored.verdict) == (-got.difference, got.stderr, "worse")


def test_a_lower_log_loss_is_a_positive_difference() -> None:
    y_N = np.arange(200) % 2
    good_N = np.where(y_N == 1, 0.9, 0.2)
    good_NC, bad_NC = np.stack([1 - good_N, good_N], axis=1), np.full((200, 2), 0.5)
    got = compare("log_loss", y_N, good_NC, bad_NC)
    assert got.difference == pytest.approx(np.log(2) + (np.log(0.9) + np.log(0.8)) / 2)
    assert got.verdict == "better"


def test_the_same_answers_are_equal() -> None:
    y_N, label_N = binomial(np.random.default_rng(6), 50, 0.7)
    got = compare("accuracy", y_N, label_N, label_N)
    assert (got.difference, got.stderr, got.verdict) == (0.0, 0.0, "equal")


@pytest.mark.parametrize(
    ("difference", "word"),
    [
        (2.0, "better"),
        (1.99, "not distinguishable"),
        (1.0, "equal"),
        (0.0, "equal"),
        (-1.0, "equal"),
        (-1.01, "not distinguishable"),
        (-2.0, "worse"),
    ],
)
def test_two_errors_make_a_difference_and_one_makes_none(difference: float, word: str) -> None:
    assert verdict(difference, 1.0) == word


def test_equal_answers_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(7)
    words = [
        compare("accuracy", np.ones(300, int), *(rng.random((2, 300)) < 0.8).astype(int), rounds=200).verdict
        for _ in range(200)
    ]
    assert words.count("better") + words.count("worse") <= 20
    assert 110 <= words.count("equal") <= 160


def test_no_p_value_of_many_is_below_its_own() -> None:
    assert two_sided(2.5, 1.0) == pytest.approx(2 * norm.sf(2.5))
    assert two_sided(-2.5, 1.0, freedom=3) == pytest.approx(2 * t.sf(2.5, 3))
    assert (two_sided(0.0, 0.0), two_sided(0.1, 0.0)) == (1.0, 0.0)
    assert verdict(2.1, 1.0, 0.06) == "not distinguishable"


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_the_step_down_by_its_definition(p_values: list[float]) -> None:
    # Holm 1979: the k-th smallest is rejected at a level if it and all smaller ones are at most level / (M - k + 1).
    expected = [
        max([min(1.0, sum(other >= q for other in p_values) * q) for q in p_values if q <= p], default=0.0)
        for p in p_values
    ]
    np.testing.assert_allclose(holm(p_values), expected)


def test_arms_share_one_error_rate() -> None:
    """Of 20 arms without effect, one alone is often "better"; after Holm about 1 question in 40 has such an arm."""
    rng, alone, together = np.random.default_rng(12), 0, 0
    for _ in range(60):
        y_N, base_N = binomial(rng, 400, 0.8)
        arms = {str(i): np.where(rng.random(400) < 0.15, rng.random(400) < 0.8, base_N) for i in range(20)}
        found = compare_arms("accuracy", y_N, base_N, arms, rounds=400)
        alone += any(arm.difference >= 2 * arm.stderr for arm in found.values())
        together += any(arm.verdict == "better" for arm in found.values())
    assert alone >= 10
    assert together <= 6


def test_an_arm_that_is_better_stays_so_among_others() -> None:
    rng = np.random.default_rng(13)
    y_N, base_N = binomial(rng, 1000, 0.7)
    arms = {
        "good": np.where(rng.random(1000) < 0.3, 1, base_N),
        "same": base_N,
        "bad": base_N * (rng.random(1000) < 0.9),
    }
    found = compare_arms("accuracy", y_N, base_N, arms)
    assert {name: arm.verdict for name, arm in found.items()} == {"good": "better", "same": "equal", "bad": "worse"}
    single = compare("accuracy", y_N, arms["good"], base_N)
    assert (single.difference, single.stderr) == pytest.approx((found["good"].difference, found["good"].stderr))
    assert single.p <= found["good"].p < 1e-6


def seeds_of(rng: np.random.Generator, num_rows: int, share: float, spread: float, num_seeds: int) -> list[np.ndarray]:
    """Labels of models whose share of right answers differs by seed."""
    return [(rng.random(num_rows) < share + spread * rng.normal()).astype(int) for _ in range(num_seeds)]


def test_the_error_over_seeds_is_that_of_repeated_experiments() -> None:
    rng, spread, num_rows, num_seeds = np.random.default_rng(14), 0.03, 500, 5
    y_N, found = np.ones(num_rows, int), []
    for _ in range(150):
        a, b = (seeds_of(rng, num_rows, 0.8, spread, num_seeds) for _ in range(2))
        found.append(compare_seeds("accuracy", y_N, a, b, rounds=200))
    differences = np.array([one.difference for one in found])
    # Rows differ between a and b here, so the rows' part is (each seed's) and counts twice, as the docstring says.
    seeds_part, rows_part = 2 * spread**2 / num_seeds, 2 * 0.8 * 0.2 / num_rows / num_seeds
    assert differences.std() == pytest.approx(np.sqrt(seeds_part + rows_part), rel=0.15)
    mean_variance = np.mean([one.stderr**2 for one in found])
    assert mean_variance == pytest.approx(seeds_part + 2 * rows_part, rel=0.1)
    assert sum(one.verdict in ("better", "worse") for one in found) <= 0.1 * len(found)


def test_seeds_that_disagree_prove_less_than_one_of_them_alone() -> None:
    rng = np.random.default_rng(15)
    y_N = np.ones(2000, int)
    a, b = [(rng.random(2000) < share).astype(int) for share in (0.90, 0.78)], seeds_of(rng, 2000, 0.8, 0.0, 2)
    assert compare("accuracy", y_N, a[0], b[0]).verdict == "better"
    assert compare_seeds("accuracy", y_N, a, b).verdict != "better"
    with pytest.raises(MismatchError, match="got 2 and 1 seeds"):
        compare_seeds("accuracy", y_N, a, b[:1])
