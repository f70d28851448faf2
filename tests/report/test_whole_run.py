"""The report of a real run, fine-tuned on drawn images: each part is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medalist.data.drawn import draw_competition
from medalist.pipeline import run
from medalist.recipe import load_recipe
from medalist.report.written import report


@pytest.mark.slow
def test_each_part_of_a_fine_tuned_run_is_there(lab: Any, tmp_path: Path) -> None:
    draw_competition(tmp_path / "data", seed=1, num_train=72, num_test=16)
    settings = ["finetune={}", "finetune.phases=[{epochs: 2}]", "folds.k=3", "views=[center]"]
    recipe = load_recipe(None, settings, metric="accuracy", backbones=("embedded",))
    run(recipe, tmp_path / "data", tmp_path / "out", cache=tmp_path / "cache")
    told = report(tmp_path / "out", data=tmp_path / "data")
    page = lab.check((tmp_path / "out" / "report" / "index.html").read_text(encoding="utf-8"))
    sections = [attributes["id"] for tag, attributes in page.found if tag == "section"]
    assert sections == [
        "score",
        "folds",
        "learning",
        "confusion",
        "classes",
        "reliability",
        "precision-recall",
        "images",
        "data",
        "ensemble",
        "time",
        "writeup",
        "licences",
        "record",
    ]
    assert "14 sections" in told
    text = "".join(page.text)
    assert "tuned embedded" in text and "After 2 epochs" in text and str(tmp_path) not in text
