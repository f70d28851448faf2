"""Precision against recall, and where the answers that were given lie. Axes: N images, C classes, E probabilities."""

from __future__ import annotations

import numpy as np

from medalist.report.axes import Axis, Curve, chart
from medalist.report.markup import Section, figure, name, number, table
from medalist.report.seen import Seen
from medalist.report.thresholds import legend, positive_of

POINTS = 200  # of a curve
THIN, MOST = 30, 1000  # classes up to which each has a thin line, and a number


def ranking_curve(prob_E: np.ndarray, true_E: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Recall and precision down the ranking from recall 0 on, equal probabilities at once, and average precision.

    Average precision is the sum of precision times the step in recall, as in scikit-learn; NaN where nothing is true.
    """
    order = np.argsort(-prob_E, kind="stable")
    hit_E, score_E = np.cumsum(true_E[order]), prob_E[order]
    last = np.append(np.flatnonzero(np.diff(score_E)), len(score_E) - 1)
    if not len(hit_E) or hit_E[-1] == 0:
        return np.zeros(0), np.zeros(0), float("nan")
    recall, precision = hit_E[last] / hit_E[-1], hit_E[last] / (last + 1)
    area = float(np.diff(recall, prepend=0.0) @ precision)
    return np.append(0.0, recall), np.append(precision[0], precision), area


def precision_recall(seen: Seen) -> Section:
    """One curve of all together, and for few classes a thin one each."""
    rows = seen.rows()
    prob_NC, true_NC, said_NC = np.asarray(seen.prob_NC[rows], float), seen.true_NC[rows], seen.said_NC[rows]
    two = not seen.tags and len(seen.names) == 2
    if two:
        c = positive_of(seen)
        prob_NC, true_NC, said_NC = prob_NC[:, [c]], true_NC[:, [c]], said_NC[:, [c]]
    recall, precision, area = ranking_curve(prob_NC.ravel(), true_NC.ravel())
    alone = (
        []
        if two or len(seen.names) > MOST
        else [ranking_curve(prob_NC[:, k], true_NC[:, k]) for k in range(prob_NC.shape[1])]
    )
    curves = [Curve(_thin(*one[:2]), "thin") for one in alone if len(one[0])] if len(alone) <= THIN else []
    hit = int((said_NC & true_NC).sum())
    given = np.array([[hit / max(int(true_NC.sum()), 1), hit / max(int(said_NC.sum()), 1)]])
    curves.append(Curve(_thin(recall, precision), "c1", given))
    what = (
        f"of {name(seen.names[c])}" if two else "of all classes together" if not seen.tags else "of all tags together"
    )
    lead = f"Down the ranking of cross-fitted probabilities {what}; the dot is where the answers that are scored lie."
    mean = np.nanmean([one[2] for one in alone]) if any(one[2] == one[2] for one in alone) else None
    each = "" if mean is None else f" of all together, {mean:.4f} as the mean over each alone"
    text = f"Average precision {area:.4f}{each}."
    unit = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    drawn = chart(
        curves, Axis(0, 1, unit, "recall"), Axis(0, 1, unit, "precision"), title="Precision and recall", text=text
    )
    looks = {"all together" if not two else "this class": "c1", **({"each alone": "thin"} if len(curves) > 1 else {})}
    numbers = _numbers(seen, recall, precision, [one[2] for one in alone])
    return Section(
        "precision-recall",
        "Precision and recall",
        lead,
        figure("Precision against recall", text, legend(looks), drawn, numbers=numbers),
    )


def _thin(recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """At most POINTS of the curve, evenly along recall, its ends among them."""
    at = np.unique(np.append(np.searchsorted(recall, np.linspace(0, 1, POINTS - 1)), len(recall) - 1))
    return np.stack([recall[at], precision[at]], axis=1)


def _numbers(seen: Seen, recall: np.ndarray, precision: np.ndarray, areas: list[float]) -> str:
    """Precision at round recalls, and each class's average precision."""
    levels = np.linspace(0.1, 1.0, 10)
    rows = [[f"{level:.1f}", number(_highest(recall, precision, level), 3)] for level in levels]
    told = table(["recall", "highest precision"], rows, caption="Highest precision at a recall or more")
    if areas:
        listed = [[name(seen.names[c], most=60), number(area)] for c, area in enumerate(areas)]
        told += table(
            ["class" if not seen.tags else "tag", "average precision"],
            listed,
            caption="Average precision of each alone",
            sortable=True,
        )
    return told


def _highest(recall: np.ndarray, precision: np.ndarray, level: float) -> float | None:
    reached = precision[recall >= level - 1e-12]
    return float(reached.max()) if len(reached) else None
