"""Each class or tag by itself: how many images, precision, recall, F1, each with its 95 % interval. Axes: C classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medalist.report.intervals import f1_interval, share_interval
from medalist.report.markup import Section, cell, name, number, table
from medalist.report.seen import Seen
from medalist.report.strips import Mark, ruler, scale_of, strip

MOST = 1000  # rows


@dataclass(frozen=True)
class Numbers:
    """Of each class: rows that are of it, rows said to be, rows that are both; shares of those, (3, C) each with ends.

    Args:
        true_C, said_C, hit_C: counts.
        value_3C: precision, recall, F1; NaN where not defined.
        low_3C, high_3C: ends of the 95 % intervals; a group's rows count as far as they say different things.
    """

    true_C: np.ndarray
    said_C: np.ndarray
    hit_C: np.ndarray
    value_3C: np.ndarray
    low_3C: np.ndarray
    high_3C: np.ndarray


def numbers(true_NC: np.ndarray, said_NC: np.ndarray, group_N: np.ndarray) -> Numbers:
    """Count, and take shares."""
    hit_NC = true_NC & said_NC
    true_C, said_C, hit_C = (np.count_nonzero(one, axis=0) for one in (true_NC, said_NC, hit_NC))
    with np.errstate(invalid="ignore", divide="ignore"):
        value_3C = np.stack([hit_C / said_C, hit_C / true_C, 2 * hit_C / (true_C + said_C)])
    ends = [share_interval(hit_NC, of_NC, group_N) for of_NC in (said_NC, true_NC)]
    ends.append(f1_interval(true_NC, said_NC, group_N))
    low_3C, high_3C = (np.stack([pair[end] for pair in ends]) for end in (0, 1))
    return Numbers(true_C, said_C, hit_C, value_3C, low_3C, high_3C)


def classes(seen: Seen) -> Section:
    """A row a class, the worst F1 first."""
    found = numbers(seen.true_NC, seen.said_NC, seen.field.truth.group_N)
    worth_C = np.nan_to_num(found.value_3C[2], nan=2.0)
    scale = scale_of([], within=(0.0, 1.0))
    cut_C = seen.state.get("value") if seen.tags else None
    cuts = cut_C if isinstance(cut_C, list) else None
    rows = []
    for c in np.argsort(worth_C, kind="stable")[:MOST].tolist():
        shares = [_share(found, part, c) for part in range(3)]
        chosen = [cell(number(cuts[c], 3), key=cuts[c])] if cuts else []
        mark = Mark(float(found.value_3C[2, c]), float(found.low_3C[2, c]), float(found.high_3C[2, c]), "score")
        drawn = cell(strip([mark], scale) if mark.value == mark.value else "", key=_key(mark.value))
        rows.append(
            [
                name(seen.names[c], most=60),
                cell(f"{found.true_C[c]:,}", key=int(found.true_C[c])),
                *shares,
                drawn,
                *chosen,
            ]
        )
    what = "tag" if seen.tags else "class"
    head = [
        what,
        "images",
        "precision",
        "recall",
        "F1",
        f"F1, 95 %{ruler(scale, most=2)}",
        *(["threshold"] if cuts else []),
    ]
    lead = (
        f"Answers are cross-fitted; the worst {what} first. The 95 % intervals are Wilson's (for F1 carried over from"
        " the share of rows that are both true and answered)."
    )
    if len(np.unique(seen.field.truth.group_N)) < len(seen.ids):
        lead += (
            " Images of one group (duplicates, or one source) count as far as they say different things: intervals are"
            " of the effective number of images."
        )
    if len(seen.names) > MOST:
        lead += f" These are the worst {MOST:,} of {len(seen.names):,}."
    if cuts:
        lead += (
            " Thresholds are those fitted on all rows; the scores are of others, each fitted without its row's fold."
        )
    title = "Tags" if seen.tags else "Classes"
    return Section("classes", title, lead, table(head, rows, caption=f"A row a {what}", look="strips", sortable=True))


def _share(found: Numbers, part: int, c: int) -> str:
    value, low, high = (float(one[part, c]) for one in (found.value_3C, found.low_3C, found.high_3C))
    if value != value:
        return cell("–", key=-1)
    return cell(f"{value:.3f}<small>{low:.2f}–{high:.2f}</small>", key=_key(value))


def _key(value: float) -> float:
    return round(value, 6) if value == value else -1.0
