"""The experiment as a whole, small: what it writes, refuses, and goes on with after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medalist.errors import RecipeError, StoreError
from medalist.evidence import Comparison
from medalist.experiments.augmenting import copies
from medalist.experiments.augmenting.augment import augment
from medalist.experiments.augmenting.confirming import Confirmed
from medalist.experiments.augmenting.findings import Findings
from medalist.experiments.augmenting.probe import Probed
from medalist.experiments.augmenting.telling import _next, few_of
from medalist.recipe import Recipe, load_recipe

OPERATIONS = "flip | hue(limit=0.5) | rotation(limit=0)"  # of flags that all fly left, told by colour


def recipe_of(*overrides: str) -> Recipe:
    settings = ["size=32", "heads=ridge", *overrides]
    return load_recipe(None, settings, metric="accuracy", backbones=("embedded",))


def without_times(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    del found["seconds"]
    for arm in found["policies"]:
        del arm["seconds"]
    return found


@pytest.fixture(scope="module")
def asked(flags: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data`, `cache`, and `out` with a finished experiment."""
    folder = tmp_path_factory.mktemp("augment")
    flags(folder / "data", seed=1, num_images=40, sides=("left",))
    augment(recipe_of(), folder / "data", folder / "out", OPERATIONS, views=1, cache=folder / "cache")
    return folder


def test_harm_is_rejected_and_nothing_is_no_difference(asked: Path) -> None:
    found = without_times(asked / "out" / "experiment.json")
    rows = {row["operation"]: row for row in found["operations"]}
    assert [row["rejected_by"] for row in found["operations"]] == ["", "probe", ""]
    nothing = rows["rotation(limit=0)"]
    assert nothing["verdict"] == "equal"
    assert nothing["probe"]["gain"]["difference"] == nothing["effect"]["difference"] == 0.0
    assert "hue" not in found["policy"] and found["views"] == ["center", "flip"]


def test_table_and_chart_are_there_and_scratch_is_gone(asked: Path) -> None:
    text = (asked / "out" / "table.txt").read_text(encoding="utf-8")
    assert "worse: the label does not survive it" in text
    assert "leave out hue(limit=0.5)" in text
    assert "label-preserving: flip; whether it helps as a view: medalist ablate " in text
    assert text.splitlines()[-1] == (
        "nothing shown: the recipe's own policy stays (random_resized_crop(scale=(0.5, 1.0)) | flip)"
    )
    assert (asked / "out" / "effects.png").read_bytes().startswith(b"\x89PNG")
    assert not (asked / "out" / "views").exists()


def test_the_cost_is_what_was_passed(asked: Path) -> None:
    """40 images: facts, small pixels, 3 probes; 8 runs in 1 view; at least one policy in 2 draws."""
    passes = without_times(asked / "out" / "experiment.json")["image_passes"]
    assert passes["probe"] == 40 * 5
    assert passes["screening"] == 40 * 8
    assert passes["one_at_a_time"] == 40 * 4 * 4
    assert passes["confirmation"] % 80 == 0 and passes["confirmation"] > 0


def test_asked_again_nothing_is_computed_and_another_question_is_refused(asked: Path) -> None:
    again = augment(recipe_of(), asked / "data", asked / "out", OPERATIONS, views=1, cache=asked / "none")
    assert again == (asked / "out" / "table.txt").read_text(encoding="utf-8").rstrip("\n")
    assert not (asked / "none").exists()
    with pytest.raises(StoreError, match="another question"):
        augment(recipe_of(), asked / "data", asked / "out", OPERATIONS, views=2, cache=asked / "cache")


def test_an_interrupted_experiment_ends_with_the_same_numbers(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []

    def interrupt(name: str) -> None:
        passed.append(name)
        if len(passed) == 3:
            raise KeyboardInterrupt

    def go() -> None:
        augment(recipe_of(), asked / "data", asked / "stopped", OPERATIONS, views=1, cache=asked / "cache")

    with monkeypatch.context() as patched:
        patched.setattr(copies, "failpoint", interrupt)
        with pytest.raises(KeyboardInterrupt):
            go()
    assert passed == ["after-views"] * 3
    assert len(list((asked / "stopped" / "views").glob("*/*.npy"))) == 3
    go()
    assert without_times(asked / "stopped" / "experiment.json") == without_times(asked / "out" / "experiment.json")


def test_views_for_prediction_are_those_that_are_answered_no_worse() -> None:
    equal, worse = Comparison(0.0, 0.01, "equal", 1.0), Comparison(-0.1, 0.01, "worse", 0.0)
    probed = {"flip": Probed(equal, equal), "vertical_flip": Probed(equal, worse)}
    effects = {"flip": equal, "vertical_flip": equal}
    found = Findings("accuracy", ("flip", "vertical_flip"), probed, effects, None, [], [], "", {}, {})
    assert found.views == ("center", "flip")


def test_what_is_better_than_another_policy_is_not_said_to_be_better_than_none() -> None:
    """Erasing at twice the epochs is told from that policy without it: no ground to train with it."""
    none = Confirmed("none", "", 0.8, 0.01, None, 1.0, "")
    found = Findings("accuracy", (), {}, {}, None, [none], [none], "", {}, {})
    gain = Comparison(0.1, 0.01, "better", 0.0)
    erased = Confirmed("with random_erasing, longer", "random_erasing", 0.9, 0.01, gain, 1.0, "")
    assert replace(found, longer=[none, erased]).policy == ""
    assert replace(found, arms=[none, erased]).policy == "random_erasing"


def test_the_most_promising_is_added_only_where_it_is_told_from_what_was_better() -> None:
    none, gain = Confirmed("none", "", 0.8, 0.01, None, 1.0, ""), Comparison(0.1, 0.01, "better", 0.0)
    better = Confirmed("found better", "flip", 0.9, 0.01, gain, 1.0, "")
    pair = Confirmed("and the most promising", "flip | hue", 0.91, 0.01, replace(gain, difference=0.11), 1.0, "")
    found = Findings("accuracy", (), {}, {}, None, [none, better, pair], [], "", {}, {})
    assert found.policy == "flip"
    over = Comparison(0.01, 0.008, "not distinguishable", 0.2)
    assert replace(found, arms=[none, better, replace(pair, over=over)]).policy == "flip"
    assert replace(found, arms=[none, better, replace(pair, over=gain)]).policy == "flip | hue"
    assert replace(found, arms=[none, pair]).policy == "flip | hue"  # what was found better alone is not confirmed


@pytest.mark.parametrize(
    ("verdict", "gain", "policy", "told"),
    [
        ("equal", "equal", "hue | flip", "nothing shown: the recipe's own policy stays (hue | flip)"),
        ("worse", "equal", "hue | flip", "own policy: medalist run d finetune.augment=flip"),
        ("worse", "worse", "hue | flip", "worse than none; to type next: medalist run d 'finetune.augment=\"\"'"),
        ("worse", "equal", "flip", "nothing shown: the recipe's own policy stays (flip)"),
    ],
)
def test_the_last_line_changes_what_was_shown_and_nothing_else(verdict: str, gain: str, policy: str, told: str) -> None:
    equal, one = Comparison(0.0, 0.01, "equal", 1.0), Comparison(-0.1, 0.01, verdict, 0.0)
    own = Confirmed("the recipe's own", policy, 0.8, 0.01, Comparison(0.0, 0.01, gain, 1.0), 1.0, "")
    probed = {"hue": Probed(equal, equal), "flip": Probed(equal, equal)}
    effects = {"hue": one, "flip": equal}
    found = Findings("accuracy", ("hue", "flip"), probed, effects, None, [own], [], "", {}, {})
    assert told in _next(found, ["medalist", "run", "d"])


def test_few_operations_are_told_before_anything_is_computed() -> None:
    note = " ".join(few_of(["flip", "hue(limit=0.5)"]))
    assert "two operations gain nothing" in note and "--vary 'finetune.augment=\"\",flip,hue(limit=0.5)'" in note
    assert few_of(["flip", "hue", "blur"]) == []


def test_slips_are_told_before_any_image_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(RecipeError, match="did you mean 'flip'"):
        augment(recipe_of(), tmp_path / "data", tmp_path / "out", "flop")
    with pytest.raises(RecipeError, match="--views is 1 or more, got 0"):
        augment(recipe_of(), tmp_path / "data", tmp_path / "out", "flip", views=0)
    assert not (tmp_path / "out").exists()
