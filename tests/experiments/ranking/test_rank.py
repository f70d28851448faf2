"""`medalist rank`, end to end on drawn images: what is run, what is said, and a kill that changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medalist.data.drawn import draw_competition
from medalist.errors import RecipeError, StoreError
from medalist.evidence import compare
from medalist.experiments.ranking import screen
from medalist.experiments.ranking.candidates import open_candidates
from medalist.experiments.ranking.rank import rank
from medalist.experiments.ranking.screen import halve, quick_looks
from medalist.pipeline.kept import load_truth, load_unseen
from medalist.pipeline.way import embed, read
from medalist.recipe import Recipe, load_recipe
from medalist.store import FAILPOINT

NAMES = ("embedded", "embedded(pretrained=false)", "test_resnet(pretrained=false)")
KEYS = ["size=32", "views=[center]", "taps=[pooled]", "heads=[ridge]", "folds.k=3", "runtime=torch_f32"]


def asking(*overrides: str, names: tuple[str, ...] = NAMES) -> Recipe:
    return load_recipe(None, [*KEYS, *overrides], metric="accuracy", backbones=names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn competition in `data`, ranked in `out`, with the cache that this filled."""
    folder = tmp_path_factory.mktemp("rank")
    draw_competition(folder / "data", seed=1, num_train=90, num_test=10)
    text = rank(asking(), folder / "data", folder / "out", cache=folder / "cache")
    (folder / "printed.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def result(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out" / "experiment.json").read_bytes()))


def test_singles_pairs_and_the_trio_are_ordinary_runs(folder: Path, result: dict[str, Any]) -> None:
    rows = result["rows"]
    assert [len(row["backbones"]) for row in rows].count(2) == 3 and len(rows) == 7
    for part in (rows[:3], rows[3:]):
        assert [row["score"] for row in part] == sorted((row["score"] for row in part), reverse=True)
    runs = {tuple(summary["recipe"]): summary for summary in map(read_run, (folder / "out" / "arms").iterdir())}
    for row in rows:
        assert runs[tuple(row["backbones"])]["score"] == row["score"]


def read_run(folder: Path) -> dict[str, Any]:
    import yaml

    summary = json.loads((folder / "summary.json").read_bytes())
    return {**summary, "recipe": yaml.safe_load((folder / "recipe.yaml").read_text())["backbones"], "folder": folder}


def test_gains_are_paired_with_the_best_single(folder: Path, result: dict[str, Any]) -> None:
    runs = {tuple(one["recipe"]): one["folder"] for one in map(read_run, (folder / "out" / "arms").iterdir())}
    best = runs[tuple(result["rows"][0]["backbones"])]
    truth = load_truth(best)
    for row in result["rows"][1:]:
        other = load_unseen(runs[tuple(row["backbones"])])
        found = compare("accuracy", truth.labels, other, load_unseen(best), groups=truth.group_N)
        assert row["gain"] == pytest.approx(found.difference)
        assert row["gain_stderr"] == pytest.approx(found.stderr, rel=0.15)  # other draws of the bootstrap
        assert row["p"] >= found.p * 0.5


def test_the_quick_look_is_a_run_of_ridge_alone(folder: Path, result: dict[str, Any]) -> None:
    recipe = asking()
    candidates, _ = open_candidates(recipe, "any")
    features = embed(recipe, read(recipe, folder / "data"), cache=folder / "cache")
    sights = [(one,) for one in candidates] + [candidates[:2], candidates]
    looks = quick_looks(recipe, features, sights)
    scores = {frozenset(row["backbones"]): row["score"] for row in result["rows"]}
    for look in looks:
        assert look.score == scores[frozenset(look.names)]


def test_halving_keeps_the_best_on_the_subset(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(screen, "FEWEST", 40)
    monkeypatch.setattr(screen, "ENOUGH", 1)
    recipe = asking()
    candidates, _ = open_candidates(recipe, "any")
    kept, looks = halve(recipe, read(recipe, folder / "data"), candidates, cache=folder / "cache")
    assert [look.names[0] for look in looks] == list(NAMES)
    assert len(kept) == 1 and {look.names[0]: look.kept for look in looks}[kept[0].name]
    assert max(looks, key=lambda look: look.score).names == (kept[0].name,)
    assert all(40 <= look.images <= 60 and look.stderr > 0 for look in looks)


def test_costs_of_a_fusion_are_those_of_its_parts(result: dict[str, Any]) -> None:
    single = {row["name"]: row for row in result["rows"] if len(row["backbones"]) == 1}
    for row in result["rows"]:
        parts = [single[name] for name in row["backbones"]]
        assert row["mparams"] == pytest.approx(sum(part["mparams"] for part in parts))
        assert 1 / row["images_s"] == pytest.approx(sum(1 / part["images_s"] for part in parts))


def test_what_is_printed_says_it_all(folder: Path, result: dict[str, Any]) -> None:
    text = (folder / "printed.txt").read_text(encoding="utf-8")
    assert text == (folder / "out" / "table.txt").read_text(encoding="utf-8").rstrip("\n")
    number = {row["name"]: str(place) for place, row in enumerate(result["rows"], 1) if len(row["backbones"]) == 1}
    for row in result["rows"]:
        fused = " + ".join(number[name] for name in row["backbones"])
        name = fused if len(row["backbones"]) > 1 else f"{fused} {row['name']}"
        assert any(
            line.startswith(name + " ") and f"{row['score']:.4f} +- {row['stderr']:.4f}" in line
            for line in text.splitlines()
        )
    for said in (
        "best single: ",
        "picked as the best of 3",
        "fusing",
        "next: medalist run ",
        "'size=[32]'",
        "a stand-in for real weights",
        "ImageNet accuracy is known of fewer than 3",
    ):
        assert said in text
    for name in result["charts"]:
        assert (folder / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_the_same_question_is_not_computed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medalist.pipeline import way

    monkeypatch.setattr(way, "read", lambda *_: pytest.fail("the data was read"))
    again = rank(asking(), folder / "data", folder / "out", cache=folder / "cache")
    assert again.endswith("nothing was computed: this was ranked before")


def test_another_question_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"holds another question \(different: recipe\).*--overwrite"):
        rank(asking("heads=[lda]"), folder / "data", folder / "out", cache=folder / "cache")


def test_fine_tuning_is_refused_with_what_to_type(folder: Path) -> None:
    with pytest.raises(RecipeError, match="rank judges frozen features; type finetune=null"):
        rank(asking("finetune={}"), folder / "data", folder / "out2")
    assert not (folder / "out2").exists()


def medalist(*arguments: object, failpoint: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "medalist.cli", *map(str, arguments)]
    environment = {**os.environ, FAILPOINT: failpoint}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_killed_it_goes_on_to_the_same_answer(folder: Path, result: dict[str, Any], tmp_path: Path) -> None:
    names = ",".join(NAMES)
    arguments = ["rank", folder / "data", "--metric", "accuracy", "--backbones", names, *KEYS]
    arguments += ["--out", tmp_path / "out", "--cache", folder / "cache"]
    assert medalist(*arguments, failpoint="in-fit:5").returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / "experiment.json").exists()
    finished = {
        file.parent.name: file.stat().st_mtime_ns for file in (tmp_path / "out" / "arms").glob("*/summary.json")
    }
    assert len(finished) == 4
    again = medalist(*arguments)
    assert again.returncode == 0, again.stderr
    for name, time_ns in finished.items():
        assert (tmp_path / "out" / "arms" / name / "summary.json").stat().st_mtime_ns == time_ns
    found = json.loads((tmp_path / "out" / "experiment.json").read_bytes())
    timed = {"seconds", "images_s"}
    without = [[{k: v for k, v in row.items() if k not in timed} for row in one["rows"]] for one in (found, result)]
    assert without[0] == without[1]
    assert found["gain_of_fusing"] == result["gain_of_fusing"] and found["best_single"] == result["best_single"]


def test_a_comma_in_parentheses_belongs_to_the_name(folder: Path, tmp_path: Path) -> None:
    names = "embedded(pretrained=false, seed=1),nonsense"
    process = medalist("rank", folder / "data", "--metric", "accuracy", "--backbones", names, "--out", tmp_path / "o")
    assert process.returncode == 1
    assert "nothing in parentheses but embedded(pretrained=false)" in process.stderr
    assert "unknown backbone 'nonsense'" in process.stderr
