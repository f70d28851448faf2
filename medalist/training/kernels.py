"""The same network, faster to train: convolution and frozen BatchNorm as one, and what CPUs do badly mended.

Parameters, buffers and their names stay those of the network; only `forward`s are exchanged, each for the same function
of the same parameters, with the same gradients, whatever mode the network is in.

Axes: B batch, C channels, H W cells, h w cells of the output, O output channels, K kernel.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from types import MethodType
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
PLAIN = (nn.Conv2d, Conv2dSame)
Pads = tuple[int, int, int, int]


def keep_memory() -> bool:
    """Have this process keep the memory that it frees; whether its C library can.

    glibc hands large blocks back to the system at once and takes them anew, zeroed page by page, a few hundred times a
    step: a quarter of the time of a step on a CPU. What the process holds stays at its peak.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


def quicken(network: nn.Module, height: int, width: int) -> nn.Module:
    """Exchange the `forward`s of a network's convolutions and BatchNorms, in place; the network.

    A BatchNorm in eval mode (see `norms`) is a scale and a shift a channel, which go into the weight and bias of the
    convolution before it: one pass over the maps instead of two, and none of BatchNorm's own in the backward pass.
    Whether it follows the convolution is told by the order of their parent's children; a network that runs them in
    another order is found out on noise, and keeps its BatchNorms.

    Args:
        network: of normalised float (B, 3, H, W); its copies (`copy.deepcopy`) are as fast as it is.
        height, width: of its input, in pixels.
    """
    modes = [(module, module.training) for module in network.modules()]
    noise = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    noise = noise.to(next(network.parameters()))
    network.eval()
    with torch.no_grad():
        want = network(noise)
        convolutions = [module for module in network.modules() if type(module) in PLAIN]
        for convolution in convolutions:
            convolution.__dict__["forward"] = MethodType(_convolve, convolution)
        norms = _fold(network)
        if not torch.allclose(network(noise), want, rtol=1e-3, atol=1e-3 * float(want.abs().max())):
            _unfold(convolutions, norms)
    for module, mode in modes:
        module.training = mode
    return network


def _fold(network: nn.Module) -> list[nn.Module]:
    """Tell each convolution of the norm that follows it; those norms."""
    norms: list[nn.Module] = []
    for parent in network.modules():
        for convolution, norm in itertools.pairwise(parent.children()):
            if type(convolution) in PLAIN and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
                # A tuple, not the module itself: that would become a child, and its weights would have two names.
                convolution.__dict__["norm_after"] = (norm,)
                norm.__dict__["forward"] = MethodType(_after, norm)
                norms.append(norm)
    return norms


def _unfold(convolutions: list[nn.Module], norms: list[nn.Module]) -> None:
    for convolution in convolutions:
        convolution.__dict__.pop("norm_after", None)
    for norm in norms:
        norm.__dict__.pop("forward")


def _after(norm: Any, x_BCHW: Tensor) -> Tensor:
    """`forward` of a norm that its convolution has done already, unless it follows the batch; timm's bring an `act`."""
    if norm.training:
        return type(norm).forward(norm, x_BCHW)  # type: ignore[no-any-return]
    for part in ("drop", "act"):
        x_BCHW = getattr(norm, part, nn.Identity())(x_BCHW)
    return x_BCHW


def _convolve(convolution: Any, x_BCHW: Tensor) -> Tensor:
    """`forward` of a convolution, and of the frozen norm after it."""
    weight_OCKK, bias_O = _folded(convolution)
    pads = _pads(convolution, x_BCHW)
    device = x_BCHW.device.type
    if torch.is_autocast_enabled(device):
        # Autocast would not look into `Strided`.
        dtype = torch.get_autocast_dtype(device)
        x_BCHW, weight_OCKK = x_BCHW.to(dtype), weight_OCKK.to(dtype)
        bias_O = None if bias_O is None else bias_O.to(dtype)
    settings = convolution.stride, convolution.dilation
    if device == "cpu" and x_BCHW.dtype == torch.bfloat16 and _depthwise_strided(convolution):
        return Strided.apply(x_BCHW, weight_OCKK, bias_O, pads, *settings)  # type: ignore[no-any-return]
    x_BCHW, padding = _padded(x_BCHW, pads)
    return functional.conv2d(x_BCHW, weight_OCKK, bias_O, settings[0], padding, settings[1], convolution.groups)


def _folded(convolution: Any) -> tuple[Tensor, Tensor | None]:
    """Weight and bias with the frozen norm's in them.

    norm(W x + b) = (s W) x + (s (b - mean) + shift), s = scale / sqrt(variance + eps), computed at each step: a
    checkpoint may change what is frozen, and these are C numbers beside B x C x H x W.
    """
    weight_OCKK, bias_O = convolution.weight, convolution.bias
    (norm,) = convolution.__dict__.get("norm_after", (None,))
    if norm is None or norm.training:
        return weight_OCKK, bias_O
    scale_O = torch.rsqrt(norm.running_var + norm.eps)
    scale_O = scale_O * norm.weight if norm.affine else scale_O
    mean_O = norm.running_mean if bias_O is None else norm.running_mean - bias_O
    shift_O = norm.bias - mean_O * scale_O if norm.affine else -mean_O * scale_O
    return weight_OCKK * scale_O[:, None, None, None], shift_O


def _depthwise_strided(convolution: Any) -> bool:
    alone = convolution.groups == convolution.in_channels == convolution.out_channels > 1
    return bool(alone and max(convolution.stride) > 1)


def _pads(convolution: Any, x_BCHW: Tensor) -> Pads:
    """Cells of padding: above, below, left, right; TensorFlow's `same` puts the odd one below and right."""
    if not isinstance(convolution, Conv2dSame):
        (y, x) = convolution.padding
        return y, y, x, x
    pads = []
    for axis in range(2):
        size, kernel = x_BCHW.shape[2 + axis], convolution.kernel_size[axis]
        stride, dilation = convolution.stride[axis], convolution.dilation[axis]
        lack = max((-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
        pads += [lack // 2, lack - lack // 2]
    return pads[0], pads[1], pads[2], pads[3]


def _padded(x_BCHW: Tensor, pads: Pads) -> tuple[Tensor, tuple[int, int]]:
    """The input, padded where the convolution cannot by itself, and the padding left to the convolution."""
    above, below, left, right = pads
    if above == below and left == right:
        return x_BCHW, (above, left)
    return functional.pad(x_BCHW, (left, right, above, below)), (0, 0)


class Strided(torch.autograd.Function):
    """A depthwise convolution with a stride, on a CPU in bfloat16, whose backward pass is a convolution without one.

    oneDNN has no fast kernel for the gradient of its input (20 to 100 times slower than without a stride). That
    gradient is the convolution of the turned kernel with the output's gradient, zeros between its cells.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_BCHW: Tensor,
        weight_C1KK: Tensor,
        bias_C: Tensor | None,
        pads: Pads,
        stride: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        """(B, C, H, W) -> (B, C, h, w)."""
        ctx.size, ctx.pads, ctx.stride, ctx.dilation = x_BCHW.shape[2:], pads, stride, dilation
        padded_BCHW, ctx.padding = _filled(x_BCHW, pads)
        ctx.save_for_backward(padded_BCHW, weight_C1KK)
        return functional.conv2d(padded_BCHW, weight_C1KK, bias_C, stride, ctx.padding, dilation, len(weight_C1KK))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BChw: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of image, weight and bias."""
        padded_BCHW, weight_C1KK = ctx.saved_tensors
        channels = len(weight_C1KK)
        of_x = _spread(ctx, grad_BChw, weight_C1KK) if ctx.needs_input_grad[0] else None
        wanted = [False, *ctx.needs_input_grad[1:3]]
        _, of_weight, of_bias = torch.ops.aten.convolution_backward(
            grad_BChw, padded_BCHW, weight_C1KK, [channels], ctx.stride, ctx.padding, ctx.dilation, False, [0, 0],
            channels, wanted,
        )  # fmt: skip
        return of_x, of_weight, of_bias, None, None, None


def _filled(x_BCHW: Tensor, pads: Pads) -> tuple[Tensor, tuple[int, int]]:
    """`_padded`, for one who writes its own backward pass: four times as fast in bfloat16, channels last."""
    above, below, left, right = pads
    if above == below and left == right:
        return x_BCHW, (above, left)
    (batch, channels), (height, width) = x_BCHW.shape[:2], x_BCHW.shape[2:]
    shape = batch, channels, above + height + below, left + width + right
    padded_BCHW = torch.empty(shape, dtype=x_BCHW.dtype, memory_format=torch.channels_last)
    padded_BCHW[:, :, above : above + height, left : left + width] = x_BCHW
    for edge in (padded_BCHW[:, :, :above], padded_BCHW[:, :, above + height :]):
        edge.zero_()
    for edge in (padded_BCHW[..., :left], padded_BCHW[..., left + width :]):
        edge.zero_()
    return padded_BCHW, (0, 0)


def _spread(ctx: Any, grad_BChw: Tensor, weight_C1KK: Tensor) -> Tensor:
    """The gradient of the input.

    1. Output cell i looks at input cells s i - l + d t (stride s, l cells of padding on the left, dilation d, t = 0 ..
       K - 1). Without a stride and with p cells of padding on both sides, cell j looks at j - p + d t: the same for
       j = s i + p - l. With p the larger of both paddings every such j exists.
    2. So the gradients lie at those j among zeros, and their gradient is the full convolution with the turned kernel,
       whose padding is d (K - 1) - p.
    """
    above, below, left, right = ctx.pads
    both = max(above, below), max(left, right)
    reach = [step * (size - 1) for step, size in zip(ctx.dilation, weight_C1KK.shape[2:], strict=True)]
    height, width = (ctx.size[i] + 2 * both[i] - reach[i] for i in range(2))
    (batch, channels), (h, w) = grad_BChw.shape[:2], grad_BChw.shape[2:]
    spread_BCHW = torch.empty(
        (batch, channels, height, width), dtype=grad_BChw.dtype, memory_format=torch.channels_last
    ).zero_()
    top, start = both[0] - above, both[1] - left
    (down, across) = ctx.stride
    spread_BCHW[:, :, top::down, start::across][:, :, :h, :w] = grad_BChw
    turned_C1KK = weight_C1KK.flip(2, 3)
    padding = [reach[i] - both[i] for i in range(2)]
    return functional.conv2d(spread_BCHW, turned_C1KK, None, 1, padding, ctx.dilation, channels)
