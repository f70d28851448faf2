"""A recipe's backbones: opened with its size and resize laid over them, or chosen where it names none."""

from __future__ import annotations

from pathlib import Path

from medalist.backbones import EMBEDDED, STAND_IN, Backbone, open_backbone, override
from medalist.backbones.catalogue import recommended
from medalist.errors import BackboneError
from medalist.recipe import Recipe


def open_backbones(recipe: Recipe) -> list[Backbone]:
    """The recipe's backbones in its order, preprocessing overridden where it says so; each in every size."""
    cards = Path(recipe.cards) if recipe.cards else None
    return [
        _prepared(recipe, open_backbone(name, cards=cards), size)
        for name in recipe.backbones
        for size in recipe.size or (None,)
    ]


def tuned_backbones(recipe: Recipe) -> list[Backbone]:
    """What the recipe fine-tunes, in one size: `finetune.size`, else the recipe's first, else the weights' own."""
    if recipe.finetune is None:
        return []
    cards = Path(recipe.cards) if recipe.cards else None
    size = recipe.finetune.size or next(iter(recipe.size), None)
    names = recipe.finetune.backbones or recipe.backbones
    return [_prepared(recipe, open_backbone(name, cards=cards), size) for name in names]


def _prepared(recipe: Recipe, backbone: Backbone, size: int | None) -> Backbone:
    return override(
        backbone, size=size, resize=recipe.resize, channels=recipe.channels, mean=recipe.mean, std=recipe.std
    )


def weights_of(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of each named backbone's weights; no torch, but for hub weights never met before."""
    return {backbone.name: backbone.weights_hash for backbone in [*open_backbones(recipe), *tuned_backbones(recipe)]}


def choose(recipe: Recipe, notes: list[str]) -> Recipe:
    """Name a backbone where the recipe names none: the recommended one, or the embedded one where no hub is reachable.

    A sentence on the choice is added to `notes`.
    """
    if recipe.backbones:
        return recipe
    name = recommended()
    try:
        open_backbone(name)
        notes.append(f"backbone: {name}, recommended for this machine")
    except BackboneError as error:
        name = EMBEDDED
        notes.append(f"backbone: {EMBEDDED}, as no other could be fetched ({error})")
    return recipe.model_copy(update={"backbones": (name,)})


def backbone_notes(recipe: Recipe) -> list[str]:
    """A sentence on each backbone whose licence forbids commercial use, and on the one that stands in for others."""
    notes = []
    for backbone in [*open_backbones(recipe), *tuned_backbones(recipe)]:
        if backbone.non_commercial:
            notes.append(f"{backbone.name}: its licence ({backbone.licence}) forbids commercial use")
        if "fine_tuned_from" in backbone.provenance:
            notes.append(
                f"{backbone.name}: fine-tuned before; its features know the labels of images that it learnt from, and"
                " no fold hides that"
            )
        if backbone.source == EMBEDDED:
            notes.append(
                f"{backbone.name}: {STAND_IN}; real ones: `medalist backbones`, or cards (docs/CARDS.md) with --cards"
            )
    return list(dict.fromkeys(notes))
