"""The record of a run within a time -> the score over the time, with the best so far as a line, and its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medalist.report.arms import Arm, Z, arms_table, legend, look_of
from medalist.report.axes import FOOT, LEFT, RIGHT, Axis, Curve, Scale
from medalist.report.markup import figure, number, said
from medalist.report.scatter import HEIGHT, Point, scatter, which_way

Result = dict[str, Any]
MINUTES = 180  # seconds from which on times are told in minutes


def budget(result: Result) -> str:
    """What was tried over the time, with the best so far as a line; then the steps."""
    metric, steps = str(result.get("metric", "")), list(enumerate(result.get("steps", []), start=1))
    arms = [
        Arm(
            f"{place} · {one['step']}",
            0.0 if one["outcome"] == "first" else one["gain"],
            one.get("gain_stderr") or 0.0,
            one.get("verdict") or one["outcome"],
            (
                one["outcome"] + (f", {one['reason']}" if one.get("reason") else ""),
                number(one.get("challenger")),
                f"{one.get('seconds', 0.0):.0f}",
            ),
        )
        for place, one in steps
    ]
    scored = [(place, one) for place, one in steps if one.get("challenger") is not None and "used_s" in one]
    listed = arms_table(
        arms, ["outcome", metric, "seconds"], measure="gain over the best so far", what="step", caption="Steps"
    )
    return (_over_time(scored, metric, result.get("budget_s", 0)) if scored else "") + (listed if arms else "")


def _over_time(scored: Sequence[tuple[int, Result]], metric: str, budget_s: float) -> str:
    end = max(budget_s, *(one["used_s"] for _, one in scored))
    unit, word = (60.0, "minutes") if end >= MINUTES else (1.0, "seconds")
    x = Axis.of([0.0, end / unit], word)
    points = [
        Point(
            str(place),
            one["step"],
            one["used_s"] / unit,
            one["challenger"],
            0.0 if _unsure(one) else Z * (one["stderr"] or 0.0),
            look_of(one["verdict"]),
            one["verdict"] or one["outcome"],
        )
        for place, one in scored
    ]
    curve = Curve(_best_so_far([one for _, one in scored], end) / np.array([unit, 1.0]), "c1")
    over = Scale(x.low, x.high, LEFT, RIGHT)(budget_s / unit)
    line = f'<line class="level" x1="{over}%" x2="{over}%" y1="0" y2="{HEIGHT - FOOT}"/>'
    text = "The line is what stood as the best; the vertical one is the end of the budget."
    told = f"{which_way(metric)} {text} Numbers are steps of the table; the points' lines are 95 % intervals."
    if any(_unsure(one) for _, one in scored):
        told += " Blends with the best so far have none: the error is known of their new run alone."
    key_of = legend([one["verdict"] for _, one in scored], "the first submission")
    drawing = scatter(points, x, metric, title="Score over time", text=text, curves=[curve], extra=line)
    return figure("Score over time", said(told), key_of, drawing)


def _unsure(one: Result) -> bool:
    """Whether the challenger is a blend: `stderr` is of the arm's own score, which is another."""
    return bool(one["challenger"] != one.get("score", one["challenger"]))


def _best_so_far(steps: Sequence[Result], end: float) -> np.ndarray:
    """(P, 2) seconds and score of what stood, as a staircase."""
    stairs = list[tuple[float, float]]()
    for one in steps:
        if one["outcome"] in ("first", "replaces"):
            stairs += [(one["used_s"], stairs[-1][1])] if stairs else []
            stairs.append((one["used_s"], one["challenger"]))
    return np.array([*stairs, (end, stairs[-1][1])] if stairs else np.empty((0, 2)))
