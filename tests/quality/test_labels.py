"""Doubtful labels: cleanlab's own answers where it has any, and sense where it refuses."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
from cleanlab.rank import get_label_quality_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import average_precision_score

from medalist.quality.labels import DOUBT, judged, label_quality, suspect_tags, suspects, tag_quality


def answers(rng: np.random.Generator, y_N: np.ndarray, num_classes: int, skill: float) -> np.ndarray:
    power_NC = np.exp(skill * np.eye(num_classes)[y_N] + rng.normal(size=(len(y_N), num_classes)))
    return np.asarray(power_NC / power_NC.sum(axis=1, keepdims=True), np.float32)


def planted(num_classes: int, rate: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true_N = rng.integers(num_classes, size=600)
    wrong_N = rng.random(600) < rate
    y_N = np.where(wrong_N, (true_N + rng.integers(1, num_classes, 600)) % num_classes, true_N)
    return answers(rng, true_N, num_classes, 5.0), y_N, wrong_N


@pytest.mark.parametrize("num_classes", [2, 5])
def test_the_order_is_cleanlabs_self_confidence(num_classes: int) -> None:
    prob_NC, y_N, wrong_N = planted(num_classes)
    score_N = label_quality(prob_NC, y_N)
    np.testing.assert_allclose(score_N, get_label_quality_scores(y_N, prob_NC, method="self_confidence"), rtol=1e-6)
    assert average_precision_score(wrong_N, -score_N) > 0.9


@pytest.mark.parametrize("num_classes", [2, 5])
def test_flags_are_cleanlabs_where_the_model_prefers_another_class(num_classes: int) -> None:
    prob_NC, y_N, wrong_N = planted(num_classes)
    flagged_N = suspects(prob_NC, y_N)
    theirs_N = find_label_issues(y_N, prob_NC, filter_by="low_self_confidence", n_jobs=1)
    np.testing.assert_array_equal(flagged_N, theirs_N & (prob_NC.argmax(axis=1) != y_N))
    assert flagged_N[wrong_N].mean() > 0.7 and wrong_N[flagged_N].mean() > 0.9


def test_flagged_tags_are_cleanlabs_that_are_hardly_likely() -> None:
    rng = np.random.default_rng(1)
    true_NC = rng.random((400, 4)) < [0.5, 0.3, 0.2, 0.1]
    wrong_NC = rng.random((400, 4)) < 0.04
    prob_NC = 1 / (1 + np.exp(-rng.normal(6 * true_NC - 3, 1.0)))
    y_NC = true_NC ^ wrong_NC
    flagged_NC = suspect_tags(prob_NC, y_NC)
    lists = [np.flatnonzero(row).tolist() for row in y_NC]
    theirs_NC = find_multilabel_issues_per_class(lists, prob_NC, filter_by="low_self_confidence", n_jobs=1)
    np.testing.assert_array_equal(flagged_NC, theirs_NC & (tag_quality(prob_NC, y_NC) < DOUBT))
    assert wrong_NC[flagged_NC].mean() > 0.7
    np.testing.assert_array_equal(suspects(prob_NC, csr_array(y_NC)), flagged_NC.any(axis=1))
    right_NC = np.where(y_NC, prob_NC, 1 - prob_NC)
    np.testing.assert_array_equal(label_quality(prob_NC, csr_array(y_NC)), right_NC.min(axis=1))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    num_rows=st.integers(0, 30),
    num_classes=st.integers(2, 6),
    certain=st.booleans(),
    tags=st.booleans(),
)
def test_odd_inputs_are_answered_without_a_word(
    seed: int, num_rows: int, num_classes: int, certain: bool, tags: bool
) -> None:
    """Classes without rows, one class alone, no rows, tags that all or none have, probabilities of exactly 0 and 1."""
    rng = np.random.default_rng(seed)
    y_N = rng.integers(0, rng.integers(1, num_classes + 1), num_rows)
    prob_NC = answers(rng, y_N, num_classes, 2.0)
    y = rng.random((num_rows, num_classes)) < rng.integers(0, 3, num_classes) / 2 if tags else y_N
    if certain:
        prob_NC = np.eye(num_classes, dtype=np.float32)[prob_NC.argmax(axis=1)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        score_N, flagged_N = label_quality(prob_NC, y), suspects(prob_NC, y)
    assert score_N.shape == flagged_N.shape == (num_rows,) and flagged_N.dtype == bool
    assert ((score_N >= 0) & (score_N <= 1)).all() and not said.getvalue()
    assert tags or not flagged_N[prob_NC.argmax(axis=1) == y_N].any()


def test_of_one_class_nothing_is_flagged() -> None:
    prob_NC = answers(np.random.default_rng(0), np.ones(40, int), 3, -3.0)
    assert not suspects(prob_NC, np.ones(40, int)).any()


def test_rows_of_a_class_in_one_fold_are_not_judged() -> None:
    y, fold_N = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 1, 1])
    assert judged(y, fold_N).tolist() == [True, True, True, True, False, False]
    assert judged(np.eye(3)[y], fold_N).all()
