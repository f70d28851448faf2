"""What another threshold would have given, and the one that was chosen.

Axes: N images, C tags, T thresholds, E probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from medalist.decisions.tags import apply_map
from medalist.report.axes import Axis, Curve, chart
from medalist.report.markup import Section, figure, name, number, said, table
from medalist.report.seen import Seen

STEPS = np.linspace(0.0, 1.0, 101)
LOOKS = {
    "precision": "c2 dashed",
    "recall": "c3 dotted",
    "F1": "c1",
    "accuracy": "c4 dashdot",
    "F1 per image": "c4 dashdot",
}
SAME_ROWS = (
    "<strong>In sample for the threshold:</strong> the curves are drawn on the rows on which the marked one was chosen;"
    " the score on top is of thresholds that never saw their rows."
)


class Chosen(NamedTuple):
    """A threshold that answers, and a sentence on where it comes from."""

    value: float | None
    text: str


def positive_of(seen: Seen) -> int:
    """The class of two whose probability is told: the organisers', else the last."""
    sample = seen.field.table.sample
    classes = seen.field.table.classes
    return classes.index(sample.positive) if sample and sample.positive in classes else len(classes) - 1


def thresholds(seen: Seen) -> Section | None:
    """Of tags and of two classes; of more classes there is no threshold."""
    if seen.tags:
        return _of_tags(seen)
    return _of_two(seen) if len(seen.names) == 2 else None


def counts_at(prob_E: np.ndarray, true_E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the probabilities at or above each of STEPS how many there are, and how many of those are true: (T,) each."""
    order = np.argsort(prob_E, kind="stable")
    first_T = np.searchsorted(prob_E[order], STEPS, side="left")
    true_before = np.concatenate([[0], np.cumsum(true_E[order])])
    return len(prob_E) - first_T, true_before[-1] - true_before[first_T]


def _of_two(seen: Seen) -> Section:
    c = positive_of(seen)
    prob_N, true_N = np.asarray(seen.prob_NC[:, c], float), seen.y_N == c
    said_T, hit_T = counts_at(prob_N, true_N)
    right_T = hit_T + (len(true_N) - true_N.sum()) - (said_T - hit_T)
    values = {**_shares(said_T, hit_T, int(true_N.sum())), "accuracy": right_T / len(true_N)}
    chosen = _chosen_of_two(seen, c)
    lead = f"Images count as {name(seen.names[c])} from a threshold of its probability on. {chosen.text}"
    return Section("thresholds", "Thresholds", lead, _drawn(values, chosen.value))


def _chosen_of_two(seen: Seen, c: int) -> Chosen:
    """Where the answer turns from one class to the other."""
    if seen.calibrated:
        return Chosen(None, "The metric eats probabilities: no threshold was chosen, and none is part of the answers.")
    if "tau" in seen.state:
        # argmax of log p - tau log prior turns where p / (1 - p) = (prior / other prior) ** tau.
        log_prior = seen.state["log_prior"]
        odds = np.exp(seen.state["tau"] * (log_prior[c] - log_prior[1 - c]))
        return Chosen(float(odds / (1 + odds)), SAME_ROWS)
    return Chosen(0.5, "The likelier class answers, which is a threshold of a half: nothing was chosen.")


def _of_tags(seen: Seen) -> Section:
    rows, state = seen.rows(), seen.state
    prob_NC, true_NC = np.asarray(seen.prob_NC[rows], np.float32), seen.true_NC[rows]
    mapped = "slope" in state and not seen.calibrated
    if mapped:
        prob_NC = apply_map(prob_NC, np.array(state["slope"]), np.array(state["bias"]))
    said_T, hit_T = counts_at(np.asarray(prob_NC, float).ravel(), true_NC.ravel())
    values = {**_shares(said_T, hit_T, int(true_NC.sum())), "F1 per image": samples_f1(prob_NC, true_NC)}
    chosen = _chosen_of_tags(seen)
    source = "calibrated on these rows" if mapped else "as the blend gives them"
    lead = f"One threshold for all tags of all images, probabilities {source}. {chosen.text}"
    return Section("thresholds", "Thresholds", lead, _drawn(values, chosen.value))


def _chosen_of_tags(seen: Seen) -> Chosen:
    value, rule = seen.state.get("value"), said(seen.decision["rule"])
    if isinstance(value, float):
        return Chosen(value, SAME_ROWS)
    if isinstance(value, list):
        return Chosen(None, f"<code>{rule}</code> has a threshold a tag; the table of tags lists them.")
    if seen.calibrated:
        return Chosen(None, "The metric eats probabilities: no threshold was chosen, and none is part of the answers.")
    return Chosen(None, f"<code>{rule}</code> chooses each image's set by itself: no threshold is part of the answers.")


def samples_f1(prob_NC: np.ndarray, true_NC: np.ndarray) -> np.ndarray:
    """(T,) mean over images of F1 of the tags at or above each of STEPS; of two empty sets it is 1."""
    place_NC = np.searchsorted(STEPS, prob_NC, side="right")  # taken at the first so many steps
    row_N = np.arange(len(prob_NC))[:, None] * (len(STEPS) + 1)
    size = len(prob_NC) * (len(STEPS) + 1)

    def at_least(weights: np.ndarray | None) -> np.ndarray:
        count_NT = np.bincount((row_N + place_NC).ravel(), weights, size).reshape(len(prob_NC), -1)
        return np.asarray(count_NT[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:])

    said_NT, hit_NT = at_least(None), at_least(true_NC.ravel())
    both_NT = said_NT + true_NC.sum(axis=1, keepdims=True)
    return np.asarray(np.where(both_NT > 0, 2 * hit_NT / np.maximum(both_NT, 1), 1.0).mean(axis=0))


def _shares(said_T: np.ndarray, hit_T: np.ndarray, num_true: int) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"precision": hit_T / said_T, "recall": hit_T / num_true, "F1": 2 * hit_T / (said_T + num_true)}


def _drawn(values: dict[str, np.ndarray], chosen: float | None) -> str:
    unit = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    curves = []
    for label, value_T in values.items():
        points = np.stack([STEPS, value_T], axis=1)
        near = None if chosen is None else points[[int(np.abs(STEPS - chosen).argmin())]]
        curves.append(Curve(points, LOOKS[label], near))
    best = "" if chosen is None else f" The chosen threshold, {chosen:.3f}, is marked by dots."
    text = f"{', '.join(values)} as the threshold rises from 0 to 1.{best}"
    drawn = chart(curves, Axis(0, 1, unit, "threshold"), Axis(0, 1, unit, "share"), title="Threshold curves", text=text)
    rows = [
        [f"{STEPS[at]:.2f}", *(number(float(value_T[at]), 3) for value_T in values.values())]
        for at in range(0, len(STEPS), 5)
    ]
    numbers = table(["threshold", *values], rows, caption="Threshold curves, every 0.05")
    return figure("Threshold curves", text, legend({label: LOOKS[label] for label in values}), drawn, numbers=numbers)


def legend(looks: dict[str, str]) -> str:
    """Which line is which."""
    parts = [
        f'<li><svg width="34" height="10" aria-hidden="true"><path class="{look}" d="M1 5H33"/></svg>{label}</li>'
        for label, look in looks.items()
    ]
    return f'<ul class="legend">{"".join(parts)}</ul>'
