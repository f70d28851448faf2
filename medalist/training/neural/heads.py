"""Neural heads: pooled features -> logits, trained by gradient together with the network below.

A head is a factory `(num_features, num_classes, *, seed, ...) -> nn.Module`, registered with

    tasks         the tasks that it can learn: `binary`, `multiclass`, `tags`
    hard_targets  True where each image must have one class: no tags, no mixup
    lr            rate at which `start.by_training` trains it on frozen features

whose `forward(x_BD, target_BC=None)` gives logits (B, C); only a margin looks at the target, and only in training.
First weights and dropout come from the seed and never from torch's global one; `draws` and `set_draws` read and set
where the dropout stands, so that a killed run resumes and SAM's second pass repeats the first. Axes: B images of a
batch, D features, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medalist.errors import RecipeError
from medalist.registry import Registry

neural: Registry[Callable[..., nn.Module]] = Registry("neural head")

EVERY_TASK = ("binary", "multiclass", "tags")


@neural(tasks=EVERY_TASK, hard_targets=False, lr=1e-3)
def linear(num_features: int, num_classes: int, *, seed: int) -> nn.Module:
    """One dense layer.

    Args:
        num_features: D.
        num_classes: C.
        seed: of the first weights.
    """
    return Layers([num_features, num_classes], 0.0, 0.0, seed)


# At 1e-3 twenty epochs over 980 rows (mushrooms8) fit them too well: the log-loss on others is 3.7 errors worse.
@neural(tasks=EVERY_TASK, hard_targets=False, lr=3e-4)
def dense(
    num_features: int,
    num_classes: int,
    *,
    seed: int,
    units: int = 1024,
    layers: int = 1,
    dropout: float = 0.5,
    dropout_in: float = 0.0,
) -> nn.Module:
    """Dense layers with ReLU and dropout before the classifier.

    Args:
        num_features: D.
        num_classes: C.
        seed: of the first weights and the dropout.
        units: of each hidden layer.
        layers: how many.
        dropout: share of hidden units dropped after each.
        dropout_in: share of features dropped before the first.

    Raises:
        RecipeError: an argument out of range.
    """
    for name, share in (("dropout", dropout), ("dropout_in", dropout_in)):
        _check(name, share, 0 <= share < 1, "a share, at least 0 and below 1, such as 0.5")
    for name, count in (("units", units), ("layers", layers)):
        _check(name, count, count >= 1, "at least 1; without hidden layers type `linear`")
    return Layers([num_features, *[units] * layers, num_classes], dropout_in, dropout, seed)


@neural(tasks=("binary", "multiclass"), hard_targets=True, lr=1e-3)
def arcface(
    num_features: int,
    num_classes: int,
    *,
    seed: int,
    margin: float = 0.3,
    probability: float = 0.999,
    warmup: float = 0.2,
) -> nn.Module:
    """Additive angular margin (Deng et al. 2019, equation 3): the true class must win by `margin` radians.

    Args:
        num_features: D.
        num_classes: C.
        seed: of the first weights.
        margin: radians.
        probability: what the scale lets a perfect row reach, from which it is reckoned (`scale_of`).
        warmup: share of training over which the margin grows from 0; see `AngularMargin.progress`.

    Raises:
        RecipeError: an argument out of range.
    """
    _check("margin", margin, 0 <= margin < math.pi / 2, "an angle in radians, at least 0 and below 1.57, such as 0.3")
    _check("probability", probability, 1 / num_classes < probability < 1, "above chance and below 1, such as 0.999")
    _check("warmup", warmup, 0 <= warmup <= 1, "a share of training, such as 0.2")
    return AngularMargin(num_features, num_classes, margin, scale_of(num_classes, probability), warmup, seed)


def scale_of(num_classes: int, probability: float) -> float:
    """s = (C - 1) / C ln((C - 1) P / (1 - P)): the least scale with which a row can reach probability P.

    When every class lies as far from all others as C directions can (their cosines are -1 / (C - 1)), a row on its own
    class's direction has p = e^s / (e^s + (C - 1) e^(-s / (C - 1))); solved for s (Wang et al. 2018, CosFace, equation
    6; after NormFace, Wang et al. 2017, proposition 2).
    """
    return (num_classes - 1) / num_classes * math.log((num_classes - 1) * probability / (1 - probability))


class Standardise(nn.Module):
    """(x - shift) / scale, constants that `start.by_training` measures; until then x itself, to the bit."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.shift_D: Tensor
        self.scale_D: Tensor
        self.register_buffer("shift_D", torch.zeros(num_features))
        self.register_buffer("scale_D", torch.ones(num_features))

    def forward(self, x_BD: Tensor) -> Tensor:
        return (x_BD - self.shift_D) / self.scale_D


class Dropout(nn.Module):
    """Dropout from a generator of its own: on the CPU, so that every device draws the same, row after row.

    Two halves of a batch, one after the other, draw what the whole batch would have drawn.
    """

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self.share = share
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, x_BD: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x_BD
        kept_BD = torch.rand(x_BD.shape, generator=self.generator) >= self.share
        return x_BD * kept_BD.to(x_BD.device) / (1 - self.share)


class Layers(nn.Module):
    """Standardise, then dropout, dense, ReLU, and again, up to the classifier."""

    def __init__(self, widths: list[int], dropout_in: float, dropout: float, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.standardise = Standardise(widths[0])
        self.dropouts = nn.ModuleList()
        self.layers = nn.ModuleList()
        for i, (inside, outside) in enumerate(pairwise(widths)):
            own_seed = int(torch.randint(2**62, (), generator=draw))
            self.dropouts.append(Dropout(dropout if i else dropout_in, own_seed))
            self.layers.append(_dense_layer(inside, outside, draw))

    def forward(self, x_BD: Tensor, target_BC: Tensor | None = None) -> Tensor:
        """Logits (B, C); the target makes no difference."""
        x_BD = self.standardise(x_BD)
        for i, (dropout, layer) in enumerate(zip(self.dropouts, self.layers, strict=True)):
            x_BD = layer(dropout(functional.relu(x_BD) if i else x_BD))
        return x_BD


class AngularMargin(nn.Module):
    """Logits s cos(theta), of the true class s cos(theta + m) in training.

    Attributes:
        progress: how far training has come, 0 to 1, which the loop sets; the margin is whole from `warmup` on. It is 1
            until somebody sets it.
    """

    def __init__(
        self, num_features: int, num_classes: int, margin: float, scale: float, warmup: float, seed: int
    ) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.margin, self.scale, self.warmup, self.progress = margin, scale, warmup, 1.0
        self.standardise = Standardise(num_features)
        self.weight_CD = nn.Parameter(torch.randn(num_classes, num_features, generator=draw) / num_features**0.5)

    def forward(self, x_BD: Tensor, target_BC: Tensor | None = None) -> Tensor:
        """Logits (B, C); a margin only in training and with a one-hot target.

        Raises:
            RecipeError: a row of the target is not one class.
        """
        # An angle needs all digits, whatever the network runs in.
        with torch.autocast(x_BD.device.type, enabled=False):
            z_BD = functional.normalize(self.standardise(x_BD.float()), dim=1)
            cosine_BC = functional.linear(z_BD, functional.normalize(self.weight_CD.float(), dim=1))
            if self.training and target_BC is not None:
                cosine_BC = self._with_margin(cosine_BC, target_BC)
            return self.scale * cosine_BC

    def _with_margin(self, cosine_BC: Tensor, target_BC: Tensor) -> Tensor:
        if not bool(((target_BC == 0) | (target_BC == 1)).all()) or not bool((target_BC.sum(dim=1) == 1).all()):
            raise RecipeError(
                "arcface has its margin for one class an image, and these targets are mixed or tags; "
                "drop `mix`, or type `head: linear` or `head: dense`"
            )
        margin = self.margin * (min(1.0, self.progress / self.warmup) if self.warmup else 1.0)
        # cos(theta + m) = cos theta cos m - sin theta sin m. It rises again past theta + m = pi, where a row could get
        # worse for less loss: there a straight penalty of m sin m, as in the authors' code, keeps the way down.
        sine_BC = (1 - cosine_BC**2).clamp(min=1e-12).sqrt()
        turned_BC = cosine_BC * math.cos(margin) - sine_BC * math.sin(margin)
        turned_BC = torch.where(cosine_BC > -math.cos(margin), turned_BC, cosine_BC - margin * math.sin(margin))
        return torch.where(target_BC > 0, turned_BC, cosine_BC)


def draws(network: nn.Module) -> dict[str, np.ndarray]:
    """Where each dropout's generator stands, uint8 arrays by the module's name, to save or to repeat a pass."""
    return {name: dropout.generator.get_state().numpy().copy() for name, dropout in _dropouts(network)}


def set_draws(network: nn.Module, arrays: dict[str, np.ndarray]) -> None:
    """Put each generator back to where `draws` found it."""
    for name, dropout in _dropouts(network):
        dropout.generator.set_state(torch.from_numpy(arrays[name].copy()))


def _dropouts(network: nn.Module) -> Iterator[tuple[str, Dropout]]:
    return ((name, module) for name, module in network.named_modules() if isinstance(module, Dropout))


def _dense_layer(inside: int, outside: int, draw: torch.Generator) -> nn.Linear:
    """A layer whose first weights are torch's own, uniform in +-1 / sqrt(D), but drawn from `draw`."""
    layer = nn.Linear(inside, outside, device="meta").to_empty(device="cpu")  # torch would draw from its own seed
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-1 / inside**0.5, 1 / inside**0.5, generator=draw)
    return layer


def _check(name: str, value: float, fits: bool, expected: str) -> None:
    if not fits:
        raise RecipeError(f"neural head: {name}={value} is out of range; it must be {expected}")
