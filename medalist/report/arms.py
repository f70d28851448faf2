"""Arms of an experiment as a table: gains as strips with 95 % intervals, each verdict as a shape and a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medalist.report.markup import cell, name, said, table, tag
from medalist.report.strips import Mark, glyph, ruler, scale_of, strip

Z = 1.96
LOOKS = {"better": "better", "worse": "worse", "equal": "equal", "not distinguishable": "undecided"}
MEANING = {
    "better": "better",
    "worse": "worse",
    "equal": "equal, within one standard error",
    "undecided": "not distinguishable",
}


@dataclass(frozen=True)
class Arm:
    """What one arm of an experiment says.

    Args:
        name: anybody's text.
        gain: over what the others are compared with, in the metric's units, positive is better; None: there is none.
        stderr: of the gain.
        verdict: on the gain, as the experiment gave it; of what they are compared with its own name.
        cells: further columns, plain text.
    """

    name: str
    gain: float | None
    stderr: float
    verdict: str
    cells: tuple[str, ...] = ()

    @property
    def look(self) -> str:
        """The verdict's shape."""
        return look_of(self.verdict)

    @property
    def mark(self) -> Mark | None:
        """On a strip."""
        if self.gain is None:
            return None
        half = Z * self.stderr
        return Mark(self.gain, self.gain - half, self.gain + half, self.look)


def look_of(verdict: str) -> str:
    """Shape of a verdict; of anything else that of what is compared with."""
    return LOOKS.get(verdict, "base")


def judged(label: str, gain: dict[str, Any] | None, baseline: str, cells: Sequence[str] = ()) -> Arm:
    """An arm by the record of its comparison; None: it is what the others are compared with."""
    if gain is None:
        return Arm(label, 0.0, 0.0, baseline, tuple(cells))
    return Arm(label, gain["difference"], gain["stderr"], gain["verdict"], tuple(cells))


def arms_table(arms: Sequence[Arm], columns: Sequence[str], *, measure: str, what: str, caption: str) -> str:
    """A row an arm.

    Args:
        arms: in their order.
        columns: heads of the arms' further cells, plain text.
        measure: what the gain is of, plain text.
        what: an arm is, plain text.
        caption: plain text.
    """
    scale = scale_of([Mark(0.0, 0.0, 0.0), *(arm.mark for arm in arms if arm.mark is not None)])
    rows = [
        [
            name(arm.name, most=90),
            cell(_told(arm)),
            cell(strip([arm.mark], scale, line=0.0) if arm.mark is not None else ""),
            *map(said, arm.cells),
        ]
        for arm in arms
    ]
    gained = f"{said(measure)}<small>± standard error, verdict</small>"
    head = [said(what), gained, f"95 %{ruler(scale, most=2)}", *map(said, columns)]
    return table(head, rows, caption=said(caption), look="strips")


def _told(arm: Arm) -> str:
    gain = "–" if arm.gain is None else "0" if arm.look == "base" else f"{arm.gain:+.4f} ± {arm.stderr:.4f}"
    return f"{gain}<small>{said(arm.verdict)}</small>"


def legend(verdicts: Sequence[str], baseline: str) -> str:
    """Which shape is which verdict, of those that are there."""
    shown = dict.fromkeys(map(look_of, verdicts))
    words = {**MEANING, "base": baseline}
    items = [
        tag("li", tag("svg", glyph(look, "8", 8), width=16, height=16, aria_hidden="true"), said(words[look]))
        for look in words
        if look in shown
    ]
    return tag("ul", *items, class_="legend")
