"""Rungs: what is asked of a recipe, and who goes up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medalist.experiments.searching.rungs import FOLDS, FROZEN, HOLDOUT, THIRD, at, promoted, rungs_of
from medalist.recipe import load_recipe

PHASES = [{"train": "head", "epochs": 1}, {"epochs": 8}]
TUNED = load_recipe(metric="accuracy", finetune={"phases": PHASES, "ramp": {"first": 3}, "mix_last": 2})


def test_a_rung_asks_for_a_third_of_the_epochs_then_a_holdout_then_all() -> None:
    assert rungs_of(TUNED) == (THIRD, HOLDOUT, FOLDS)
    settings = [at(TUNED, rung).finetune for rung in rungs_of(TUNED)]
    assert [[phase.epochs for phase in one.phases] for one in settings if one] == [[1, 3], [1, 8], [1, 8]]
    assert [one.holdout for one in settings if one] == [True, True, False]
    assert [(one.ramp.first, one.mix_last) for one in settings if one] == [(1, 0), (3, 2), (3, 2)]
    assert {at(TUNED, rung).final for rung in rungs_of(TUNED)} == {"folds"}


def test_frozen_heads_have_one_rung_and_features_of_several_networks_no_holdout() -> None:
    assert rungs_of(load_recipe(metric="accuracy")) == (FROZEN,)
    fused = load_recipe(metric="accuracy", finetune={"fuse": "features"})
    assert not any(rung.holdout for rung in rungs_of(fused))


def test_a_recipe_whose_prior_is_tested_keeps_its_refit() -> None:
    """The mean of the folds' models is refused there; see `pipeline.checks`."""
    assert at(load_recipe(metric="accuracy", test_prior="tested"), FROZEN).final == "refit"


def test_the_best_third_goes_up_as_soon_as_it_is_one() -> None:
    assert promoted({1: [0.5], 2: [0.9]}, 3) is None
    assert promoted({1: [0.5], 2: [0.9], 3: [0.7]}, 3) == (2, 1)
    assert promoted({1: [0.5], 2: [0.9], 3: [0.7]}, 3, busy={2}) is None
    assert promoted({1: [0.5], 2: [0.9, 0.8], 3: [0.7]}, 3) is None
    # Three on the second rung: its best goes up before anything else.
    climbed = {1: [0.5, 0.6], 2: [0.9, 0.8], 3: [0.7, 0.9], **{n: [0.4] for n in range(4, 13)}}
    assert promoted(climbed, 3) == (3, 2)


def test_at_the_end_one_goes_up_however_few_there_are() -> None:
    assert promoted({1: [0.5], 2: [0.9]}, 3, closing=True) == (2, 1)
    assert promoted({1: [0.5], 2: [0.9, 0.4]}, 3, closing=True) == (2, 2)
    assert promoted({1: [0.5], 2: [0.9, 0.4, 0.4]}, 3, closing=True) is None
    assert promoted({}, 3, closing=True) is None


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=30), st.integers(1, 4))
def test_a_closed_search_has_its_best_on_top_and_a_third_on_each_rung(scores: list[float], num_rungs: int) -> None:
    """A trial scores the same on all rungs here, so that the rungs are the ranking's own thirds."""
    climbed = {number: [score] for number, score in enumerate(scores, 1)}
    while (up := promoted(climbed, num_rungs, closing=True)) is not None:
        number, rung = up
        assert rung == len(climbed[number])
        climbed[number].append(climbed[number][0])
    expected = len(scores)
    ranked = sorted(climbed, key=lambda number: (-climbed[number][0], number))
    for rung in range(num_rungs):
        there = {number for number in climbed if len(climbed[number]) > rung}
        assert there == set(ranked[:expected])
        expected = max(1, expected // 3)
