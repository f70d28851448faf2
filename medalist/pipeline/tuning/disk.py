"""How much disk the weights of trained networks take, told before the first step.

Each epoch's weights, and each training's checkpoint, are kept until it is known which of them count; then a card for
each training remains.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medalist.backbones import Backbone
from medalist.backbones.outline import outline
from medalist.data.splits import Folds
from medalist.pipeline.backbones import tuned_backbones
from medalist.pipeline.holdout import holds_out
from medalist.recipe import FinetuneSection, Recipe

MOMENTS = 2  # of each weight in an optimiser's state, as Adam's; hardly any keeps more


@dataclass(frozen=True)
class Weights:
    """Bytes of one network's body.

    Args:
        epoch: of what an epoch leaves: the arrays that any phase changes.
        card: of all arrays.
    """

    epoch: int
    card: int


def weights_of(backbone: Backbone, settings: FinetuneSection) -> Weights:
    """What a network's arrays take, from its architecture alone; heads, small beside it, are not counted."""
    from torch import nn

    from medalist.training.network import Network, moving
    from medalist.training.plan import Phase, Plan

    body = outline(backbone)
    phases = tuple(Phase(one.train, one.epochs, one.lr, one.lr, 1.0, "constant", (0, 0)) for one in settings.phases)
    names = set(moving(Network(body, nn.Identity()), Plan(phases=phases, batchnorm=settings.batchnorm)))
    size = {name: array.numel() * array.element_size() for name, array in body.state_dict().items()}
    return Weights(sum(size[name] for name in names), sum(size.values()))


def num_folds_of(recipe: Recipe) -> int:
    """K, drawn or of the recipe's file."""
    return recipe.folds.k if recipe.folds.file is None else Folds.load(Path(recipe.folds.file)).num_folds


def num_trainings(recipe: Recipe) -> int:
    """Of each network, without that of all rows: one a fold, or one alone."""
    return 1 if holds_out(recipe) else num_folds_of(recipe)


def weights_bytes(recipe: Recipe) -> tuple[int, int]:
    """What the weights of all epochs of all networks take, and how much of it the folds' trainings alone."""
    settings = recipe.finetune
    if settings is None:
        return 0, 0
    found = [weights_of(backbone, settings) for backbone in tuned_backbones(recipe)]
    trainings, epochs = num_trainings(recipe), sum(phase.epochs for phase in settings.phases)
    last = {"anew": epochs, "continue": settings.continue_epochs}[settings.refit]
    folds = sum(trainings * (epochs * one.epoch + one.card) for one in found)
    refit = sum(last * one.epoch + one.card for one in found) if recipe.final == "refit" else 0
    return folds + refit, folds


def checkpoint_bytes(recipe: Recipe) -> int:
    """What the checkpoints of all trainings take at most: weights, moments and, where it is kept, the average."""
    if (settings := recipe.finetune) is None:
        return 0
    trainings = num_trainings(recipe) + (recipe.final == "refit")
    copies = 1 + MOMENTS + (settings.ema is not None)
    return trainings * copies * sum(weights_of(one, settings).epoch for one in tuned_backbones(recipe))


def disk_faults(recipe: Recipe, out: Path) -> Iterator[str]:
    """A disk on which the weights of the folds' trainings certainly have no room."""
    needed, free = weights_bytes(recipe)[1], free_for(out)
    if needed > free:
        yield (
            f"finetune: the weights of all epochs of {num_trainings(recipe)} trainings take {needed / 1e9:.2f} GB, and"
            f" {free / 1e9:.2f} GB are free for {out}; take another --out, fewer epochs, or one training:"
            " finetune.holdout=true"
        )


def disk_forecast(recipe: Recipe, out: Path) -> str:
    """A sentence on it."""
    needed, free = weights_bytes(recipe)[0] + checkpoint_bytes(recipe), free_for(out)
    warning = "; warning: the disk will be too small" if needed > free else ""
    return (
        f"disk up to {needed / 1e9:.2f} GB for the weights of all epochs and checkpoints, until those that count are"
        f" chosen; {free / 1e9:.0f} GB are free{warning}"
    )


def free_for(out: Path) -> int:
    """Bytes that a run may write into a folder: what is free, and what it holds already of the same run or another."""
    held = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) if out.is_dir() else 0
    there = out
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free + held
