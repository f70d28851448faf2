"""Recipes: what a run is asked to do, as data. `keys.py` holds every key and default, `load.py` reads YAML,
`headers.py` what a recipe says of itself, `faults.py` tells what is wrong with it."""

from medalist.recipe.keys import (
    DataSection,
    FinetuneSection,
    FoldSection,
    PhaseSection,
    RampSection,
    Recipe,
    RulesSection,
)
from medalist.recipe.load import load_recipe, packaged_recipes, packaged_text

__all__ = [
    "DataSection",
    "FinetuneSection",
    "FoldSection",
    "PhaseSection",
    "RampSection",
    "Recipe",
    "RulesSection",
    "load_recipe",
    "packaged_recipes",
    "packaged_text",
]
