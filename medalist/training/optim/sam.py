"""Sharpness-aware minimisation over any optimiser: up to the worst point nearby, whose gradient is stepped on.

It is two functions, and the loop reads as the method does. This is whole-batch SAM: one climb for all images of a step,
however many micro-batches they come in (m-SAM would climb for each by itself, which is another method):

    for micro in step: backward(loss(micro))      pass 1, gradients added up
    undo = climb(parameters, rho=0.05)
    zero the gradients
    for micro in step: backward(loss(micro))      pass 2: the same images, mixes and dropout, drawn from the same seeds
    descend(undo)
    optimiser.step()

BatchNorm's statistics move in pass 1 only; pass 2 sees weights that nobody keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Undo = list[tuple[Tensor, Tensor]]

SMALLEST = 1e-12
ETA = 0.01  # ASAM's floor of a weight's size: what is near 0 may still move


@torch.no_grad()
def climb(parameters: Sequence[Tensor], rho: float, *, adaptive: bool = False) -> Undo:
    """Add e = rho g / |g| to the parameters (Foret et al. 2021, equation 2), the norm over all of them in float32.

    Adaptive (ASAM: Kwon et al. 2021, section 4) each weight moves by its own size: with T = |w| + 0.01, or 1
    for parameters of one axis (biases, norms), e = rho T^2 g / |T g|; rho is then about ten times as large.

    Args:
        parameters: those that are trained; one without a gradient stays.
        rho: how far, in the units of the weights.
        adaptive: ASAM.

    Returns:
        What `descend` needs: the parameters as they were, a copy of each.
    """
    moving = [parameter for parameter in parameters if parameter.grad is not None]
    undo = [(parameter, parameter.detach().clone()) for parameter in moving]
    sizes = [_size(parameter) if adaptive else None for parameter in moving]
    # T g, whose norm is taken and which T then takes to the step once more.
    slopes = [_times(_gradient(parameter), size) for parameter, size in zip(moving, sizes, strict=True)]
    if not slopes:
        return undo
    length = torch.stack([slope.norm().to(slopes[0].device) for slope in slopes]).norm()
    for parameter, slope, size in zip(moving, slopes, sizes, strict=True):
        step = _times(slope, size) * (rho / (length + SMALLEST)).to(slope.device)
        parameter.add_(step.to(parameter.dtype))
    return undo


@torch.no_grad()
def descend(undo: Undo) -> None:
    """Put the parameters back, to the bit; the gradients, those of the worst point, stay (equation 3)."""
    for parameter, before in undo:
        parameter.copy_(before)


def _gradient(parameter: Tensor) -> Tensor:
    return torch.as_tensor(parameter.grad).float()


def _size(parameter: Tensor) -> Tensor | None:
    return parameter.detach().float().abs() + ETA if parameter.ndim > 1 else None


def _times(slope: Tensor, size: Tensor | None) -> Tensor:
    return slope if size is None else slope * size
