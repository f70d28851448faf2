"""Judged rows of a key -> what people are told: a table, a sentence, a chart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from medalist.evidence import Comparison
from medalist.experiments.ablating.judging import Row
from medalist.experiments.charts import Mark, bars

# Seconds spread from run to run; costs nearer than this are not told apart.
CHEAPER = 0.8
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"


def table_of(rows: Sequence[Row]) -> str:
    """A key's rows as text; nothing is cut."""
    timed = any(row.epochs for row in rows)
    lines = [[rows[0].key, *(["epochs"] if timed else []), "score", "gain", "p", "verdict", "seconds", "cost"]]
    for row in rows:
        lines.append(
            [
                row.value,
                *([str(row.epochs)] if timed else []),
                f"{row.score:.4f} +- {row.stderr:.4f}",
                _told(row.gain) if row.gain else "(the recipe's own)",
                _chance(row.gain.p) if row.gain else "",
                row.verdict,
                f"{row.seconds:.1f}",
                f"x{row.cost:.2f}",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def recommended(rows: Sequence[Row]) -> Row | None:
    """The value with the largest gain of those that are better at the recipe's epochs; None: keep the recipe's own."""
    return _best([row for row in rows if row.budget == 1])


def sentence_of(rows: Sequence[Row], corrected: float | None = None) -> str:
    """What follows from a key's rows, in words.

    Args:
        rows: each budget's baseline before its values, the recipe's epochs first.
        corrected: score of the best value, corrected for having been picked; None: not known.
    """
    own, best = rows[0], recommended(rows)
    asked, longer = [row for row in rows[1:] if row.budget == 1], [row for row in rows if row.budget == 2]
    told = f"{_undecided(asked)}; keep {own.value}{_cheaper(asked)}"
    if best is not None:
        told = f"{best.value} is better than {own.value} by {_proof(best)}, at {best.cost:.2f} times the cost"
        told += _listed("; better too", [row for row in asked if row.verdict == "better" and row is not best])
    told += _listed("; worse", [row for row in asked if row.verdict == "worse"])
    at = f" at {_epochs(own)}" if longer else ""
    picked = f"; picked among {len(asked) + 1}, it is worth {corrected:.4f}" if best and corrected is not None else ""
    return f"{own.key}{at}: {told}{picked}{_longer(longer, best)}{_resolution(rows)}"


def _best(rows: Sequence[Row]) -> Row | None:
    better = [row for row in rows if row.verdict == "better"]
    return max(better, key=lambda row: row.gain.difference if row.gain else 0.0, default=None)


def _undecided(rows: Sequence[Row]) -> str:
    """No value is better: is there no difference, or none to be seen?"""
    verdicts = {row.verdict for row in rows}
    if all(row.gain and row.gain.difference == row.gain.stderr == 0 for row in rows):
        return "no difference at all, the answers are the same"
    if verdicts == {"equal"}:
        return "no difference, each within 1 standard error"
    return "no value is better" if "worse" in verdicts else "not distinguishable, any of these may be best"


def _cheaper(rows: Sequence[Row]) -> str:
    equal = [row for row in rows if row.verdict == "equal" and row.cost < CHEAPER]
    if not equal:
        return ""
    cheapest = min(equal, key=lambda row: row.cost)
    return f", or take {cheapest.value}: equal at {cheapest.cost:.2f} times the cost"


def _longer(rows: Sequence[Row], best: Row | None) -> str:
    """Whether it holds at twice the epochs."""
    if not rows:
        return ""
    if best is not None:
        same = next(row for row in rows if row.value == best.value)
        return f"; at {_epochs(same)} {same.verdict}"
    late = _best(rows)
    found = f"{late.value} is better by {_proof(late)}" if late else "none is better either"
    return f"; at {_epochs(rows[0])} {found}"


def _resolution(rows: Sequence[Row]) -> str:
    """What these rows could have shown of the values that they leave undecided."""
    errors = [row.gain.stderr for row in rows if row.gain and row.verdict in ("equal", "not distinguishable")]
    return f" (a gain below about {2 * max(errors):.4f} does not show here)" if max(errors, default=0.0) > 0 else ""


def _listed(what: str, rows: Sequence[Row]) -> str:
    return f"{what}: {', '.join(row.value for row in rows)}" if rows else ""


def _epochs(row: Row) -> str:
    return f"{row.epochs} epoch{'s' if row.epochs > 1 else ''}"


def _proof(row: Row) -> str:
    return f"{_told(row.gain)} (p {_chance(row.gain.p)})" if row.gain else ""


def _told(gain: Comparison) -> str:
    return f"{gain.difference:+.4f} +- {gain.stderr:.4f}"


def _chance(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def draw(rows: Sequence[Row], file: Path, *, metric: str) -> None:
    """Gains as bars, a verdict a colour; values that differ in one number stand in its order."""
    several = len({row.budget for row in rows}) > 1
    marks = [
        Mark(
            f"{row.value}, {_epochs(row)}" if several else row.value,
            row.gain.difference if row.gain else 0.0,
            row.gain.stderr if row.gain else 0.0,
            verdict=row.verdict,
        )
        for row in _in_order(rows)
    ]
    bars(marks, file, title=rows[0].key, axis=f"gain in {metric} over {rows[0].value}", baseline="the recipe's own")


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """By budget, then by the number in the values, where nothing else differs between them."""
    numbers = [re.findall(NUMBER, row.value) for row in rows]
    alike = len({re.sub(NUMBER, "#", row.value) for row in rows}) == 1 and len(numbers[0]) == 1
    return sorted(rows, key=lambda row: (row.budget, float(re.findall(NUMBER, row.value)[0]) if alike else 0.0))
