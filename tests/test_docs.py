"""What the docs show can be typed: options, recipes, questions, spaces and policies of each example parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from medalist.cli import app
from medalist.data.views import Policy
from medalist.experiments.ablating.questions import ask_all
from medalist.experiments.augmenting.factors import USUAL, factors_of
from medalist.experiments.searching.space import parse_space
from medalist.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[1]
WRITEUPS = (ROOT / "docs" / "WRITEUPS.md").read_text(encoding="utf-8")
VERBS = ("ablate", "search", "rank", "run")
EXAMPLES = [
    shlex.split(
        line.replace("...", "DATA --metric accuracy 'finetune={}'").replace("my.yaml", "mushrooms"), comments=True
    )[1:]
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for line in map(str.strip, file.read_text(encoding="utf-8").splitlines())
    if line.startswith(tuple(f"medalist {verb} " for verb in VERBS))
]


def test_there_are_examples_of_each() -> None:
    assert {words[0] for words in EXAMPLES} == set(VERBS)
    assert any("rotation(limit=15)" in word for words in EXAMPLES for word in words)


@pytest.mark.parametrize("words", EXAMPLES, ids=shlex.join)
def test_an_example_can_be_typed(words: list[str]) -> None:
    verb, *rest = words
    typed = typer.main.get_group(app).commands[verb].make_context(verb, rest).params
    recipe = load_recipe(typed["recipe"], typed["overrides"] or (), metric=typed["metric"], backbones=["a", "b"])
    questions = ask_all(recipe, typed.get("vary") or ())
    for value in (value for question in questions for value in question.values):
        if value.recipe.finetune is not None:
            Policy.parse(value.recipe.finetune.augment)
    assert len(questions) == len(typed.get("vary") or ())
    if operations := typed.get("augment"):
        assert factors_of(USUAL if operations == "usual" else operations)
    if space := typed.get("space"):
        assert parse_space(recipe, space, task="multiclass")


def test_the_tests_that_hold_slips_off_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", WRITEUPS))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) >= 10 and named <= there


def test_the_verbs_that_the_write_ups_map_to_are_there() -> None:
    verbs = set(re.findall(r"`medalist (\w+)", WRITEUPS))
    assert len(verbs) >= 12 and verbs <= set(typer.main.get_group(app).commands)
