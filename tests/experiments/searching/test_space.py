"""A space as text: what a name stands for, what a list and a range are, and what cannot be searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.experiments.searching.names import NAMES
from medalist.experiments.searching.space import Dimension, every, num_recipes, own_values, parse_space, with_values
from medalist.recipe import Recipe, load_recipe

FROZEN = load_recipe(metric="accuracy", backbones=["embedded", "other"])
TUNED = load_recipe(
    metric="accuracy",
    backbones=["embedded"],
    finetune={"phases": [{"train": "head", "epochs": 2}, {"train": "last 60 %", "epochs": 6, "lr": 2e-4}]},
)


def parse(recipe: Recipe, *texts: str) -> tuple[Dimension, ...]:
    return parse_space(recipe, texts, task="multiclass")


def test_names_are_keys_of_the_phase_that_they_are_about() -> None:
    told = list(map(str, parse(TUNED, "depth,lr", "epochs.head, epochs.body,batch")))
    assert told == [
        "finetune.phases[1].train=[head, last 10 %, last 30 %, last 60 %, all]",
        "finetune.phases[1].lr=log(2e-05..0.002)",
        "finetune.phases[0].epochs=(1..4)",
        "finetune.phases[1].epochs=(3..12)",
        "finetune.batch=[16, 32, 64]",
    ]


def test_every_name_has_usual_values_that_its_recipe_takes() -> None:
    """`head_lr` is the body's where the recipe names none; sizes are around the network's own 96 pixels."""
    recipe = load_recipe(None, ["backbones=[embedded, other]", "size=96"], **TUNED.model_dump(exclude={"size"}))
    for one in parse(recipe, ",".join(name for name in NAMES if name not in ("size", "backbones"))):
        for text in one.extremes():
            assert with_values(recipe, [one], {one.name: text}).metric == "accuracy"
    assert parse(TUNED, "size")[0].choices[1] == "null"
    assert str(parse(FROZEN, "backbones")[0]) == "backbones=[[embedded], [other]]"


def test_the_recipes_own_value_is_among_the_usual_ones() -> None:
    own = load_recipe(
        None, ["finetune.phases[1].train=from: layer2", "finetune.optimiser=lamb"], **TUNED.model_dump(mode="json")
    )
    depth, optimiser = parse(own, "depth,optimiser")
    assert depth.choices[0] == "from: layer2" and optimiser.choices[0] == "lamb"
    assert depth.holds(own_values(own, [depth])["depth"])


def test_smoothing_is_an_argument_of_the_tasks_loss() -> None:
    assert parse(TUNED, "smoothing=[0, 0.1]")[0].choices == ("null", "cross_entropy(smoothing=0.1)")
    tags = load_recipe(None, ["finetune.loss=asymmetric"], **TUNED.model_dump(mode="json"))
    assert parse_space(TUNED, ["smoothing=[0, 0.1]"], task="tags")[0].choices[1] == "bce(smoothing=0.1)"
    with pytest.raises(RecipeError, match=r"expected smoothing=\[0, 0\.1\]"):
        parse(TUNED, "smoothing=(0..0.1)")
    assert tags.finetune is not None
    balanced = load_recipe(None, ["finetune.loss=cross_entropy(balanced=true)"], **TUNED.model_dump(mode="json"))
    with pytest.raises(RecipeError, match="not a name or a call"):
        parse(balanced, "smoothing")  # `true` is no Python literal: the loss itself is refused, in its own words


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("finetune.lr=(0.1..0.2)", "finetune.lr: a space calls it lr; type lr=(0.1..0.2)"),
        ("finetune.lr", "finetune.lr: a space calls it lr; type lr for its usual values, or lr=(low..high)"),
        ("finetune.epoch=[1, 2]", "finetune.epoch: no such key"),
    ],
)
def test_a_key_is_told_once_and_by_its_name(typed: str, said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse(TUNED, typed)
    first, line, *more = str(raised.value).splitlines()
    assert first == "--space has faults:" and not more
    assert line.strip().startswith(said)


number = st.floats(1e-6, 1e6).map(lambda value: float(f"{value:.4g}"))


@given(number, number, st.booleans(), st.floats(0, 1))
def test_a_range_is_read_and_a_number_of_it_never_leaves_it(a: float, b: float, log: bool, share: float) -> None:
    low, high = sorted((a, b))
    if low == high:
        high = low * 2
    (one,) = parse(TUNED, f"finetune.phases[1].lr={'log' if log else ''}( {low!r} .. {high!r})")
    assert (one.low, one.high, one.log) == (low, high, log)
    text = one.text(low + share * (high - low))
    assert one.holds(text)
    got = with_values(TUNED, [one], {one.name: text}).finetune
    assert got is not None and got.phases[1].lr == float(text)


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 1))
def test_a_range_of_whole_numbers_holds_whole_numbers(low: int, span: int, share: float) -> None:
    (one,) = parse(TUNED, f"finetune.batch=({low}..{low + span})")
    assert one.whole and one.text(low + share * span) == str(int(one.text(low + share * span)))
    assert num_recipes([one]) == span + 1 == len(list(every([one])))


words = st.lists(st.from_regex(r"[a-z]{1,5}(\(x=\[1, 2\]\))?", fullmatch=True), min_size=2, max_size=4, unique=True)


@given(words)
def test_values_of_a_list_keep_their_own_commas(values: list[str]) -> None:
    (one,) = parse(FROZEN, f"ensemble=[{', '.join(values)}]")
    assert one.choices == tuple(values)


@pytest.mark.parametrize(
    ("recipe", "text", "said"),
    [
        (FROZEN, "depth", "depth: the recipe does not fine-tune; add finetune={}"),
        (TUNED, "dept", "'dept' has no usual values; did you mean 'depth'?"),
        (TUNED, "finetune.bach=[1, 2]", "finetune.bach: no such key; did you mean 'batch'"),
        (TUNED, "seed=[1, 2]", "seed cannot be searched"),
        (TUNED, "folds.k=[3, 4]", "folds.k cannot be searched"),
        (TUNED, "finetune.steer=[none, fold]", "finetune.steer=fold scores rows that chose the epoch"),
        (TUNED, "finetune=[null, {}]", "finetune: null is scored on other rows than the recipe as given"),
        (TUNED, "finetune.fuse=[answers, features]", "finetune.fuse: features is scored on other rows"),
        (TUNED, "batch=[16]", "one value is no choice; type it as an override, finetune.batch=16"),
        (TUNED, "batch=[16, 16]", "a value is empty or there twice"),
        (TUNED, "batch=16", r"expected NAME, KEY=\[a, b\]"),
        (TUNED, "lr=(0.1..0.01)", "expected low below high"),
        (TUNED, "lr=log(0..0.01)", "a logarithm needs ends above 0"),
        (TUNED, "batch=[16, 0]", "finetune.batch: got 0"),
        (TUNED, "lr,finetune.phases[1].lr=(0.1..0.2)", r"finetune\.phases\[1\]\.lr is there twice"),
        (TUNED, "batch=[16, 32", "is missing"),
        (TUNED, " , ", "nothing is named; known names: depth"),
        (load_recipe(metric="accuracy", finetune={}), "epochs.head", "no phase that trains the head alone"),
        (load_recipe(metric="accuracy"), "backbones", "name two or more with --backbone"),
    ],
)
def test_what_cannot_be_searched_is_told(recipe: Recipe, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said.replace("{", r"\{").replace("?", r"\?")):
        parse(recipe, text)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as told:
        parse(TUNED, "dept", "seed=[1, 2],batch=[1]")
    assert len(str(told.value).splitlines()) == 4
