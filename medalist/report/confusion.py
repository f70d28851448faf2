"""Which class was taken for which: a table for few classes, a picture for many, the worst pairs as a list.

Each is drawn in several orders, between which buttons choose without a script. Axes: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medalist.report.heatmap import MOST, heatmap
from medalist.report.markup import Section, cell, figure, folded, name, said, scroller, share, table, tag
from medalist.report.seen import Seen

TABLE = 30  # classes up to which the matrix is a table of numbers
LABELLED = 160  # classes up to which the picture's rows bear names
DRAWN = 3000  # classes up to which there is a picture at all
PAIRS = 40  # of the most confused ones
SHORT = 18  # characters of a class in the matrix


def confusion(seen: Seen) -> Section | None:
    """Of tags there is none; of very many classes the list alone."""
    if seen.tags:
        return None
    by = "the likeliest class" if seen.calibrated else f"the rule <code>{said(seen.decision['rule'])}</code>"
    wrong = int((seen.y_N != seen.label_N).sum())
    lead = (
        f"True classes are rows, answers columns; answers are cross-fitted, by {by}. {wrong:,} of {len(seen.y_N):,}"
        " answers are wrong."
    )
    body = _views(seen) + _pairs(seen.names, seen.y_N, seen.label_N)
    return Section("confusion", "Confusion", lead, body)


def _views(seen: Seen) -> str:
    if len(seen.names) > DRAWN:
        return ""
    count_CC = counts(seen.y_N, seen.label_N, len(seen.names))
    found = orders(count_CC) if len(seen.names) > 2 else {"as listed": np.arange(len(count_CC))}
    return choice(
        "confusion",
        {label: _matrix(seen.names, count_CC, order_C) for label, order_C in found.items()},
        "Order of the classes",
    )


def counts(y_N: np.ndarray, label_N: np.ndarray, num_classes: int) -> np.ndarray:
    """(C, C) how often a true class (row) was answered as another (column)."""
    return np.bincount(y_N * num_classes + label_N, minlength=num_classes**2).reshape(num_classes, num_classes)


def orders(count_CC: np.ndarray) -> dict[str, np.ndarray]:
    """Each order of the classes by its name."""
    num_C, right_C = count_CC.sum(axis=1), np.diag(count_CC)
    recall_C = np.where(num_C > 0, right_C / np.maximum(num_C, 1), 2.0)
    listed = np.arange(len(count_CC))
    return {"by error": np.lexsort((listed, recall_C)), "as listed": listed, "alike together": alike(count_CC)}


def alike(count_CC: np.ndarray) -> np.ndarray:
    """Leaves of an average-linkage tree over how much classes are confused, as shares of both classes' rows."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    share_CC = count_CC / np.maximum(count_CC.sum(axis=1, keepdims=True), 1)
    both_CC = (share_CC + share_CC.T) / 2
    far_CC = 1 - both_CC
    np.fill_diagonal(far_CC, 0)
    return np.asarray(leaves_list(linkage(squareform(far_CC, checks=False), "average")))


def choice(group: str, views: dict[str, str], what: str) -> str:
    """One of several views at a time, chosen by radio buttons, `what` is their name; the first to begin with."""
    if len(views) == 1:
        return next(iter(views.values()))
    parts = []
    for place, label in enumerate(views):
        key = f"{group}-{place}"
        parts.append(
            f'<input type="radio" name="{group}" id="{key}"{" checked" if place == 0 else ""}>'
            f'<label for="{key}">{label}</label>'
        )
    return tag(
        "div",
        *parts,
        *(tag("div", view, class_="view") for view in views.values()),
        class_="choice",
        role="group",
        aria_label=what,
    )


def _matrix(names: Sequence[str], count_CC: np.ndarray, order_C: np.ndarray) -> str:
    ordered_CC = count_CC[np.ix_(order_C, order_C)]
    labels = [names[c] for c in order_C]
    if len(names) <= TABLE:
        return _as_table(labels, ordered_CC)
    text = (
        f"{len(names)} classes; blue: right, orange: wrong, the darker the larger the share of the true class's images."
    )
    if len(names) > MOST:
        text += " Several classes share a square, and shades are of roots, so that few mistakes stay visible."
    picture = heatmap(labels if len(names) <= LABELLED else (), labels, ordered_CC)
    return figure("Confusion matrix", text, scroller(picture, "Confusion matrix"))


def _as_table(labels: Sequence[str], count_CC: np.ndarray) -> str:
    """Numbers on a ground that is the darker the larger their share of the row."""
    total_C = np.maximum(count_CC.sum(axis=1), 1)
    rows = []
    for row, label in enumerate(labels):
        cells = [name(label, most=SHORT)]
        for column, count in enumerate(count_CC[row].tolist()):
            part = count / total_C[row]
            look = "r" if row == column else "e"
            style = f"--a:{round(8 + 62 * part)}%" if count else None
            cells.append(cell(str(count) if count else "·", look=look if count else "z", style=style))
        cells.append(cell(share(count_CC[row, row] / total_C[row]), look="total"))
        rows.append(cells)
    heads = [f'<span class="turned">{name(label, most=SHORT)}</span>' for label in labels]
    return table(["true ↓ answered →", *heads, "recall"], rows, caption="Confusion matrix", look="matrix")


def _pairs(names: Sequence[str], y_N: np.ndarray, label_N: np.ndarray) -> str:
    """The most frequent mistakes; with them the mistakes of the other direction."""
    wrong_N, num_C = y_N != label_N, np.bincount(y_N, minlength=len(names))
    code_P, times_P = np.unique(y_N[wrong_N] * len(names) + label_N[wrong_N], return_counts=True)
    times = dict(zip(code_P.tolist(), times_P.tolist(), strict=True))
    rows = []
    for place in np.argsort(-times_P, kind="stable")[:PAIRS].tolist():
        true, answered = divmod(int(code_P[place]), len(names))
        count, back = int(times_P[place]), times.get(answered * len(names) + true, 0)
        rows.append([name(names[true]), name(names[answered]), str(count), share(count / num_C[true]), str(back)])
    if not rows:
        return ""
    more = f", the first {PAIRS} of {len(times):,}" if len(times) > PAIRS else ""
    head = ["true", "answered as", "times", "of the true class", "the other way round"]
    listed = table(head, rows, caption=f"Mistakes by how often they happen{more}", sortable=True)
    return listed if len(names) > TABLE else folded("Most frequent mistakes", listed)
