"""A blend of two runs answers new images as it answered its test images; what it stands on must still be there."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from medalist.errors import MismatchError
from medalist.pipeline import run
from medalist.pipeline.blend import blend
from medalist.pipeline.join import join
from medalist.pipeline.predict import predict
from medalist.recipe import load_recipe


@pytest.fixture(scope="module")
def runs(competition: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs and the blend of both."""
    folder = tmp_path_factory.mktemp("runs")
    for head in ("ridge", "lda"):
        recipe = load_recipe(None, ["folds.k=3", f"heads={head}"], metric="accuracy", backbones=("embedded",))
        run(recipe, competition, folder / head, cache=cache)
    blend([folder / "ridge", folder / "lda"], folder / "both")
    return folder


def test_it_answers_as_it_did(runs: Path, competition: Path, cache: Path) -> None:
    text = predict(runs / "both", [competition / "test"], cache=cache)
    new = {Path(name).stem: answer for name, answer in list(csv.reader(text.splitlines()))[1:]}
    with (runs / "both" / "submission.csv").open(newline="", encoding="utf-8") as lines:
        _, *rows = csv.reader(lines)
    assert {Path(name).stem: answer for name, answer in rows} == new


def test_members_must_be_as_they_were(runs: Path, competition: Path, cache: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy)
    shutil.copy(copy / "lda" / "predictions" / "lda" / "oof.npy", copy / "ridge" / "predictions" / "ridge" / "oof.npy")
    with pytest.raises(MismatchError, match="member ridge/ridge has changed"):
        predict(copy / "both", [competition / "test"], cache=cache)
    shutil.rmtree(copy / "ridge")
    with pytest.raises(MismatchError, match="member ridge/ridge is gone"):
        predict(copy / "both", [competition / "test"], cache=cache)


def test_an_import_cannot_answer(contest: Any, tmp_path: Path) -> None:
    join(*contest.script("net"), contest.folds(), tmp_path / "out", metric="accuracy")
    with pytest.raises(MismatchError, match="was imported: only the script"):
        predict(tmp_path / "out", [tmp_path])
