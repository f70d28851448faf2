"""Reliability, thresholds and ranking curves against scikit-learn and by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve

from medalist.decisions.labels import likeliest_adjusted
from medalist.report.precision_recall import precision_recall, ranking_curve
from medalist.report.reliability import bins_of, reliability
from medalist.report.seen import look
from medalist.report.thresholds import SAME_ROWS, STEPS, _chosen_of_two, counts_at, samples_f1, thresholds


def test_calibration_error_by_hand() -> None:
    # Two steps: 0.2 and 0.4 come true never, 0.9 and 0.7 once: gaps 0.3 and 0.3.
    found = bins_of(np.array([0.2, 0.4, 0.9, 0.7]), np.array([False, False, True, False]), num_bins=2)
    assert found.count_B.tolist() == [2, 2] and found.ece == pytest.approx(0.3)


def test_a_probability_of_one_has_a_step() -> None:
    assert bins_of(np.array([0.0, 1.0]), np.array([False, True])).ece == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60))
def test_average_precision_is_scikit_learns(rows: list[tuple[int, bool]]) -> None:
    prob_E, true_E = np.array([p / 20 for p, _ in rows]), np.array([true for _, true in rows])
    recall, precision, area = ranking_curve(prob_E, true_E)
    if not true_E.any():
        assert np.isnan(area)
        return
    assert area == pytest.approx(average_precision_score(true_E, prob_E))
    expected = precision_recall_curve(true_E, prob_E)
    np.testing.assert_allclose(precision[1:], expected[0][:-1][::-1])
    np.testing.assert_allclose(recall[1:], expected[1][:-1][::-1])


def test_counts_at_thresholds() -> None:
    rng = np.random.default_rng(0)
    prob_E = np.append(rng.random(300), [0.0, 0.5, 1.0])
    true_E = rng.random(303) < prob_E
    said_T, hit_T = counts_at(prob_E, true_E)
    assert said_T.tolist() == [(prob_E >= step).sum() for step in STEPS]
    assert hit_T.tolist() == [(true_E & (prob_E >= step)).sum() for step in STEPS]


def test_f1_per_image_is_scikit_learns(lab: Any) -> None:
    rng = np.random.default_rng(1)
    true_NC = lab.tags(80, 6)
    prob_NC = np.clip(true_NC * 0.3 + rng.random((80, 6)) * 0.7, 0, 1)
    value_T = samples_f1(prob_NC, true_NC)
    for at in (0, 20, 50, 73, 100):
        expected = f1_score(true_NC, prob_NC >= STEPS[at], average="samples", zero_division=1.0)
        assert value_T[at] == pytest.approx(expected), at


def test_of_two_classes_the_adjusted_rule_turns_at_the_chosen_point(lab: Any, tmp_path: Path) -> None:
    y = (np.arange(300) % 5 == 0).astype(int)
    seen = look(lab.run(tmp_path, y, ["no", "yes"], metric="balanced_accuracy"))
    chosen = _chosen_of_two(seen, 1)
    assert chosen.value is not None and chosen.text == SAME_ROWS
    prob_2 = np.array([chosen.value - 1e-4, chosen.value + 1e-4])
    answers = likeliest_adjusted(seen.state, np.stack([1 - prob_2, prob_2], axis=1))
    assert answers.tolist() == [0, 1]


def test_a_threshold_on_its_own_rows_is_marked_so(lab: Any, tmp_path: Path) -> None:
    one = thresholds(look(lab.run(tmp_path / "a", lab.tags(120, 4), list("abcd"), metric="f1_micro")))
    assert one is not None and "In sample for the threshold" in one.lead and "is marked by dots" in one.body
    half = thresholds(look(lab.run(tmp_path / "b", lab.labels(120, 2), ["a", "b"])))
    assert half is not None and "nothing was chosen" in half.lead and "0.500, is marked" in half.body
    none = thresholds(look(lab.run(tmp_path / "c", lab.labels(120, 2), ["a", "b"], metric="log_loss")))
    assert none is not None and "no threshold was chosen" in none.lead and "is marked" not in none.body
    assert thresholds(look(lab.run(tmp_path / "d", lab.labels(120, 3), ["a", "b", "c"]))) is None


def test_they_say_which_probabilities_they_are_of(lab: Any, tmp_path: Path) -> None:
    answers = reliability(look(lab.run(tmp_path / "a", lab.labels(120, 3), ["a", "b", "c"], metric="log_loss")))
    assert "the answers themselves" in answers.lead
    blended = reliability(look(lab.run(tmp_path / "b", lab.labels(120, 3), ["a", "b", "c"])))
    assert "the blend's, before the rule" in blended.lead


def test_the_dot_is_where_the_answers_lie(lab: Any, tmp_path: Path) -> None:
    seen = look(lab.run(tmp_path, lab.tags(120, 4), list("abcd"), metric="f1_micro"))
    section = precision_recall(seen)
    recall = (seen.said_NC & seen.true_NC).sum() / seen.true_NC.sum()
    assert f'cx="{round(8 + 90 * recall, 2)}%"' in section.body
