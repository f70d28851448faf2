"""Ticks enclose what they are of and are few; text keeps its size."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medalist.report.axes import Axis, Curve, Scale, chart, ticks
from medalist.report.strips import Mark, scale_of, strip

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 4))


@given(NUMBERS, NUMBERS)
def test_ticks_enclose_and_are_few(one: float, two: float) -> None:
    low, high = min(one, two), max(one, two)
    found = ticks(low, high)
    span = (high - low) or abs(high) or 1.0
    assert found[0] <= low + 1e-6 * span and found[-1] >= high - 1e-6 * span
    assert len(found) <= 6 and list(found) == sorted(set(found))


def test_a_scale_maps_its_ends() -> None:
    scale = Scale(1.0, 3.0, 10.0, 90.0)
    assert (scale(1.0), scale(2.0), scale(3.0)) == (10.0, 50.0, 90.0)
    assert Scale(1.0, 1.0)(1.0) == 0.0


def test_a_chart_has_a_title_a_description_and_whole_curves(lab: Any) -> None:
    points = np.array([[0.0, 0.5], [1.0, np.nan], [2.0, 1.0]])
    axis = Axis(0, 2, (0.0, 1.0, 2.0), "epoch")
    drawn = chart([Curve(points, "c1", points[:1])], axis, Axis.of([0.5, 1.0], "loss"), title="Loss", text="It fell.")
    assert "<title>Loss</title><desc>It fell.</desc>" in drawn and 'role="img"' in drawn
    assert "nan" not in drawn
    assert lab.elements(drawn).open == []


def test_text_of_a_chart_stays_text(lab: Any) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    axis = Axis(0, 2, (0.0, 1.0, 2.0), "epoch")
    drawn = lab.elements(chart([], axis, axis, title=hostile, text=f"{hostile} & more"))
    assert "img" not in drawn.names() and {hostile, f"{hostile} & more"} <= set(drawn.text)


def test_a_value_without_an_interval_is_a_dot_and_a_missing_one_nothing() -> None:
    scale = scale_of([Mark(0.5, 0.5, 0.5)])
    assert "whisker" not in strip([Mark(0.5, 0.5, 0.5)], scale)
    assert "circle" not in strip([Mark(float("nan"), float("nan"), float("nan"))], scale)
