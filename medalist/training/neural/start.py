"""Where a neural head starts: at the exact solution on frozen features, or trained on them for a moment.

Then the first step of fine-tuning has a gradient that means something, and no epoch over images is spent on the head.
Axes: V views, N images, D features, C classes, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medalist.errors import RecipeError
from medalist.training.heads.contract import counts, targets
from medalist.training.neural.heads import AngularMargin, Layers
from medalist.training.optim.optimisers import split_decay
from medalist.training.optim.schedules import cosine
from medalist.training.reduce import Standard

WEIGHT_DECAY = 0.01
WARMUP = 0.1


def from_linear(module: nn.Module, weight_DC: np.ndarray, bias_C: np.ndarray) -> None:
    """Set a `linear` head to a solution, in place: its logits are then `x_ND @ weight_DC + bias_C`.

    Args:
        module: what `linear` made.
        weight_DC, bias_C: on raw pooled features; a standardisation was folded in: W / scale, b - mean @ W / scale.

    Raises:
        RecipeError: a head with more than one layer, or an angular one.
    """
    if not isinstance(module, Layers) or len(module.layers) > 1:
        raise RecipeError(
            "only `head: linear` starts from an exact solution; dense and arcface are trained on features"
        )
    tensors = {"layers.0.weight": weight_DC.T, "layers.0.bias": bias_C}
    state = {name: torch.from_numpy(np.array(array, np.float32)) for name, array in tensors.items()}
    module.load_state_dict({**module.state_dict(), **state})


def by_training(
    module: nn.Module,
    x_VND: np.ndarray,
    y: Any,
    loss: Callable[..., Tensor],
    *,
    num_classes: int,
    seed: int,
    lr: float,
    epochs: int = 20,
    batch: int = 64,
) -> list[float]:
    """Train a head alone on frozen features, in place: AdamW, cosine, a fixed number of epochs, never stopped early.

    Features are standardised by constants that the module keeps. In each epoch each image shows one of its views, drawn
    evenly. Everything is drawn from the seed: the same bytes again on the same machine.

    Args:
        module: what a registered neural head made, on the CPU.
        x_VND: raw pooled features, a set for each view; one view is (1, N, D).
        y: class indices (N,), or tags (N, C), dense or CSR.
        loss: a bound loss.
        num_classes: C.
        seed: of the order and the views.
        lr: AdamW's highest; a head's own is a fact of its entry.
        epochs: over the N images.
        batch: rows a step.

    Returns:
        The mean loss of each epoch.
    """
    _standardise(module, x_VND)
    count_C = torch.from_numpy(counts(y, num_classes))
    stepper = torch.optim.AdamW(split_decay(module.named_parameters()), lr=lr, weight_decay=WEIGHT_DECAY)
    plan = _plan(*x_VND.shape[:2], epochs=epochs, batch=batch, seed=seed)
    curve = [0.0] * epochs
    module.train()
    for step, (epoch, rows, views) in enumerate(plan):
        progress = (step + 0.5) / len(plan)
        if isinstance(module, AngularMargin):
            module.progress = progress
        for group in stepper.param_groups:
            group["lr"] = lr * cosine(progress, warmup=WARMUP)
        x_BD = torch.from_numpy(np.asarray(x_VND[views, rows], np.float32))
        target_BC = torch.from_numpy(targets(y[rows], num_classes))
        value = loss(module(x_BD, target_BC), target_BC, count_C=count_C)
        stepper.zero_grad()
        torch.autograd.backward(value)
        stepper.step()
        curve[epoch] += value.item() * len(rows) / x_VND.shape[1]
    module.eval()
    return curve


def _plan(
    num_views: int, num_rows: int, *, epochs: int, batch: int, seed: int
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Each step's epoch, rows and which view of each; every row once an epoch."""
    rng = np.random.default_rng(seed)
    plan = []
    for epoch in range(epochs):
        order, view_N = rng.permutation(np.arange(num_rows)), rng.integers(num_views, size=num_rows)
        parts = [order[start : start + batch] for start in range(0, num_rows, batch)]
        plan += [(epoch, rows, view_N[rows]) for rows in parts]
    return plan


def _standardise(module: nn.Module, x_VND: np.ndarray) -> None:
    """Mean and deviation of each feature over all views and images, to the module."""
    flat_D = np.zeros(x_VND.shape[2], bool)
    mean_D, scale_D = x_VND.mean(axis=(0, 1), dtype=np.float64), x_VND.std(axis=(0, 1), dtype=np.float64)
    scaling = Standard.of_moments(flat_D, mean_D, scale_D)
    tensors = {"standardise.shift_D": scaling.mean_D, "standardise.scale_D": scaling.scale_D}
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    module.load_state_dict({**module.state_dict(), **state})
