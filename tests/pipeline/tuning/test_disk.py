"""What trained weights take on disk is what is written, and a disk that certainly lacks it is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from medalist.backbones import open_backbone
from medalist.errors import RecipeError
from medalist.pipeline.checks import check
from medalist.pipeline.tuning.disk import (
    checkpoint_bytes,
    disk_faults,
    disk_forecast,
    free_for,
    weights_bytes,
    weights_of,
)
from medalist.recipe import Recipe, load_recipe
from medalist.training import checkpoint, network
from medalist.training.plan import Phase, Plan


def recipe_of(*overrides: str) -> Recipe:
    return load_recipe(None, ["finetune={}", *overrides], metric="accuracy", backbones=("embedded",))


@pytest.mark.parametrize(
    ("train", "batchnorm"), [("head", "frozen"), ("from: layer4", "affine-frozen"), ("all", "train")]
)
def test_an_epoch_takes_what_its_file_holds(tmp_path: Path, train: str, batchnorm: str) -> None:
    import torch

    recipe = recipe_of(f"finetune.phases=[{{train: '{train}'}}]", f"finetune.batchnorm={batchnorm}")
    assert recipe.finetune is not None
    backbone = open_backbone("embedded")
    found = weights_of(backbone, recipe.finetune)
    net = network.Network(backbone.build(("pooled",)), torch.nn.Identity())
    plan = Plan(phases=(Phase(train, 1, 0.1, 0.1, 1.0, "constant", (32, 32)),), batchnorm=batchnorm)
    for names, bytes_told in ((network.moving(net, plan), found.epoch), (list(net.body.state_dict()), found.card)):
        checkpoint.save(tmp_path / "file", network.weights(net, names), {})
        head = int.from_bytes((tmp_path / "file").read_bytes()[:8], "little") + 8
        assert (tmp_path / "file").stat().st_size - head == bytes_told


def test_every_epoch_of_every_training_is_counted(tmp_path: Path) -> None:
    one = weights_of(open_backbone("embedded"), recipe_of().finetune)  # type: ignore[arg-type]
    keys = ["folds.k=4", "finetune.phases=[{epochs: 2}, {epochs: 3}]"]
    folds = 4 * (5 * one.epoch + one.card)
    assert weights_bytes(recipe_of(*keys)) == (folds + 5 * one.epoch + one.card, folds)
    assert weights_bytes(recipe_of(*keys, "final=folds")) == (folds, folds)
    alone = 5 * one.epoch + one.card
    assert weights_bytes(recipe_of(*keys, "finetune.holdout=true")) == (2 * alone, alone)
    again = weights_bytes(recipe_of(*keys, "finetune.holdout=true", "finetune.refit=continue"))
    assert again == (alone + 2 * one.epoch + one.card, alone)
    assert weights_bytes(recipe_of(*keys, f"folds.file={_folds(tmp_path, 7)}"))[1] == 7 * alone
    assert weights_bytes(load_recipe(metric="accuracy", backbones=("embedded",))) == (0, 0)


def test_checkpoints_are_forecast_too(tmp_path: Path) -> None:
    """Each training's stays until all is done: weights and Adam's two moments of them, and the average."""
    one = weights_of(open_backbone("embedded"), recipe_of().finetune)  # type: ignore[arg-type]
    keys = ["folds.k=4", "finetune.phases=[{epochs: 2}]"]
    assert checkpoint_bytes(recipe_of(*keys)) == 5 * 3 * one.epoch
    assert checkpoint_bytes(recipe_of(*keys, "finetune.ema=0.9", "final=folds")) == 4 * 4 * one.epoch
    assert checkpoint_bytes(load_recipe(metric="accuracy", backbones=("embedded",))) == 0
    total = 5 * (2 * one.epoch + one.card) + 5 * 3 * one.epoch
    assert f"disk up to {total / 1e9:.2f} GB" in disk_forecast(recipe_of(*keys), tmp_path)


def _folds(folder: Path, num_folds: int) -> Path:
    lines = ["id,fold", *(f"{'abcdefg'[row]},{row}" for row in range(num_folds))]
    (folder / "folds.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "folds.csv"


def test_a_disk_without_room_is_refused_before_an_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, (root, out) = recipe_of("folds.k=5"), (tmp_path / "data", tmp_path / "out")
    root.mkdir()
    needed = weights_bytes(recipe)[1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 10))
    with pytest.raises(RecipeError, match=r"of 5 trainings take 0\.\d\d GB.*finetune\.holdout=true"):
        check(recipe, root, out)
    assert list(disk_faults(recipe_of("finetune.holdout=true"), out)) == []
    assert "warning: the disk will be too small" in disk_forecast(recipe, out)
    out.mkdir()
    (out / "weights").write_bytes(bytes(10))  # a killed run's own
    assert free_for(out) == needed
    check(recipe, root, out)
