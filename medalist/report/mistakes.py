"""Images to look at: the mistakes that were surest, and those of which the answers knew least.

Axes: N images, B of a block, C classes or tags.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medalist.metrics import TINY
from medalist.metrics.contract import row_blocks
from medalist.report.markup import Section, folded, name, paragraph, share, tag
from medalist.report.seen import Seen
from medalist.report.thumbnails import Thumbnails

MOST, OPEN = 24, 12  # images of a kind, and those of them that need no opening
SHOWN = 3  # likeliest classes told
Card = Callable[[int], str]


def mistakes(seen: Seen, pictures: Thumbnails | None) -> Section | None:
    """Two galleries; without the dataset the same in words."""
    wrong_N = (seen.said_NC != seen.true_NC).any(axis=1) if seen.tags else seen.label_N != seen.y_N
    surprise_N = surprises(np.asarray(seen.prob_NC), seen)
    worst = [row for row in np.argsort(-surprise_N, kind="stable").tolist() if wrong_N[row]][:MOST]
    unsure = np.argsort(-doubt(np.asarray(seen.prob_NC), tags=seen.tags), kind="stable")[:MOST].tolist()
    parts = []
    for title, rows, text in (
        ("Worst mistakes", worst, "Wrong answers, those first that gave the truth the least probability."),
        (
            "Most uncertain",
            unsure,
            "Right or wrong, those first that decided least between the likeliest classes."
            if not seen.tags
            else "Right or wrong, those first with the most tags near a half.",
        ),
    ):
        if rows:
            cards = [_card(seen, row, pictures) for row in rows]
            parts.append(tag("h3", title) + paragraph(text) + tag("ul", *cards[:OPEN], class_="gallery"))
            if rest := cards[OPEN:]:
                parts.append(folded(f"{len(rest)} more", tag("ul", *rest, class_="gallery")))
    if not parts:
        return None
    lead = "Answers and probabilities are cross-fitted: nothing behind them saw these images."
    if pictures is None:
        lead += " To see the images, name their folder: <code>medalist report RUN --data DATA</code>."
    return Section("images", "Images to look at", lead, "".join(parts))


def surprises(prob_NC: np.ndarray, seen: Seen) -> np.ndarray:
    """(N,) log-loss of each row; of tags the sum over them."""
    if not seen.tags:
        return np.asarray(-np.log(np.maximum(prob_NC[np.arange(len(prob_NC)), seen.y_N], TINY, dtype=np.float64)))
    parts = []
    for rows in row_blocks(*prob_NC.shape):
        told_BC = np.where(seen.true_NC[rows], prob_NC[rows], 1 - prob_NC[rows])
        parts.append(-np.log(np.maximum(told_BC, TINY, dtype=np.float64)).sum(axis=1))
    return np.concatenate(parts)


def doubt(prob_NC: np.ndarray, *, tags: bool) -> np.ndarray:
    """(N,) how little is decided: 1 less the gap between the two likeliest, or the sum over tags of p (1 - p)."""
    parts = []
    for rows in row_blocks(*prob_NC.shape):
        prob_BC = prob_NC[rows].astype(np.float64)
        two_B2 = None if tags else np.partition(prob_BC, -2, axis=1)[:, -2:]
        parts.append((prob_BC * (1 - prob_BC)).sum(axis=1) if two_B2 is None else 1 - (two_B2[:, 1] - two_B2[:, 0]))
    return np.concatenate(parts)


def _card(seen: Seen, row: int, pictures: Thumbnails | None) -> str:
    picture = pictures.by_id(seen.ids[row]) if pictures else ""
    told = _of_tags(seen, row) if seen.tags else _of_class(seen, row)
    named = tag("p", name(seen.ids[row], most=34), class_="id")
    return tag("li", tag("div", picture, class_="picture") if pictures else "", named, *told)


def _of_class(seen: Seen, row: int) -> list[str]:
    prob_C = np.asarray(seen.prob_NC[row], float)
    true, answered = int(seen.y_N[row]), int(seen.label_N[row])
    verdict = "right" if true == answered else "wrong"
    lines = [tag("p", f"{tag('b', 'true')} {name(seen.names[true], most=40)}")]
    if true != answered:
        lines.append(tag("p", f"{tag('b', 'answered')} {name(seen.names[answered], most=40)}", class_="wrong"))
    else:
        lines.append(tag("p", "answered right", class_="right"))
    shown = list(dict.fromkeys([*np.argsort(-prob_C, kind="stable")[: SHOWN - 1].tolist(), true]))
    return [*lines, tag("ul", *(_bar(seen.names[c], prob_C[c], c == true) for c in shown), class_=f"bars {verdict}")]


def _of_tags(seen: Seen, row: int) -> list[str]:
    true_C, said_C = seen.true_NC[row], seen.said_NC[row]

    def listed(chosen_C: np.ndarray) -> str:
        named = [name(seen.names[c], most=40) for c in np.flatnonzero(chosen_C)[:8]]
        return ", ".join([*named, *(["…"] if chosen_C.sum() > 8 else [])]) or "none"

    parts = [
        ("both", true_C & said_C, "right"),
        ("missed", true_C & ~said_C, "wrong"),
        ("too many", said_C & ~true_C, "wrong"),
    ]
    lines = [tag("p", f"{tag('b', label)} {listed(one)}", class_=look) for label, one, look in parts if one.any()]
    prob_C = np.asarray(seen.prob_NC[row], float)
    shown = np.argsort(-prob_C, kind="stable")[:SHOWN].tolist()
    return [*lines, tag("ul", *(_bar(seen.names[c], prob_C[c], bool(true_C[c])) for c in shown), class_="bars")]


def _bar(label: str, prob: float, true: bool) -> str:
    """A probability as a bar behind its name; the true one is told by a sign too."""
    mark = "✓ " if true else ""
    return tag(
        "li",
        tag("span", f"{mark}{name(label, most=26)}"),
        tag("span", share(prob)),
        class_="true" if true else None,
        style=f"--p:{100 * min(max(prob, 0.0), 1.0):.0f}%",
    )
