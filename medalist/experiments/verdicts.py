"""Judged rows of a key -> what people are told: a table, a sentence, what to type next, a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from medalist.evidence import Comparison
from medalist.experiments.arms import Done
from medalist.experiments.charts import Mark, bars
from medalist.experiments.judging import Row
from medalist.metrics import metrics
from medalist.recipe import Recipe

# Seconds spread from run to run; costs nearer than this are not told apart.
CHEAPER = 0.8
OWN = "(the recipe's own)"


def head_of(recipes: Sequence[Recipe], own: Sequence[Done], *, num_keys: int) -> list[str]:
    """Sentences on what the table's numbers are, and which errors count in.

    Args:
        recipes: of all arms, the baseline first.
        own: the baseline's runs.
        num_keys: that are asked.
    """
    metric = recipes[0].metric
    better = metrics.bind(metric).facts["better"]
    told = [
        f"{metric} ({better} is better) of {len(own[0].answers_N)} rows, each answered by models that never saw it;"
        " a gain is over the recipe's own value, paired on the same rows, positive: better"
    ]
    if num_keys > 1:
        told.append("each key by itself against the recipe as it stands, not all combinations")
    if len(own) > 1:
        told.append(f"errors count rows and training noise: {len(own)} seeds an arm, for heads, training and folds")
    elif any(map(_draws, recipes)):
        told.append(
            "errors count the rows alone: a training that draws other numbers ends elsewhere, and one seed does not"
            " show how far; folds are no seeds; add --seeds 3"
        )
    else:
        told.append("errors count the rows alone (--seeds 3 counts other folds and seeds in)")
    return told


def _draws(recipe: Recipe) -> bool:
    """Whether a training of it draws numbers: fine-tuning, and heads trained by stochastic descent."""
    return recipe.finetune is not None or any(text.startswith("mlp") for text in recipe.heads)


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
                _told(row.gain) if row.gain else OWN,
                f"{row.gain.p:.3f}" if row.gain else "",
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


def sentence_of(rows: Sequence[Row]) -> str:
    """What follows from a key's rows, in words."""
    own, best = rows[0], recommended(rows)
    asked, longer = [row for row in rows[1:] if row.budget == 1], [row for row in rows if row.budget == 2]
    if best is not None and best.gain is not None:
        told = f"{best.value} is better than {own.value} by {_told(best.gain)} (p {best.gain.p:.3f}, cost x{best.cost:.2f})"
        told += _listed("; better too", [row for row in asked if row.verdict == "better" and row is not best])
    else:
        told = f"{_undecided(asked)}; keep {own.value}{_cheaper(asked)}"
    told += _listed("; worse", [row for row in asked if row.verdict == "worse"])
    at = f" at {own.epochs} epochs" if longer else ""
    return f"{own.key}{at}: {told}{_longer(longer, best)}{_resolution(rows)}"


def _best(rows: Sequence[Row]) -> Row | None:
    better = [(row.gain.difference, row) for row in rows if row.gain and row.verdict == "better"]
    return max(better, key=lambda pair: pair[0])[1] if better else None


def _undecided(rows: Sequence[Row]) -> str:
    """No value is better: is there no difference, or none to be seen?"""
    if all(row.gain and row.gain.difference == row.gain.stderr == 0 for row in rows):
        return "no difference at all, the answers are the same"
    verdicts = {row.verdict for row in rows}
    if verdicts == {"equal"}:
        return "no difference, each within 1 standard error"
    if verdicts == {"worse"}:
        return "no value is better"
    return (
        "not distinguishable, any of these may be best"
        if verdicts <= {"equal", "not distinguishable"}
        else ("no value is better")
    )


def _cheaper(rows: Sequence[Row]) -> str:
    equal = [row for row in rows if row.verdict == "equal" and row.cost < CHEAPER]
    if not equal:
        return ""
    cheapest = min(equal, key=lambda row: row.cost)
    return f", or take {cheapest.value}: equal, and cheaper (x{cheapest.cost:.2f})"


def _longer(rows: Sequence[Row], best: Row | None) -> str:
    """Whether it holds at twice the epochs."""
    if not rows:
        return ""
    if best is not None:
        same = next(row for row in rows if row.value == best.value)
        return f"; at {same.epochs} epochs it is {same.verdict}"
    late = _best(rows)
    if late is None or late.gain is None:
        return f"; at {rows[0].epochs} epochs none is better either"
    return f"; at {late.epochs} epochs {late.value} is better, by {_told(late.gain)} (p {late.gain.p:.3f})"


def _resolution(rows: Sequence[Row]) -> str:
    """What these rows could have shown."""
    errors = [row.gain.stderr for row in rows if row.gain and row.gain.stderr > 0]
    return f" (a gain below about {2 * median(errors):.4f} does not show on these rows)" if errors else ""


def _listed(what: str, rows: Sequence[Row]) -> str:
    return f"{what}: {', '.join(row.value for row in rows)}" if rows else ""


def _told(gain: Comparison) -> str:
    return f"{gain.difference:+.4f} +- {gain.stderr:.4f}"


def draw(rows: Sequence[Row], file: Path, *, metric: str) -> None:
    """Gains as bars, a verdict a colour, in the table's order."""
    timed = len({row.budget for row in rows}) > 1
    marks = [
        Mark(
            f"{row.value}, {row.epochs} epochs" if timed else row.value,
            row.gain.difference if row.gain else 0.0,
            row.gain.stderr if row.gain else 0.0,
            verdict=row.verdict,
        )
        for row in rows
    ]
    bars(marks, file, title=rows[0].key, axis=f"gain in {metric} over {rows[0].value}, with 1 standard error")
