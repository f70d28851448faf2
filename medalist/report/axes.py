"""Charts whose text keeps its size on any screen: x in per cent of the width, y in pixels, curves stretched between.

A curve cannot be drawn in per cent, so it stands in an inner picture that is stretched to the outer one's width while
its stroke is not. Labels of y stand on their grid lines, so that no margin is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medalist.report.markup import said, tag

LEFT, RIGHT = 8.0, 98.0  # per cent: where the data begins and ends
TOP, FOOT = 12, 34  # pixels above the highest grid line and below the lowest
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MANY_DECADES = 2.5  # from which on a logarithmic axis numbers them alone


def plain(value: float) -> str:
    """A number on an axis."""
    return f"{value:,.10g}".replace("-", "−")


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` onto per cent (or pixels) from `start` to `end`."""

    low: float
    high: float
    start: float = 0.0
    end: float = 100.0

    def __call__(self, value: float) -> float:
        place = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + (self.end - self.start) * min(max(place, -0.02), 1.02), 2)


@dataclass(frozen=True)
class Curve:
    """A line of a chart.

    Args:
        points: (P, 2) x and y, in the order of x; a y that is no number is left out.
        look: classes of its stroke.
        marks: (Q, 2) points with a dot.
    """

    points: np.ndarray
    look: str
    marks: np.ndarray | None = None


@dataclass(frozen=True)
class Axis:
    """What a chart spans in one direction.

    Args:
        low, high: its ends.
        ticks: where it is numbered.
        name: what it measures, plain text.
        text: what stands at a tick.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    name: str
    text: Callable[[float], str] = plain

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray, name: str, *, most: int = 5, whole: bool = False) -> Axis:
        """Round ticks around the values; `whole`: integers alone."""
        known = np.asarray(values, float)
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        marks = ticks(low, high, most=most, whole=whole)
        return cls(min(low, marks[0]), max(high, marks[-1]), marks, name)

    @classmethod
    def log(cls, values: Sequence[float] | np.ndarray, name: str) -> Axis:
        """Of logarithms to base 10, with a little room, numbered by the values themselves: 1, 2, 5 of each decade."""
        low, high = float(np.min(np.log10(values))) - 0.05, float(np.max(np.log10(values))) + 0.05
        decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
        marks = [power + part for power in decades for part in np.log10([1, 2, 5]).tolist()]
        if high - low > MANY_DECADES:
            marks = [float(power) for power in decades]
        inside = tuple(mark for mark in marks if low <= mark <= high)
        if len(inside) < 2:
            even = ticks(10**low, 10**high)
            inside = tuple(float(np.log10(value)) for value in even if value > 0 and low <= np.log10(value) <= high)
        return cls(low, high, inside, name, lambda place: plain(float(f"{10**place:.3g}")))


def ticks(low: float, high: float, *, most: int = 5, whole: bool = False) -> tuple[float, ...]:
    """At most so many round numbers, or one more, that enclose low to high.

    >>> ticks(0.13, 0.94), ticks(1, 8, whole=True)
    ((0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 2.0, 4.0, 6.0, 8.0))
    """
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** np.floor(np.log10(span / most))
    for step in (power * factor for factor in (*STEPS, 20.0)):
        if whole and step != round(step):
            continue
        first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
        if last - first <= most:
            return tuple(round(float(place * step), 10) for place in np.arange(first, last + 1))
    return (low, high)


def chart(
    curves: Sequence[Curve], x: Axis, y: Axis, *, title: str, text: str, height: int = 250, extra: str = ""
) -> str:
    """A line chart.

    Args:
        curves: drawn in their order.
        x, y: axes.
        title, text: for those who cannot see it.
        height: pixels.
        extra: SVG on top; its x in per cent.
    """
    place_x = Scale(x.low, x.high, LEFT, RIGHT)
    place_y = Scale(y.low, y.high, height - FOOT, TOP)
    inner = "".join(_path(curve, place_x, place_y) for curve in curves)
    stretched = tag("svg", inner, viewBox=f"0 0 1000 {height}", preserveAspectRatio="none", width="100%", height=height)
    dots = "".join(
        f'<circle class="{curve.look}" cx="{place_x(at)}%" cy="{place_y(value)}" r="4"/>'
        for curve in curves
        if curve.marks is not None
        for at, value in curve.marks.tolist()
    )
    return svg(_grid(x, y, place_x, place_y, height) + stretched + dots + extra, title=title, text=text, height=height)


def svg(inner: str, *, title: str, text: str, height: int, look: str = "chart") -> str:
    """A picture as wide as its place, with its name and description, both plain text, for those who cannot see it."""
    return tag(
        "svg",
        tag("title", said(title)),
        tag("desc", said(text)),
        inner,
        class_=look,
        role="img",
        aria_label=f"{title}. {text}",
        width="100%",
        height=height,
    )


def _path(curve: Curve, place_x: Scale, place_y: Scale) -> str:
    # A curve without points has dots alone.
    points = [(10 * place_x(at), place_y(value)) for at, value in curve.points.tolist() if np.isfinite(value)]
    steps = "L".join(f"{at:.1f} {value:g}" for at, value in points)
    return f'<path class="{curve.look}" d="M{steps}"/>' if points else ""


def _grid(x: Axis, y: Axis, place_x: Scale, place_y: Scale, height: int) -> str:
    """Lines and numbers of both axes, and their names."""
    parts = []
    for value in y.ticks:
        at = place_y(value)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick" x="0" y="{at - 3}">{said(y.text(value))}</text>')
    for value in x.ticks:
        if x.low <= value <= x.high:
            parts.append(
                f'<text class="tick" x="{place_x(value)}%" y="{height - FOOT + 14}" text-anchor="middle">'
                f"{said(x.text(value))}</text>"
            )
    parts.append(f'<text class="axis" x="100%" y="{height - 4}" text-anchor="end">{said(x.name)} →</text>')
    parts.append(f'<text class="axis" x="0" y="{height - 4}">↑ {said(y.name)}</text>')
    return "".join(parts)
