"""The climb on made-up scores: it finds a peak among several, goes on after a kill, and records what fails."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from medalist.errors import RecipeError
from medalist.experiments.arms import Arm
from medalist.experiments.searching.climb import Limits, Plan, climb
from medalist.experiments.searching.journal import Journal
from medalist.experiments.searching.record import Outcome, Trial
from medalist.experiments.searching.rungs import rungs_of
from medalist.experiments.searching.space import parse_space
from medalist.recipe import load_recipe

RECIPE = load_recipe(metric="accuracy", finetune={"phases": [{"train": "all", "epochs": 9, "lr": 1e-3}]}, seed=3)
# Two peaks over depth, with a valley between them and on either side.
PEAKS = {"head": 0.3, "last 10 %": 0.8, "last 30 %": 0.2, "last 60 %": 0.6, "all": 0.1}


def plan(trials: int = 24, *, space: str = "depth,lr", hours: float | None = None) -> Plan:
    dimensions = parse_space(RECIPE, [space], task="multiclass")
    return Plan(RECIPE, dimensions, rungs_of(RECIPE), True, (), Limits(trials, hours))


class Made:
    """Workers that make a score up from the recipe; nothing runs.

    Args:
        stop: after so many, a Ctrl-C.
        failing: depth whose runs fail.
    """

    def __init__(self, *, stop: int | None = None, failing: str = "", width: int = 1) -> None:
        self.stop, self.failing, self.width = stop, failing, width
        self.arms: list[Arm] = []
        self.ran: list[str] = []

    @property
    def room(self) -> bool:
        return len(self.arms) < self.width

    def start(self, arm: Arm) -> None:
        self.arms.append(arm)

    def wait(self) -> tuple[str, Outcome]:
        if self.stop is not None and len(self.ran) == self.stop:
            raise KeyboardInterrupt
        arm = self.arms.pop(0)
        self.ran.append(arm.name)
        settings = arm.recipe.finetune
        assert settings is not None
        phase = settings.phases[0]
        if phase.train == self.failing:
            return arm.name, Outcome(None, None, 1.0, 0, "killed by the system")
        score = PEAKS[phase.train] - 0.05 * math.log10(phase.lr / 1e-4) ** 2 + 0.01 * phase.epochs
        return arm.name, Outcome(score, 0.01, 60.0, 1)


def searched(file: Path, workers: Made, what: Plan | None = None) -> list[Trial]:
    return climb(what or plan(), Journal(file, "made up", higher=True, num_rungs=3), workers, tell=lambda trials: None)


def test_the_higher_of_two_peaks_is_found(tmp_path: Path) -> None:
    trials = searched(tmp_path / "journal", Made())
    assert len(trials) == 25 and trials[0].values == {"depth": "all", "lr": "0.001"}
    best = max(trials[1:], key=lambda trial: (len(trial.scores), trial.scores[-1]))
    assert best.values["depth"] == "last 10 %" and len(best.scores) == 3
    # The sampler spends more on the peaks than chance would: 24 trials over five depths.
    tried = Counter(trial.values["depth"] for trial in trials[1:])
    assert tried["last 10 %"] >= 10


def test_a_third_of_the_trials_goes_up_and_the_recipe_as_given_always_does(tmp_path: Path) -> None:
    trials = searched(tmp_path / "journal", Made())
    assert len(trials[0].scores) == 3
    climbed = Counter(len(trial.scores) for trial in trials[1:])
    # Asynchronous: some went up that a look back would not send, but never fewer than a third.
    assert climbed[2] + climbed[3] >= 8 and climbed[1] >= 10 and climbed[3] >= 2


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Made, list[Trial]]:
    workers = Made()
    return workers, searched(tmp_path_factory.mktemp("whole") / "journal", workers, plan(12))


@pytest.mark.parametrize("stop", [0, 1, 4, 11])
def test_killed_it_goes_on_with_the_same_trials(
    tmp_path: Path, undisturbed: tuple[Made, list[Trial]], stop: int
) -> None:
    whole, trials = undisturbed
    first, second = Made(stop=stop), Made()
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "killed", first, plan(12))
    assert searched(tmp_path / "killed", second, plan(12)) == trials
    assert first.ran + second.ran == whole.ran


def test_done_it_runs_nothing_and_more_trials_go_on(tmp_path: Path) -> None:
    few = searched(tmp_path / "journal", Made(), plan(6))
    again = Made()
    assert searched(tmp_path / "journal", again, plan(6)) == few and again.ran == []
    more = searched(tmp_path / "journal", again, plan(9))
    assert [trial.values for trial in more[:7]] == [trial.values for trial in few] and len(more) == 10


def test_with_more_trials_one_that_was_halved_goes_up_after_all(tmp_path: Path) -> None:
    """Of two only the best goes up, of six the second best too."""
    rates = ("0.0001", "0.0002", "0.001", "0.002", "0.004", "0.008")
    first = tuple({"depth": "last 10 %", "lr": rate} for rate in rates)
    two, six = (replace(plan(trials), first=first) for trials in (2, 6))
    assert [len(trial.scores) for trial in searched(tmp_path / "journal", Made(), two)] == [3, 3, 1]
    assert [len(trial.scores) for trial in searched(tmp_path / "journal", Made(), six)][:3] == [3, 3, 2]


def test_a_failed_trial_is_recorded_and_goes_no_further(tmp_path: Path) -> None:
    trials = searched(tmp_path / "journal", Made(failing="last 10 %"))
    failed = [trial for trial in trials if trial.failed]
    assert failed and {trial.values["depth"] for trial in failed} == {"last 10 %"}
    assert all(len(trial.outcomes) == 1 and trial.failed == "killed by the system" for trial in failed)
    best = max(trials[1:], key=lambda trial: (len(trial.scores), trial.scores or [0]))
    assert best.values["depth"] == "last 60 %" and len(trials) == 25


def test_without_the_recipe_as_given_nothing_can_be_compared(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"the recipe as given fails.*killed by the system; --overwrite"):
        searched(tmp_path / "journal", Made(failing="all"))


def test_no_recipe_is_tried_twice_and_a_small_space_ends(tmp_path: Path) -> None:
    trials = searched(tmp_path / "journal", Made(), plan(50, space="depth,batch=[16, 32]"))
    tried = [tuple(trial.values.values()) for trial in trials]
    assert len(tried) == len(set(tried)) == 10  # five depths, two batches, the recipe as given among them


def test_side_by_side_all_trials_are_run_once(tmp_path: Path) -> None:
    workers = Made(width=4)
    trials = searched(tmp_path / "journal", workers)
    assert len(trials) == 25 and len(workers.ran) == len(set(workers.ran)) == sum(len(t.scores) for t in trials)


def test_no_trial_begins_that_would_leave_no_time_to_judge_it(tmp_path: Path) -> None:
    """A run takes a minute here: three of the recipe as given, three of a climb, two that judge."""
    assert len(searched(tmp_path / "short", Made(), plan(50, hours=7 / 60))) == 1
    trials = searched(tmp_path / "long", Made(), plan(50, hours=30 / 60))
    minutes = sum(len(trial.scores) for trial in trials)
    assert 10 < len(trials) < 50 and minutes + 2 <= 30


def test_the_first_trials_are_those_that_were_asked_for(tmp_path: Path) -> None:
    asked = plan(3)
    first = ({"depth": "head", "lr": "0.0002"}, {"depth": "last 60 %", "lr": "0.005"})
    trials = searched(
        tmp_path / "journal", Made(), Plan(asked.recipe, asked.dimensions, asked.rungs, True, first, asked.limits)
    )
    assert tuple(trial.values for trial in trials[1:3]) == first


def test_the_journal_is_one_that_optuna_reads(tmp_path: Path) -> None:
    trials = searched(tmp_path / "journal", Made(failing="last 60 %"), plan(9))
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    study = optuna.load_study(study_name="made up", storage=storage)
    states = {0: "RUNNING", 1: "RUNNING", 2: "RUNNING", 3: "COMPLETE"}
    for frozen, trial in zip(study.get_trials(), trials, strict=True):
        assert frozen.state.name == ("FAIL" if trial.failed else states[len(trial.scores)])
        assert list(frozen.intermediate_values.values()) == trial.scores
    assert study.best_value == max(trial.scores[-1] for trial in trials if len(trial.scores) == 3)
