"""The training loop: a network, images and a plan in; weights and answers of each epoch out, in a folder that a kill
cannot spoil. Killed anywhere and called again it goes on from its checkpoint, and the bytes are the same.

    for each phase:               what trains, at which rates (plan, network, optim)
        for each step:            a batch, in the order of (seed, epoch)
            mix, forward, loss, backward            in micro-batches
            climb, the same batch again, descend    where SAM asks for it
            clip, step, average
        each epoch:               judge on watched rows, keep the weights, write a checkpoint

Axes: N images, n rows watched, B batch, C classes, T targets: classes, then those of auxiliary columns.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medalist.engines.local import usable_cores
from medalist.errors import BackboneError, DataError
from medalist.progress import Sink, ignore
from medalist.store import failpoint
from medalist.training import cuda, network, ranks
from medalist.training.crossings import Crossings
from medalist.training.feeds import Batch, Images
from medalist.training.heads.contract import link
from medalist.training.judging import finish_epoch
from medalist.training.losses import losses, weighed
from medalist.training.mixing import mixes
from medalist.training.network import Network
from medalist.training.neural.heads import AngularMargin, draws, set_draws
from medalist.training.optim.ema import Ema
from medalist.training.optim.optimisers import optimiser
from medalist.training.optim.sam import climb, descend
from medalist.training.optim.schedules import plateau_of, schedules
from medalist.training.plan import MIX, Plan, Step, steps
from medalist.training.prefix import split
from medalist.training.resuming import resume, save
from medalist.training.telling import Heard
from medalist.training.weights import mass, part_of

EVERY_S = 120.0  # a kill costs no more of an epoch than this
SAMPLE = 512  # rows of an epoch that its training metric is told of
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

    def step(self, step: Step, inputs: Batch) -> None:
        """One step of the optimiser; the batch's mean loss is added to the epoch's."""
        target_BT = self.images.targets(step.rows).to(self.device)
        if self.plan.mixes(step.epoch):
            rng = np.random.default_rng([self.plan.seed, MIX, step.epoch, step.number])
            mixed, target_BT = mixes.bind(self.plan.mix)(inputs[0], target_BT, rng)
            inputs = (mixed,)
        self.rate(step)
        if isinstance(self.net.head, AngularMargin):
            self.net.head.progress = (step.epoch + (step.number + 0.5) / step.num_steps) / self.plan.epochs
        ranks.same_draws(self.net)
        if self.quick is None:
            cuda.choose(self, inputs, target_BT, step.num_steps * self.plan.phases[self.phase].epochs)
        before = draws(self.net)
        losses, logit_BC = self.gradients(inputs, target_BT)
        if not math.isfinite(loss := sum(losses)):
            raise DataError(
                f"training diverged: the loss is {loss} in epoch {step.epoch + 1}, step {step.number + 1}, at a rate of"
                f" {self.lr():g}; lower finetune.phases[{self.phase}].lr"
                + ("" if self.plan.clip else ", or set finetune.clip=1.0")
            )
        if not self.plan.mixes(step.epoch) and sum(len(rows) for rows, _ in self.seen) < SAMPLE:
            self.seen.append((step.rows, np.asarray(link(logit_BC.cpu().numpy(), self.images.tags), np.float32)))
        if "first_gradient" not in self.facts:
            self.facts["first_gradient"] = {part: norm_of(getattr(self.net, part)) for part in ("body", "head")}
        if self.plan.sam:
            # Both passes see the same micro-batches, mixed alike, with the same dropout.
            undo = climb(network.trained(self.net), self.plan.sam, adaptive=self.plan.sam_adaptive)
            set_draws(self.net, before)
            with network.still(self.net):
                self.gradients(inputs, target_BT)
            descend(undo)
        if self.plan.clip:
            nn.utils.clip_grad_norm_(network.trained(self.net), self.plan.clip)
        self.optimiser.step()
        if self.ema:
            self.ema.update(self.net)
        added = (losses[0] * len(step.rows), len(step.rows), losses[1] * len(step.rows))
        self.sums = [before + more for before, more in zip(self.sums, added, strict=True)]
        self.epoch, self.number = (step.epoch + 1, 0) if step.last else (step.epoch, step.number + 1)

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


def finetune(
    training: Training,
    *,
    watched: np.ndarray | None = None,
    until: int | None = None,
    name: str = "tune",
    sink: Sink = ignore,
) -> list[dict[str, Any]]:
    """Train, or go on with it.

    Args:
        training: as it begins; its folder may hold a checkpoint.
        watched: rows to judge each epoch on; nothing is learnt from them.
        until: number of epochs after which to stop, where that is before the plan's end.
        name: of the stage in the events.
        sink: hears of the steps: done of all, with loss, metric, learning rate, images a second.

    Returns:
        Facts of each epoch: train_loss, train_metric, lr, and loss and metric on watched rows (`ema_`: of the average).
    """
    torch.set_num_threads(max(1, usable_cores() // ranks.world()))
    ranks.check(training.plan, len(training.rows))
    training.folder.mkdir(parents=True, exist_ok=True)
    resume(training)
    plan, end = training.plan, training.plan.epochs if until is None else until
    heard = Heard(name, training, end, sink)
    while training.epoch < end:
        phase, _ = plan.place(training.epoch)
        if phase != training.phase:
            training.enter(phase)
        begin = (training.epoch, training.number)
        work = partial(ranks.shared, partial(steps, plan, training.rows, phase, begin, end))
        with cuda.repeatable(training.device), closing(training.feed.shown(plan, work, training.device)) as stream:
            heard.begin()
            for step, inputs in stream:
                training.step(step, inputs)
                failpoint("after-step")
                heard.step(step)
                if step.last:
                    finish_epoch(training, watched if ranks.rank() == 0 else None)
                if ranks.rank() == 0 and (step.last or time.monotonic() - training.saved > EVERY_S):
                    save(training)
                    heard.begin()
    training.curves = ranks.told(training.curves)
    return training.curves


def norm_of(part: nn.Module) -> float:
    """Norm of a part's gradients."""
    squares = [float(p.grad.detach().float().square().sum()) for p in part.parameters() if p.grad is not None]
    return math.sqrt(sum(squares))


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch found no memory, on a GPU or in the machine."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
