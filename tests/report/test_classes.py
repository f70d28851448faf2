"""Precision, recall and F1 are scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from medalist.report.classes import classes, numbers
from medalist.report.seen import look


@pytest.mark.parametrize("tags", [False, True])
def test_they_are_scikit_learns(lab: Any, tmp_path: Path, tags: bool) -> None:
    y = lab.tags(150, 5) if tags else lab.labels(150, 5)
    seen = look(lab.run(tmp_path, y, list("abcde"), metric="f1_macro" if tags else "accuracy"))
    truth, answers = (seen.true_NC, seen.said_NC) if tags else (seen.y_N, seen.label_N)
    precision, recall, f1, support = precision_recall_fscore_support(truth, answers, zero_division=np.nan)
    found = numbers(seen.true_NC, seen.said_NC, seen.field.truth.group_N)
    np.testing.assert_allclose(found.value_3C, np.stack([precision, recall, f1]))
    np.testing.assert_array_equal(found.true_C, support)
    assert (found.low_3C <= found.value_3C).all() and (found.value_3C <= found.high_3C).all()


def test_the_worst_comes_first_and_thresholds_of_tags_are_told(lab: Any, tmp_path: Path) -> None:
    y = lab.tags(200, 4)
    seen = look(lab.run(tmp_path, y, ["w", "x", "y", "z"], metric="f1_macro"))
    section = classes(seen)
    worst = np.argsort(numbers(seen.true_NC, seen.said_NC, seen.field.truth.group_N).value_3C[2])
    places = [section.body.index(f"<bdi>{seen.names[c]}</bdi>") for c in worst.tolist()]
    assert places == sorted(places)
    assert section.title == "Tags" and f">{seen.state['value'][0]:.3f}</td>" in section.body
    assert "fitted on all rows" in section.lead


def test_a_class_that_is_never_answered_has_no_precision() -> None:
    found = numbers(np.array([[True, False], [True, False]]), np.array([[False, True], [True, False]]), np.arange(2))
    assert found.value_3C[:, 0].tolist() == pytest.approx([1.0, 0.5, 2 / 3])
    assert np.isnan(found.value_3C[1, 1]) and found.value_3C[0, 1] == 0
