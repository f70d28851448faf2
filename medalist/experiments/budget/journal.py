"""What was tried within a time: on disk after each step, so that a killed run goes on; and as a table for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medalist import ledger
from medalist.experiments.budget.clock import told
from medalist.experiments.folder import BUDGET

STOPPED, FAILED, FIRST, REPLACED, KEPT = "stopped", "failed", "first", "replaces", "not taken"


@dataclass(frozen=True)
class Tried:
    """A step that ended.

    Args:
        kind, step: of the step.
        arm: what was run of it; empty: nothing but a blend.
        folder: of the challenger, relative to the experiment's; empty: there is none.
        backbones: of the arm.
        outcome: `first`, `replaces`, `not taken`, `stopped` (its time ran out) or `failed`.
        forecast_s: seconds that were foreseen.
        seconds: seconds that it took.
        used_s: of the budget, when it ended.
        runs: run folders that the challenger is of, relative likewise.
        score: of the arm by itself, or of the blend where nothing was run; None: it did not end.
        stderr: of `score`.
        challenger: score of what was compared with the incumbent.
        gain: paired difference of the challenger to the incumbent of that moment; positive: better.
        gain_stderr: of `gain`.
        p: of `gain`, two-sided, uncorrected.
        verdict: on `gain`, by Holm's p over all challengers so far.
        rows: on which they were compared.
        held_out: the arm is scored on one fold alone.
        reason: why it failed or stopped.
    """

    kind: str
    step: str
    arm: str
    folder: str
    backbones: tuple[str, ...]
    outcome: str
    forecast_s: float
    seconds: float
    used_s: float
    runs: tuple[str, ...] = ()
    score: float | None = None
    stderr: float | None = None
    challenger: float | None = None
    gain: float | None = None
    gain_stderr: float | None = None
    p: float | None = None
    verdict: str = ""
    rows: int = 0
    held_out: bool = False
    reason: str = ""

    @property
    def settled(self) -> bool:
        """It ended by itself, and is not tried again."""
        return self.outcome != STOPPED

    @property
    def replaced(self) -> bool:
        """Its challenger became the incumbent."""
        return self.outcome in (FIRST, REPLACED)


def incumbent_of(tried: Sequence[Tried]) -> Tried | None:
    """The last that replaced the one before it."""
    return next((one for one in reversed(tried) if one.replaced), None)


def gained(tried: Sequence[Tried]) -> float:
    """The sum of the paired gains of all incumbents after the first."""
    return sum(one.gain or 0.0 for one in tried if one.outcome == REPLACED)


def runner_up(tried: Sequence[Tried]) -> Tried | None:
    """What looks best beside the incumbent and could not be told from it; None where nothing looks better."""
    since = tried[max(place for place, one in enumerate(tried) if one.replaced) + 1 :]
    return max((one for one in since if (one.gain or 0.0) > 0), key=lambda one: one.gain or 0.0, default=None)


def save(out: Path, tried: Sequence[Tried], used_s: float) -> None:
    """Write all steps, with the seconds of the budget that are gone."""
    ledger.write_json(out / BUDGET, {"used_s": round(used_s, 3), "steps": [asdict(one) for one in tried]})


def load(out: Path) -> tuple[list[Tried], float]:
    """What `save` wrote; nothing where a folder that it names is gone."""
    if not (out / BUDGET).is_file():
        return [], 0.0
    held = json.loads((out / BUDGET).read_bytes())
    tried = [_tried(one) for one in held["steps"]]
    whole = all((out / run / ledger.SUMMARY).is_file() for one in tried for run in (*one.runs, one.folder) if run)
    return (tried, held["used_s"]) if whole else ([], 0.0)


def _tried(fields: dict[str, Any]) -> Tried:
    """From JSON, where tuples are lists."""
    return Tried(**{**fields, "backbones": tuple(fields["backbones"]), "runs": tuple(fields["runs"])})


def table(tried: Sequence[Tried]) -> str:
    """A line a step: score with its error, gain with its error, verdict, seconds taken; foreseen, but for the first."""
    head = ("step", "score", "gain against the incumbent", "", "seconds", "forecast", "at")
    lines = [head, *(_cells(one) for one in tried)]
    wide = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place > 3 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, wide, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(one: Tried) -> tuple[str, ...]:
    score = "" if one.score is None else f"{one.score:.4f} +- {one.stderr:.4f}"
    return (
        one.arm or one.step,
        score,
        gain_text(one),
        one.outcome,
        f"{one.seconds:.0f}",
        "" if one.outcome == FIRST else f"{one.forecast_s:.0f}",
        told(one.used_s),
    )


def gain_text(one: Tried) -> str:
    """The paired gain with its error and verdict; why there is none."""
    if one.gain is None:
        return " ".join(one.reason.split())
    rows = f" on the {one.rows} held-out rows" if one.held_out else ""
    return f"{one.gain:+.4f} +- {one.gain_stderr:.4f} {one.verdict}{rows}"
