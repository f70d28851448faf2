"""Charts of an experiment as PNG files: arms as points or bars, each with its standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

COLOURS = {"better": "#1b7f3b", "worse": "#b3261e", "equal": "#5f6368", "not distinguishable": "#9aa0a6", "": "#1a5fb4"}
INCH = 0.32  # height of a bar with its gap
# Where a name may stand beside its point, in points: near first.
HEIGHTS = (4, -12, 16, -24, 28, -36, 40)
LONG = 60  # letters; a longer name of several parts takes a line a part


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
    _legend(figure, marks)
    figure.savefig(file, dpi=120)


def scatter(marks: Sequence[Mark], file: Path, *, title: str, x: str, y: str, log: bool = False) -> None:
    """A point a mark with its name and one standard error up and down; `log` for the horizontal axis."""
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    figure, axes = _figure(height=5)
    for mark in marks:
        axes.errorbar(mark.at, mark.value, yerr=mark.stderr, fmt="o", color=COLOURS[mark.verdict], capsize=2)
    if log:
        axes.set_xscale("log")
        places = [mark.at for mark in marks]
        # Over less than a decade a log axis would name no tick, or only powers.
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        narrow = max(places) < 10 * min(places)
        axes.xaxis.set_minor_formatter(StrMethodFormatter("{x:g}") if narrow else NullFormatter())
    axes.margins(x=0.15)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=10)
    _legend(figure, marks)
    _write_names(figure, axes, marks)
    figure.savefig(file, dpi=120)


def _write_names(figure: Any, axes: Any, marks: Sequence[Mark]) -> None:
    """Each name beside its point, where it leaves the axes' frame and meets another name the least."""
    figure.canvas.draw()
    frame, taken = axes.get_window_extent(), list[Any]()
    for mark in sorted(marks, key=lambda mark: -mark.value):
        tried = list[tuple[float, float, int, Any, Any]]()
        for height, side in product(HEIGHTS, ("left", "right")):
            text = axes.annotate(
                mark.name if len(mark.name) <= LONG else mark.name.replace(" + ", "\n+ "),
                (mark.at, mark.value),
                xytext=(6 if side == "left" else -6, height),
                textcoords="offset points",
                fontsize=8,
                ha=side,
            )
            box = text.get_window_extent()
            outside = max(0.0, frame.x0 - box.x0, box.x1 - frame.x1, frame.y0 - box.y0, box.y1 - frame.y1)
            tried.append((bool(outside) + sum(map(box.overlaps, taken)), outside, len(tried), box, text))
            text.set_visible(False)
        *_, box, text = min(tried, key=lambda one: one[:3])
        text.set_visible(True)
        taken.append(box)


def _legend(figure: Any, marks: Sequence[Mark]) -> None:
    """Which verdict each colour is."""
    from matplotlib.patches import Patch

    shown = [verdict for verdict in COLOURS if any(mark.verdict == verdict for mark in marks)]
    if any(shown):
        patches = [Patch(color=COLOURS[verdict], label=verdict or "baseline") for verdict in shown]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(shown), fontsize=8, frameon=False)


def _figure(*, height: float) -> tuple[Any, Any]:
    """Drawn without a display, and without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()
