"""Questions as text: what is a value, what is the baseline, what cannot be asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.experiments.ablating.questions import (
    ask,
    ask_all,
    hidden_by_blend,
    lengthened,
    num_epochs,
    split_values,
)
from medalist.experiments.seeds import draws, seeded, seeds_for
from medalist.recipe import load_recipe

PLAIN = load_recipe(metric="accuracy")
TUNED = load_recipe(metric="accuracy", finetune={"phases": [{"train": "head", "epochs": 3}, {"epochs": 5}]})

word = st.from_regex(r"[a-z0-9.]{1,6}", fullmatch=True)
inside = st.lists(word, min_size=0, max_size=3).map(", ".join)
value = st.one_of(
    word,
    inside.map(lambda text: f"[{text}]"),
    st.builds("{}({})".format, word, inside),
    st.builds("{} | crop(scale=({}))".format, word, inside),
    inside.map(lambda text: f'"{text})"'),
    inside.map(lambda text: f"{{a: '({text}'}}"),
)


@given(st.lists(value, min_size=1, max_size=5), st.sampled_from([",", ", "]))
def test_values_survive_their_own_commas(values: list[str], comma: str) -> None:
    assert split_values(comma.join(values)) == values


@pytest.mark.parametrize("text", ["[a,b", "a),b", "(a]", '"a,b', "{a: 1,b"])
def test_what_never_closes_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match=r"is missing|closes nothing"):
        split_values(text)


def test_an_apostrophe_inside_a_word_opens_nothing() -> None:
    assert split_values("don't,do") == ["don't", "do"]


def test_the_recipe_as_it_stands_is_the_baseline_wherever_its_value_stands() -> None:
    question = ask(TUNED, "finetune.sam=0.05,null,0.1")
    assert question.baseline.recipe == TUNED
    assert question.baseline.text == "null"
    assert [value.text for value in question.values] == ["0.05", "0.1"]
    sam = [value.recipe.finetune and value.recipe.finetune.sam for value in question.values]
    assert sam == [0.05, 0.1]


@pytest.mark.parametrize(
    ("vary", "own"),
    [
        ("finetune.phases[1].train=last 30 %,from: layer3", "all"),
        ("finetune.clip=2.5", "1.0"),
        ("finetune.loss=focal", "null"),
        ("heads=[lda]", "[ridge, logistic]"),
        ("finetune.augment=null", "random_resized_crop(scale=(0.5, 1.0)) | flip"),
    ],
)
def test_the_recipes_own_value_is_added_and_spelt_as_an_override(vary: str, own: str) -> None:
    question = ask(TUNED, vary)
    assert question.baseline.text == own
    assert load_recipe(None, [f"{question.key}={own}"], **TUNED.model_dump(mode="json")) == TUNED


def test_yaml_of_a_layer_needs_no_quotes() -> None:
    _, value = ask(TUNED, "finetune.phases[0].train=last 30 %,from: layer3").values
    assert value.recipe.finetune is not None
    assert value.recipe.finetune.phases[0].train == "from: layer3"


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        ("normalise", "is not a question; type KEY=VALUE,VALUE"),
        ("=a,b", "is not a question"),
        ("normalise=l1,,l2", "a value is empty; type null"),
        ("normalise=none", "none is the recipe's own value; name others"),
        ("normalise=l1,l1", "l1 and l1 are the same value"),
        ("finetune.sam=0.05", "the recipe does not fine-tune; add finetune={}"),
        ("metric=accuracy,log_loss", "different units"),
        ("seed=1,2", "--seeds 3 counts that noise"),
        ("folds.k=5,10", "how a score is measured"),
        ("folds.seed=5,10", "how a score is measured"),
        ("data.layout=csv,coco", "different rows cannot be paired"),
        ("final=refit,folds", "the test images alone"),
        ("cards=a,b", "--vary backbones=A,B"),
        ("normalize=none,l2", "did you mean 'normalise'"),
        ("normalise=l3,l2", "l3"),
    ],
)
def test_a_refusal_says_why_and_what_to_type(vary: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        ask(PLAIN, vary)
    assert told in str(caught.value)


def test_a_score_that_chose_its_own_epoch_is_not_compared() -> None:
    with pytest.raises(RecipeError, match="too good to compare"):
        ask(TUNED, "finetune.steer=none,fold")
    steered = load_recipe(metric="accuracy", finetune={"steer": "fold"})
    with pytest.raises(RecipeError, match="too good to compare"):
        ask(steered, "finetune.sam=0.05")
    with pytest.raises(RecipeError, match="too good to compare"):
        ask(steered, "finetune.steer=none,inner")


def test_one_holdout_is_not_compared_with_all_folds() -> None:
    held = load_recipe(metric="accuracy", finetune={"holdout": True})
    for recipe, vary in (
        (PLAIN, "finetune=null,{holdout: true}"),
        (held, "finetune={}"),
        (TUNED, "finetune.holdout=true"),
    ):
        with pytest.raises(RecipeError, match="scored on different rows"):
            ask(recipe, vary)
    assert [value.text for value in ask(held, "finetune.sam=0.05").values] == ["0.05"]
    # Another fold 0 would be other rows.
    assert (seeded(held, 2).seed, seeded(held, 2).folds) == (held.seed + 2, held.folds)


def test_all_faults_of_all_questions_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        ask_all(PLAIN, ["normalise=l3", "seed=1,2", "members=each", "members=both"])
    text = str(caught.value)
    assert "l3" in text and "--vary seed" in text and "--vary members is asked twice" in text


def test_regularisers_are_slow_questions_and_others_are_not() -> None:
    for vary in ("mix=mixup(alpha=0.2)", "sam=0.05", "ramp.last=1", "augment=flip", "ema=0.99"):
        assert ask(TUNED, f"finetune.{vary}").slow
    assert not ask(TUNED, "finetune.batchnorm=train").slow
    assert not ask(TUNED, "finetune.phases[0].train=all").slow
    assert not ask(PLAIN, "normalise=l2").slow


def test_twice_the_epochs_are_twice_in_each_phase() -> None:
    assert (num_epochs(TUNED), num_epochs(lengthened(TUNED, 2)), num_epochs(PLAIN)) == (8, 16, 0)
    longer = lengthened(TUNED, 2).finetune
    assert longer is not None
    assert [phase.epochs for phase in longer.phases] == [6, 10]
    assert lengthened(PLAIN, 2) == PLAIN
    with pytest.raises(RecipeError, match="epochs"):
        lengthened(load_recipe(metric="accuracy", finetune={"phases": [{"epochs": 600}]}), 2)


def test_a_seed_moves_folds_and_training_together() -> None:
    moved = seeded(load_recipe(metric="accuracy", overrides=["seed=4", "folds.seed=7"]), 2)
    assert (moved.seed, moved.folds.seed) == (6, 9)


def test_fine_tuning_and_small_nets_draw_numbers_and_ridge_does_not() -> None:
    assert draws(TUNED) and draws(load_recipe(metric="accuracy", heads=("ridge", "mlp(hidden=8)")))
    assert not draws(load_recipe(metric="accuracy", heads=("ridge",)))


def test_three_seeds_where_any_arm_draws() -> None:
    drawing = load_recipe(metric="accuracy", heads=("mlp",))
    assert seeds_for([PLAIN], None) == 1
    assert seeds_for([PLAIN, drawing], None) == seeds_for([TUNED], None) == 3
    assert (seeds_for([drawing], 1), seeds_for([PLAIN], 5)) == (1, 5)


def test_a_blend_is_told_where_it_may_hide_what_training_does() -> None:
    alone = load_recipe(metric="accuracy", heads=(), finetune={})
    (told,) = hidden_by_blend(TUNED, ["heads", "finetune.sam"])
    assert "heads=[]" in told
    assert hidden_by_blend(TUNED, ["heads"]) == hidden_by_blend(alone, ["finetune.sam"]) == []
