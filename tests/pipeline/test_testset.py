"""The test set as a whole: a planted shift is found and followed, no shift is left alone, known counts are met."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.metrics import metrics
from medalist.pipeline.chain import Chain
from medalist.pipeline.decide import Truth, decide
from medalist.pipeline.testset import labels_with_counts, learn_shift, shifted, tell_shift
from medalist.predictions import Predictions

CLASSES = ("cat", "dog", "owl")


def drawn(prior_C: list[float], num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels from a prior, and the exact posteriors of noisy measurements under even classes."""
    rng = np.random.default_rng(seed)
    label_N = rng.choice(3, size=num_rows, p=prior_C)
    logit_NC = 2.0 * (np.eye(3)[label_N] + rng.normal(size=(num_rows, 3)) / np.sqrt(2))
    power_NC = np.exp(logit_NC)
    return (power_NC / power_NC.sum(axis=1, keepdims=True)).astype(np.float32), label_N


def decided(metric: str, seed: int, test_prior: str, prior_C: list[float]) -> tuple[float, tuple[str, ...]]:
    """The score on the planted test labels, of probabilities three times too sure; the last test row is unreadable."""
    (prob_NC, y_N), (prob_MC, truth_M) = drawn([0.6, 0.3, 0.1], 3000, seed), drawn(prior_C, 1000, seed + 1)
    sure_NC, sure_MC = (
        (prob * prior) ** 3 / ((prob * prior) ** 3).sum(axis=1, keepdims=True)
        for prob, prior in ((prob_NC, [0.6, 0.3, 0.1]), (prob_MC, [0.6, 0.3, 0.1]))
    )
    ids, test_ids = tuple(map(str, range(3000))), tuple(map(str, range(999)))
    run = Predictions("net", ids, test_ids, sure_NC, sure_MC[None, :-1], sure_NC[:0], "prob", "", "")
    truth = Truth(y_N, CLASSES, np.arange(3000), np.arange(3000) % 5)
    found = decide(Chain(metric, "mean", None, CLASSES), [run], truth, np.arange(1000) < 999, test_prior=test_prior)
    return float(metrics.bind(metric)(truth_M, found.answers_M)), found.notes


@pytest.mark.parametrize(("metric", "way"), [("log_loss", -1), ("brier", -1), ("accuracy", 1)])
def test_a_shift_is_found_and_followed(metric: str, way: int) -> None:
    (before, _), (after, notes) = (decided(metric, 0, prior, [0.2, 0.3, 0.5]) for prior in ("train", "tested"))
    assert way * (after - before) > 0.02
    assert any("taken into account" in note for note in notes)


def test_the_followed_prior_is_the_planted_one_and_the_answer_where_nothing_is_seen() -> None:
    (prob_NC, y_N), (prob_MC, _) = drawn([1 / 3] * 3, 3000, 0), drawn([0.8, 0.1, 0.1], 1000, 1)
    state, shift = learn_shift(prob_NC, y_N, prob_MC, calibrated=False, seed=0)
    np.testing.assert_allclose(shift.new_C, [0.8, 0.1, 0.1], atol=0.05)
    assert "cat 3" in tell_shift(shift, CLASSES)
    readable_M = np.arange(1000) > 0
    np.testing.assert_allclose(shifted(state, prob_MC, readable_M)[0], shift.new_C, atol=1e-6)


def test_a_class_that_the_test_set_lacks_keeps_what_the_clip_leaves_it() -> None:
    (prob_NC, y_N), (prob_MC, _) = drawn([0.4, 0.3, 0.3], 3000, 4), drawn([0.0, 0.5, 0.5], 1000, 5)
    run = Predictions(
        "net",
        tuple(map(str, range(3000))),
        tuple(map(str, range(1000))),
        prob_NC,
        prob_MC[None],
        prob_NC[:0],
        "prob",
        "",
        "",
    )
    truth = Truth(y_N, CLASSES, np.arange(3000), np.arange(3000) % 5)
    chain = Chain("log_loss", "mean", "calibrated(low=0.01)", CLASSES)
    found = decide(chain, [run], truth, np.ones(1000, bool), test_prior="tested")
    assert any("taken into account" in note for note in found.notes)
    assert found.answers_M.min() > 0.009


def test_no_shift_changes_nothing() -> None:
    (before, _), (after, notes) = (decided("log_loss", 2, prior, [0.6, 0.3, 0.1]) for prior in ("train", "tested"))
    assert before == after
    assert any("no shift found" in note for note in notes)


def test_counts_are_met_by_name() -> None:
    prob_MC, _ = drawn([0.2, 0.3, 0.5], 40, 2)
    label_M = labels_with_counts(prob_MC, {"owl": 30, "cat": 4, "dog": 6}, CLASSES)
    assert np.bincount(label_M, minlength=3).tolist() == pytest.approx([4, 6, 30])
