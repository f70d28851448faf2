"""Speeds from a run's own record, worked out by hand; forecasts from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medalist.experiments.budget.forecast import DEAR, Pace, foreseen_end
from medalist.fitted import Fitted
from medalist.recipe import Recipe, load_recipe

QUICK = {"views": ("center",), "heads": ("ridge",)}


def recipe(*backbones: str, **keys: object) -> Recipe:
    return load_recipe(None, (), metric="accuracy", backbones=backbones, **{**QUICK, **keys})


def run_folder(folder: Path, events: list[dict[str, object]], **stages: float) -> Path:
    folder.mkdir()
    folder.joinpath("events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    folder.joinpath("summary.json").write_text(json.dumps({"seconds": stages, "images": 100}))
    folder.joinpath("table.json").write_text(json.dumps({"ids": ["x"] * 80}))
    return folder


def embedding(seconds: float, known: int = 0, total: int = 100) -> list[dict[str, object]]:
    """The first image after 2 s, the others evenly until `seconds`."""
    note = {"known": known}
    done = {10: 2.0, 55: 2 + (seconds - 2) / 2, 100: seconds}
    steps = [{"stage": "embed", "done": n, "total": total, "seconds": s, "note": {}} for n, s in done.items()]
    return [{"stage": "embed", "done": 0, "total": total, "seconds": 0, "note": note}, *steps, steps[-1]]


@pytest.fixture
def pace(tmp_path: Path) -> Pace:
    """After one run: 3 s of start, 90 images in 18 s, 26 - 20 s to open the network, 1.5 s of ridge and deciding."""
    pace = Pace({"a": 1.0, "b": 3.0})
    folder = run_folder(tmp_path / "a", embedding(20), total=28.0, embed=26.0, fit=1.0, decide=0.25, submit=0.25)
    pace.learn(recipe("a"), 31.0, folder)
    return pace


def test_speeds_are_those_of_the_record(pace: Pace) -> None:
    assert (pace.images, pace.rows, pace.start_s, pace.open_s) == (100, 80, 3.0, pytest.approx(6.0))
    assert pace.pass_s == {"a": pytest.approx(0.2)} and pace.unit_s == pytest.approx(1.5)


def test_what_is_in_the_bank_costs_nothing(pace: Pace) -> None:
    assert pace.run(recipe("a")) == pytest.approx(3 + 1.5)
    assert pace.run(recipe("a", views=("center", "flip"))) == pytest.approx(3 + 4 + 100 * 0.2 + 2 * 1.5)


def test_an_unknown_backbone_costs_in_proportion(pace: Pace) -> None:
    assert pace.run(recipe("b")) == pytest.approx(3 + 6 + 100 * 0.6 + 1.5)
    assert pace.run(recipe("a", "b")) == pytest.approx(3 + 6 + 100 * 0.6 + 2 * 1.5)


def test_a_backbone_is_measured_and_converted_once(pace: Pace, tmp_path: Path) -> None:
    both = recipe("a", views=("center", "flip"))
    assert pace.run(both) == pytest.approx(3 + 4 + 100 * 0.2 + 2 * 1.5)  # a guess: 4 s
    folder = run_folder(tmp_path / "again", embedding(20), total=28.0, embed=20.5, fit=2.0, decide=0.5, submit=0.5)
    pace.learn(both, 31.0, folder)
    assert (pace.open_s, pace.again_s) == (pytest.approx(6.0), pytest.approx(0.5))
    assert pace.run(recipe("a", views=("center", "zoom"))) == pytest.approx(3 + 0.5 + 100 * 0.2 + 2 * 1.5)


@pytest.mark.parametrize(("columns", "times"), [(10, 4.0), (40, 2.0), (100, 1.0)])
def test_heads_work_on_no_more_axes_than_rows(tmp_path: Path, columns: int, times: float) -> None:
    pace = Pace({"a": 1.0, "b": 3.0})
    folder = run_folder(tmp_path / "a", embedding(20), total=28.0, embed=26.0, fit=1.0, decide=0.25, submit=0.25)
    state = {"weight_DC": np.zeros((columns, 3), np.float32)}
    Fitted("ridge", (state,), state).save(folder / "fitted" / "ridge")
    pace.learn(recipe("a"), 31.0, folder)
    assert (pace.columns, pace.rows, pace.unit_s) == (columns, 80, pytest.approx(1.5))
    four = recipe("a", "b", views=("center", "flip"))
    assert pace._units(four) == pytest.approx(times)
    assert pace._units(recipe("a", heads=("ridge", "logistic"))) == pytest.approx(1 + DEAR)


def test_fine_tuning_is_counted_in_images_shown(pace: Pace) -> None:
    plan = {"phases": [{"epochs": 2}]}
    every = recipe("a", heads=(), finetune=plan, final="folds", folds={"k": 4})
    assert pace.shown(every) == 4 * 2 * 60
    assert pace.tuning(every) == pytest.approx(0.2 * (5 * 480 + 80 + 4 * 20))
    held = recipe("a", heads=(), finetune={**plan, "holdout": True}, final="folds", folds={"k": 4})
    assert pace.shown(held) == 2 * 60
    assert pace.tuning(held) == pytest.approx(0.2 * (5 * 120 + 20 + 20))


def test_a_full_bank_teaches_no_speed(tmp_path: Path) -> None:
    pace = Pace({"a": 1.0})
    events = [{"stage": "embed", "done": 0, "total": 0, "seconds": 0, "note": {"known": 100}}]
    pace.learn(recipe("a"), 3.0, run_folder(tmp_path / "a", events, total=2.0, embed=0.5, fit=1.0, decide=0.5))
    assert pace.pass_s == {} and ("a", "center") in pace.seen


def test_the_margin_is_the_worst_of_the_last_three_and_guesses_do_not_count() -> None:
    pace = Pace({"a": 1.0})
    pace.judge("rank", 1.0, 50.0)
    assert pace.off == [] and pace.margin == 1.25
    pace.judge("tune", 10.0, 90.0)
    assert pace.off == []
    for seconds in (20.0, 15.0, 9.0, 8.0):
        pace.judge("views", 10.0, seconds)
    assert pace.margin == 1.5
    pace.judge("views", 10.0, 1000.0)
    assert pace.margin == 3.0


def wrote(file: Path, *events: dict[str, object]) -> None:
    file.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_the_end_of_extraction_follows_from_its_speed(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    assert foreseen_end(file, 0) is None
    begun = {"stage": "embed", "done": 0, "total": 200, "time": 90.0, "seconds": 0.0, "note": {"known": 0}}
    wrote(file, begun)
    assert foreseen_end(file, 0) is None
    wrote(file, begun, {"stage": "embed", "done": 50, "total": 200, "time": 110.0, "seconds": 20.0, "note": {}})
    assert foreseen_end(file, 0) == (90.0, 90.0 + 80.0)
    wrote(file, begun, {"stage": "embed", "done": 200, "total": 200, "time": 170.0, "seconds": 80.0, "note": {}})
    assert foreseen_end(file, 0) is None


def test_the_end_of_training_follows_from_its_speed(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    step = {"stage": "a fold 1", "done": 4, "total": 8}
    first = {**step, "time": 210.0, "seconds": 10.0, "note": {"images_s": 4.0}}
    later = {**step, "stage": "a fold 2", "time": 300.0, "seconds": 20.0, "note": {"images_s": 5.0}}
    wrote(file, {"stage": "fit", "done": 1, "total": 1, "time": 199.0, "seconds": 1.0, "note": {}}, first, later)
    assert foreseen_end(file, 1000) == (200.0, 200.0 + 1000 / 5)
    assert foreseen_end(file, 0) is None
