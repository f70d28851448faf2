"""What an augmentation experiment found -> a table, a sentence, and a chart for people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from medalist.data.views import Policy
from medalist.evidence import Comparison
from medalist.experiments.augmenting.findings import Findings
from medalist.experiments.charts import Mark, Panel, panels

EMPTY = '""'  # no policy, as an override says it
FEW_OPERATIONS = 2  # which one after the other costs no more than a design, its probe and confirmation


def few_of(factors: Sequence[str]) -> list[str]:
    """A note where a design saves nothing over trying one operation after the other; empty with more of them."""
    if len(factors) > FEW_OPERATIONS:
        return []
    what = "one operation gains" if len(factors) == 1 else "two operations gain"
    question = shlex.quote(f"finetune.augment={','.join([EMPTY, *factors])}")
    return [
        f"note: {what} nothing from a design of 8 runs, which costs as much as one at a time or more: name more,",
        f"  or compare trainings: --vary {question} in place of --augment (with finetune={{}} if the recipe has none)",
    ]


def text_of(found: Findings, out: Path, commands: Mapping[str, Sequence[str]]) -> str:
    """All of it as plain text; nothing is cut.

    Args:
        found: what.
        out: folder of the experiment.
        commands: the words of `run` and of `ablate` on this dataset and recipe.
    """
    cost = sum(found.cost.values()) - found.cost["one_at_a_time"]
    return "\n".join(
        [
            *few_of(found.factors),
            *_aligned([("operation", "by itself", "label survives", "effect among others", "verdict"), *_rows(found)]),
            "",
            *_aligned([("policy", found.metric, "gain", "verdict", "seconds"), *_arms(found)]),
            "",
            _sentence(found),
            f"effects hold for {found.holds_for}; {_mixed(found)}",
            f"cost: {cost} image passes in {sum(found.seconds.values()):.0f} s; one operation at a time would take"
            f" {found.cost['one_at_a_time']} for as sure an answer ({cost / found.cost['one_at_a_time']:.2f} of it)",
            *_views(found, commands["ablate"]),
            f"table, chart and numbers: {out / 'table.txt'}, {out / 'effects.png'}, {out / 'experiment.json'}",
            _next(found, commands["run"]),
        ]
    )


def _views(found: Findings, ablate: Sequence[str]) -> list[str]:
    """Fixed views that keep the label are candidates for prediction, not yet gains."""
    if len(found.views) < 2:
        return []
    names = ", ".join(found.views)
    command = shlex.join([*ablate, "--out", "views", "--vary", f"views=center,[{names}]", "fuse=answers"])
    return [f"label-preserving: {', '.join(found.views[1:])}; whether it helps as a view: {command}"]


def _next(found: Findings, run: Sequence[str]) -> str:
    """The command that follows; none where nothing was shown."""
    if found.policy:
        return f"to type next: {_with(run, found.policy)}"
    if found.own is None:
        return "nothing shown: the recipe's own policy stays"
    if found.own.gain and found.own.gain.verdict == "worse":
        return f"the recipe's own policy is worse than none; to type next: {_with(run, '')}"
    steps = [step.text for step in Policy.parse(found.own.policy).steps]
    kept = [one for one in steps if one not in found.factors or found.verdict(one) != "worse"]
    if kept != steps:
        return f"without what was found worse of the recipe's own policy: {_with(run, ' | '.join(kept))}"
    return f"nothing shown: the recipe's own policy stays ({found.own.policy})"


def _with(run: Sequence[str], policy: str) -> str:
    return shlex.join([*run, f"finetune.augment={policy or EMPTY}"])


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
