"""Step after step until the time, the interrupt or the ideas end: what to try, whether it fits, whether it replaces.

Nothing here runs a network or reads a clock of its own: `Hands` does, so that tests give it others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from medalist.errors import MedalistError
from medalist.evidence import Comparison
from medalist.experiments.arms import Arm
from medalist.experiments.budget import journal
from medalist.experiments.budget.child import DONE, INTERRUPTED, LATE
from medalist.experiments.budget.clock import Clock, told
from medalist.experiments.budget.forecast import Pace
from medalist.experiments.budget.incumbent import verdict_among
from medalist.experiments.budget.journal import Tried, gain_text, gained, incumbent_of
from medalist.experiments.budget.steps import Asked, Step, untried

BEFORE_ANY = "interrupted before the first submission: there is none; the same command goes on"
BEST = "not even faultless answers could be told from these"
MARGIN = 1.5
NO_IDEA, NO_TIME, STOPPED = "nothing is left to try", "no step that is left fits", "interrupted"


class Made(NamedTuple):
    """A run or blend after its process: how it ended, its seconds, folder, score with error; or what it said."""

    status: str
    seconds: float
    folder: str = ""
    score: float | None = None
    stderr: float | None = None
    said: str = ""


class Hands(Protocol):
    """What the loop does in the world; folders are relative to the experiment's."""

    def run(self, arm: Arm, until: float) -> Made:
        """Run an arm, until so many seconds of the budget are used."""

    def blend(self, folders: Sequence[str], until: float) -> Made:
        """Blend runs."""

    def against(self, challenger: str, incumbent: str) -> tuple[Comparison, int]:
        """The challenger against the incumbent, p uncorrected, and the rows that both were scored on."""

    def could_be_beaten(self, incumbent: str, before: Sequence[float]) -> bool:
        """Whether faultless answers would be told from the incumbent's; `before`: p of all challengers so far."""

    def show(self, folder: str) -> None:
        """Make it what the experiment's folder shows."""

    def save(self, tried: Sequence[Tried], used_s: float) -> None:
        """Keep what was tried."""

    def interrupted(self) -> bool:
        """Whether the user wants an end."""


@dataclass
class Loop:
    """The plan as it goes.

    Args:
        asked: what the user wants.
        clock: how much time there is.
        pace: speeds measured so far.
        hands: what happens in the world.
        say: takes a line for people.
        tried: steps that ended.
        writing_s: from the end of a process to the next: comparing, replacing, recording; the longest so far.
        made_s: of the budget, when the last process ended.
        ended: why there was no further step.
        next: the shortest step that did not fit, with its seconds.
    """

    asked: Asked
    clock: Clock
    pace: Pace
    hands: Hands
    say: Callable[[str], None]
    tried: list[Tried] = field(default_factory=list)
    writing_s: float = 1.0
    made_s: float = float("inf")
    ended: str = ""
    next: tuple[Step, float] | None = None

    def go(self) -> None:
        """All steps.

        Raises:
            MedalistError: not even the first could be done, or the user stopped before it was.
        """
        while not self.ended:
            held = incumbent_of(self.tried)
            if held is not None and not self.hands.could_be_beaten(held.folder, self.p_values):
                self.ended = BEST
                return
            self.writing_s = max(self.writing_s, MARGIN * (self.clock.used() - self.made_s)) if held else self.writing_s
            found = self.choose()
            if found is None:
                return
            step, arm, foreseen = found
            self.say(f"{told(self.clock.used())}  {_called(step, arm)}: begins, {self.forecast_text(step, foreseen)}")
            self.take(self.attempt(step, arm, foreseen))

    def choose(self) -> tuple[Step, Arm | None, float] | None:
        """The first step that fits, which of its arms, and its seconds; the very first is taken whatever it takes."""
        if self.hands.interrupted():
            self.ended = STOPPED
            return None
        steps, stopped = untried(self.asked, self.tried), {one.arm for one in self.tried if not one.settled}
        first, passed = incumbent_of(self.tried) is None, list[tuple[Step, float]]()
        for step in steps:
            arms: Sequence[Arm | None] = [arm for arm in step.arms if arm.name not in stopped] if step.arms else [None]
            for arm in arms:
                seconds = self.foresee(step, arm)
                if first or seconds * self.pace.margin <= self.clock.left() - self.kept_s(step):
                    return step, arm, seconds
                passed.append((step, seconds))
        self.ended = NO_TIME if steps else NO_IDEA
        self.next = min(passed, key=lambda one: one[1]) if passed else None
        return None

    def kept_s(self, step: Step) -> float:
        """Seconds that a step must leave: for writing and, where there is something to blend, for that."""
        blends = step.kind != "blend" and any(one.kind == "blend" for one in untried(self.asked, self.tried))
        return self.writing_s + (self.pace.blend_s * self.pace.margin if blends else 0.0)

    def foresee(self, step: Step, arm: Arm | None) -> float:
        """Seconds of a step, without margin."""
        return (0.0 if arm is None else self.pace.run(arm.recipe)) + self.pace.blend_s * step.blends

    def attempt(self, step: Step, arm: Arm | None, foreseen: float) -> Tried:
        """Run what the step runs, and blend what it blends; then the challenger meets the incumbent."""
        incumbent = incumbent_of(self.tried)
        until = float("inf") if incumbent is None else self.clock.budget_s - self.kept_s(step)
        start = self.clock.used()
        made = self.hands.run(arm, until) if arm is not None else None
        folder = made.folder if made is not None else ""
        runs = (folder,) if folder else ()
        challenger = made
        if step.blends and (made is None or made.status == DONE):
            others = incumbent.runs if incumbent is not None and arm is not None else self._all_runs()
            runs = tuple(dict.fromkeys((*others, *runs)))
            challenger = self.hands.blend(runs, self.clock.budget_s - self.writing_s)
            self.pace.blend_s = challenger.seconds if challenger.status == DONE else self.pace.blend_s
        ended, self.made_s = challenger or Made(DONE, 0.0), self.clock.used()
        one = Tried(
            kind=step.kind,
            step=step.name,
            arm="" if arm is None else arm.name,
            folder=ended.folder,
            backbones=() if arm is None else arm.recipe.backbones,
            outcome="",
            forecast_s=round(foreseen, 3),
            seconds=round(self.clock.used() - start, 3),
            used_s=0.0,
            held_out=arm is not None and arm.recipe.finetune is not None and arm.recipe.finetune.holdout,
        )
        if ended.status != DONE:
            return self._unfinished(one, ended, made)
        own = made or ended
        self.pace.judge(step.kind, foreseen, one.seconds)
        one = replace(one, runs=runs, score=own.score, stderr=own.stderr, challenger=ended.score)
        return self._meet(one, wanted="not worse" if step.default and arm == step.arms[0] else "better")

    def _all_runs(self) -> tuple[str, ...]:
        """Runs of all rows, each by itself."""
        return tuple(one.runs[-1] for one in self.tried if one.arm and one.score is not None and not one.held_out)

    @property
    def p_values(self) -> list[float]:
        """Uncorrected, of all challengers so far."""
        return [one.p for one in self.tried if one.p is not None]

    def _unfinished(self, one: Tried, ended: Made, made: Made | None) -> Tried:
        """Stopped, for its time or by the user; or failed."""
        if ended.status == INTERRUPTED:
            self.ended = STOPPED
        outcome = journal.STOPPED if ended.status in (LATE, INTERRUPTED) else journal.FAILED
        reason = {LATE: "its time ran out", INTERRUPTED: "interrupted"}.get(ended.status, ended.said)
        return replace(one, outcome=outcome, folder="", reason=reason)

    def _meet(self, one: Tried, wanted: str) -> Tried:
        """Compare with the incumbent, by Holm over all challengers so far, and replace it by what is `wanted`.

        What a run without a budget would do needs not be better: no score chose it, so that no luck did.
        """
        incumbent = incumbent_of(self.tried)
        if incumbent is None:
            return replace(one, outcome=journal.FIRST)
        found, rows = self.hands.against(one.folder, incumbent.folder)
        verdict = verdict_among(found, self.p_values)
        numbers = {"gain": found.difference, "gain_stderr": found.stderr, "p": found.p, "verdict": verdict}
        taken = verdict == "better" or (wanted == "not worse" and verdict != "worse")
        outcome = journal.REPLACED if taken else journal.KEPT
        return replace(one, outcome=outcome, rows=rows, **numbers)  # type: ignore[arg-type]

    def take(self, one: Tried) -> None:
        """Show a new incumbent, keep the step, say it.

        Raises:
            MedalistError: there is no submission yet, and there will be none: the user stopped, or no backbone works.
        """
        if one.replaced:
            self.hands.show(one.folder)
        elif incumbent_of(self.tried) is None:
            tried = [*self.tried, one]
            if self.ended or all(step.kind != "rank" for step in untried(self.asked, tried)):
                raise MedalistError(BEFORE_ANY if self.ended else tried[0].reason.removeprefix("error: "))
        one = replace(one, used_s=round(self.clock.used(), 3))
        self.tried.append(one)
        self.hands.save(self.tried, self.clock.used())
        self.say(self.outcome_text(one))

    def forecast_text(self, step: Step, seconds: float) -> str:
        """What a step will take, and what such steps gained so far."""
        if not self.pace.images:
            return "nothing is measured yet, it is done whatever it takes"
        before = [one for one in self.tried if one.kind == step.kind and one.gain is not None]
        gains = ", ".join(f"{one.gain:+.4f} {one.verdict}" for one in before)
        such = f"; such steps so far: {gains}" if before else ""
        return f"forecast {seconds:.0f} s ({seconds * self.pace.margin:.0f} with margin){such}"

    def outcome_text(self, one: Tried) -> str:
        """What a step brought."""
        name, metric = one.arm or one.step, self.asked.recipe.metric
        if one.score is None:
            return f"{told(one.used_s)}  {name}: {one.outcome}, {gain_text(one)}"
        score = f"{metric} {one.score:.4f} +- {one.stderr:.4f}"
        if one.outcome == journal.FIRST:
            return f"{told(one.used_s)}  {name}: {score}; the first submission stands"
        what = "its blend with the best so far" if one.runs[1:] and one.arm else "against the best so far"
        total, minutes = round(gained(self.tried), 4), one.used_s / 60
        rate = f"; gained so far {total:+.4f}, {total / minutes:+.4f} a minute" if total else ""
        return f"{told(one.used_s)}  {name}: {score}; {what}: {gain_text(one)}, {one.outcome}{rate}"


def _called(step: Step, arm: Arm | None) -> str:
    return step.name if arm is None else arm.name
