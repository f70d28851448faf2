"""Rows of a ranking as columns of text: singles by number, fusions by the numbers of their parts, so that lines fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEAD = ("backbone", "score", "gain", "p", "verdict", "img/s", "params")


@dataclass(frozen=True)
class Row:
    """An arm of the table.

    Args:
        name: the backbone, or several with ` + ` between.
        backbones: what `--backbone` takes, each.
        score, stderr: out of fold.
        gain, gain_stderr, p: over the best single on the same rows; positive: better.
        verdict: of the gain, Holm's among the singles, or among all fusions that were tried.
        images_s: through all its backbones, one after the other.
        mparams: millions of parameters of all its backbones.
        top1: on ImageNet, of a single.
        licence: of its weights.
        seconds: of its run, whose features were there already.
    """

    name: str
    backbones: tuple[str, ...]
    score: float
    stderr: float
    gain: float
    gain_stderr: float
    p: float
    verdict: str
    images_s: float
    mparams: float
    top1: float | None
    licence: str
    seconds: float


def table_of(rows: Sequence[Row], baseline: str) -> list[str]:
    """A line a row, below it the licences; ImageNet accuracies and seconds stand in experiment.json.

    Args:
        rows: singles, the best first, then fusions of them.
        baseline: the verdict of the row that the others are compared with.
    """
    number = {row.name: place for place, row in enumerate(rows, start=1) if len(row.backbones) == 1}
    lines = aligned([HEAD, *(_cells(row, number, row.verdict == baseline) for row in rows)])
    fused = [] if len(number) == len(rows) else ["numbers with + between: those backbones, their features side by side"]
    return [*lines, *fused, _licences(rows, number)]


def name_of(row: Row, number: Mapping[str, int]) -> str:
    """`1 mobilenetv1_100`, or `1 + 3` for a fusion."""
    if len(row.backbones) == 1:
        return f"{number[row.name]} {row.name}"
    return " + ".join(str(number[name]) for name in row.backbones)


def _cells(row: Row, number: Mapping[str, int], best: bool) -> tuple[str, ...]:
    return (
        name_of(row, number),
        f"{row.score:.4f} +- {row.stderr:.4f}",
        "" if best else f"{row.gain:+.4f} +- {row.gain_stderr:.4f}",
        "" if best else "<0.001" if row.p < 0.001 else f"{row.p:.3f}",
        row.verdict,
        f"{row.images_s:.0f}",
        f"{row.mparams:.1f}M",
    )


def _licences(rows: Sequence[Row], number: Mapping[str, int]) -> str:
    """Which weights have which licence, in one line."""
    held: dict[str, list[str]] = {}
    for row in rows:
        if row.name in number:
            held.setdefault(row.licence.split(" (")[0], []).append(str(number[row.name]))
    if len(held) == 1:
        return f"licence of all weights: {next(iter(held))}"
    return "licences: " + "; ".join(f"{name}: {', '.join(numbers)}" for name, numbers in held.items())


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns as wide as their widest; nothing is cut."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
