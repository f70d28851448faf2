"""Arms of an experiment as points over a number, each with its 95 % interval, its verdict's shape, and a number that
the table beside the chart explains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medalist.errors import MedalistError
from medalist.metrics import metrics
from medalist.report.axes import FOOT, LEFT, RIGHT, TOP, Axis, Curve, Scale, chart
from medalist.report.markup import said, tag
from medalist.report.strips import glyph

HEIGHT = 300  # pixels
FLAT = 0.01  # to either side, where all points lie on one level
UP, DOWN = -7, 15  # where a number stands, from its point's middle, in turns


@dataclass(frozen=True)
class Point:
    """An arm in a chart.

    Args:
        pin: the few letters beside it.
        name: of the arm.
        at: where it stands along the chart; on a logarithmic axis the logarithm.
        value: what it reached.
        half: half of its 95 % interval; 0: not known.
        look: its verdict's shape, one of `strips.SHAPES`.
        told: the verdict in words.
    """

    pin: str
    name: str
    at: float
    value: float
    half: float
    look: str
    told: str


def scatter(
    points: Sequence[Point], x: Axis, y: str, *, title: str, text: str, curves: Sequence[Curve] = (), extra: str = ""
) -> str:
    """A chart of points.

    Args:
        points: the first is drawn last, on top.
        x: axis.
        y: what is measured.
        title, text: for those who cannot see it; what each point says is added.
        curves: behind the points.
        extra: SVG on top; its x in per cent.
    """
    ends = [point.value + side * point.half for point in points for side in (-1, 1)]
    up = Axis.of(ends if min(ends) < max(ends) else [ends[0] - FLAT, ends[0] + FLAT], y)
    place_x, place_y = Scale(x.low, x.high, LEFT, RIGHT), Scale(up.low, up.high, HEIGHT - FOOT, TOP)
    order = sorted(range(len(points)), key=lambda place: points[place].at)
    shift = {place: (UP, DOWN)[turn % 2] for turn, place in enumerate(order)}
    drawn = [_drawn(points[place], place_x, place_y, shift[place]) for place in reversed(range(len(points)))]
    told = f"{text} {'; '.join(map(words, points))}."
    return chart(curves, x, up, title=title, text=told, height=HEIGHT, extra=extra + "".join(drawn))


def which_way(metric: str) -> str:
    """Which way is better, as far as the metric is known here."""
    try:
        higher = metrics.bind(metric).facts["better"] == "higher"
    except MedalistError:  # the user's own, whose code is not here
        return ""
    return f"{'Higher' if higher else 'Lower'} is better."


def words(point: Point) -> str:
    """What a point says."""
    sure = f" ± {point.half:.4f}" if point.half else ""
    return f"{point.pin} {point.name}: {point.value:.4f}{sure}, {point.told}"


def _drawn(point: Point, place_x: Scale, place_y: Scale, shift: int) -> str:
    at, y = place_x(point.at), place_y(point.value)
    low, high = place_y(point.value - point.half), place_y(point.value + point.half)
    whisker = f'<line class="whisker {point.look}" x1="{at}%" x2="{at}%" y1="{low}" y2="{high}"/>'
    pin = tag("text", said(point.pin), class_="pin", x=f"{at}%", y=y + shift, dx=8)
    return tag(
        "g", tag("title", said(words(point))), whisker if point.half else "", glyph(point.look, f"{at}%", y), pin
    )
