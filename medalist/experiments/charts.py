"""Charts of an experiment as PNG files: arms as points or bars, each with its standard error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

COLOURS = {"better": "#1b7f3b", "worse": "#b3261e", "equal": "#5f6368", "not distinguishable": "#9aa0a6", "": "#1a5fb4"}
# A verdict is told without its colour too: by the point's shape, and where nothing is known by no filling.
SHAPES = {"better": "^", "worse": "v", "equal": "o", "not distinguishable": "o", "": "D"}
HOLLOW = "not distinguishable"
INCH = 0.32  # height of a bar with its gap
# Where a name may stand beside its point, in points: near first; one that is FAR off gets a line to its point.
HEIGHTS = (4, -12, 16, -24, 28, -36, 40, -48, 52, -60, 64, -72, 76, -84)
SIDES = {"left": 6, "right": -6, "center": 0}
SHIFTS = (0, 9, 19, 29)  # how many times farther to the side
FAR = 20
CLEAR = 5  # pixels to either side of an error bar that no name may touch
LONG = 60  # letters; a longer name of several parts takes a line a part
ERRORS = "lines: 1 standard error"
# Ticks of a logarithmic axis, a decade: the first that give enough of them; then even steps.
TICKS, ENOUGH = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)), 4


@dataclass(frozen=True)
class Mark:
    """One arm in a chart.

    Args:
        name: written beside it.
        value: score or gain, in the metric's units.
        stderr: its standard error.
        at: where it stands along a scatter's axis.
        verdict: `better`, `worse`, `equal`, `not distinguishable`, or empty (the baseline); gives colour and shape.
    """

    name: str
    value: float
    stderr: float
    at: float = 0.0
    verdict: str = ""


@dataclass(frozen=True)
class Panel:
    """Bars of one measure.

    Args:
        marks: the first on top.
        axis: what is measured.
    """

    marks: Sequence[Mark]
    axis: str


@dataclass(frozen=True)
class Timeline:
    """What a scatter over time shows beside its points.

    Args:
        best: when which value became the best so far, in order; a line in steps.
        end: when the time was over; a vertical line.
        text: a time for people.
    """

    best: Sequence[tuple[float, float]]
    end: float
    text: Callable[[float], str]


def bars(marks: Sequence[Mark], file: Path, *, title: str, axis: str, baseline: str = "baseline") -> None:
    """A horizontal bar a mark, the first on top, with one standard error to either side; the baseline is a diamond."""
    panels([Panel(marks, axis)], file, title=title, baseline=baseline)


def panels(parts: Sequence[Panel], file: Path, *, title: str, baseline: str = "baseline") -> None:
    """Bars of several measures below each other, each on an axis of its own."""
    heights = [0.7 + INCH * len(part.marks) for part in parts]
    figure, axes_P = _figure(height=0.7 + sum(heights), heights=heights)
    for part, axes in zip(parts, axes_P, strict=True):
        places = range(len(part.marks))
        for place, mark in zip(places, part.marks, strict=True):
            fmt = "none" if mark.verdict else SHAPES[""]
            if mark.verdict:
                axes.barh(place, mark.value, height=0.6, **_filling(mark.verdict))
            errors = {"ecolor": "black", "elinewidth": 1, "capsize": 2 if mark.stderr else 0}
            axes.errorbar(mark.value, place, xerr=mark.stderr, fmt=fmt, color=COLOURS[mark.verdict], **errors)
        axes.set_yticks(places, [mark.name for mark in part.marks])
        axes.set_ylim(len(part.marks) - 0.5, -0.5)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.use_sticky_edges = False  # or a bar's end would cut a diamond at 0
        axes.autoscale_view(scaley=False)
        axes.set_xlabel(f"{part.axis}\n{ERRORS}")
    axes_P[0].set_title(title, loc="left", fontsize=10)
    _legend(figure, [mark for part in parts for mark in part.marks], baseline, points=False)
    figure.savefig(file, dpi=120)


def scatter(
    marks: Sequence[Mark],
    file: Path,
    *,
    title: str,
    x: str,
    y: str,
    log: bool = False,
    baseline: str = "baseline",
    over: Timeline | None = None,
) -> None:
    """A point a mark with its name and one standard error up and down; `log` for the horizontal axis."""
    figure, (axes,) = _figure(height=5, heights=[1])
    for mark in marks:
        inside = {"markerfacecolor": "white"} if mark.verdict == HOLLOW else {}
        shape, colour = SHAPES[mark.verdict], COLOURS[mark.verdict]
        axes.errorbar(mark.at, mark.value, yerr=mark.stderr, fmt=shape, color=colour, capsize=2, **inside)
    axes.margins(x=0.15)
    if log:
        _log_axis(axes)
    if over is not None:
        _draw_time(axes, over, max(mark.at for mark in marks))
    axes.set_xlabel(x)
    axes.set_ylabel(f"{y}; {ERRORS}")
    axes.set_title(title, loc="left", fontsize=10)
    _legend(figure, marks, baseline, points=True)
    _write_names(figure, axes, marks, over)
    figure.savefig(file, dpi=120)


def _log_axis(axes: Any) -> None:
    """Few ticks with plain numbers, over less than a decade too."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(log_ticks(*axes.get_xlim())))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def log_ticks(low: float, high: float) -> list[float]:
    """Four round numbers or more from low to high, of a series that stands evenly on a logarithmic axis if one does.

    >>> log_ticks(0.5, 2000), log_ticks(3.5e-5, 3.3e-4)
    ([1.0, 10.0, 100.0, 1000.0], [5e-05, 7e-05, 0.0001, 0.00015, 0.0002, 0.0003])
    >>> log_ticks(70, 105)
    [70.0, 80.0, 90.0, 100.0]
    """
    from matplotlib.ticker import MaxNLocator

    for series in TICKS:
        decades = range(-12, 13)
        ticks = [float(f"{part}e{power}") for power in decades for part in series]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= ENOUGH:
            return inside
    return [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]


def _draw_time(axes: Any, over: Timeline, last: float) -> None:
    """The best so far in steps, the end, and times as people read them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    times, values = zip(*over.best, strict=True)
    end = max(last, over.end)
    axes.step([*times, end], [*values, values[-1]], where="post", color=COLOURS[""], linewidth=1.2, zorder=0)
    axes.axvline(over.end, color="black", linestyle="--", linewidth=1)
    axes.set_xlim(0, 1.05 * end)
    # Steps of a clock: 1, 1.5, 3, 6 times ten seconds, minutes, or so.
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 1.5, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: over.text(seconds)))
    place = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "fontsize": 8, "ha": "right"}
    axes.annotate(f"end: {over.text(over.end)}", (over.end, 0), xytext=(-4, 4), **place)


def _level_boxes(axes: Any, over: Timeline) -> list[Any]:
    """Where the level parts of the line of the best so far run, in pixels."""
    from matplotlib.transforms import Bbox

    ends = [*(time for time, _ in over.best[1:]), over.end]
    boxes = []
    for (start, value), end in zip(over.best, ends, strict=True):
        (x, y), (to_x, _) = axes.transData.transform([(start, value), (end, value)])
        boxes.append(Bbox([(x, y - 2), (to_x, y + 2)]))
    return boxes


def _write_names(figure: Any, axes: Any, marks: Sequence[Mark], over: Timeline | None = None) -> None:
    """Each name beside its point, where it leaves the axes' frame and meets bars, points and other names the least."""
    figure.canvas.draw()
    frame, taken = axes.get_window_extent(), [text.get_window_extent() for text in axes.texts]
    taken += [_bar_box(axes, mark) for mark in marks] + (_level_boxes(axes, over) if over else [])
    for mark in sorted(marks, key=lambda mark: -mark.value):
        tried = list[tuple[float, float, int, Any, Any]]()
        for shift, height, side in product(SHIFTS, HEIGHTS, SIDES):
            text = _name(axes, mark, side, shift, height)
            box = _text_box(text, figure)
            outside = max(0.0, frame.x0 - box.x0, box.x1 - frame.x1, frame.y0 - box.y0, box.y1 - frame.y1)
            tried.append((bool(outside) + sum(map(box.overlaps, taken)), outside, len(tried), box, text))
            text.set_visible(False)
            if tried[-1][0] == 0:
                break
        *_, box, text = min(tried, key=lambda one: one[:3])
        text.set_visible(True)
        taken += [box, *(_line_boxes(axes, mark, box) if text.arrow_patch is not None else [])]


def _name(axes: Any, mark: Mark, side: str, shift: int, height: int) -> Any:
    """A mark's name so many points away, with a line where that is far."""
    far = shift > 0 or abs(height) > FAR
    return axes.annotate(
        mark.name if len(mark.name) <= LONG else mark.name.replace(" + ", "\n+ "),
        (mark.at, mark.value),
        xytext=(SIDES[side] * (1 + shift), height),
        textcoords="offset points",
        fontsize=8,
        ha=side,
        arrowprops={"arrowstyle": "-", "color": "#bdc1c6", "linewidth": 0.6} if far else None,
    )


def _text_box(text: Any, figure: Any) -> Any:
    """Where the letters of a note stand."""
    from matplotlib.text import Text

    text.update_positions(figure.canvas.get_renderer())
    return Text.get_window_extent(text, figure.canvas.get_renderer())


def _bar_box(axes: Any, mark: Mark) -> Any:
    """Where a mark and its error bar stand, in pixels, with a little room."""
    from matplotlib.transforms import Bbox

    ends = [(mark.at, mark.value - mark.stderr), (mark.at, mark.value + mark.stderr)]
    (x, low), (_, high) = axes.transData.transform(ends)
    return Bbox([(x - CLEAR, low - CLEAR), (x + CLEAR, high + CLEAR)])


def _line_boxes(axes: Any, mark: Mark, box: Any) -> list[Any]:
    """Small boxes along the line from a mark to its name."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((mark.at, mark.value))
    to_x, to_y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    points = [(x + (to_x - x) * part / 10, y + (to_y - y) * part / 10) for part in range(10)]
    return [Bbox([(x - 2, y - 2), (x + 2, y + 2)]) for x, y in points]


def _filling(verdict: str) -> dict[str, Any]:
    """How a bar or patch of a verdict looks: hatched where nothing is known."""
    if verdict != HOLLOW:
        return {"facecolor": COLOURS[verdict], "edgecolor": COLOURS[verdict]}
    return {"facecolor": "white", "edgecolor": COLOURS[verdict], "hatch": "////"}


def _legend(figure: Any, marks: Sequence[Mark], baseline: str, *, points: bool) -> None:
    """Which verdict each look is."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = [verdict for verdict in COLOURS if any(mark.verdict == verdict for mark in marks)]
    if not any(shown):
        return
    handles = list[Any]()
    for verdict in shown:
        name, colour = verdict or baseline, COLOURS[verdict]
        if points or not verdict:
            inside = "white" if verdict == HOLLOW else colour
            point = Line2D([], [], color=colour, marker=SHAPES[verdict], markerfacecolor=inside, label=name)
            point.set_linestyle("none")
            handles.append(point)
        else:
            handles.append(Patch(label=name, **_filling(verdict)))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(shown), fontsize=8, frameon=False)


def _figure(*, height: float, heights: Sequence[float]) -> tuple[Any, list[Any]]:
    """Axes below each other; drawn without a display, and without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    FigureCanvasAgg(figure)
    column = figure.subplots(len(heights), 1, squeeze=False, height_ratios=list(heights))
    return figure, list(column[:, 0])
