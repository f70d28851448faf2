"""A wrong value of a key is told in words of ours: what was got, what was expected, what to type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.recipe import FinetuneSection, load_recipe

PYDANTIC = ("Input", "valid", "Value error", "instance of", "unable to")


def told(*overrides: str) -> list[str]:
    """The lines of the faults."""
    with pytest.raises(RecipeError) as raised:
        load_recipe(None, ["metric=accuracy", *overrides])
    first, *lines = str(raised.value).splitlines()
    assert first == "the recipe has faults:"
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "finetune.phases[0].lr=0",
            "finetune.phases[0].lr: got 0, expected a number above 0; type 'finetune.phases[0].lr=0.0001'"
            " (the default), or leave it out",
        ),
        (
            "finetune.phases[0].epochs=0",
            "finetune.phases[0].epochs: got 0, expected at least 1; type 'finetune.phases[0].epochs=8' (the default),"
            " or leave it out",
        ),
        ("folds.k=2", "folds.k: got 2, expected at least 3; type folds.k=5 (the default), or leave it out"),
        ("folds.k=51", "folds.k: got 51, expected at most 50; type folds.k=5 (the default), or leave it out"),
        ("folds.k=many", "folds.k: got 'many', expected a whole number; type folds.k=5 (the default), or leave it out"),
        ("seed=2.5", "seed: got 2.5, expected a whole number; type seed=0 (the default), or leave it out"),
        ("seed=null", "seed: got null, expected a whole number; type seed=0 (the default), or leave it out"),
        ("finetune.ema=1", "finetune.ema: got 1, expected a number below 1; leave it out for the default"),
        (
            "finetune.clip=weak",
            "finetune.clip: got 'weak', expected a number; type finetune.clip=1.0 (the default), or leave it out",
        ),
        ("leaks=yes", "leaks: got 'yes', expected list or use; type leaks=use"),
        ("leaks=no", "leaks: got 'no', expected list or use; type leaks=list"),
        ("finetune.prefix=false", "finetune.prefix: got false, expected auto or off; type finetune.prefix=off"),
        ("final=fold", "final: got 'fold', expected refit or folds; did you mean 'folds'?"),
        ("final=both", "final: got 'both', expected refit or folds; type final=refit (the default), or leave it out"),
        (
            "folds.duplicates=some",
            "folds.duplicates: got 'some', expected true or false; type folds.duplicates=true (the default), or leave"
            " it out",
        ),
        ("heads=[ridge, 5]", "heads[1]: got 5, expected text"),
        ("decide=true", "decide: got true, expected text; leave it out for the default"),
        ("finetune.phases=3", "finetune.phases: got 3, expected a list; leave it out for the default"),
        (
            "folds=5",
            "folds: got 5, expected a section: keys and values in braces; its keys: k, seed, file, groups, duplicates",
        ),
        ("counts=[3]", "counts: got [3], expected keys and values in braces; leave it out for the default"),
        ("counts={dog: -1}", "counts.dog: got -1, expected at least 0"),
        ("views=[flip, flip]", "views: holds an entry twice (got ['flip', 'flip'])"),
        ("heads=[]", "heads: needs at least one entry, or fine-tuning: finetune={}"),
    ],
)
def test_a_value_that_does_not_fit(override: str, line: str) -> None:
    assert told(override) == [line]


def test_a_long_value_is_cut() -> None:
    (line,) = told(f"folds.k={'x' * 500}")
    assert line.startswith("folds.k: got 'xxx") and "xxx..., expected a whole number" in line
    assert len(line) < 200


def test_all_faults_keep_their_lines() -> None:
    lines = told("folds.k=1", "head=ridge", "finetune.lr=1", "data.positiv=dog")
    assert [line.partition(": ")[0] for line in lines] == ["data.positiv", "folds.k", "finetune.lr", "head"]
    assert "it is a key of a phase; type finetune.phases=[{lr: ...}]" in lines[2]


@pytest.mark.parametrize("key", list(FinetuneSection.model_fields))
@given(value=st.sampled_from(["-1", "x y", "[[3]]", "{a: [b]}", "2.5", "true", "null"]))
def test_no_word_of_pydantic_s_reaches_a_user(key: str, value: str) -> None:
    try:
        load_recipe(None, ["metric=accuracy", f"finetune.{key}={value}"])
    except RecipeError as error:
        text = str(error)
        assert f"finetune.{key}" in text
        assert not [word for word in PYDANTIC if word in text]
