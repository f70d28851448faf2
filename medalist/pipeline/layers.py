"""A backbone's layers as text, and which of them each phase of a recipe trains: `medalist backbones NAME --layers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medalist.backbones.outline import outline
from medalist.recipe import Recipe


def layer_listing(name: str, trains: Sequence[str] = (), *, cards: Path | None = None) -> str:
    """A line a layer from the input to the output: index, name, parameters, and the phases that train it.

    Args:
        name: a card, `embedded` or any timm architecture; its weights are not needed.
        trains: what each phase trains, as a recipe says it: `head`, `last 30 %`, `from: layer4`, `all`.
        cards: folder of cards; None: the environment's `MEDALIST_CARDS`.

    Raises:
        BackboneError: `name` is unknown. RecipeError: a phase names no layer.
    """
    from medalist.training.layers import depth, layers

    network = outline(name, cards=cards)
    found = layers(network)
    sizes = {parameter: tensor.numel() for parameter, tensor in network.named_parameters()}
    counts = [sum(sizes[parameter] for parameter in layer.params) for layer in found]
    firsts = [depth(found, text) for text in trains]
    width = max(len(layer.name) for layer in found)
    lines = [f"{name}: {len(found)} layers, {sum(counts):,} parameters, without the head"]
    for k, (text, first) in enumerate(zip(trains, firsts, strict=True), start=1):
        share = f"{len(found) - first} of {len(found)} layers, {sum(counts[first:]):,} parameters"
        lines.append(f"phase {k} trains {text!r}: the head and {share}")
    for i, (layer, count) in enumerate(zip(found, counts, strict=True)):
        marks = " ".join(str(k) if i >= first else "." for k, first in enumerate(firsts, start=1))
        lines.append(f"{i:4d}  {layer.name:<{width}}  {count:>12,}  {marks}".rstrip())
    return "\n".join(lines)


def trains_of(recipe: Recipe) -> tuple[str, ...]:
    """What each phase of the recipe's fine-tuning trains; empty where the recipe fine-tunes nothing."""
    finetune = getattr(recipe, "finetune", None)
    return tuple(phase.train for phase in getattr(finetune, "phases", None) or ())
