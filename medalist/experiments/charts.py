"""Charts of an experiment as PNG files: arms as points or bars, each with its standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLOURS = {"better": "#1b7f3b", "worse": "#b3261e", "equal": "#5f6368", "not distinguishable": "#9aa0a6", "": "#1a5fb4"}
INCH = 0.32  # height of a bar with its gap


@dataclass(frozen=True)
class Mark:
    """One arm in a chart.

    Args:
        name: written beside it.
        value: score or gain, in the metric's units.
        stderr: its standard error.
        at: where it stands along a scatter's axis.
        verdict: `better`, `worse`, `equal`, `not distinguishable`, or empty; gives the colour.
    """

    name: str
    value: float
    stderr: float
    at: float = 0.0
    verdict: str = ""


def bars(marks: Sequence[Mark], file: Path, *, title: str, axis: str, zero: bool = True) -> None:
    """A horizontal bar a mark, the first on top, with one standard error to either side; `zero` draws a line there."""
    figure, axes = _figure(height=1.4 + INCH * len(marks))
    places = range(len(marks))
    axes.barh(
        places,
        [mark.value for mark in marks],
        xerr=[mark.stderr for mark in marks],
        color=[COLOURS[mark.verdict] for mark in marks],
        height=0.6,
        error_kw={"elinewidth": 1, "capsize": 2},
    )
    axes.set_yticks(places, [mark.name for mark in marks])
    axes.invert_yaxis()
    if zero:
        axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(axis)
    axes.set_title(title, loc="left", fontsize=10)
    figure.savefig(file, dpi=120)


def scatter(marks: Sequence[Mark], file: Path, *, title: str, x: str, y: str, log: bool = False) -> None:
    """A point a mark with its name and one standard error up and down; `log` for the horizontal axis."""
    figure, axes = _figure(height=4.5)
    for mark in marks:
        axes.errorbar(mark.at, mark.value, yerr=mark.stderr, fmt="o", color=COLOURS[mark.verdict], capsize=2)
        axes.annotate(mark.name, (mark.at, mark.value), xytext=(6, 4), textcoords="offset points", fontsize=8)
    if log:
        axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=10)
    figure.savefig(file, dpi=120)


def _figure(*, height: float) -> tuple[Any, Any]:
    """Drawn without a display, and without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()
