"""Write-up 2 end to end on tiny images, classic and default; its slips cannot be made."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medalist.pipeline import run
from medalist.pipeline.way import embed, read, split
from medalist.recipe import Recipe, load_recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kaggle's layout: cats are dark and striped, dogs bright; 40 to train on, 10 to answer."""
    root = tmp_path_factory.mktemp("pets")
    rng = np.random.default_rng(0)
    for folder, count in (("train", 20), ("test", 5)):
        (root / folder).mkdir()
        for number in range(2 * count):
            dog = number >= count
            pixels = rng.normal(170 if dog else 80, 30, (64, 64, 3))
            pixels[::4] += 0 if dog else 60
            name = f"{number + 1}.jpg" if folder == "test" else f"{'dog' if dog else 'cat'}.{number % count}.jpg"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / folder / name)
    rows = "".join(f"{number + 1},0.5\n" for number in range(10))
    (root / "sample_submission.csv").write_text(f"id,label\n{rows}", encoding="utf-8")
    return root


def tiny(name: str) -> Recipe:
    """The recipe on the embedded backbone, with everything else as it stands."""
    return load_recipe(name, ["folds.k=4"], backbones=("embedded",))


def answers(out: Path) -> np.ndarray:
    with (out / "submission.csv").open(newline="", encoding="utf-8") as lines:
        return np.array([float(row[1]) for row in list(csv.reader(lines))[1:]])


@pytest.mark.parametrize("name", ["cats-dogs", "cats-dogs-classic"])
def test_it_runs_end_to_end(data: Path, tmp_path: Path, name: str) -> None:
    summary = run(tiny(name), data, tmp_path / "out", cache=tmp_path / "cache")
    assert summary.metric == "log_loss"
    assert summary.score < np.log(2)
    prob = answers(tmp_path / "out")
    assert prob[:5].mean() < 0.5 < prob[5:].mean()  # the probability is that of a dog
    if name == "cats-dogs-classic":
        assert prob.min() >= 0.005 - 1e-7
        assert prob.max() <= 0.995 + 1e-7
        assert json.loads((tmp_path / "out" / "decision.json").read_text())["chain"]["rule"]["temperature"] == 1.0


def test_the_slip_of_one_class_in_the_validation_set_cannot_be_made(data: Path, tmp_path: Path) -> None:
    recipe = tiny("cats-dogs-classic")
    features = embed(recipe, read(recipe, data), cache=tmp_path)
    folds = split(recipe, features)
    for fold in range(4):
        assert set(features.train.labels[folds.fold_N == fold].tolist()) == {0, 1}


def test_the_slip_of_blue_for_red_cannot_be_made(data: Path, tmp_path: Path) -> None:
    """A red image gives the features of red in the network's own channel order, not those of blue."""
    from medalist.backbones import open_backbone
    from medalist.backbones.runtimes import open_runtime
    from medalist.features.bank import FeatureBank
    from medalist.features.column import Look
    from medalist.features.extract import embed as extract

    backbone = open_backbone("embedded")
    side = backbone.preprocessing["height"]
    Image.new("RGB", (side, side), (200, 0, 0)).save(tmp_path / "red.png")
    facts, (space,) = extract(tmp_path, ["red.png"], [Look(backbone, "torch_f32")], cache=tmp_path)
    got = FeatureBank(tmp_path).read(space, [facts[0].hash])[0]
    red, blue = (np.zeros((1, side, side, 3), np.uint8) for _ in range(2))
    red[..., 0] = blue[..., 2] = 200
    runtime = open_runtime(backbone)
    assert np.abs(got - runtime(red)[0]).max() < np.abs(got - runtime(blue)[0]).max()
    np.testing.assert_allclose(got, runtime(red)[0], rtol=2e-3, atol=1e-3)
