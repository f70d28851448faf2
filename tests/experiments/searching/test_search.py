"""`medalist search` from end to end, on drawn images: real runs in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from medalist.data.drawn import draw_competition
from medalist.errors import RecipeError, StoreError
from medalist.evidence import compare
from medalist.experiments.searching.children import Place, Runs
from medalist.experiments.searching.climb import Limits
from medalist.experiments.searching.record import Outcome
from medalist.experiments.searching.search import _plan, search
from medalist.pipeline.kept import load_truth, load_unseen
from medalist.pipeline.way import read
from medalist.recipe import Recipe, load_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=1, num_train=48, num_test=8)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(data: Path, cache: Path, tmp_path: Path) -> Place:
    return Place(data, tmp_path / "search", cache)


def recipe(**keys: Any) -> Recipe:
    usual = {"backbones": ["embedded"], "heads": ["ridge"], "views": ["center"], "folds": {"k": 3}}
    return load_recipe(metric="accuracy", **{**usual, **keys})


@pytest.mark.timeout(600)
def test_frozen_heads_are_searched_judged_and_recorded(place: Place) -> None:
    text = search(recipe(), place, ["taps=[[pooled, middle], [pooled]]"], limits=Limits(1))
    result = json.loads((place.out / "experiment.json").read_bytes())
    assert [trial["values"] for trial in result["trials"]] == [{"taps": "[pooled, middle]"}, {"taps": "[pooled]"}]
    assert [trial["state"] for trial in result["trials"]] == ["complete"] * 2
    assert all(trial["outcomes"][0]["seconds"] > 0 for trial in result["trials"])
    # The gain on the rung is that of the two run folders, which are ordinary runs.
    given, tried = (place.out / "arms" / f"{number:03d}-folds" for number in range(2))
    truth = load_truth(given)
    alone = compare("accuracy", truth.labels, load_unseen(tried), load_unseen(given), groups=truth.group_N)
    row = next(row for row in result["rows"] if row["trial"] == 1)
    assert row["gain"]["difference"] == pytest.approx(alone.difference)
    assert row["gain"]["stderr"] == pytest.approx(alone.stderr)
    # What is told is what is recorded, and the recommended recipe is one that can be typed.
    assert result["verdict"] in text and f"--recipe {place.out / 'best.yaml'} --cache={place.cache}" in text
    assert re.search(r"^1 +\[pooled\] +0\.", text, re.MULTILINE)
    best = load_recipe(place.out / "best.yaml")
    assert best == recipe() if result["take"] is None else best.taps == ("pooled",)
    for name in (*result["charts"], "optuna.journal", "table.txt"):
        assert (place.out / name).stat().st_size > 0
    assert result["charts"] == ["taps.png"]
    if result["judged"] is not None:
        fresh = yaml.safe_load((place.out / "arms" / "fresh1-001" / "recipe.yaml").read_text(encoding="utf-8"))
        assert (fresh["seed"], fresh["folds"]["seed"], fresh["taps"]) == (1, 1, ["pooled"])
    again = search(recipe(), place, ["taps=[[pooled, middle], [pooled]]"], limits=Limits(1))
    assert again == text + "\nnothing was computed: this was searched before"
    with pytest.raises(StoreError, match=r"holds another question \(different: space\)"):
        search(recipe(), place, ["taps"], limits=Limits(1))


@pytest.mark.parametrize(
    ("keys", "space", "limits", "said"),
    [
        ({}, ["depth"], Limits(1), "add finetune="),
        ({}, ["heads=[[ridge], [ridgee]]"], Limits(1), r"heads=\[ridgee\]: heads: unknown head 'ridgee'"),
        ({}, ["taps"], Limits(0), "--trials 0: expected 1 or more"),
        ({}, ["taps"], Limits(None, 0.0), "--hours 0: expected more than 0"),
        ({"finetune": {"holdout": True}}, ["depth"], Limits(1), "a search holds out by itself"),
        ({"finetune": {"steer": "fold"}}, ["depth"], Limits(1), "too good to be followed"),
    ],
)
def test_faults_are_told_before_the_first_run(
    place: Place, keys: dict[str, Any], space: list[str], limits: Limits, said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        search(recipe(**keys), place, space, limits=limits)
    assert not place.out.exists()


@pytest.mark.parametrize(
    ("space", "asked", "expected"),
    [("taps", None, 1), ("heads=[[ridge], [mlp]]", None, 3), ("heads=[[ridge], [mlp]]", 1, 1), ("taps", 5, 5)],
)
def test_three_seeds_judge_where_any_recipe_draws(data: Path, space: str, asked: int | None, expected: int) -> None:
    found = _plan(recipe(), read(recipe(), data), [space], Limits(1, seeds=asked), None)
    assert found.seeds == expected


@pytest.mark.timeout(300)
def test_a_winner_whose_runs_failed_is_judged_by_the_same_command(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, limits = ["normalise=[none, l2]"], Limits(1)
    monkeypatch.setattr("medalist.experiments.searching.search.winner_of", lambda rows: 1)
    wait = Runs.wait

    def killed(workers: Runs) -> tuple[str, Outcome]:
        """Judges are killed, as where memory is short."""
        name, outcome = wait(workers)
        return name, replace(outcome, score=None, fault="killed") if name.startswith("fresh") else outcome

    with monkeypatch.context() as patch:
        patch.setattr(Runs, "wait", killed)
        first = search(recipe(), place, space, limits=limits)
    assert "could not be judged on fresh folds (fresh1-000: killed)" in first
    assert "the same command judges again" in first
    again = search(recipe(), place, space, limits=limits)
    assert "nothing was computed" not in again and "could not be judged" not in again
    assert json.loads((place.out / "experiment.json").read_bytes())["judged"]["tried"] == 1
    assert "nothing was computed" in search(recipe(), place, space, limits=limits)


def test_a_ranking_that_is_none_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="expected the folder of a finished `medalist rank`"):
        search(recipe(), place, ["taps"], limits=Limits(1), ranked=tmp_path)


def test_without_optuna_the_pip_command_is_told(data: Path) -> None:
    code = "import sys; sys.modules['optuna'] = None; from medalist.cli import main; main()"
    command = [sys.executable, "-c", code, "search", str(data), "--metric", "accuracy", "--space", "taps"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr == "error: search needs optuna: pip install 'medalist[search]'\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_ranking_gives_the_first_trials(place: Place, tmp_path: Path) -> None:
    drawn = "embedded(pretrained=false)"
    rows = [{"backbones": [drawn], "gain": -0.2}, {"backbones": ["embedded"], "gain": 0.0}]
    (tmp_path / "experiment.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
    search(recipe(backbones=[drawn]), place, ["taps=[[pooled, middle], [pooled]]"], limits=Limits(2), ranked=tmp_path)
    trials = json.loads((place.out / "experiment.json").read_bytes())["trials"]
    # The recipe as given has the other backbone: the best of the ranking is the first trial.
    assert trials[1]["values"] == {"backbones": "[embedded]", "taps": "[pooled, middle]"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_the_same_command_goes_on(data: Path, cache: Path, tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        options = ["--metric", "accuracy", "--backbone", "embedded", "--space", "taps,normalise", "--trials", "2"]
        more = ["folds.k=3", "heads=ridge", "views=center", "--cache", str(cache), "--out", str(out)]
        return [sys.executable, "-m", "medalist.cli", "search", str(data), *options, *more]

    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    killed = subprocess.Popen(command(tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "killed" / "arms" / "001-folds.log").exists():
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "experiment.json").exists()
    subprocess.run(command(tmp_path / "killed"), check=True, capture_output=True)
    assert told(tmp_path / "killed") == told(tmp_path / "whole")


def told(out: Path) -> Any:
    """What a search found, without its times, memory and folder."""
    text = (out / "experiment.json").read_text(encoding="utf-8")
    facts = json.loads(text, object_hook=lambda held: {k: v for k, v in held.items() if k not in ("seconds", "peak")})
    return facts, (out / "best.yaml").read_bytes(), sorted(os.listdir(out / "arms"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_depths_are_searched_over_epochs_and_folds(place: Place) -> None:
    tuned = recipe(finetune={"phases": [{"train": "last 30 %", "epochs": 2}], "workers": 0})
    text = search(tuned, place, ["depth=[head, last 30 %]"], limits=Limits(1, seeds=1))
    result = json.loads((place.out / "experiment.json").read_bytes())
    assert result["rungs"] == [
        "one holdout, a third of the epochs",
        "one holdout, all epochs",
        "all folds, all epochs",
    ]
    assert [len(trial["outcomes"]) for trial in result["trials"]] == [3, 3]
    assert result["trials"][1]["values"] == {"depth": "head"}
    assert result["num_rows"][0] == result["num_rows"][1] < result["num_rows"][2]
    assert "depth: the best trial has " in text
