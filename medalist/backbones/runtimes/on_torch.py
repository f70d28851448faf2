"""Forward passes by torch: on the CPU in float32 or bfloat16, BatchNorm folded, channels last; on a GPU.

Axes: B batch, H W pixels, C channels, D features.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from medalist.backbones.backbone import Backbone
from medalist.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor, nn

Forward = Callable[[np.ndarray], np.ndarray]


def open_cpu(backbone: Backbone, taps: tuple[str, ...], threads: int, *, bf16: bool) -> Forward:
    """(B, H, W, 3) uint8 -> (B, D) float32 on `threads` threads."""
    import torch

    dtype = torch.bfloat16 if bf16 else torch.float32
    network = fold_batchnorm(backbone.build(taps), *input_size(backbone))
    network = network.to(dtype).to(memory_format=torch.channels_last)
    normalise = normaliser(backbone, "cpu")

    def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            torch.set_num_threads(threads)  # Counts for the calling thread alone.
            features: np.ndarray = network(normalise(pixels_BHWC).to(dtype)).float().numpy()
        return features

    return forward


def open_cuda(backbone: Backbone, taps: tuple[str, ...], *, half: bool) -> Forward:
    """The same on a GPU; `half`: autocast to float16, whose 10 bits lose an eighth of what bfloat16's 7 lose."""
    import torch

    if not torch.cuda.is_available():
        raise BackboneError("runtime cuda: torch sees no GPU here; use runtime=auto")
    network = fold_batchnorm(backbone.build(taps), *input_size(backbone))
    network = network.to("cuda").to(memory_format=torch.channels_last)
    normalise = normaliser(backbone, "cuda")

    def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
        # Deterministic algorithms only: a kernel picked by timing would differ from one process to the next.
        with (
            torch.inference_mode(),
            torch.autocast("cuda", torch.float16) if half else nullcontext(),
            torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False),
        ):
            features: np.ndarray = network(normalise(pixels_BHWC)).float().cpu().numpy()
        return features

    return forward


def input_size(backbone: Backbone) -> tuple[int, int]:
    """Height and width of the backbone's input, in pixels."""
    return backbone.preprocessing["height"], backbone.preprocessing["width"]


def normaliser(backbone: Backbone, device: str) -> Callable[[np.ndarray], Tensor]:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in channels_last order, with the weights' own mean and std."""
    import torch

    mean = torch.tensor(backbone.preprocessing["mean"], device=device) * 255
    std = torch.tensor(backbone.preprocessing["std"], device=device) * 255

    def normalise(pixels_BHWC: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(pixels_BHWC)).to(device)
        # A permuted BHWC tensor is a channels_last one: nothing is copied.
        return ((pixels.float() - mean) / std).permute(0, 3, 1, 2)

    return normalise


def fold_batchnorm(network: nn.Module, height: int, width: int) -> nn.Module:
    """The same function with each BatchNorm folded into the convolution before it; `network` itself where that fails.

    Whether a BatchNorm follows a convolution is told by the order of their parent's children; a network that runs
    them in another order is found out on noise, and left as it is.

    Args:
        network: in eval mode.
        height, width: of its input, in pixels.
    """
    import torch

    folded = copy.deepcopy(network)
    for parent in list(folded.modules()):
        for (before, convolution), (name, norm) in itertools.pairwise(list(parent.named_children())):
            _fold_pair(parent, before, convolution, name, norm)
    noise = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        want, got = network(noise), folded(noise)
    return folded if torch.allclose(got, want, rtol=1e-3, atol=1e-3 * float(want.abs().max())) else network


def _fold_pair(parent: nn.Module, before: str, convolution: nn.Module, name: str, norm: nn.Module) -> None:
    """Fold `norm` into `convolution` if they are such a pair; timm's norms bring their activation, which stays."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    if not (isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
        return
    if convolution.out_channels == norm.num_features and norm.running_mean is not None:
        setattr(parent, before, fuse_conv_bn_eval(convolution, norm))
        kept = [layer for part in ("drop", "act") if isinstance(layer := getattr(norm, part, None), nn.Module)]
        setattr(parent, name, nn.Sequential(*kept))
