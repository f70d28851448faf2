"""Whether 0.8 means 0.8: how often answers of a confidence are right, and how many there are.

Axes: N images, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medalist.report.axes import FOOT, LEFT, RIGHT, TOP, Axis, Curve, Scale, chart, svg
from medalist.report.intervals import wilson
from medalist.report.markup import Section, figure, name, number, table
from medalist.report.seen import Seen
from medalist.report.thresholds import positive_of

BINS, HEIGHT, BARS = 15, 300, 70


@dataclass(frozen=True)
class Bins:
    """Equal steps of confidence: how many answers, their mean confidence, the share that came true."""

    count_B: np.ndarray
    said_B: np.ndarray
    hit_B: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: mean gap of confidence and truth (Guo et al. 2017, section 2)."""
        full = self.count_B > 0
        gap_B = np.abs(self.said_B[full] - self.hit_B[full]) / self.count_B[full]
        return float(gap_B @ self.count_B[full] / self.count_B.sum())


def bins_of(prob_N: np.ndarray, true_N: np.ndarray, num_bins: int = BINS) -> Bins:
    """Sums over equal steps of [0, 1]."""
    place_N = np.clip((prob_N * num_bins).astype(np.int64), 0, num_bins - 1)
    sums = (np.bincount(place_N, weight_N, num_bins) for weight_N in (None, prob_N, true_N))
    return Bins(*(np.asarray(one, float) for one in sums))


def reliability(seen: Seen) -> Section:
    """Of the class that was likeliest, of the positive class of two, or of all tags together."""
    prob_NC = np.asarray(seen.prob_NC)
    if seen.tags:
        rows = seen.rows()
        prob_N, true_N, what = prob_NC[rows].ravel(), seen.true_NC[rows].ravel(), "each image and tag"
    elif len(seen.names) == 2:
        c = positive_of(seen)
        prob_N, true_N, what = prob_NC[:, c], seen.y_N == c, f"{name(seen.names[c])}"
    else:
        prob_N, true_N, what = prob_NC.max(axis=1), seen.y_N == prob_NC.argmax(axis=1), "the likeliest class"
    found = bins_of(prob_N.astype(np.float64), true_N)
    source = "the answers themselves, after the rule" if seen.calibrated else "the blend's, before the rule"
    lead = (
        f"Probabilities of {what}, cross-fitted ({source}), against how often they came true. On the diagonal 0.8 means"
        " 0.8; below it they are too sure."
    )
    title = "Reliability"
    text = (
        f"Expected calibration error {found.ece:.4f} over {BINS} equal steps, from {int(found.count_B.sum()):,}"
        " probabilities. Bars below the curve: how many a step holds, their heights as roots."
    )
    body = figure(title, text, _curve(found, title, text), _histogram(found), numbers=_numbers(found))
    return Section("reliability", "Reliability", lead, body)


def _curve(found: Bins, title: str, text: str) -> str:
    full = found.count_B > 0
    said_b, true_b = (one[full] / found.count_B[full] for one in (found.said_B, found.hit_B))
    points = np.stack([said_b, true_b], axis=1)
    low_b, high_b = wilson(found.hit_B[full], found.count_B[full])
    unit = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    x, y = Axis(0, 1, unit, "probability"), Axis(0, 1, unit, "share that came true")
    place_x, place_y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, HEIGHT - FOOT, TOP)
    errors = "".join(
        f'<line class="whisker score" x1="{at}%" x2="{at}%" y1="{place_y(low)}" y2="{place_y(high)}"/>'
        for at, low, high in zip(map(place_x, said_b), low_b, high_b, strict=True)
    )
    diagonal = Curve(np.array([[0.0, 0.0], [1.0, 1.0]]), "ideal")
    return chart([diagonal, Curve(points[:0], "c1", points)], x, y, title=title, text=text, height=HEIGHT, extra=errors)


def _histogram(found: Bins) -> str:
    """How many probabilities each step holds, as bars below the curve; roots, so that few stay visible."""
    place = Scale(0, 1, LEFT, RIGHT)
    top = np.sqrt(found.count_B.max())
    parts = []
    for b, count in enumerate(found.count_B.tolist()):
        high = round(float(np.sqrt(count) / top * (BARS - 16)), 1)
        at, to = place(b / BINS), place((b + 1) / BINS)
        parts.append(f'<rect class="bar" x="{at}%" width="{to - at - 0.4:.2f}%" y="{BARS - high}" height="{high}"/>')
    told = f"How many a step holds: at most {int(found.count_B.max()):,}"
    return svg(f'<text class="axis" x="0" y="11">{told}</text>{"".join(parts)}', title=told, text="", height=BARS)


def _numbers(found: Bins) -> str:
    rows = []
    for b in np.flatnonzero(found.count_B).tolist():
        count = found.count_B[b]
        low, high = wilson(found.hit_B[b : b + 1], found.count_B[b : b + 1])
        rows.append(
            [
                f"{b / BINS:.2f} to {(b + 1) / BINS:.2f}",
                f"{int(count):,}",
                number(found.said_B[b] / count, 3),
                f"{found.hit_B[b] / count:.3f}<small>{low[0]:.2f}–{high[0]:.2f}</small>",
            ]
        )
    return table(["step", "how many", "mean probability", "came true"], rows, caption="Reliability, a row a step")
