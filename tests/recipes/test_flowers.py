"""Write-up 5 end to end on tiny images, classic and default; the numbers that it states stand in the recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medalist.backbones.outline import outline
from medalist.pipeline import run
from medalist.predictions import Predictions
from medalist.recipe import load_recipe
from medalist.training.layers import depth, layers

CLASSES = ("0", "1", "2")
FUSED = "logistic on tuned features"


@pytest.fixture
def data(tmp_path: Path, draw: Callable[..., None]) -> Path:
    """JSON lists, training files in the folder of their category plus one, a sample submission of numbers."""
    root = tmp_path / "flowers"
    rows = [{"image_id": 100 + number, "category_id": number % 3} for number in range(24)]
    for row in rows:
        draw(root / "train" / f"category_{row['category_id'] + 1}" / f"{row['image_id']}.jpg", row["category_id"])
    for number in range(3):
        draw(root / "test" / f"{number}.jpg", number)
    train = {"images": [{"id": row["image_id"]} for row in rows], "annotations": rows}
    test = {"images": [{"id": number, "file_name": f"test/{number}.jpg"} for number in range(3)]}
    (root / "train.json").write_text(json.dumps(train), encoding="utf-8")
    (root / "test.json").write_text(json.dumps(test), encoding="utf-8")
    (root / "sample_submission.csv").write_text("id,predicted\n0,0\n1,0\n2,0\n", encoding="utf-8")
    return root


def test_the_classic_way_runs_end_to_end(data: Path, tmp_path: Path, tiny: Any, answers: Any) -> None:
    """The head on all networks' trained features is the one member, and what it says is what is handed in."""
    out = tmp_path / "out"
    summary = run(tiny("flowers-classic"), data, out, cache=tmp_path / "cache")
    assert list(summary.heads) == [FUSED]
    fused = Predictions.load(out / "predictions" / "logistic-on-tuned-features")
    likeliest_M = fused.test_KMC.mean(axis=0).argmax(axis=1)
    want = {name: CLASSES[label] for name, label in zip(fused.test_ids, likeliest_M, strict=True)}
    assert answers(out) == want


def test_the_default_way_runs_end_to_end(data: Path, tmp_path: Path, tiny: Any, answers: Any) -> None:
    summary = run(tiny("flowers"), data, tmp_path / "out", cache=tmp_path / "cache")
    assert list(summary.heads) == ["ridge", "logistic", "tuned embedded", FUSED]
    assert summary.score > 0.9 and answers(tmp_path / "out") == {"0": "0", "1": "1", "2": "2"}


def test_the_numbers_are_the_write_up_s() -> None:
    recipe = load_recipe("flowers-classic")
    tune = recipe.finetune
    assert tune is not None
    assert recipe.data.path_template == "train/category_{category_id + 1}/{image_id}.jpg"
    assert recipe.metric == "accuracy" and recipe.folds.k == 5
    first, second = tune.phases
    assert (first.train, first.epochs, first.lr) == ("head", 1, 1e-3)
    assert (second.train, second.lr) == ("all", 1e-3)
    assert (tune.optimiser, tune.start, tune.fuse, tune.augment) == ("adam", "random", "features", "")


@pytest.mark.parametrize(
    ("name", "num_features"),
    [
        ("resnet50.tv_in1k", 2048),
        ("legacy_xception.tf_in1k", 2048),
        ("inception_v3.tf_in1k", 2048),
        ("inception_resnet_v2.tf_in1k", 1536),
    ],
)
def test_each_phase_finds_its_layers_in_each_network(name: str, num_features: int) -> None:
    recipe = load_recipe("flowers-classic")
    assert recipe.finetune is not None and name in recipe.backbones
    network = outline(name)
    found = layers(network)
    assert [depth(found, phase.train) for phase in recipe.finetune.phases] == [len(found), 0]
    assert network.num_features == num_features
