"""Standard errors and intervals against formulas, simulations and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medalist.errors import MismatchError
from medalist.evidence import MAX_BLOCKS, compare, draws, estimate
from medalist.metrics import metrics
from medalist.registry import Bound


def binomial(rng: np.random.Generator, num_rows: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A truth of ones and labels that are right with probability `share`."""
    return np.ones(num_rows, int), (rng.random(num_rows) < share).astype(int)


def test_the_error_of_accuracy_is_the_binomial_one() -> None:
    y_N, label_N = binomial(np.random.default_rng(0), 500, 0.8)
    got = estimate("accuracy", y_N, label_N, rounds=20_000)
    share = label_N.mean()
    assert got.score == pytest.approx(share)
    assert got.stderr == pytest.approx(np.sqrt(share * (1 - share) / 499), rel=0.02)
    assert got.num_rows == 500
    assert got.interval95[0] == pytest.approx(share - 1.96 * got.stderr, abs=0.004)
    assert got.interval95[1] == pytest.approx(share + 1.96 * got.stderr, abs=0.004)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(400):
        low, high = estimate("accuracy", *binomial(rng, 200, 0.8), seed=seed, rounds=400).interval95
        covered += low <= 0.8 <= high
    # 95 % of 400 within 3 of its standard errors, a little less for percentile intervals of a discrete score.
    assert 0.91 <= covered / 400 <= 0.985


def test_rows_of_a_group_count_as_one() -> None:
    y_N, label_N = binomial(np.random.default_rng(2), 300, 0.7)
    once = estimate("accuracy", y_N, label_N)
    four = np.repeat(y_N, 4), np.repeat(label_N, 4)
    names = np.repeat([f"patient {i}" for i in range(300)], 4)
    assert estimate("accuracy", *four, groups=names).stderr == pytest.approx(once.stderr, rel=0.05)
    assert estimate("accuracy", *four).stderr == pytest.approx(once.stderr / 2, rel=0.1)


def test_groups_of_unequal_size_have_the_error_of_a_ratio() -> None:
    rng = np.random.default_rng(3)
    group_N = np.repeat(np.arange(400), rng.integers(1, 6, size=400))
    label_N = (rng.random(400) < 0.6).astype(int)[group_N]
    got = estimate("accuracy", np.ones_like(label_N), label_N, groups=group_N, rounds=5000)
    # The linearised ratio estimator (Cochran 1977, 6.3): squared deviations of the groups' sums over (n mean size)^2.
    sum_G, size_G = np.bincount(group_N, label_N), np.bincount(group_N)
    expected = np.sqrt(((sum_G - label_N.mean() * size_G) ** 2).sum()) / len(group_N)
    assert got.stderr == pytest.approx(expected, rel=0.05)


def test_many_rows_keep_their_error_when_they_are_merged_into_blocks() -> None:
    y_N, label_N = binomial(np.random.default_rng(4), 20 * MAX_BLOCKS, 0.9)
    share = label_N.mean()
    got = estimate("accuracy", y_N, label_N)
    assert got.stderr == pytest.approx(np.sqrt(share * (1 - share) / len(y_N)), rel=0.06)


@pytest.fixture
def auc() -> Bound[object]:
    """A metric that is no mean over rows."""

    def area(y_N: np.ndarray, prob_NC: np.ndarray) -> float:
        return float(roc_auc_score(y_N, prob_NC[:, 1]))

    return Bound("area", area, {}, {"eats": "prob", "better": "higher"})


def test_a_metric_without_row_terms_is_resampled_by_rows(auc: Bound[object]) -> None:
    rng = np.random.default_rng(8)
    y_N = np.arange(400) % 2
    score_N = y_N + rng.normal(size=400) * 1.5
    prob_NC = np.stack([-score_N, score_N], axis=1)
    got = estimate(auc, y_N, prob_NC, rounds=300)
    # Hanley and McNeil 1982: the error of an area under equal-variance normal scores.
    area = got.score
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    expected = np.sqrt((area * (1 - area) + 199 * (q1 - area**2) + 199 * (q2 - area**2)) / 200**2)
    assert got.stderr == pytest.approx(expected, rel=0.15)
    assert compare(auc, y_N, prob_NC, prob_NC, rounds=20).verdict == "equal"


@pytest.mark.parametrize("name", ["accuracy", "quadratic_kappa"])
def test_row_terms_weights_and_rows_give_the_same_draws(name: str) -> None:
    y_N, label_N = np.random.default_rng(9).integers(4, size=(2, 100))
    by_terms = metrics.bind(name)
    by_rows = Bound(by_terms.name, by_terms.function, {}, {"eats": "labels", "better": "higher"})
    a, b = estimate(by_terms, y_N, label_N, rounds=50), estimate(by_rows, y_N, label_N, rounds=50)
    assert a.stderr == pytest.approx(b.stderr)
    assert a.interval95 == pytest.approx(b.interval95)


def test_the_same_seed_gives_the_same_numbers() -> None:
    y_N, label_N = binomial(np.random.default_rng(10), 100, 0.7)
    assert estimate("accuracy", y_N, label_N, seed=3) == estimate("accuracy", y_N, label_N, seed=3)
    assert estimate("accuracy", y_N, label_N, seed=3) != estimate("accuracy", y_N, label_N, seed=4)


def test_one_group_or_numbers_that_are_none_give_no_estimate() -> None:
    y_N = np.zeros(4, int)
    with pytest.raises(MismatchError, match="at least 2"):
        estimate("accuracy", y_N, y_N, groups=np.zeros(4))
    with pytest.raises(MismatchError, match="3 groups for 4 rows"):
        estimate("accuracy", y_N, y_N, groups=np.zeros(3))
    with pytest.raises(MismatchError, match="no numbers"):
        estimate("log_loss", y_N, np.full((4, 2), np.nan))


def test_draws_that_lack_a_class_are_left_out() -> None:
    rng = np.random.default_rng(11)
    y_N, p_N = np.zeros(60, int), rng.random(60)
    y_N[:2] = 1  # 13 % of draws have no positive
    prob_NC = np.stack([1 - p_N, p_N], axis=1)
    got = estimate("roc_auc", y_N, prob_NC, rounds=300)
    assert 0 < got.stderr < 0.5
    with pytest.raises(MismatchError, match="lacks a class"):
        estimate("roc_auc", np.zeros(60, int), prob_NC)
    with pytest.raises(MismatchError, match="most draws of these rows have no score"):
        estimate("roc_auc", np.arange(3) == 0, prob_NC[:3], groups=np.array([0, 1, 1]), rounds=300)


def test_a_slow_metric_on_many_numbers_makes_fewer_rounds_but_200(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def share(y_N: np.ndarray, label_N: np.ndarray) -> float:
        calls.append(len(y_N))
        return float((y_N == label_N).mean())

    slow = Bound("share", share, {}, {"eats": "labels", "better": "higher"})
    y_N, label_N = binomial(np.random.default_rng(12), 100, 0.8)
    monkeypatch.setattr(draws, "MOST_READ", 300 * 100)
    estimate(slow, y_N, label_N)
    assert len(calls) == 1 + 300
    monkeypatch.setattr(draws, "MOST_READ", 1)
    assert estimate(slow, y_N, label_N).stderr == pytest.approx(estimate("accuracy", y_N, label_N).stderr, rel=0.15)
    assert len(calls) == 1 + 300 + 1 + 200
