"""What an augmentation experiment found -> a table, a sentence, and a chart for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medalist.evidence import Comparison
from medalist.experiments.charts import Mark, Panel, panels

if TYPE_CHECKING:
    from medalist.experiments.augmenting.augment import Findings


def text_of(found: Findings, out: Path) -> str:
    """All of it as plain text; nothing is cut."""
    cost = sum(found.cost.values()) - found.cost["one_at_a_time"]
    return "\n".join(
        [
            *_aligned([("operation", "by itself", "label survives", "effect among others", "verdict"), *_rows(found)]),
            "",
            *_aligned([("policy", found.metric, "gain", "verdict", "seconds"), *_arms(found)]),
            "",
            _sentence(found),
            f"effects hold for {found.holds_for}; {_mixed(found)}",
            f"cost: {cost} image passes in {sum(found.seconds.values()):.0f} s; one operation at a time would take"
            f" {found.cost['one_at_a_time']} for as sure an answer ({cost / found.cost['one_at_a_time']:.2f} of it)",
            f'train with it: finetune.augment="{found.policy}"; answer with it: views=[{", ".join(found.views)}]',
            f"table, chart and numbers: {out / 'table.txt'}, {out / 'effects.png'}, {out / 'experiment.json'}",
        ]
    )


def _rows(found: Findings) -> list[Sequence[str]]:
    """The rejected last, the others by effect."""
    order = sorted(found.effects, key=lambda one: -found.effects[one].difference)
    rows: list[Sequence[str]] = [
        (one, _told(found.probed[one].gain), _told(found.probed[one].survival), _told(found.effects[one]), verdict)
        for one, verdict in ((one, found.verdict(one)) for one in order)
    ]
    return rows + [
        (one, _told(probed.gain), _told(probed.survival), "", "worse: the label does not survive it")
        for one, probed in found.probed.items()
        if probed.lost
    ]


def _arms(found: Findings) -> list[tuple[str, ...]]:
    return [
        (
            f"{arm.name}: {arm.policy}" if arm.policy else arm.name,
            f"{arm.score:.4f} +- {arm.stderr:.4f}",
            _told(arm.gain) if arm.gain else "",
            f"{arm.gain.verdict} ({arm.holds_for})" if arm.gain and "longer" in arm.name else _word(arm.gain),
            f"{arm.seconds:.1f}",
        )
        for arm in [*found.arms, *found.longer]
    ]


def _sentence(found: Findings) -> str:
    """The verdict, for people."""
    lost = [one for one, probed in found.probed.items() if probed.lost]
    worse = [one for one, effect in found.effects.items() if effect.verdict == "worse"]
    parts = [
        f"{found.policy} is better than no augmentation"
        if found.policy
        else "no policy was found better than no augmentation",
        *([f"leave out {', '.join(lost + worse)}"] if lost + worse else []),
        f"{sum(found.verdict(one) in ('equal', 'not distinguishable') for one in found.factors)} of"
        f" {len(found.factors)} operations make no difference that could be seen",
    ]
    return "; ".join(parts) + "."


def _mixed(found: Findings) -> str:
    if found.design is None:
        return "nothing was left to screen"
    runs = len(found.design.sign_RF)
    if found.design.clear:
        return f"{runs} runs, no effect mixed with what two operations do together"
    return f"{runs} runs, each effect mixed with what pairs of others do together, which its error counts"


def _word(gain: Comparison | None) -> str:
    return gain.verdict if gain else ""


def _told(gain: Comparison) -> str:
    return f"{gain.difference:+.4f} +- {gain.stderr:.4f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def chart(found: Findings, file: Path) -> None:
    """Effects as bars, the largest on top; what the probe rejected in a panel of its own: another measure."""
    order = sorted(found.effects, key=lambda one: -found.effects[one].difference)
    marks = [Mark(one, e.difference, e.stderr, verdict=e.verdict) for one, e in ((o, found.effects[o]) for o in order)]
    lost = [
        Mark(one, probed.gain.difference, probed.gain.stderr, verdict="worse")
        for one, probed in found.probed.items()
        if probed.lost
    ]
    both = (
        Panel(marks, f"effect on {found.metric} among the others, positive is better"),
        Panel(lost, f"gain in {found.metric} by itself: rejected, the label does not survive"),
    )
    panels([part for part in both if part.marks], file, title="What each augmentation does")
