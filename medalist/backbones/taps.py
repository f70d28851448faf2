"""What is read off one forward pass: a timm network with its classifier -> a module whose row holds several taps.

    pooled   the features before the classifier, as the network pools them
    gem      the last feature map, pooled by its generalised mean with p = 3 (Radenovic et al. 2018, section 3.2)
    middle   the last feature map of half the final resolution, pooled by its mean; of a transformer, the block at 2/3
    logits   the classes that the weights were trained on, before the softmax

Axes: B batch, H W pixels or cells, C channels, D features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medalist.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor, nn

TAPS = ("pooled", "gem", "middle", "logits")
POWER = 3.0
SMALLEST = 1e-6


def tap(network: Any, taps: tuple[str, ...], name: str) -> nn.Module:
    """A module `(B, 3, H, W) -> (B, D)` that gives the taps side by side, in float32, from one pass.

    Args:
        network: timm's, in eval mode, with its classifier if it has one.
        taps: some of TAPS.
        name: of the backbone, for errors.

    Raises:
        BackboneError: `logits` of weights without a classifier; `middle` of a network that shows no inner maps.
    """
    from torch import nn

    if "logits" in taps and not network.num_classes:
        raise BackboneError(f"{name}: its weights hold no classifier, so that there are no logits; try taps=[pooled]")
    if "middle" in taps and not hasattr(network, "forward_intermediates"):
        raise BackboneError(f"{name}: timm shows no inner feature maps of it; try taps=[pooled]")

    class Tapped(nn.Module):
        """The network, and what is read off it."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image_B3HW: Tensor) -> Tensor:
            import torch

            last, middle = _maps(self.network, image_B3HW, "middle" in taps)
            found = {"pooled": self.network.forward_head(last, pre_logits=True)}
            if "gem" in taps:
                found["gem"] = generalised_mean(_cells(self.network, last))
            if "middle" in taps:
                found["middle"] = middle.float().mean((2, 3))
            if "logits" in taps:
                found["logits"] = self.network.forward_head(last)
            return torch.cat([found[tap].float() for tap in taps], dim=1)

    return Tapped().eval()


def _maps(network: Any, image_B3HW: Tensor, with_middle: bool) -> tuple[Tensor, Any]:
    """The last feature map as the network's head wants it, and a middle one (B, C, H, W)."""
    if not with_middle:
        return network.forward_features(image_B3HW), None
    last, (middle,) = network.forward_intermediates(image_B3HW, indices=[_middle(network)], output_fmt="NCHW")
    return last, middle


def _middle(network: Any) -> int:
    """Index of the inner map: the last one that is twice as fine as the final one."""
    reductions = [int(stage["reduction"]) for stage in network.feature_info]
    finer = [i for i, reduction in enumerate(reductions) if reduction < reductions[-1]]
    return finer[-1] if finer else 2 * len(reductions) // 3


def _cells(network: Any, last: Tensor) -> Tensor:
    """The last feature map as (B, H * W, C), without class and register tokens."""
    if last.ndim == 3:
        return last[:, int(getattr(network, "num_prefix_tokens", 0)) :]
    channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
    return last.flatten(1, 2) if channels_last else last.flatten(2).transpose(1, 2)


def generalised_mean(cell_BLC: Tensor) -> Tensor:
    """(mean over cells of max(x, SMALLEST)^p)^(1/p), float32 (B, C)."""
    return cell_BLC.float().clamp(min=SMALLEST).pow(POWER).mean(1).pow(1 / POWER)
