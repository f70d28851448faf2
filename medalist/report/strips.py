"""Values with their intervals as strips of one scale, one a row of a table: a chart and its numbers are one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medalist.report.axes import Scale, plain, svg, ticks
from medalist.report.markup import tag

HEIGHT = 22  # pixels
INSET = 3.0  # per cent that stay free at both ends
# A verdict's shape around (0, 0), so that it is told without its colour; where nothing is known it is hollow.
ROUND = "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0Z"
SHAPES = {
    "better": "M0-6.5L6.5 5H-6.5Z",
    "worse": "M0 6.5L6.5-5H-6.5Z",
    "equal": ROUND,
    "undecided": ROUND,
    "base": "M0-6.5L6.5 0L0 6.5L-6.5 0Z",
}


@dataclass(frozen=True)
class Mark:
    """A value on a strip.

    Args:
        value: where its dot is.
        low, high: ends of its interval; equal to the value: none.
        look: class: `score`, `other`, `seen` for what is in sample (hollow), or one of SHAPES.
    """

    value: float
    low: float
    high: float
    look: str = "other"


def scale_of(marks: Sequence[Mark], *, within: tuple[float, float] | None = None) -> Scale:
    """One scale for all strips of a table; `within`: of this range."""
    values = np.array([[mark.low, mark.value, mark.high] for mark in marks], float)
    values = values[np.isfinite(values)]
    low, high = within or (float(values.min(initial=np.inf)), float(values.max(initial=-np.inf)))
    if not low < high:
        low, high = (low - 0.5, high + 0.5) if np.isfinite(low) else (0.0, 1.0)
    return Scale(low, high, INSET, 100 - INSET)


def strip(marks: Sequence[Mark], scale: Scale, *, line: float | None = None) -> str:
    """Marks on one strip; `line`: a value to compare with, such as the run's score."""
    parts = [f'<line class="rail" x1="{scale.start}%" x2="{scale.end}%" y1="11" y2="11"/>']
    if line is not None:
        parts.append(f'<line class="level" x1="{scale(line)}%" x2="{scale(line)}%" y1="0" y2="{HEIGHT}"/>')
    for mark in marks:
        if np.isfinite(mark.value):
            parts.append(_drawn(mark, scale))
    told = "; ".join(
        f"{mark.value:.4g}" + (f" ({mark.low:.4g} to {mark.high:.4g})" if mark.low < mark.high else "")
        for mark in marks
    )
    return svg("".join(parts), title=told, text="", height=HEIGHT, look="strip")


def _drawn(mark: Mark, scale: Scale) -> str:
    at, low, high = scale(mark.value), scale(mark.low), scale(mark.high)
    whisker = f'<line class="whisker {mark.look}" x1="{low}%" x2="{high}%" y1="11" y2="11"/>' if high > low else ""
    if mark.look in SHAPES:
        return whisker + glyph(mark.look, f"{at}%", 11)
    return f'{whisker}<circle class="dot {mark.look}" cx="{at}%" cy="11" r="4.5"/>'


def glyph(look: str, x: str, y: float) -> str:
    """A verdict's shape at a place of a picture."""
    return tag("svg", f'<path d="{SHAPES[look]}"/>', class_=f"mark {look}", x=x, y=y)


def ruler(scale: Scale, *, most: int = 3) -> str:
    """The numbers of the scale, for the head of the strips' column."""
    inside = [value for value in ticks(scale.low, scale.high, most=most + 1) if scale.low <= value <= scale.high]
    parts = [
        f'<text class="tick" x="{scale(value)}%" y="11" text-anchor="middle">{plain(value)}</text>' for value in inside
    ]
    return tag("svg", *parts, class_="strip", width="100%", height=14, aria_hidden="true")
