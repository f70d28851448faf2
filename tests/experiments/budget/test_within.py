"""Real runs on drawn images within a time; their processes are this one but where signals are sent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from medalist.data.drawn import draw_competition
from medalist.errors import MedalistError, RecipeError, StoreError
from medalist.experiments.budget import journal, within
from medalist.experiments.budget.child import DONE, FAILED, Ended
from medalist.experiments.budget.clock import Clock
from medalist.experiments.budget.within import _gained, run_within
from medalist.pipeline.predict import predict
from medalist.recipe import Recipe, load_recipe


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=1, num_train=90, num_test=30)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Verbs that were spawned; they run in this process."""
    from medalist.cli import app

    verbs: list[str] = []

    def run_here(words: Sequence[str], log: Path, **_: Callable[[], bool]) -> Ended:
        verbs.append(words[0])
        start = time.monotonic()
        try:
            app(list(words), standalone_mode=False)
        except MedalistError as error:
            return Ended(FAILED, time.monotonic() - start, f"error: {error}")
        return Ended(DONE, time.monotonic() - start)

    monkeypatch.setattr(within, "spawn", run_here)
    return verbs


def recipe(*overrides: str) -> Recipe:
    settings = ("finetune=null", "views=[center, flip]", "folds.k=3", "runtime=torch_f32", *overrides)
    return load_recipe(None, settings, metric="accuracy", backbones=["embedded"])


def test_a_replacement_that_gains_nothing_is_no_first_submission() -> None:
    first = journal.Tried("rank", "a", "a", "arms/a", ("a",), journal.FIRST, 5.0, 61.0, 75.0, score=0.5)
    assert _gained([first, replace(first, outcome=journal.KEPT, gain=0.1)]) == "the first submission stands"
    other = replace(first, outcome=journal.REPLACED, gain=0.0)
    assert _gained([first, other]) == "gained +0.0000 on the first submission, step by step"


def clock(seconds: float = 1000.0) -> Clock:
    return Clock(seconds, time.monotonic())


def held(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "experiment.json").read_bytes())
    return found


def test_the_folder_is_the_best_run(competition: Path, cache: Path, tmp_path: Path, spawned: list[str]) -> None:
    out, said = tmp_path / "out", list[str]()
    text = run_within(recipe(), competition, out, clock(), cache=cache, say=said.append)
    assert spawned == ["run", "run", "blend", "run", "blend"]
    found = held(out)
    best = out / str(found["incumbent"])
    assert (out / "submission.csv").read_bytes() == (best / "submission.csv").read_bytes()
    assert (out / "table.txt").read_text().splitlines()[0].startswith("step")
    assert "stopped early" in text and f"submission: {out / 'submission.csv'}" in text
    assert [line for line in said if "begins, forecast" in line and "the first" not in line]
    # The same answers for a test image as in the file that was handed in.
    image = next((competition / "test").glob("*.jpg"))
    answer = predict(out, [image], cache=cache).splitlines()[1]
    assert answer.partition(".jpg")[2] or answer in (out / "submission.csv").read_text().splitlines()

    spawned.clear()
    again = run_within(recipe(), competition, out, clock(), cache=cache, say=said.append)
    assert spawned == [] and held(out)["steps"] == found["steps"] and again.splitlines()[0].startswith("step")


def test_predict_on_a_blend_that_became_the_incumbent(
    competition: Path, cache: Path, tmp_path: Path, spawned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever is found of it, a blend is taken: its sources are relative to where it really is.
    monkeypatch.setattr("medalist.experiments.budget.loop.verdict_among", lambda *_: "better")
    out = tmp_path / "out"
    run_within(recipe("views=center"), competition, out, clock(), cache=cache, say=lambda _: None)
    assert spawned[-1] == "blend" and json.loads((out / "decision.json").read_bytes())["kind"] == "blend"
    images = sorted((competition / "test").glob("*.jpg"))[:3]
    there = out / str(held(out)["incumbent"])
    assert predict(out, images, cache=cache) == predict(there, images, cache=cache)


def test_killed_before_the_record_it_goes_on(
    competition: Path, cache: Path, tmp_path: Path, spawned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    run_within(recipe(), competition, whole, clock(), cache=cache, say=lambda _: None)
    save, times = journal.save, [0]

    def killed(*arguments: object) -> None:
        times[0] += 1
        if times[0] == 2:
            raise KeyboardInterrupt
        save(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(journal, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            run_within(recipe(), competition, out, clock(), cache=cache, say=lambda _: None)
    said: list[str] = []
    run_within(recipe(), competition, out, clock(), cache=cache, say=said.append)
    assert said[0].startswith("goes on: 1 steps ended before")
    same = ("step", "arm", "folder", "outcome", "score", "gain", "gain_stderr", "p", "verdict")
    steps = [[{key: one[key] for key in same} for one in held(folder)["steps"]] for folder in (out, whole)]  # type: ignore[attr-defined]
    assert steps[0] == steps[1]
    assert (out / "submission.csv").read_bytes() == (whole / "submission.csv").read_bytes()


def test_another_question_is_refused_and_overwrite_replaces(
    competition: Path, cache: Path, tmp_path: Path, spawned: list[str]
) -> None:
    out = tmp_path / "out"
    run_within(recipe("views=center"), competition, out, clock(0.001), cache=cache, say=lambda _: None)
    assert spawned == ["run"]
    other = recipe("views=center", "seed=1")
    with pytest.raises(StoreError, match=r"holds another question .*recipe.*--overwrite"):
        run_within(other, competition, out, clock(), cache=cache, say=lambda _: None)
    text = run_within(other, competition, out, clock(0.001), cache=cache, overwrite=True, say=lambda _: None)
    assert "late by" in text and len(held(out)["steps"]) == 1  # type: ignore[arg-type]
    (tmp_path / "run").mkdir()
    (tmp_path / "run/summary.json").write_text("{}")
    with pytest.raises(StoreError, match="holds a run of its own"):
        run_within(other, competition, tmp_path / "run", clock(), cache=cache, say=lambda _: None)


def test_a_fault_of_the_data_is_the_users_to_hear(tmp_path: Path, cache: Path, spawned: list[str]) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(MedalistError, match="data") as caught:
        run_within(recipe(), tmp_path / "data", tmp_path / "out", clock(), cache=cache, say=lambda _: None)
    assert not str(caught.value).startswith("error") and not (tmp_path / "out/summary.json").exists()
    with pytest.raises(MedalistError, match=r"cannot start:\n.*did you mean 'torch_f32'"):
        run_within(recipe("runtime=torch"), tmp_path, tmp_path / "out", clock(), cache=cache, say=lambda _: None)
    with pytest.raises(MedalistError, match="lies in the dataset"):
        run_within(recipe(), tmp_path / "data", tmp_path / "data/out", clock(), cache=cache, say=lambda _: None)
    assert not (tmp_path / "data/out").exists()


def test_of_a_crash_the_last_line_is_told_and_of_an_error_all() -> None:
    assert within._last_words("Traceback\n  at\nValueError: 3") == "ValueError: 3"
    assert within._last_words("warning\nerror: faults:\n  one\n  two") == "error: faults:\n  one\n  two"


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--budget", "5min"], "'5min' is no duration"), (["--budget", "5m", "--preflight"], "type one of the two")],
)
def test_the_command_line_refuses(words: list[str], said: str, tmp_path: Path) -> None:
    from medalist.cli import app

    with pytest.raises(RecipeError, match=said):
        app(["run", str(tmp_path), "--metric", "accuracy", *words], standalone_mode=False)


def begin(competition: Path, cache: Path, out: Path) -> subprocess.Popen[str]:
    words = ["run", str(competition), "--metric", "accuracy", "--backbone", "embedded", "--folds", "3"]
    words += ["--budget", "30m", "--out", str(out), "--cache", str(cache)]
    return subprocess.Popen([sys.executable, "-m", "medalist.cli", *words], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_an_interrupt_leaves_the_best_so_far(competition: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with begin(competition, tmp_path / "cache", out) as process:
        assert process.stdout is not None
        while "begins" not in process.stdout.readline():  # the first step
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1 and not (out / "summary.json").exists()
    with begin(competition, tmp_path / "cache", out) as process:
        assert process.stdout is not None
        while "begins" not in (line := process.stdout.readline()) or "rank" in line:
            pass
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
        assert process.wait() == 0 and "interrupted" in text
    assert (out / "submission.csv").is_file() and held(out)["ended"] == "interrupted"


@pytest.mark.slow
def test_a_killed_budget_goes_on(competition: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with begin(competition, tmp_path / "cache", out) as process:
        assert process.stdout is not None
        while "begins" not in (line := process.stdout.readline()) or "rank" in line:
            pass
        process.kill()
    assert (out / "submission.csv").is_file()
    with begin(competition, tmp_path / "cache", out) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("goes on: 1 steps ended before")
        while "begins" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 0
