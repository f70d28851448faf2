"""Write-up 1 end to end on tiny images, classic and default; its numbers stand in the recipe, its slips do not."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medalist.backbones.outline import outline
from medalist.pipeline import run
from medalist.predictions import Predictions
from medalist.recipe import load_recipe
from medalist.training.layers import depth, layers

TAGS = ("bright", "striped", "red")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TinyMind's layout: a CSV of paths and tags, a vocabulary, a flat test folder; three properties come and go."""
    root = tmp_path_factory.mktemp("tags")
    rng = np.random.default_rng(0)
    rows = {}
    for folder, count in (("train", 64), ("test", 16)):
        (root / folder).mkdir()
        for number in range(count):
            has = [bool((number >> bit) & 1) for bit in range(3)]
            pixels = rng.normal(170 if has[0] else 80, 20, (64, 64, 3))
            pixels[::4] -= 60 if has[1] else 0
            pixels[..., 1:] -= 70 if has[2] else 0
            name = f"{folder}/{folder}{number:03d}.jpg"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name, quality=95)
            rows[name] = ",".join(tag for tag, true in zip(TAGS, has, strict=True) if true) or "striped"
    write(root / "train.csv", {name: tags for name, tags in rows.items() if name.startswith("train")})
    write(root / "sample_submission.csv", {name: "bright" for name in rows if name.startswith("test")})
    (root / "valid_tags.txt").write_text("\n".join(TAGS) + "\n", encoding="utf-8")
    return root


def write(file: Path, rows: dict[str, str]) -> None:
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text)
        writer.writerow(["img_path", "tags"])
        writer.writerows(rows.items())


@pytest.mark.parametrize("name", ["tags", "tags-classic"])
def test_it_runs_end_to_end(data: Path, tmp_path: Path, tiny: Any, name: str) -> None:
    # The classic way names a layer of its own networks.
    depth_here = ["finetune.phases[1].train=last 85 %"] if name == "tags-classic" else []
    summary = run(tiny(name, *depth_here), data, tmp_path / "out", cache=tmp_path / "cache")
    if name == "tags":
        assert list(summary.heads) == ["ridge", "logistic", "tuned embedded"]
        assert summary.score > 0.75
    else:
        assert list(summary.heads) == ["tuned embedded"]  # two steps from random weights: what it scores says nothing
    assert any("too good" in note for note in summary.notes) == (name == "tags-classic")
    assert summary.forecast is not None
    assert summary.forecast["num_test"] == 16
    with (tmp_path / "out" / "submission.csv").open(newline="", encoding="utf-8") as text:
        header, *rows = csv.reader(text)
    assert header == ["img_path", "tags"]
    assert len(rows) == 16
    assert {tag for _, tags in rows for tag in tags.split(",") if tag} <= set(TAGS)


def test_the_classic_answer_is_the_union_at_the_written_threshold(data: Path, tmp_path: Path) -> None:
    """Two sizes stand for two networks: a tag is answered where either head gives it 0.3 or more, by hand."""
    keys = ["folds.k=4", "heads=ridge", "members=each", "size=[64, 96]", "finetune=null"]
    out = tmp_path / "out"
    run(load_recipe("tags-classic", keys, backbones=("embedded",)), data, out, cache=tmp_path / "cache")
    names = ("ridge-of-embedded-at-64-px", "ridge-of-embedded-at-96-px")
    members = [Predictions.load(out / "predictions" / name) for name in names]
    union_MC = np.any([member.test_KMC[0] >= np.float32(0.3) for member in members], axis=0)
    want = {
        name: {tag for tag, true in zip(TAGS, row, strict=True) if true}
        for name, row in zip(members[0].test_ids, union_MC, strict=True)
    }
    with (out / "submission.csv").open(newline="", encoding="utf-8") as text:
        _, *rows = csv.reader(text)
    assert {name: set(filter(None, tags.split(","))) for name, tags in rows} == want
    chain = json.loads((out / "decision.json").read_text(encoding="utf-8"))["chain"]
    assert chain["rule"]["value"] == 0.5


def test_the_numbers_are_the_write_up_s() -> None:
    recipe = load_recipe("tags-classic")
    tune = recipe.finetune
    assert tune is not None
    assert recipe.backbones == ("inception_v3.tf_in1k", "inception_resnet_v2.tf_in1k")
    assert recipe.size == (299,) and recipe.resize == "squash" and recipe.ensemble == "union(threshold=0.3)"
    assert [phase.epochs for phase in tune.phases] == [10, 8]
    assert {phase.schedule for phase in tune.phases} == {"plateau(patience=2, factor=0.5, floor=0.1)"}
    assert {phase.lr * 0.1 for phase in tune.phases} == {1e-4}  # the floor, which a schedule states as a share
    assert (tune.head, tune.loss, tune.optimiser) == ("dense(units=1024, dropout=0.0)", "bce", "adam")
    assert tune.batch == 128 and -(-35_000 // tune.batch) == 274  # steps an epoch
    assert tune.augment == (
        "random_order(crop_and_pad(percent=(-0.1, 0.1)), sometimes(gaussian_blur(sigma=(0, 0.5)), p=0.5),"
        " contrast_normalisation(alpha=(0.75, 1.5)), additive_gaussian_noise(scale=0.05))"
    )


@pytest.mark.parametrize(
    ("name", "block"), [("inception_v3.tf_in1k", "Mixed_5b"), ("inception_resnet_v2.tf_in1k", "mixed_5b")]
)
def test_keras_first_18_layers_are_those_before_the_first_mixed_block(name: str, block: str) -> None:
    """Input, five convolutions with norm and activation each, two pools: 1 + 5 x 3 + 2 layers."""
    tune = load_recipe("tags-classic").finetune
    assert tune is not None
    network = outline(name)
    found = layers(network)
    first = depth(found, f"from: {block}")
    shapes = {parameter: tensor.ndim for parameter, tensor in network.named_parameters()}
    convolutions = [p for layer in found[:first] for p in layer.params if shapes[p] == 4]
    assert 1 + 3 * len(convolutions) + 2 == 18
    assert [depth(found, phase.train) for phase in tune.phases] == [len(found), first]


def test_predictions_cannot_be_named_in_another_order(data: Path, tmp_path: Path) -> None:
    """The write-up predicted in one directory order and named in another: here every answer carries its own id."""
    recipe = load_recipe("tags", ["folds.k=4", "finetune=null"], backbones=("embedded",))
    run(recipe, data, tmp_path / "a", cache=tmp_path / "cache")
    sample = data / "sample_submission.csv"
    lines = sample.read_text(encoding="utf-8").splitlines()
    other = tmp_path / "turned"
    other.mkdir()
    for folder in ("train", "test"):
        (other / folder).symlink_to(data / folder)
    for name in ("train.csv", "valid_tags.txt"):
        (other / name).write_bytes((data / name).read_bytes())
    (other / "sample_submission.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n", encoding="utf-8")
    recipe = load_recipe("tags", ["folds.k=4", "finetune=null", "data.allow_outside=true"], backbones=("embedded",))
    run(recipe, other, tmp_path / "b", cache=tmp_path / "cache")

    def answers(out: Path) -> list[str]:
        return (out / "submission.csv").read_text(encoding="utf-8").splitlines()

    assert sorted(answers(tmp_path / "a")[1:]) == sorted(answers(tmp_path / "b")[1:])
    assert answers(tmp_path / "a")[1:] == answers(tmp_path / "b")[:0:-1]
