"""Schedules: how far training has come -> the factor of every learning rate.

A schedule is a function `(progress, ...) -> factor` of progress in [0, 1]. The loop asks once a step, with the middle
of the step, (step + 1/2) / steps: then a warm-up from 0 wastes no step. Only `plateau` looks at a metric: `plateau_of`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medalist.errors import RecipeError
from medalist.registry import Registry

schedules: Registry[Callable[..., float]] = Registry("schedule")


@schedules()
def constant(progress: float, *, warmup: float = 0.0) -> float:
    """1, after a straight rise over the first share `warmup` of training."""
    return min(1.0, progress / _share("warmup", warmup)) if warmup else 1.0


@schedules()
def cosine(progress: float, *, warmup: float = 0.0, floor: float = 0.0) -> float:
    """A straight rise, then half a cosine down to `floor` (Loshchilov & Hutter 2017, equation 5; no restarts)."""
    floor = _factor("floor", floor)
    if progress < _share("warmup", warmup):
        return progress / warmup
    return _half_cosine(1.0, floor, (progress - warmup) / (1 - warmup))


@schedules()
def linear(progress: float, *, warmup: float = 0.0, floor: float = 0.0) -> float:
    """A straight rise, then a straight way down to `floor`."""
    floor = _factor("floor", floor)
    if progress < _share("warmup", warmup):
        return progress / warmup
    return 1.0 + (floor - 1.0) * (progress - warmup) / (1 - warmup)


@schedules()
def one_cycle(progress: float, *, peak: float = 0.3, start: float = 0.04, floor: float = 1e-5) -> float:
    """From `start` up to 1 at `peak` of the way, then down to `floor`, both as half a cosine (Smith & Topin 2018)."""
    start, floor = _factor("start", start), _factor("floor", floor)
    if progress < _share("peak", peak):
        return _half_cosine(start, 1.0, progress / peak)
    return _half_cosine(1.0, floor, (progress - peak) / (1 - peak))


@schedules()
def step(progress: float, *, drops: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> float:
    """Times `factor` from each of `drops` on (He et al. 2016, section 4.2)."""
    return float(_factor("factor", factor) ** sum(progress >= _share("drops", drop) for drop in drops))


@dataclass
class Plateau:
    """The factor falls when a validation metric stalls, as in Keras' ReduceLROnPlateau without a threshold.

    >>> plateau = Plateau(patience=2, better="lower")
    >>> [plateau.update(loss) for loss in (1.0, 0.8, 0.9, 0.8, 0.7)]
    [1.0, 1.0, 1.0, 0.5, 0.5]

    Args:
        patience: epochs in a row without a better value after which the factor falls, and again after as many.
        factor: what it is multiplied by.
        floor: it falls no further.
        better: `higher` or `lower`.
    """

    patience: int = 3
    factor: float = 0.5
    floor: float = 0.0
    better: str = "lower"
    now: float = 1.0
    best: float | None = None
    stalled: int = 0

    def __post_init__(self) -> None:
        for name, fits, expected in (
            ("patience", isinstance(self.patience, int) and self.patience >= 0, "a whole number of epochs, at least 0"),
            ("factor", _is_number(self.factor) and 0 < self.factor < 1, "a number above 0 and below 1"),
            ("floor", _is_number(self.floor) and 0 <= self.floor <= 1, "a number from 0 to 1"),
        ):
            if not fits:
                raise RecipeError(f"schedule: {name}={getattr(self, name)!r} of plateau must be {expected}")

    def update(self, value: float) -> float:
        """The factor after an epoch with this value; nan is no better than anything."""
        if not math.isnan(value) and (self.best is None or _beats(value, self.best, self.better)):
            self.best, self.stalled = value, 0
            return self.now
        self.stalled += 1
        if self.stalled >= self.patience:
            self.now, self.stalled = max(self.floor, self.now * self.factor), 0
        return self.now

    def state(self) -> dict[str, Any]:
        """JSON of what it has seen."""
        return {"now": self.now, "best": self.best, "stalled": self.stalled}

    def load(self, facts: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.now, self.best, self.stalled = facts["now"], facts["best"], facts["stalled"]


@schedules()
def plateau(
    progress: float, *, patience: int = Plateau.patience, factor: float = Plateau.factor, floor: float = Plateau.floor
) -> float:
    """What `Plateau` says before it has seen a metric, wherever training is; see `plateau_of`."""
    return Plateau(patience, factor, floor).now


def plateau_of(text: str, better: str) -> Plateau | None:
    """The plateau that a schedule asks for; None where it is another.

    Args:
        text: a call of `schedules`.
        better: `higher` or `lower` of the metric that it will see.

    Raises:
        RecipeError: an unknown name, or arguments that it does not take or that are out of range.
    """
    bound = schedules.bind(text)
    return Plateau(**bound.arguments, better=better) if bound.name == plateau.__name__ else None


def _beats(value: float, best: float, better: str) -> bool:
    return value > best if better == "higher" else value < best


def _half_cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))


def _share(name: str, value: float) -> float:
    if not _is_number(value) or not 0 <= value < 1:
        raise RecipeError(f"schedule: {name}={value!r} must be a share of training, at least 0 and below 1")
    return value


def _factor(name: str, value: float) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise RecipeError(f"schedule: {name}={value!r} must be a factor of the learning rate, from 0 to 1")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
