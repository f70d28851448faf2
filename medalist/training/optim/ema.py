"""An exponential moving average of a network's weights: kept beside the raw ones, swapped in to validate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Ema:
    """Float32 shadows of all trained parameters and of floating buffers (Polyak & Juditsky 1992).

    The t-th update (from 0) keeps min(decay, (1 + t) / (10 + t)) of the shadow, so that the first weights are soon
    forgotten. A parameter that is trained from a later phase on joins with the value of its first update; what never
    moves has a shadow equal to itself, to the bit.

    Args:
        network: whose weights are averaged.
        decay: of the shadow an update, below 1, such as 0.999.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.shadow: dict[str, Tensor] = {}
        self._join(network)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Draw the shadows towards the weights; call it after each step."""
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        self._join(network)
        for name, value in _floating(network):
            if name in self.shadow:
                self.shadow[name].lerp_(value.detach().float(), 1 - keep)

    @contextmanager
    def swapped(self, network: nn.Module) -> Iterator[None]:
        """Inside, the network holds the averages; after it, its own weights again, to the bit."""
        held = {name: value for name, value in _floating(network) if name in self.shadow}
        raw = {name: value.detach().clone() for name, value in held.items()}
        try:
            _copy(self.shadow, held)
            yield
        finally:
            _copy(raw, held)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON to save."""
        return {name: shadow.cpu().numpy().copy() for name, shadow in self.shadow.items()}, {"updates": self.updates}

    def load(self, arrays: dict[str, np.ndarray], facts: dict[str, Any], network: nn.Module) -> None:
        """Take over what `state` gave, each shadow on its parameter's device."""
        device = {name: value.device for name, value in _floating(network)}
        self.shadow = {name: torch.from_numpy(array.copy()).to(device[name]) for name, array in arrays.items()}
        self.updates = facts["updates"]

    def _join(self, network: nn.Module) -> None:
        """A shadow for whatever is trained and has none."""
        for name, value in _floating(network):
            if name not in self.shadow and (value.requires_grad or not isinstance(value, nn.Parameter)):
                self.shadow[name] = value.detach().float().clone()


def _floating(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers but counters; a tensor with two names comes once."""
    yield from network.named_parameters()
    yield from ((name, buffer) for name, buffer in network.named_buffers() if buffer.is_floating_point())


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])
