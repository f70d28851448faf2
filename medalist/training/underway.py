"""A training under way: everything that a checkpoint holds, how it enters a phase, and the gradients of a batch.

Axes: N images, B batch, C classes, T targets: classes, then those of auxiliary columns, E of auxiliary columns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medalist.errors import BackboneError
from medalist.training import network, ranks
from medalist.training.crossings import Crossings
from medalist.training.feeds import Batch, Images
from medalist.training.losses import losses, weighed
from medalist.training.network import Network
from medalist.training.neural.heads import draws, set_draws
from medalist.training.optim.ema import Ema
from medalist.training.optim.optimisers import optimiser
from medalist.training.optim.schedules import plateau_of, schedules
from medalist.training.plan import Plan, Step
from medalist.training.prefix import split
from medalist.training.weights import mass, part_of

Score = Callable[[np.ndarray, np.ndarray], float]


@dataclass
class Training:
    """A training under way: everything that a checkpoint holds.

    Args:
        plan: what is done.
        net: what trains.
        images: what it learns from.
        rows: of those, the ones it learns from.
        score: `(rows, prob_nC) -> metric`.
        better: `higher` or `lower` of it.
        folder: of the checkpoint, and of what each epoch leaves.
        device: `cpu` or `cuda`.
        prefix: folder for what crosses from the frozen part of the network, shared by all folds; None, or where
            several processes train: no such cache.
        compiles: folder where it is settled, for all folds, which phases' bodies are compiled; None: none is.
        follows: factor of the rates in each epoch, for a plateau that watches no rows; empty: it watches.
        epoch, number: the step to do next.
        micro: rows that go through the network at once.
        curves: facts of each finished epoch.
        sums: of the epoch under way: loss times rows, rows, and auxiliary loss times rows.
        seen: of the epoch under way: rows and what was answered of them in training, up to SAMPLE; batches that are
            mixed do not count.
        facts: norms of the first step's gradients; where memory did not suffice.
    """

    plan: Plan
    net: Network
    images: Images
    rows: np.ndarray
    score: Score
    better: str
    folder: Path
    device: str = "cpu"
    prefix: Path | None = None
    compiles: Path | None = None
    follows: Sequence[float] = ()
    epoch: int = 0
    number: int = 0
    micro: int = 0
    curves: list[dict[str, Any]] = field(default_factory=list)
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    seen: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.micro = self.micro or self.plan.batch
        self.names = network.moving(self.net, self.plan)
        self.ema = Ema(self.net, self.plan.ema) if self.plan.ema else None
        self.loss = losses.bind(self.plan.loss)
        self.count_C = self.images.count(self.rows).to(self.device)
        self.mean_weight = mass(len(self.rows), part_of(self.images.weight_N, self.rows)) / len(self.rows)
        self.saved = time.monotonic()
        self.pace: dict[str, float] = {}
        self.phase = -1

    def enter(self, phase: int) -> None:
        """Begin a phase: a new optimiser, as another part of the network trains."""
        self.phase = phase
        groups = network.enter(self.net, self.plan.phases[phase], self.plan.batchnorm)
        self.optimiser = optimiser(self.plan.optimiser, groups)
        self.plateau = plateau_of(self.plan.phases[phase].schedule, self.better)
        self.schedule = schedules.bind(self.plan.phases[phase].schedule)
        self.part: Network = self.net
        self.feed: Images | Crossings = self.images
        if self.prefix is not None and ranks.world() == 1 and (first := network.untouched(self.net, self.plan, phase)):
            self.cut(first)
        self.part.train()
        self.quick: Network | None = self.part if self.compiles is None else None

    def cut(self, first: int) -> None:
        """Train the top alone, on what crosses from the frozen bottom; the whole, where that cannot be kept."""
        height, width = self.plan.phases[self.phase].size
        try:
            bottom, top = split(self.net.body, first, torch.zeros(2, 3, height, width))
            feed = Crossings(self.images, self.plan, self.phase, bottom, Path(str(self.prefix)))
            feed.prepare()
        except BackboneError as error:
            self.facts["prefix"] = f"phase {self.phase + 1}: {error}"
            return
        self.part, self.feed = Network(top, self.net.head, self.net.auxiliary), feed

    def rate(self, step: Step) -> None:
        """Set each group's learning rate for a step."""
        factor = self.plateau.now if self.plateau else self.schedule(step.progress)
        if self.plateau and self.follows:
            factor = self.follows[step.epoch]
        for group in self.optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor

    def gradients(self, inputs: Batch, target_BT: Tensor) -> tuple[list[float], Tensor]:
        """Gradients of the batch's mean loss over all ranks, in micro-batches; smaller ones where memory is scarce.

        Returns:
            The mean loss and the mean auxiliary one, and the rank's own logits (B, C).
        """
        if self.images.auxiliary:
            own_BC, others_BE, weight_B1 = self.images.parts(target_BT)
            target_BT = torch.cat([own_BC, self.images.auxiliary.weighed(others_BE), weight_B1], dim=1)
        before = draws(self.net)
        while True:
            try:
                losses, logit_BC = self.passes(inputs, target_BT)
                break
            except RuntimeError as error:
                if not out_of_memory(error) or self.micro == 1:
                    raise
                self.micro = max(1, min(self.micro, len(target_BT)) // 2)
                self.facts.setdefault("out_of_memory", []).append([self.epoch, self.number, self.micro])
                set_draws(self.net, before)
        return ranks.mean_gradients(network.trained(self.net), losses, len(target_BT)), logit_BC

    def passes(self, inputs: Batch, target_BT: Tensor) -> tuple[list[float], Tensor]:
        """Forward and backward, a micro-batch at a time; the mean losses, and the logits (B, C)."""
        self.optimiser.zero_grad(set_to_none=True)
        totals, logits, own = [0.0, 0.0], [], slice(self.images.num_classes)
        for start in range(0, len(target_BT), self.micro):
            part = slice(start, start + self.micro)
            with self.precision():
                logit_BT = (self.quick or self.part)(*(array[part] for array in inputs), target_BC=target_BT[part, own])
            share = len(target_BT[part]) / len(target_BT)
            losses = [loss * share for loss in self.losses(logit_BT.float(), target_BT[part])]
            torch.autograd.backward(losses[0] + losses[1])
            totals = [total + float(loss.detach()) for total, loss in zip(totals, losses, strict=True)]
            logits.append(logit_BT[:, own].detach().float())
        return totals, torch.cat(logits)

    def losses(self, logit_BT: Tensor, target_BT: Tensor) -> list[Tensor]:
        """The task's loss and the auxiliary one, 0 without such columns."""
        own, others = slice(self.images.num_classes), slice(self.images.num_classes, None)
        own_BC, others_BE, weight_B1 = self.images.parts(target_BT)
        loss = weighed(self.loss, logit_BT[:, own], own_BC, weight_B1 / self.mean_weight, self.count_C)
        if self.images.auxiliary is None:
            return [loss, torch.zeros(())]
        return [loss, self.images.auxiliary.loss(logit_BT[:, others], others_BE)]

    def precision(self) -> AbstractContextManager[Any]:
        """The context in which the network runs."""
        return torch.autocast(self.device, torch.bfloat16) if self.plan.bf16 else nullcontext()

    def lr(self) -> float:
        """The body's learning rate, or the head's where that alone trains: of the last layer."""
        groups = self.optimiser.param_groups
        return float(max(groups, key=lambda group: group["base_lr"])["lr"])


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch found no memory, on a GPU or in the machine."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
