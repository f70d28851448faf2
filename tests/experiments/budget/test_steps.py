"""The order of steps, what a recipe leaves out, and when a kind is spent."""

from __future__ import annotations

from dataclasses import replace

from medalist.experiments.budget import journal
from medalist.experiments.budget.journal import Tried
from medalist.experiments.budget.steps import Asked, untried
from medalist.recipe import load_recipe

CARDS = ("small", "middle", "large")


def asked(*overrides: str, backbones: tuple[str, ...] = CARDS) -> Asked:
    recipe = load_recipe(None, overrides, metric="accuracy", backbones=backbones)
    return Asked(recipe, frozenset(recipe.model_fields_set), higher=True)


def tried(kind: str, step: str, score: float, outcome: str = journal.KEPT, backbones: tuple[str, ...] = ()) -> Tried:
    folder = f"arms/{step}"
    return Tried(kind, step, step, folder, backbones, outcome, 1.0, 1.0, 1.0, runs=(folder,), score=score, stderr=0.1)


def ranks(*scores: float) -> list[Tried]:
    return [tried("rank", f"rank {name}", score, backbones=(name,)) for name, score in zip(CARDS, scores, strict=False)]


def names(*overrides: str, done: list[Tried] | None = None) -> list[str]:
    return [step.name for step in untried(asked(*overrides), done or [])]


def test_first_comes_the_cheapest_by_one_view_and_one_head() -> None:
    steps = untried(asked(), [])
    assert [step.name for step in steps] == ["rank small", "rank middle", "rank large"]
    recipe = steps[0].arms[0].recipe
    assert (recipe.backbones, recipe.views, recipe.heads, recipe.finetune) == (
        ("small",),
        ("center",),
        ("ridge",),
        None,
    )


def test_then_fuse_blend_views_and_tune_the_best_first() -> None:
    found = untried(asked(), ranks(0.5, 0.9, 0.7))
    assert [step.name for step in found] == [
        "fuse 3 backbones",
        "blend 3 runs",
        "2 views of middle",
        "4 views of middle",
        "fine-tune middle",
        "fine-tune large",
        "fine-tune small",
    ]
    every, two = (arm.recipe for arm in found[0].arms)
    assert every.backbones == CARDS and every.heads == ("ridge", "logistic")
    assert two.backbones == ("middle", "large")


def test_a_blend_comes_again_last_with_what_came_since() -> None:
    done = [*ranks(0.5, 0.9, 0.7), tried("fuse", "fuse 3 backbones", 0.95), tried("blend", "blend 4 runs", 0.96)]
    assert not any(step.kind == "blend" for step in untried(asked(), done))
    done += [tried("views", "2 views of middle", 0.9)]
    assert untried(asked(), done)[-1].name == "blend 5 runs"


def test_views_are_of_what_was_fused() -> None:
    done = [*ranks(0.5, 0.9, 0.7), tried("fuse", "fuse 3 backbones", 0.95, backbones=CARDS)]
    views = next(step for step in untried(asked(), done) if step.kind == "views")
    assert views.arms[0].recipe.backbones == CARDS and views.arms[0].recipe.views == ("center", "flip")


def test_fine_tuning_shrinks_from_all_folds_to_one() -> None:
    step = next(step for step in untried(asked(), ranks(0.9)) if step.kind == "tune")
    plans = [arm.recipe.finetune for arm in step.arms]
    assert [(plan.holdout, plan.phases[0].epochs) for plan in plans if plan] == [
        (False, 8),
        (False, 4),
        (True, 8),
        (True, 4),
    ]
    assert all(arm.recipe.final == "folds" and arm.recipe.heads == () for arm in step.arms)


def test_what_a_recipe_sets_is_kept() -> None:
    done = ranks(0.5, 0.9, 0.7)
    assert not any("fine-tune" in name for name in names("finetune=null", done=done))
    assert [name for name in names("views=[center]", done=done) if "views" in name] == []
    assert [name for name in names("views=[flip, zoom, center]", done=done) if "views" in name] == ["3 views of middle"]
    assert untried(asked("heads=knn"), [])[0].arms[0].recipe.heads == ("knn",)
    only = names("finetune.backbones=large", done=done)
    assert [name for name in only if "fine-tune" in name] == ["fine-tune large"]


def test_a_kind_ends_after_two_steps_without_gain_and_backbones_are_all_met() -> None:
    done = [*ranks(0.5, 0.9, 0.7), tried("tune", "fine-tune middle", 0.9), tried("tune", "fine-tune large", 0.9)]
    assert not any(step.kind == "tune" for step in untried(asked(), done))
    better = [*done[:-1], tried("tune", "fine-tune large", 0.9, journal.REPLACED)]
    assert [step.name for step in untried(asked(), better) if step.kind == "tune"] == ["fine-tune small"]
    assert "rank large" in names(done=ranks(0.5, 0.4))


def test_a_stopped_step_is_left_to_try() -> None:
    stopped = replace(tried("rank", "rank small", 0.0, journal.STOPPED), score=None)
    assert names(done=[stopped])[0] == "rank small"
