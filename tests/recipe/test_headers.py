"""What `medalist recipes` prints is what the files say; a copy of a recipe asks for the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.errors import RecipeError, StoreError
from medalist.recipe import load_recipe, packaged_recipes, packaged_text
from medalist.recipe.headers import header_of, listed, new


def test_a_header_is_told_apart() -> None:
    text = (
        "# Cats: which is which. And more.\n# medalist run DATA --recipe x --out out\n# Measured: 0.9 on\n# 10.\na: 1\n"
    )
    header = header_of(text)
    assert header.what == "Cats" and header.command == "medalist run DATA --recipe x --out out"
    assert header.measured == "0.9 on 10."


def test_all_are_listed_with_command_and_measurement() -> None:
    text = listed()
    for name in packaged_recipes():
        header = header_of(packaged_text(name))
        assert header.what and header.measured
        assert f"{name} ({load_recipe(name).metric}): {header.what}" in text
        assert f"    medalist run DATA --recipe {name} " in text


@pytest.mark.parametrize("name", packaged_recipes())
def test_a_copy_asks_for_the_same_run(name: str, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    assert f"a copy of {name}" in new(name, file)
    assert load_recipe(file) == load_recipe(name)
    assert "# medalist run DATA --recipe my.yaml " in file.read_text()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        new("tags", file)
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [("tag", "my.yaml", "did you mean 'tags'"), ("tags", "my.txt", "does not end in .yaml")],
)
def test_slips_are_told(tmp_path: Path, name: str, file: str, said: str) -> None:
    with pytest.raises((RecipeError, StoreError), match=said):
        new(name, tmp_path / file)
    with pytest.raises(StoreError, match="cannot write"):
        new("tags", tmp_path / "nowhere" / "my.yaml")
