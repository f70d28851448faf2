"""Auxiliary targets: further columns of the labels that a network learns beside its task, and that answer nothing.

One linear layer on the pooled features says all of them, beside the head, while the network trains; what it makes of
the features is left in the body, the layer itself is forgotten. The winners of SIIM-ISIC 2020 trained on nine diagnoses
where two classes were asked for (Ha et al. 2020, arXiv 2010.05351).

An unknown cell is a row of zeros among the targets: it counts nothing, and mixes like every other target.

Axes: N training images, B batch, D features, A columns, E the classes of all columns side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from medalist.training import ranks

SMALLEST = 1e-8


@dataclass(frozen=True)
class Auxiliary:
    """Columns as they are learnt.

    Args:
        classes: of each of the A columns, sorted text.
        index_AN: place of each cell among its column's classes, -1 where it is unknown.
        weights: what the loss of each column counts beside the task's own.
    """

    classes: tuple[tuple[str, ...], ...]
    index_AN: np.ndarray
    weights: tuple[float, ...]

    @classmethod
    def of(cls, targets: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> Auxiliary | None:
        """The weighed columns of a table's `targets`, (N,) text each; None where nothing is weighed."""
        if not weights:
            return None
        found = [np.unique(targets[name], return_inverse=True) for name in weights]
        classes = tuple(tuple(text for text in names.tolist() if text) for names, _ in found)
        # Empty text sorts before all other.
        index = [place_N - (len(names) - len(own)) for (names, place_N), own in zip(found, classes, strict=True)]
        return cls(classes, np.stack(index), tuple(weights.values()))

    @cached_property
    def sizes(self) -> list[int]:
        """Number of classes of each column; they sum to E."""
        return [len(names) for names in self.classes]

    def targets(self, rows: np.ndarray) -> Tensor:
        """float32 (B, E): a one for each known cell."""
        columns = zip(self.index_AN, self.sizes, strict=True)
        blocks = [index_N[rows, None] == np.arange(size) for index_N, size in columns]
        return torch.from_numpy(np.concatenate(blocks, axis=1).astype(np.float32))

    def layer(self, num_features: int) -> nn.Linear:
        """What says the columns, (B, D) -> (B, E). It begins at zeros: the body's first step is the task's alone."""
        layer = nn.Linear(num_features, sum(self.sizes), device="meta").to_empty(device="cpu")
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
        return layer

    def weighed(self, target_BE: Tensor) -> Tensor:
        """Targets of a whole batch, mixed or not, so scaled that `loss` is each column's weight times its mean
        cross-entropy over the known cells of all ranks' rows.

        Mixing keeps each column's mass, which so is the number of known cells. As the scale is the whole batch's,
        micro-batches and ranks add up to it.
        """
        mass_A = torch.stack([block.sum() for block in target_BE.split_with_sizes(self.sizes, dim=1)])
        known_A = ranks.mean(mass_A / len(target_BE), len(target_BE)).clamp(min=SMALLEST)
        scale_A = torch.tensor(self.weights, device=target_BE.device) / known_A
        return target_BE * scale_A.repeat_interleave(torch.tensor(self.sizes, device=target_BE.device))

    def loss(self, logit_BE: Tensor, target_BE: Tensor) -> Tensor:
        """Cross-entropy of all columns, summed; the mean over B.

        Args:
            logit_BE: what the layer says.
            target_BE: rows of what `weighed` gave.
        """
        blocks = logit_BE.split_with_sizes(self.sizes, dim=1)
        log_p_BE = torch.cat([log_softmax(block, dim=1) for block in blocks], dim=1)
        return -(target_BE * log_p_BE).sum() / len(target_BE)
