"""The plan with a clock that jumps and steps that cost and score what the test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import MedalistError
from medalist.evidence import Comparison, two_sided
from medalist.experiments.arms import Arm
from medalist.experiments.budget import journal
from medalist.experiments.budget.clock import Clock
from medalist.experiments.budget.forecast import Pace
from medalist.experiments.budget.journal import Tried, incumbent_of
from medalist.experiments.budget.loop import BEST, NO_IDEA, NO_TIME, STOPPED, Loop, Made
from medalist.experiments.budget.steps import Asked
from medalist.recipe import load_recipe

ERROR = 0.01


@dataclass
class World:
    """Hands that move a clock: an arm takes and scores what is said, else 10 s and 0.5; a blend is as good as its best.

    A step that would run past `until` ends there.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    score: dict[str, float] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    stop_at: float = float("inf")
    now: float = 0.0
    shown: list[str] = field(default_factory=list)
    met: list[tuple[str, str]] = field(default_factory=list)

    def run(self, arm: Arm, until: float) -> Made:
        if arm.name in self.fails:
            return Made("failed", 1.0, said="error: no such luck")
        return self._pass(self.seconds.get(arm.name, 10.0), arm.name, self.score.get(arm.name, 0.5), until)

    def blend(self, folders: Sequence[str], until: float) -> Made:
        best = max(self.score.get(name, 0.5) for name in folders)
        name = " + ".join(folders)
        self.score.setdefault(name, best)
        return self._pass(self.seconds.get("blend", 2.0), name, self.score[name], until)

    def _pass(self, seconds: float, name: str, score: float, until: float) -> Made:
        end = min(until, self.stop_at)
        if self.now + seconds > end:
            spent, self.now = end - self.now, end
            return Made("interrupted" if end == self.stop_at else "late", spent)
        self.now += seconds
        return Made("done", seconds, name, score, ERROR)

    def against(self, challenger: str, incumbent: str) -> tuple[Comparison, int]:
        self.met.append((challenger, incumbent))
        gain = self.score.get(challenger, 0.5) - self.score.get(incumbent, 0.5)
        return Comparison(gain, ERROR, "", two_sided(gain, ERROR)), 100

    def could_be_beaten(self, incumbent: str, before: Sequence[float]) -> bool:
        return self.score.get(incumbent, 0.5) < 1

    def show(self, folder: str) -> None:
        self.shown.append(folder)

    def save(self, tried: Sequence[Tried], used_s: float) -> None:
        assert tried[-1].used_s == round(used_s, 3)

    def interrupted(self) -> bool:
        return self.now >= self.stop_at


def played(world: World, budget_s: float, *overrides: str, backbones: tuple[str, ...] = ("a", "b")) -> Loop:
    """A whole plan in that world."""
    recipe = load_recipe(None, overrides, metric="accuracy", backbones=backbones)
    asked = Asked(recipe, frozenset(recipe.model_fields_set), higher=True)
    said: list[str] = []
    pace = Pace(dict.fromkeys(backbones, 1.0))
    loop = Loop(asked, Clock(budget_s, 0.0, lambda: world.now), pace, world, said.append)
    loop.go()
    return loop


def outcomes(loop: Loop) -> dict[str, str]:
    return {one.arm or one.step: one.outcome for one in loop.tried}


def test_all_steps_in_their_order_then_it_stops_early() -> None:
    world = World()
    loop = played(world, 10_000.0)
    assert [one.kind for one in loop.tried] == [
        *["rank"] * 2,
        "fuse",
        "blend",
        *["views"] * 2,
        *["tune"] * 2,
        "blend",
    ]
    assert loop.ended == NO_IDEA and world.now < 200
    # All are equal: the first, then what is on the way to the run without a budget, and nothing beside it.
    assert world.shown == ["rank a", "fuse 2 backbones", "2 views of 2 backbones"]
    assert not any("gained" in loop.outcome_text(one) for one in loop.tried)


def test_only_what_is_better_replaces() -> None:
    # 1.9 and -5 standard errors do not, 4 do; what comes after meets the new incumbent.
    scores = {"rank a": 0.5, "rank b": 0.519, "fuse 2 backbones": 0.54, "2 views of 2 backbones": 0.49}
    world = World(score=scores)
    loop = played(world, 10_000.0, "finetune=null", "views=[center, flip]")
    assert outcomes(loop) == {
        "rank a": journal.FIRST,
        "rank b": journal.KEPT,
        "fuse 2 backbones": journal.REPLACED,
        "blend 3 runs": journal.KEPT,
        "2 views of 2 backbones": journal.KEPT,
        "blend 4 runs": journal.KEPT,
    }
    kept, taken, blended = (loop.outcome_text(loop.tried[place]) for place in (1, 2, 4))
    assert "; against the best so far: +0.0190 +- 0.0100 not distinguishable, not taken" in kept
    assert "replaces; gained so far +0.0400" in taken and "against the best so far: -0.0500" in blended
    assert world.shown == ["rank a", "fuse 2 backbones"]
    assert [held for _, held in world.met] == ["rank a", "rank a", *["fuse 2 backbones"] * 3]


def test_holm_counts_every_challenger() -> None:
    # 2.2 standard errors: p 0.028 alone, above 0.05 as the second of two challengers (2 x 0.028).
    alone = played(World(score={"rank b": 0.522}), 10_000.0, "finetune=null", "views=center")
    assert outcomes(alone)["rank b"] == journal.REPLACED
    world = World(score={"rank b": 0.5, "rank c": 0.522})
    second = played(world, 10_000.0, "finetune=null", "views=center", backbones=("a", "b", "c"))
    assert outcomes(second)["rank c"] == journal.KEPT
    verdicts = {one.arm: one.verdict for one in second.tried}
    assert verdicts["rank c"] == "not distinguishable"


@pytest.mark.parametrize(("score", "outcome"), [(0.485, journal.REPLACED), (0.46, journal.KEPT)])
def test_the_run_without_a_budget_is_taken_unless_it_is_worse(score: float, outcome: str) -> None:
    # 1.5 standard errors below the incumbent may be luck, 4 are not.
    world = World(score={"2 views of 2 backbones": score})
    loop = played(world, 10_000.0, "finetune=null")
    assert outcomes(loop)["2 views of 2 backbones"] == outcome
    assert outcomes(loop)["4 views of 2 backbones"] == journal.KEPT  # nobody's default, and not better


def test_a_fine_tuned_network_challenges_as_a_blend_with_the_incumbent() -> None:
    world = World(score={"rank a": 0.6, "fine-tune a, 8 epochs": 0.7})
    loop = played(world, 10_000.0, backbones=("a",))
    held = next(one for one in loop.tried if one.kind == "tune")
    assert held.outcome == journal.REPLACED and held.runs == ("rank a", "fine-tune a, 8 epochs")
    assert held.folder == "rank a + fine-tune a, 8 epochs"


def test_the_first_step_is_done_whatever_it_takes() -> None:
    world = World(seconds={"rank a": 500.0})
    loop = played(world, 60.0)
    assert outcomes(loop) == {"rank a": journal.FIRST}
    assert loop.ended == NO_TIME and world.now == 500.0


def test_what_does_not_fit_is_passed_over_for_what_does() -> None:
    world = World()
    loop = played(world, 30.0)
    loop_kinds = {one.kind for one in loop.tried}
    assert world.now <= 30.0 and loop.ended == NO_TIME
    assert "tune" not in loop_kinds and "blend" in loop_kinds


def test_an_overrun_is_stopped_and_a_shorter_way_taken() -> None:
    world = World(seconds={"fine-tune a, 8 epochs": 1e6})
    loop = played(world, 10_000.0, backbones=("a",))
    assert outcomes(loop)["fine-tune a, 8 epochs"] == journal.STOPPED
    assert world.now <= 10_000.0
    assert incumbent_of(loop.tried) is not None


def test_a_failed_step_is_told_and_passed_over() -> None:
    loop = played(World(fails={"rank b"}), 10_000.0)
    failed = next(one for one in loop.tried if one.arm == "rank b")
    assert failed.outcome == journal.FAILED and failed.reason == "error: no such luck"
    assert "heads on a" in outcomes(loop)


def test_where_the_first_backbone_fails_the_next_gives_the_first_submission() -> None:
    world = World(fails={"rank a"})
    loop = played(world, 10_000.0)
    assert outcomes(loop)["rank a"] == journal.FAILED and outcomes(loop)["rank b"] == journal.FIRST
    assert world.shown[0] == "rank b"


def test_it_stops_where_nothing_could_be_better() -> None:
    loop = played(World(score={"rank b": 1.0}), 10_000.0)
    assert loop.ended == BEST and [one.arm for one in loop.tried] == ["rank a", "rank b"]


def test_an_interrupt_ends_with_the_best_so_far() -> None:
    world = World(stop_at=25.0)
    loop = played(world, 10_000.0)
    assert loop.ended == STOPPED and outcomes(loop)["fuse 2 backbones"] == journal.STOPPED
    assert world.now == 25.0 and world.shown == ["rank a"]


@pytest.mark.parametrize("world", [World(fails={"rank a", "rank b"}), World(stop_at=5.0)])
def test_without_a_first_submission_there_is_an_error(world: World) -> None:
    with pytest.raises(MedalistError, match=r"^(no such luck|interrupted before the first submission)"):
        played(world, 10_000.0)


@given(
    budget_s=st.floats(11.0, 2000.0),
    seconds=st.dictionaries(
        st.sampled_from(["rank b", "fuse 2 backbones", "2 views of 2 backbones", "fine-tune a, 8 epochs", "blend"]),
        st.floats(0.1, 5000.0),
    ),
)
def test_the_deadline_is_kept_whatever_steps_take(budget_s: float, seconds: dict[str, float]) -> None:
    world = World(seconds=seconds)
    loop = played(world, budget_s)
    assert world.now <= budget_s and loop.ended in (NO_IDEA, NO_TIME)


@given(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4))
def test_an_incumbent_gives_way_to_nothing_that_is_worse(scores: list[float]) -> None:
    names = ("rank a", "rank b", "fuse 2 backbones", "2 views of 2 backbones")
    loop = played(World(score=dict(zip(names, scores, strict=True))), 10_000.0, "finetune=null")
    replaced = {one.arm: one.verdict for one in loop.tried if one.outcome == journal.REPLACED}
    assert "worse" not in replaced.values()
    assert all(verdict == "better" for name, verdict in replaced.items() if name not in names[2:])
