"""The best of many: corrected against chance and against a fresh sample."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.evidence import best_of_many, estimate


@pytest.mark.parametrize("metric", ["accuracy", "log_loss", "roc_auc"])
def test_the_best_of_200_noise_configurations_is_corrected_to_chance(metric: str) -> None:
    rng = np.random.default_rng(0)
    y_N, num_rows = rng.integers(2, size=600), 600
    p_AN = rng.uniform(0.3, 0.7, size=(200, num_rows))
    answers = [p_N > 0.5 for p_N in p_AN] if metric == "accuracy" else [np.stack([1 - p_N, p_N], 1) for p_N in p_AN]
    # The expected log-loss of such probabilities: -mean of log p over [0.3, 0.7].
    grid = np.linspace(0.3, 0.7, 100_001)
    chance = -np.log(grid).mean() if metric == "log_loss" else 0.5
    found = best_of_many(metric, y_N, answers, rounds=200 if metric == "roc_auc" else 1000)
    naive = estimate(metric, y_N, answers[found.index])
    assert abs(found.naive - chance) > 2 * naive.stderr
    assert abs(found.score - chance) < 2 * found.stderr
    assert found.interval95[0] < chance < found.interval95[1]
    assert found.naive == naive.score
    assert found.num_tried == 200


def test_over_many_samples_the_correction_is_unbiased_and_its_error_on_the_safe_side() -> None:
    rng, scores, errors, naive = np.random.default_rng(1), [], [], []
    for seed in range(120):
        right_AN = (rng.random((30, 300)) < 0.7).astype(int)
        found = best_of_many("accuracy", np.ones(300, int), list(right_AN), seed=seed, rounds=200)
        scores.append(found.score)
        errors.append(found.stderr)
        naive.append(found.naive)
    assert np.mean(naive) > 0.74
    assert np.mean(scores) == pytest.approx(0.7, abs=3 * np.std(scores) / np.sqrt(120))
    # The error is a little above that of one configuration's score. The mean over what the rounds choose varies less.
    assert 1.0 < np.mean(errors) / np.sqrt(0.7 * 0.3 / 300) < 1.3
    assert np.std(scores) < np.mean(errors)


def test_one_configuration_keeps_its_score_and_error() -> None:
    rng = np.random.default_rng(2)
    y_N, label_N = np.ones(500, int), (rng.random(500) < 0.8).astype(int)
    found, plain = best_of_many("accuracy", y_N, [label_N], rounds=4000), estimate("accuracy", y_N, label_N)
    assert found.score == pytest.approx(plain.score, abs=0.1 * plain.stderr)
    assert found.stderr == pytest.approx(plain.stderr, rel=0.05)
    assert found.interval95 == pytest.approx(plain.interval95, abs=0.3 * plain.stderr)


def test_a_clear_winner_is_hardly_corrected_and_groups_widen_the_error() -> None:
    rng = np.random.default_rng(3)
    y_N = np.ones(400, int)
    answers = [(rng.random(400) < share).astype(int) for share in (0.5, 0.9, 0.55)]
    found = best_of_many("accuracy", y_N, answers)
    assert found.index == 1
    assert abs(found.score - found.naive) < 0.2 * found.stderr
    four = [np.repeat(part, 4) for part in answers]
    grouped = best_of_many("accuracy", np.ones(1600, int), four, groups=np.repeat(np.arange(400), 4))
    assert grouped.stderr == pytest.approx(found.stderr, rel=0.1)


def test_lower_is_better_where_the_metric_says_so() -> None:
    y_N = np.arange(100) % 2
    good_NC = np.eye(2)[y_N] * 0.6 + 0.2
    assert best_of_many("log_loss", y_N, [np.full((100, 2), 0.5), good_NC], rounds=50).index == 1


@pytest.mark.parametrize(("metric", "way"), [("accuracy", 1), ("log_loss", -1)])
def test_having_been_picked_never_raises_a_score(metric: str, way: int) -> None:
    """Of two that are far apart nothing is left to correct, and the draws alone would tell a gain in every other."""
    rng = np.random.default_rng(3)
    for seed in range(10):
        y_N = rng.integers(0, 2, 120)
        sure_N = np.where(rng.random(120) < 0.9, y_N, 1 - y_N)
        good_NC, bad_NC = np.eye(2)[sure_N] * 0.8 + 0.1, np.full((120, 2), 0.5)
        answers = [good_NC.argmax(axis=1), np.zeros(120, int)] if metric == "accuracy" else [good_NC, bad_NC]
        found = best_of_many(metric, y_N, answers, seed=seed, rounds=50)
        assert found.index == 0 and way * found.score <= way * found.naive
