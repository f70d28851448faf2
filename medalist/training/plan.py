"""What a fine-tuning does, as data: phases, learning rates, augmentation, and the order in which rows come.

Axes: n training rows, B rows of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medalist.data.views.schedule import strength_of

ORDER = 1  # streams of random numbers that share a seed
MIX = 2


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs in which the same part of the network trains.

    Args:
        train: `head`, `from: LAYER`, `last 30 %` or `all`, see `layers.depth`.
        epochs: their number.
        lr: learning rate of the body's last layer.
        head_lr: of the head.
        decay: each earlier layer's learning rate is so much of the next one's.
        schedule: a call of `optim.schedules`, or `plateau(...)`.
        size: height and width of the input, in pixels.
    """

    train: str
    epochs: int
    lr: float
    head_lr: float
    decay: float
    schedule: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """A fine-tuning, as far as it does not depend on images.

    Args:
        phases: one after the other.
        head, loss, augment, mix, optimiser: calls of the registries; `mix` may be empty.
        ramp: epochs without augmentation at first, with less and less of it towards the end, and without at last.
        mix_last: epochs at the end without mixing.
        sam: radius of sharpness-aware minimisation, 0: none; `sam_adaptive`: by the size of each weight.
        ema: decay of the average of the weights, 0: none.
        batchnorm: see `norms`.
        batch: rows of a step; `micro` of them go through the network at once.
        clip: largest norm of the gradient, 0: any.
        bf16: forward and backward passes in bfloat16, weights and sums in float32.
        seed: of order, augmentation, mixing and dropout.
    """

    phases: tuple[Phase, ...]
    head: str = "linear"
    loss: str = "cross_entropy"
    augment: str = ""
    mix: str = ""
    optimiser: str = "adamw"
    ramp: tuple[int, int, int] = (0, 0, 0)
    mix_last: int = 0
    sam: float = 0.0
    sam_adaptive: bool = False
    ema: float = 0.0
    batchnorm: str = "frozen"
    batch: int = 32
    clip: float = 0.0
    bf16: bool = False
    seed: int = 0

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def place(self, epoch: int) -> tuple[int, int]:
        """Which phase an epoch belongs to, and how many epochs of that phase came before it."""
        for number, phase in enumerate(self.phases):
            if epoch < phase.epochs:
                return number, epoch
            epoch -= phase.epochs
        raise IndexError(epoch)

    def mixes(self, epoch: int) -> bool:
        """Whether batches are mixed in an epoch."""
        return bool(self.mix) and epoch < self.epochs - self.mix_last

    def strength(self, epoch: int) -> float:
        """How much augmentation an epoch gets, 0 to 1."""
        first, fade, last = self.ramp
        return strength_of(epoch, self.epochs, first=first, fade=fade, last=last)


@dataclass(frozen=True)
class Step:
    """One step of the optimiser.

    Args:
        epoch: of the whole plan.
        number: of the step in its epoch.
        num_steps: of that epoch.
        rows: (B,) which images.
        progress: share of its phase that is done in the middle of it.
    """

    epoch: int
    number: int
    num_steps: int
    rows: np.ndarray
    progress: float

    @property
    def last(self) -> bool:
        """It ends its epoch."""
        return self.number + 1 == self.num_steps


def steps(
    plan: Plan, rows: np.ndarray, phase: int, begin: tuple[int, int] = (0, 0), end: int | None = None
) -> Iterator[Step]:
    """The steps of a phase, from an epoch and a step of it on.

    Each epoch shows every row once, in an order drawn from (seed, epoch); batches differ in size by one at most, so
    that no row is dropped and no batch is tiny.

    Args:
        plan: says how many.
        rows: indices of the n training rows.
        phase: which.
        begin: epoch of the whole plan and step to go on with; earlier ones are passed over.
        end: epoch to stop before, where that is before the phase's end.
    """
    first = sum(earlier.epochs for earlier in plan.phases[:phase])
    epochs, num_steps = plan.phases[phase].epochs, math.ceil(len(rows) / plan.batch)
    stop = first + epochs if end is None else min(first + epochs, end)
    for epoch in range(max(first, begin[0]), stop):
        order = np.random.default_rng([plan.seed, ORDER, epoch]).permutation(rows)
        for number, batch in enumerate(np.array_split(order, num_steps)):
            if (epoch, number) >= begin:
                done = (epoch - first) * num_steps + number
                yield Step(epoch, number, num_steps, batch, (done + 0.5) / (epochs * num_steps))
