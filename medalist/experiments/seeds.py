"""Seeds of arms: whether a training draws numbers, how many seeds tell its noise, and a recipe under another one."""

from __future__ import annotations

from collections.abc import Iterable

from medalist.recipe import Recipe
from medalist.training.heads import heads

# Of 200 pairs of small nets that differ in nothing but their seeds, one seed calls 67 different, two 14, three 8.
ENOUGH_SEEDS = 3


def seeded(recipe: Recipe, step: int) -> Recipe:
    """The recipe under another seed, of heads, training and folds together; with one holdout its rows stay."""
    if recipe.finetune is not None and recipe.finetune.holdout:
        return recipe.model_copy(update={"seed": recipe.seed + step})
    folds = recipe.folds.model_copy(update={"seed": recipe.folds.seed + step})
    return recipe.model_copy(update={"seed": recipe.seed + step, "folds": folds})


def draws(recipe: Recipe) -> bool:
    """Whether its answers depend on what a training draws: fine-tuning, and heads trained by stochastic descent.

    A head that is not known draws nothing: the check of recipes tells it, in its own words.
    """
    names = {text.partition("(")[0] for text in recipe.heads}
    return recipe.finetune is not None or any(heads.bind(name).facts.get("draws") for name in names & set(heads))


def seeds_for(recipes: Iterable[Recipe], asked: int | None) -> int:
    """How many seeds: as many as asked for; else ENOUGH_SEEDS where a training of any draws numbers, and 1."""
    return asked or (ENOUGH_SEEDS if any(map(draws, recipes)) else 1)
