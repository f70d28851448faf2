"""Keys of two recipes: those that differ, and a section that one lacks in one line that says what it sets."""

from __future__ import annotations

import json

from medalist.pipeline.records.entries import _flat
from medalist.pipeline.records.keys import differences
from medalist.recipe import load_recipe


def flat(*overrides: str) -> dict[str, str]:
    recipe = load_recipe(None, overrides, metric="accuracy", backbones=("embedded",))
    return dict(_flat({"recipe": recipe.model_dump(mode="json", exclude={"cards", "rules"})}))


def test_a_section_that_one_lacks_is_told_without_its_defaults() -> None:
    frozen, tuned = flat(), flat("finetune.phases=[{epochs: 2, lr: 0.01}]", "finetune.mix=mixup(alpha=0.2)")
    (one,) = differences(frozen, tuned)
    assert (one.key, one.before) == ("finetune", "null")
    assert one.after == '{phases: [{epochs: 2, lr: 0.01}], mix: "mixup(alpha=0.2)"}'
    (back,) = differences(tuned, frozen)
    assert (back.before, back.after) == (one.after, "null")
    # As an override it gives the very recipe.
    assert flat(f"finetune={one.after}") == tuned


def test_two_that_have_it_differ_key_by_key() -> None:
    one, two = flat("finetune.batch=8"), flat("finetune.batch=16", "seed=3")
    assert {(found.key, found.before, found.after) for found in differences(one, two)} == {
        ("finetune.batch", "8", "16"),
        ("seed", "0", "3"),
    }
    assert differences(one, one) == []


def test_what_is_there_on_one_side_alone() -> None:
    counts = flat("counts={cat: 3, dog: 4}")
    (one,) = differences(flat(), counts)
    assert one.after == "{cat: 3, dog: 4}"
    (gone,) = differences({"a": json.dumps(1)}, {})
    assert (gone.key, gone.before, gone.after) == ("a", "1", None)
