"""A summary of an expansion as text: a line a class, the least let in first where there are many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 40  # classes with a line of their own


def told(summary: Mapping[str, Any]) -> Iterator[str]:
    """Lines for people.

    Args:
        summary: see `written.write`.
    """
    classes: Mapping[str, Mapping[str, Any]] = summary["classes"]
    if not classes:
        yield "nothing was found"
        yield from summary["notes"]
        return
    shown = sorted(classes, key=lambda name: _rate(classes[name]))[:MOST] if len(classes) > MOST else list(classes)
    lines = [("class", "found", "let in", "share", "refused"), *(_line(name, classes[name]) for name in shown)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for line in lines:
        yield "  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in (1, 2, 3)), line[4]]).rstrip()
    if len(classes) > MOST:
        yield f"... and {len(classes) - MOST} classes more, of which a larger share was let in: summary.json"
    yield from _in_all(classes)
    yield from (f"{name} is left out: {one['left_out']}" for name, one in classes.items() if one.get("left_out"))
    yield from summary["notes"]


def share(accepted: int, found: int) -> str:
    """A share with its binomial standard error, which two more finds, one let in, keep from being 0.

    >>> share(15, 20), share(20, 20)
    ('0.75 +- 0.09', '1.00 +- 0.04')
    """
    return f"{accepted / found:.2f} +- {error(accepted, found):.2f}"


def error(accepted: int, found: int) -> float:
    """Standard error of a share (Agresti & Coull 1998, with one more of each outcome)."""
    near = (accepted + 1) / (found + 2)
    return math.sqrt(near * (1 - near) / (found + 2))


def _line(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    refused = ", ".join(f"{kind} {count}" for kind, count in sorted(one["refused"].items(), key=lambda kind: -kind[1]))
    return name, str(one["found"]), str(one["accepted"]), share(one["accepted"], one["found"]), refused


def _rate(one: Mapping[str, Any]) -> float:
    return float(one["accepted"] / one["found"])


def _in_all(classes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Totals, and what the bars are worth."""
    found, accepted = (sum(one[part] for one in classes.values()) for part in ("found", "accepted"))
    refused = Counter[str]()
    for one in classes.values():
        refused.update(one["refused"])
    yield f"in all {found} found, {accepted} let in" + "".join(
        f", {count} {kind}" for kind, count in refused.most_common()
    )
    judged = [one for one in classes.values() if one.get("own") is not None and one.get("other") is not None]
    if judged:
        own, other = (sum(one[part] for one in judged) / len(judged) for part in ("own", "other"))
        yield (
            f"of labelled images, by bars that they did not set, {100 * own:.0f} % of a class's own would be let in and"
            f" {100 * other:.0f} % of the other classes'"
        )
    blind = [name for name, one in classes.items() if one.get("judged") and one.get("pure") is None]
    if blind:
        yield (
            f"{', '.join(blind[:5])}{f' and {len(blind) - 5} more' if len(blind) > 5 else ''}: too few finds, or a"
            " backbone that cannot tell the class from others: whether the query fits is not known"
        )
