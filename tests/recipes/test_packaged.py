"""Every packaged recipe: its header says what a reader needs, its texts bind, its phases find their layers."""

from __future__ import annotations

from importlib import resources

import pytest

from medalist.backbones.outline import outline
from medalist.pipeline.layers import trains_of
from medalist.pipeline.tuning.checks import tuning_faults
from medalist.recipe import load_recipe, packaged_recipes
from medalist.training.layers import depth, layers

TUNED = [name for name in packaged_recipes() if load_recipe(name).finetune]


@pytest.mark.parametrize("name", packaged_recipes())
def test_the_header_has_the_command_and_what_was_measured(name: str) -> None:
    text = (resources.files("medalist") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert any(line.startswith(f"# medalist run DATA --recipe {name} ") for line in header)
    assert any(line.startswith("# Measured: ") for line in header)
    assert len(text.splitlines()) < 60, "a recipe is one screen"


@pytest.mark.parametrize("name", TUNED)
def test_its_fine_tuning_binds(name: str) -> None:
    """Augmentation, head, loss, optimiser, mix and schedules; a depth by name is of the recipe's own network."""
    faults = list(tuning_faults(load_recipe(name, backbones=("embedded",))))
    assert [fault for fault in faults if "the network has no layer" not in fault] == []
    if not name.endswith("-classic"):
        assert faults == [], "the default way must work with any network"


@pytest.mark.parametrize("name", TUNED)
def test_its_phases_find_their_layers_in_its_own_networks(name: str) -> None:
    recipe = load_recipe(name)
    for backbone in recipe.backbones:
        found = layers(outline(backbone))
        for text in trains_of(recipe):
            assert (text == "head") == (depth(found, text) == len(found))


@pytest.mark.parametrize("name", TUNED)
def test_only_a_classic_way_is_steered_by_the_fold_that_scores_it(name: str) -> None:
    tune = load_recipe(name).finetune
    assert tune is not None
    if not name.endswith("-classic"):
        assert (tune.steer, tune.start, tune.batchnorm) == ("none", "exact", "frozen")
        assert load_recipe(name).heads, "frozen heads are blended with what was fine-tuned"
