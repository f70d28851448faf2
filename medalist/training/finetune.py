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
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from medalist.engines.local import usable_cores
from medalist.errors import DataError
from medalist.progress import Sink, ignore
from medalist.store import failpoint
from medalist.training import cuda, network, ranks
from medalist.training.feeds import Batch
from medalist.training.heads.contract import link
from medalist.training.judging import finish_epoch
from medalist.training.mixing import mixes
from medalist.training.neural.heads import AngularMargin, draws, set_draws
from medalist.training.optim.sam import climb, descend
from medalist.training.plan import MIX, Step, steps
from medalist.training.resuming import resume, save
from medalist.training.telling import Heard
from medalist.training.underway import Training

EVERY_S = 120.0  # a kill costs no more of an epoch than this
SAMPLE = 512  # rows of an epoch that its training metric is told of


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
                advance(training, step, inputs)
                failpoint("after-step")
                heard.step(step)
                if step.last:
                    finish_epoch(training, watched if ranks.rank() == 0 else None)
                if ranks.rank() == 0 and (step.last or time.monotonic() - training.saved > EVERY_S):
                    save(training)
                    heard.begin()
    training.curves = ranks.told(training.curves)
    return training.curves


def advance(training: Training, step: Step, inputs: Batch) -> None:
    """One step of the optimiser; the batch's mean loss is added to the epoch's."""
    plan, net = training.plan, training.net
    target_BT = training.images.targets(step.rows).to(training.device)
    if plan.mixes(step.epoch):
        rng = np.random.default_rng([plan.seed, MIX, step.epoch, step.number])
        mixed, target_BT = mixes.bind(plan.mix)(inputs[0], target_BT, rng)
        inputs = (mixed,)
    training.rate(step)
    if isinstance(net.head, AngularMargin):
        net.head.progress = (step.epoch + (step.number + 0.5) / step.num_steps) / plan.epochs
    ranks.same_draws(net)
    if training.quick is None:
        cuda.choose(training, inputs, target_BT, step.num_steps * plan.phases[training.phase].epochs)
    before = draws(net)
    losses, logit_BC = training.gradients(inputs, target_BT)
    if not math.isfinite(loss := sum(losses)):
        raise DataError(
            f"training diverged: the loss is {loss} in epoch {step.epoch + 1}, step {step.number + 1}, at a rate of"
            f" {training.lr():g}; lower finetune.phases[{training.phase}].lr"
            + ("" if plan.clip else ", or set finetune.clip=1.0")
        )
    if not plan.mixes(step.epoch) and sum(len(rows) for rows, _ in training.seen) < SAMPLE:
        training.seen.append((step.rows, np.asarray(link(logit_BC.cpu().numpy(), training.images.tags), np.float32)))
    if "first_gradient" not in training.facts:
        training.facts["first_gradient"] = {part: norm_of(getattr(net, part)) for part in ("body", "head")}
    if plan.sam:
        # Both passes see the same micro-batches, mixed alike, with the same dropout.
        undo = climb(network.trained(net), plan.sam, adaptive=plan.sam_adaptive)
        set_draws(net, before)
        with network.still(net):
            training.gradients(inputs, target_BT)
        descend(undo)
    if plan.clip:
        nn.utils.clip_grad_norm_(network.trained(net), plan.clip)
    training.optimiser.step()
    if training.ema:
        training.ema.update(net)
    added = (losses[0] * len(step.rows), len(step.rows), losses[1] * len(step.rows))
    training.sums = [before + more for before, more in zip(training.sums, added, strict=True)]
    training.epoch, training.number = (step.epoch + 1, 0) if step.last else (step.epoch, step.number + 1)


def norm_of(part: nn.Module) -> float:
    """Norm of a part's gradients."""
    squares = [float(p.grad.detach().float().square().sum()) for p in part.parameters() if p.grad is not None]
    return math.sqrt(sum(squares))
