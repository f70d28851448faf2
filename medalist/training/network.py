"""A backbone and a head as one network that trains: what of it trains in a phase, at which rate, and its arrays.

Axes: B batch, H W pixels, D features, C classes, E classes of auxiliary columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from medalist.training.checkpoint import Arrays, group, prefixed
from medalist.training.layers import depth, layers, part_rates
from medalist.training.norms import set_norms
from medalist.training.optim.optimisers import split_decay
from medalist.training.plan import Phase, Plan

PARTS = ("body", "head", "auxiliary")


class Network(nn.Module):
    """Images (B, 3, H, W) -> logits (B, C); the head computes in float32 whatever the body does.

    Args:
        body: a backbone without its classifier, images -> pooled features.
        head: see `neural`.
        auxiliary: pooled features -> (B, E), see `Auxiliary`; it speaks only in training.
    """

    def __init__(self, body: nn.Module, head: nn.Module, auxiliary: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.head, self.auxiliary = body, head, auxiliary

    def forward(self, *inputs: Tensor, target_BC: Tensor | None = None) -> Tensor:
        """Logits (B, C), in training (B, C + E); `target_BC` is for heads with a margin, in training."""
        x_BD = self.body(*inputs)
        with torch.autocast(x_BD.device.type, enabled=False):
            x_BD = x_BD.float()
            logit_BC: Tensor = self.head(x_BD, target_BC)
            if self.auxiliary is None or not self.training:
                return logit_BC
            return torch.cat([logit_BC, self.auxiliary(x_BD)], dim=1)


def enter(network: Network, phase: Phase, batchnorm: str) -> list[dict[str, Any]]:
    """Make a network ready for a phase: what trains, what BatchNorm does.

    Args:
        network: changed in place.
        phase: says what trains and how fast.
        batchnorm: one of `norms.POLICIES`.

    Returns:
        Parameter groups of an optimiser: a layer each, then the heads, weights apart from what is not decayed; `lr` and
        the same under `base_lr`, which schedules multiply.
    """
    found = layers(network.body)
    rates = part_rates(found, depth(found, phase.train), phase.lr, phase.decay)
    named = dict(network.body.named_parameters())
    for layer, rate in zip(found, rates, strict=True):
        for name in layer.params:
            named[name].requires_grad_(rate > 0)
    set_norms(network.body, batchnorm)
    groups = []
    for layer, rate in zip(found, rates, strict=True):
        groups += _groups([(name, named[name]) for name in layer.params], rate)
    heads = [pair for module in (network.head, network.auxiliary) if module for pair in module.named_parameters()]
    return groups + _groups(heads, phase.head_lr)


def _groups(named: list[tuple[str, nn.Parameter]], lr: float) -> list[dict[str, Any]]:
    trained = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    return [{**part, "lr": lr, "base_lr": lr} for part in split_decay(trained) if part["params"]]


def moving(network: Network, plan: Plan) -> list[str]:
    """Names of the body's parameters and buffers that any phase of a plan changes."""
    found = layers(network.body)
    first = min(depth(found, phase.train) for phase in plan.phases)
    names = {name for layer in found[first:] for name in (*layer.params, *layer.buffers)}
    if plan.batchnorm != "frozen":
        names |= {name for layer in found for name in layer.buffers}
    return [name for name in network.body.state_dict() if name in names]


def untouched(network: Network, plan: Plan, phase: int) -> int:
    """Number of the body's first layers that a phase leaves alone, as those before it did; 0 where batches are mixed or
    BatchNorm moves, as then what crosses from them is not the same in each epoch.
    """
    if plan.mix or plan.batchnorm != "frozen":
        return 0
    found = layers(network.body)
    first = depth(found, plan.phases[phase].train)
    earlier = min((depth(found, before.train) for before in plan.phases[:phase]), default=first)
    return first if earlier >= first else 0


def weights(network: Network, names: list[str]) -> Arrays:
    """Copies of the named arrays of the body and of all of the other parts', as `PART.NAME`."""
    arrays: Arrays = {}
    for part, module in _parts(network):
        state = module.state_dict()
        kept = names if part == "body" else list(state)
        arrays |= prefixed({name: state[name].detach().cpu().numpy().copy() for name in kept}, part)
    return arrays


def set_weights(network: Network, arrays: Arrays) -> None:
    """Put back what `weights` gave."""
    for part, module in _parts(network):
        state = {name: torch.from_numpy(np.array(array)) for name, array in group(arrays, part).items()}
        module.load_state_dict(state, strict=False)


def _parts(network: Network) -> list[tuple[str, nn.Module]]:
    return [(part, module) for part in PARTS if (module := getattr(network, part)) is not None]


def trained(network: Network) -> list[nn.Parameter]:
    """Parameters that train in the present phase."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


@contextmanager
def still(network: nn.Module) -> Iterator[None]:
    """Inside, no BatchNorm's statistics move: of SAM's two passes only the first counts for them."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    tracked = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, before in zip(norms, tracked, strict=True):
            norm.track_running_stats = before
