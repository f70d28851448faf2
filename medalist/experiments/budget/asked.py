"""What a recipe asks of a budget: its backbones by name, the cheapest first, and runtimes that are worth measuring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from medalist.backbones.cards import cards_folder, list_cards
from medalist.backbones.runtimes import AUTO, MEASURED
from medalist.experiments.budget.steps import MORE_VIEWS, Asked
from medalist.features.choice import WORTH_MEASURING
from medalist.metrics import metrics
from medalist.pipeline.backbones import choose, open_backbones
from medalist.pipeline.way import read
from medalist.recipe import Recipe


def asked_of(recipe: Recipe, notes: list[str]) -> tuple[Asked, dict[str, float]]:
    """The recipe with its backbones named, the cheapest first; and what each costs: parameters times pixels."""
    given = frozenset(recipe.model_fields_set)
    if not recipe.backbones:
        here = tuple(list_cards(cards_folder(Path(recipe.cards) if recipe.cards else None)))
        recipe = recipe.model_copy(update={"backbones": here}) if here else choose(recipe, notes)
    cost = dict.fromkeys(recipe.backbones, 0.0)
    for place, one in enumerate(open_backbones(recipe)):
        pixels = one.preprocessing["height"] * one.preprocessing["width"]
        cost[recipe.backbones[place // max(len(recipe.size), 1)]] += float(one.num_params * pixels)
    recipe = recipe.model_copy(update={"backbones": tuple(sorted(cost, key=lambda name: cost[name]))})
    return Asked(recipe, given, metrics.bind(recipe.metric).facts["better"] == "higher"), cost


def with_runtimes(asked: Asked, root: Path) -> Asked:
    """With runtimes measured at once where all views that the plan may come to are worth it: each step by itself looks
    too small, and what a slow runtime put into the bank is of no use to a fast one.
    """
    recipe = asked.recipe
    views = recipe.views if "views" in asked.given else MORE_VIEWS[-1]
    if recipe.runtime != AUTO or len(read(recipe, root)) * len(views) < WORTH_MEASURING:
        return asked
    return replace(asked, recipe=recipe.model_copy(update={"runtime": MEASURED}))
