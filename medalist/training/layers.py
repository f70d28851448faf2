"""The layers of a timm network from the input to the output, where training starts, and each layer's learning rate.

A layer is the smallest group of parameters that timm orders (a block of a ResNet, a transformer block, a dense layer);
it bears the name of its module, so that a recipe says `from: layer3.18` as the network itself does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from medalist.errors import RecipeError, near

HEAD, ALL = "head", "all"
FORMS = "head, all, last 30 %, from: NAME"
LIST = "`medalist backbones NAME --layers` lists the names"
STEM = "stem"
RESERVED = (HEAD, ALL)
LAST = re.compile(r"last\s*(\d+(?:\.\d+)?)\s*%")
FROM = re.compile(r"from\s*:\s*(\S+)")


@dataclass(frozen=True)
class Layer:
    """A layer's name, and the names of its parameters and buffers in the network."""

    name: str
    params: tuple[str, ...]
    buffers: tuple[str, ...] = ()


def layers(network: Any) -> list[Layer]:
    """The layers of a network without its classifier; each parameter and buffer is in exactly one.

    Args:
        network: timm's; it may lie on the `meta` device.
    """
    from timm.models import group_parameters

    groups = group_parameters(network, network.group_matcher(coarse=False), reverse=True)
    params: list[list[str]] = [[] for _ in range(max(groups.values()) + 1)]
    for name, _ in network.named_parameters():
        params[groups[name]].append(name)
    names = _names(params)
    buffers = _placed([name for name, _ in network.named_buffers()], params)
    return [Layer(*found) for found in zip(names, map(tuple, params), map(tuple, buffers), strict=True)]


def depth(layers: list[Layer], text: str) -> int:
    """Index of the first layer that trains; those before it are frozen.

    Args:
        layers: of the network.
        text: `head` (no layer), `all`, `last 30 %` (of the layers, at least one) or `from: NAME`: a layer, what several
            layers start with (`layer4`, `blocks.5`), or a module inside one.

    Raises:
        RecipeError: none of these forms, a share outside (0, 100], or a name that the network lacks.
    """
    text = text.strip()
    if text in RESERVED:
        return len(layers) if text == HEAD else 0
    if share := LAST.fullmatch(text):
        percent = float(share[1])
        if not 0 < percent <= 100:
            raise RecipeError(
                f"train: {text!r} asks for {percent:g} % of the layers; expected more than 0, at most 100"
            )
        # Halves round up: Python's round() would take 2 of 5 layers at 50 %, and 4 of 7.
        return len(layers) - max(1, int(len(layers) * percent / 100 + 0.5))
    if start := FROM.fullmatch(text):
        return _holding(layers, start[1])
    raise RecipeError(f"train: {text!r}{near(text, (*RESERVED, 'last 30 %', 'from: '))}; expected {FORMS}; {LIST}")


def part_rates(layers: list[Layer], first: int, lr: float, decay: float) -> list[float]:
    """A learning rate a layer: the last one's is `lr`, each earlier one's the next one's times `decay`; 0: frozen.

    One knob for the stages of a CNN and the blocks of a transformer (Clark et al. 2020, ELECTRA, appendix A; Bao et al.
    2022, BEiT, appendix).

    Args:
        layers: of the network.
        first: index of the first layer that trains.
        lr: learning rate of the last layer.
        decay: in (0, 1]; 1: the same rate everywhere.

    Raises:
        RecipeError: a decay outside (0, 1].
    """
    if not 0 < decay <= 1:
        raise RecipeError(f"layer decay {decay:g} is outside (0, 1]; expected 1 (the same rate everywhere), or 0.75")
    last = len(layers) - 1
    return [lr * decay ** (last - i) if i >= first else 0.0 for i in range(len(layers))]


def _holding(layers: list[Layer], name: str) -> int:
    """The first layer that is called `name` or holds a parameter under it."""
    # Families name alike but not always in the same case: Mixed_5b of Inception-v3, mixed_5b of Inception-ResNet-v2.
    for same in (str, str.lower):
        for i, layer in enumerate(layers):
            if any(_below(same(owned), same(name)) for owned in (layer.name, *layer.params)):
                return i
    known = {layer.name for layer in layers} | {start for layer in layers for start in _prefixes(layer.name)}
    raise RecipeError(f"the network has no layer {name!r}{near(name, sorted(known))}; {LIST}")


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def _prefixes(name: str) -> list[str]:
    """`a.b.c` -> `a`, `a.b`, `a.b.c`."""
    return list(itertools.accumulate(name.split("."), lambda start, part: f"{start}.{part}"))


def _names(params: list[list[str]]) -> list[str]:
    """Each group's shortest module prefix that no other group shares.

    A group of several modules (convolution and norm of a stem, a block and the norm after it) goes by its first one;
    the network's first group, where it is several modules, is the stem.
    """
    owners: dict[str, set[int]] = {}
    for i, group in enumerate(params):
        for prefix in itertools.chain.from_iterable(map(_prefixes, group)):
            owners.setdefault(prefix, set()).add(i)
    names = []
    for i, group in enumerate(params):
        own = [prefix for prefix in _prefixes(group[0]) if owners[prefix] == {i} and prefix not in RESERVED]
        whole = all(_below(name, own[0]) for name in group)
        names.append(STEM if i == 0 and not whole else own[0])
    return names


def _placed(buffers: Iterable[str], params: list[list[str]]) -> list[list[str]]:
    """Each buffer in the group of the parameter whose name shares most of its modules, the first of equals."""
    placed: list[list[str]] = [[] for _ in params]
    flat = [(i, name.split(".")) for i, group in enumerate(params) for name in group]
    for buffer in buffers:
        path = buffer.split(".")
        shared = [
            sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(path, other, strict=False)))
            for _, other in flat
        ]
        placed[flat[shared.index(max(shared))][0]].append(buffer)
    return placed
