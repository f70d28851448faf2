"""Counts are scikit-learn's; orders are orders; many classes stay small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from medalist.report.confusion import alike, choice, confusion, counts, orders
from medalist.report.heatmap import heatmap
from medalist.report.seen import look


def test_counts_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    y_N, label_N = rng.integers(5, size=200), rng.integers(5, size=200)
    np.testing.assert_array_equal(counts(y_N, label_N, 6), confusion_matrix(y_N, label_N, labels=range(6)))


def test_every_order_has_every_class_and_the_worst_comes_first() -> None:
    count_CC = np.array([[8, 2, 0], [0, 1, 9], [0, 5, 5]])
    found = orders(count_CC)
    assert all(sorted(order_C.tolist()) == [0, 1, 2] for order_C in found.values())
    assert found["by error"].tolist() == [1, 2, 0]


def test_confused_classes_stand_beside_each_other() -> None:
    count_CC = np.diag([10, 10, 10, 10, 10, 10])
    for one, two in ((0, 5), (1, 3)):
        count_CC[one, two] = count_CC[two, one] = 8
    place_C = np.argsort(alike(count_CC))
    assert abs(place_C[0] - place_C[5]) == abs(place_C[1] - place_C[3]) == 1


def test_the_table_holds_each_count(lab: Any, tmp_path: Path) -> None:
    seen = look(lab.run(tmp_path, lab.labels(120, 3), ["a", "b", "c"]))
    section = confusion(seen)
    assert section is not None
    expected = confusion_matrix(seen.y_N, seen.label_N)
    for count in np.unique(expected[expected > 0]).tolist():
        assert f">{count}</td>" in section.body
    assert f"{(seen.y_N != seen.label_N).sum()} of 120 answers are wrong" in section.lead


def test_tags_have_none(lab: Any, tmp_path: Path) -> None:
    assert confusion(look(lab.run(tmp_path, lab.tags(80, 4), list("abcd"), metric="f1_samples"))) is None


@pytest.mark.parametrize(("num_classes", "most"), [(102, 130_000), (1000, 900_000)])
def test_many_classes_stay_small_and_well_formed(lab: Any, num_classes: int, most: int) -> None:
    rng = np.random.default_rng(1)
    y_N = rng.integers(num_classes, size=50_000)
    wrong_N = rng.random(50_000) < 0.3
    count_CC = counts(y_N, np.where(wrong_N, rng.integers(num_classes, size=50_000), y_N), num_classes)
    names = [f"class {c}" for c in range(num_classes)]
    drawn = heatmap(names if num_classes < 200 else (), names, count_CC)
    assert len(drawn) < most
    assert lab.elements(drawn).open == []


def test_a_mistake_says_what_it_is() -> None:
    drawn = heatmap(["a<", "b"], ["a<", "b"], np.array([[3, 2], [0, 4]]))
    assert "<title>true a&lt;, answered b: 2</title>" in drawn


def test_one_view_needs_no_buttons() -> None:
    assert choice("x", {"one": "<p>1</p>"}, "Order") == "<p>1</p>"
    two = choice("x", {"one": "1", "two": "2"}, "Order")
    assert 'role="group" aria-label="Order"' in two
    assert two.count('type="radio"') == 2 and two.count(" checked") == 1
