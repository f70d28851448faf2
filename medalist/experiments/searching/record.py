"""A trial of a search, and what its rungs said."""

from __future__ import annotations

from dataclasses import dataclass, field

GIVEN = 0  # the number of the recipe as given


@dataclass(frozen=True)
class Outcome:
    """What a rung said of a trial.

    Args:
        score: of its run, on rows that it never saw; None where it failed.
        stderr: of the score.
        seconds: of its process.
        peak: bytes of memory that its processes held at once.
        fault: why it failed, else empty.
    """

    score: float | None
    stderr: float | None
    seconds: float
    peak: int
    fault: str = ""


@dataclass(frozen=True)
class Trial:
    """A recipe that is tried: its values, and what its rungs said so far. Number 0 is the recipe as given."""

    number: int
    values: dict[str, str]
    outcomes: tuple[Outcome, ...] = field(default=())

    @property
    def failed(self) -> str:
        """Why it goes no further, or nothing."""
        return self.outcomes[-1].fault if self.outcomes else ""

    @property
    def scores(self) -> list[float]:
        """Of the rungs that it finished."""
        return [outcome.score for outcome in self.outcomes if outcome.score is not None]
