"""A training a fold and one of all rows -> trained weights as cards, and the states of their heads.

Axes: N training images, C classes, K folds, E epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.backbones.runtimes.machine import this_device
from medalist.backbones.trained import write_trained
from medalist.data.splits import make_folds
from medalist.fitted import State
from medalist.pipeline.tuning.epochs import choose_epochs, factors, values
from medalist.pipeline.tuning.shared import Tuning, check_folds, settle
from medalist.pipeline.tuning.trained import REFIT, Place, card_of
from medalist.progress import tell_pace
from medalist.recipe import RampSection
from medalist.training import checkpoint
from medalist.training.weights import present

INNER = 10  # steer: inner watches one in so many of the rows that it may learn from
Start = Callable[[Any], None] | None


def train(tuning: Tuning) -> tuple[list[State], State | None, dict[str, Any]]:
    """Train on the rows outside each fold (or the one held out), choose how many epochs count, and train on all rows.

    Returns:
        The head's state for each fold, the refit's (None where the folds' models answer the test set), and JSON: curves
        (a list an epoch for each fold), epochs, runtime. Each body lies in the folder as a card.
    """
    folds, settings = tuning.folds, tuning.settings
    check_folds(tuning)
    settle(tuning)
    learnt = [learnt_of(tuning, fold) for fold in range(folds.num_folds)]
    places = range(1 if settings.holdout else folds.num_folds)
    heads = cache(lambda: starts(tuning, [rows for rows, _ in learnt]))
    curves = [run_one(tuning, place, learnt[place][0], heads, watched=learnt[place][1]) for place in places]
    chosen = choose_epochs([values(tuning, curve) for curve in curves], own=settings.steer != "none")
    states = [keep(tuning, place, chosen[place]) for place in places]
    meta = {"curves": curves, "epochs": [epoch + 1 for epoch in chosen], "runtime": tuning.runtime}
    if tuning.recipe.final == "folds":
        return states, None, meta
    every = present(np.arange(len(tuning.known.table)), tuning.known.table.weights)
    follows = factors(tuning.plan, curves)
    if settings.refit == "continue":
        tuning, follows = continued(tuning, chosen[0]), []
        chosen[-1] = tuning.plan.epochs - 1
    run_one(tuning, REFIT, every, heads, until=chosen[-1] + 1, follows=follows)
    return states, keep(tuning, REFIT, chosen[-1]), meta


def run_one(
    tuning: Tuning,
    place: Place,
    rows: np.ndarray,
    heads: Callable[[], Sequence[Start]],
    *,
    watched: np.ndarray | None = None,
    until: int | None = None,
    follows: Sequence[float] = (),
) -> list[Any]:
    """One training; its facts an epoch. Each epoch's weights lie in its folder.

    Args:
        tuning: what all trainings share.
        place: fold, or the refit.
        rows: to learn from.
        heads: where each fold's head and the refit's begins; not asked where a checkpoint knows better.
        watched: rows that judge each epoch.
        until: epochs after which to stop.
        follows: see `Training`.
    """
    from medalist.training import ranks
    from medalist.training.finetune import finetune
    from medalist.training.resuming import CHECKPOINT

    folder = tuning.folder / f"training-{place}"
    start = None if (folder / CHECKPOINT).is_file() else heads()[-1 if isinstance(place, str) else place]
    training = training_of(tuning, folder, rows, start, prefix=tuning.prefix, follows=follows)
    name = f"{tuning.backbone.name} {'all rows' if isinstance(place, str) else f'fold {place + 1}'}"
    curves = finetune(training, watched=watched, until=until, name=name, sink=tuning.sink)
    if ranks.rank():
        return curves
    ledger.write_json(tuning.folder / f"curves-{place}.json", {"facts": training.facts, "epochs": curves})
    shown = training.pace.get("images", 0)
    planned = (tuning.plan.epochs if until is None else until) * len(rows)
    tell_pace(tuning.sink, f"training {name}", shown, training.pace.get("seconds", 0.0), kept=max(planned - shown, 0))
    if training.pace:
        ledger.write_json(tuning.folder / f"pace-{place}.json", training.pace)
    return curves


def training_of(
    tuning: Tuning,
    folder: Path,
    rows: np.ndarray,
    start: Start = None,
    *,
    prefix: Path | None = None,
    follows: Sequence[float] = (),
) -> Any:
    """A training as it begins; see `Training`."""
    from medalist.training.underway import Training

    return Training(
        plan=tuning.plan,
        net=quick_network(tuning, start),
        images=tuning.images,
        rows=rows,
        score=tuning.quick_score,
        better=tuning.metric.facts["better"],
        folder=folder,
        device=this_device(),
        prefix=prefix,
        compiles=tuning.compiles,
        follows=follows,
    )


def learnt_of(tuning: Tuning, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that a fold's training learns from, and those that judge its epochs: the fold's own, or where it is steered
    inside a tenth of the others, groups whole. Extra rows are learnt from and judge nothing; what weighs nothing does
    neither.
    """
    fold_N, weight_N = tuning.known.fold_N, tuning.known.table.weights
    rows, held = (present(np.flatnonzero(here), weight_N) for here in (fold_N != fold, fold_N == fold))
    if tuning.settings.steer != "inner":
        return rows, held
    extra, rows = rows[fold_N[rows] < 0], rows[fold_N[rows] >= 0]
    labels = tuning.features.train.labels[rows]
    groups, group_n = np.unique(tuning.features.group_N[rows], return_inverse=True)
    part_n = make_folds(labels, group_n, num_folds=min(INNER, len(groups)), seed=tuning.recipe.seed)
    return np.concatenate([rows[part_n != 0], extra]), rows[part_n == 0]


def starts(tuning: Tuning, learnt: Sequence[np.ndarray]) -> Sequence[Start]:
    """What sets each fold's head, fitted on the rows `learnt` there, and last the refit's, to where training begins."""
    from medalist.training.start import head_starts

    if tuning.settings.start == "random":
        return [None] * (tuning.folds.num_folds + 1)
    return head_starts(
        tuning.plan,
        tuning.frozen[1],
        tuning.known.table.labels,
        tuning.known.fold_N,
        learnt,
        num_classes=tuning.num_classes,
        weight_N=tuning.known.table.weights,
        sink=tuning.sink,
    )


def quick_network(tuning: Tuning, start: Start) -> Any:
    """The network as training begins, on the device that trains it; on a CPU made faster where its norms are frozen."""
    import torch

    from medalist.training.kernels import keep_memory, quicken

    net, how = network_of(tuning, start), tuning.backbone.preprocessing
    if tuning.plan.batchnorm == "frozen" and this_device() == "cpu":
        keep_memory()
        quicken(net.body, how["height"], how["width"])
    return net.to(this_device()).to(memory_format=torch.channels_last)


def network_of(tuning: Tuning, start: Start = None) -> Any:
    """The pretrained network with its head as it begins, on the CPU."""
    from medalist.training.network import Network, set_weights
    from medalist.training.neural.heads import neural

    head = neural.bind(tuning.plan.head)(tuning.backbone.num_features, tuning.num_classes, seed=tuning.recipe.seed)
    if start is not None:
        start(head)
    others = tuning.auxiliary.layer(tuning.backbone.num_features) if tuning.auxiliary else None
    net = Network(tuning.backbone.build(("pooled",)), head, others)
    if tuning.begin is not None:
        set_weights(net, tuning.begin)
    return net


def keep(tuning: Tuning, place: Place, epoch: int) -> State:
    """Write the weights of a training's epoch as a card; the state of its head."""
    from medalist.training import network
    from medalist.training.judging import weights_of
    from medalist.training.neural.answers import head_state

    arrays, _ = checkpoint.load(tuning.folder / f"training-{place}" / weights_of(epoch))
    net = network_of(tuning)
    network.set_weights(net, arrays)
    state = {name: array.numpy() for name, array in net.body.state_dict().items()}
    write_trained(tuning.backbone, state, card_of(tuning.folder, place))
    return head_state(net.head, tags=tuning.tags)


def continued(tuning: Tuning, epoch: int) -> Tuning:
    """Write-up 4's way to the model of all rows: the first fold's training goes on, with that fold's rows back in.

    Args:
        tuning: whose last phase goes on, at its learning rate.
        epoch: of the first fold's training, to begin with.
    """
    from medalist.training.judging import weights_of

    settings = tuning.settings
    arrays, _ = checkpoint.load(tuning.folder / "training-0" / weights_of(epoch))
    last = settings.phases[-1].model_copy(update={"epochs": settings.continue_epochs, "schedule": "constant"})
    changed = settings.model_copy(update={"phases": (last,), "ramp": RampSection()})
    return replace(tuning, recipe=tuning.recipe.model_copy(update={"finetune": changed}), begin=arrays)
