"""Recipes: defaults, overrides, packaged files, and errors that tell all faults at once."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.recipe import DataSection, Recipe, load_recipe, packaged_recipes


def test_overrides_reach_into_sections_and_keep_their_yaml_types() -> None:
    recipe = load_recipe(None, ["folds.k=7", "heads=[knn, 'mlp(hidden=8)']", "data.positive=no"], metric="accuracy")
    assert recipe.folds.k == 7
    assert recipe.heads == ("knn", "mlp(hidden=8)")
    assert recipe.data.positive == "no"


def test_one_name_is_a_list_of_one() -> None:
    assert load_recipe(None, ["heads=ridge"], metric="accuracy").heads == ("ridge",)


def test_one_number_is_that_of_all_channels() -> None:
    recipe = load_recipe(None, ["mean=0", "std=[1, 0.5, 0.25]"], metric="accuracy")
    assert (recipe.mean, recipe.std) == ((0.0, 0.0, 0.0), (1.0, 0.5, 0.25))
    for slip in ("std=0", "mean=2", "mean=[0, 0]", "std=true"):
        with pytest.raises(RecipeError, match=slip.partition("=")[0]):
            load_recipe(None, [slip], metric="accuracy")


def test_all_faults_are_told_at_once_with_the_near_key() -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(None, ["folds.k=1", "head=ridge", "data.positiv=dog"], metric="accuracy")
    text = str(error.value)
    assert "folds.k" in text
    assert "did you mean 'heads'" in text
    assert "did you mean 'positive'" in text


@pytest.mark.parametrize("slip", ["folds.k", "=3", "metric.x=1", "heads=[a"])
def test_a_slip_in_an_override_is_quoted(slip: str) -> None:
    with pytest.raises(RecipeError, match=r"override|YAML|section"):
        load_recipe(None, ["metric=accuracy", slip])


def test_an_override_reaches_into_a_phase_that_was_written_or_not() -> None:
    phases = [
        load_recipe(None, [*before, "finetune.phases[0].lr=0.01"], metric="accuracy").finetune.phases  # type: ignore[union-attr]
        for before in ([], ["finetune.phases={train: head}"], ["finetune.phases=[{train: head}, {}]"])
    ]
    assert [[(phase.train, phase.lr) for phase in one] for one in phases] == [
        [("all", 0.01)],
        [("head", 0.01)],
        [("head", 0.01), ("all", 1e-4)],
    ]
    with pytest.raises(RecipeError, match=r"'phases\[1\]' is not a section"):
        load_recipe(None, ["finetune.phases[1].lr=0.01"], metric="accuracy")


def test_a_section_that_comes_after_one_of_its_keys_keeps_it() -> None:
    recipe = load_recipe("flowers", ["finetune.holdout=true", "finetune={phases: [{epochs: 3}]}"])
    assert recipe.finetune is not None
    assert recipe.finetune.holdout and recipe.finetune.phases[0].epochs == 3
    assert recipe.finetune == load_recipe(None, ["metric=accuracy", f"finetune={SECTION}"]).finetune
    again = load_recipe(None, ["metric=accuracy", "finetune.holdout=true", "finetune={holdout: false}", "finetune={}"])
    assert again.finetune is not None and not again.finetune.holdout, "of one key the last counts"


SECTION = "{phases: [{epochs: 3}], holdout: true}"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("finetune.holdout=true", "finetune=null"),
        ("finetune.phases[0].lr=0.1", "finetune={phases: [{epochs: 3}]}"),
        ("finetune.phases[0].lr=0.1", "finetune.phases=[{epochs: 3}]"),
    ],
)
def test_what_would_throw_an_earlier_key_away_is_refused(earlier: str, later: str) -> None:
    with pytest.raises(RecipeError) as raised:
        load_recipe(None, ["metric=accuracy", earlier, later])
    assert f"{later!r} would throw away {earlier!r}" in str(raised.value)
    load_recipe(None, ["metric=accuracy", later.replace("null", "{}"), earlier])


def test_a_missing_metric_says_what_to_type() -> None:
    with pytest.raises(RecipeError, match="type --metric NAME"):
        load_recipe()


def test_an_unknown_recipe_offers_the_near_one() -> None:
    with pytest.raises(RecipeError, match="did you mean 'cats-dogs'"):
        load_recipe("cats-dog")


@pytest.mark.parametrize("name", packaged_recipes())
def test_each_packaged_recipe_loads_and_reads_back_equal(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    file = tmp_path / "resolved.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(file) == recipe


def test_the_write_ups_numbers_stand_in_the_classic_recipe() -> None:
    recipe = load_recipe("cats-dogs-classic")
    assert (recipe.size, recipe.resize) == ((299,), "squash")
    assert recipe.heads == ("mlp(hidden=0, dropout=0.5, batch=8, epochs=30, patience=30)",)
    assert recipe.decide == "calibrated(low=0.005, high=0.995, temperature=1.0)"


def test_a_file_of_the_user(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("metric: log_loss\nfolds: {k: 3}\n", encoding="utf-8")
    assert load_recipe(file).folds.k == 3
    file.write_text("- a\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="keys and values"):
        load_recipe(file)


@given(st.one_of(st.sampled_from(["no", "007", "1e5", "NA", "null", "1_000", "0x1F", "2026-11-21"]), st.text()))
def test_a_class_of_any_name_survives_the_yaml(positive: str) -> None:
    recipe = Recipe(metric="log_loss", data=DataSection(positive=positive))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "recipe.yaml"
        file.write_text(recipe.to_yaml(), encoding="utf-8", newline="")
        assert load_recipe(file) == recipe


@pytest.mark.parametrize("name", ["no", "yes", "off", "007", "0x1F", "1_000", "NA", "None"])
def test_a_class_of_any_name_survives_an_override(name: str) -> None:
    assert load_recipe(None, [f"data.positive={name}"], metric="log_loss").data.positive == name
