"""The write-ups' published slips, each refused or impossible here.

    write-up  slip                                                 shown by
    1         the augmented array was never used                   here
    1         the networks' own preprocessing was never applied    here
    1         the checkpoint callback was never passed             here
    1         no shuffling                                         here
    1         predicted in one order, named in another             test_tags: cannot_be_named_in_another_order
    2         images sorted: validation held one class             test_cats_dogs: one_class_in_the_validation_set
    2         blue for red                                         here; test_cats_dogs for frozen features
    4         statistics of frozen BatchNorm moved                 training/test_norms, training/test_finetune
    5         features of a shuffled generator, labels in order    here
    5         the last partial batch dropped                       here
    5         labels of four files appended to each other          pipeline/test_join: what_does_not_fit_is_refused
    5         the fused model unused                               test_flowers: the_classic_way_runs_end_to_end

What can be repeated at little cost is repeated when it is asked for, and never else: `slips=true`.

Axes: N images, B batch, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from medalist.backbones import open_backbone
from medalist.backbones.backbone import override
from medalist.backbones.runtimes import open_runtime
from medalist.data.pixels import Pixels
from medalist.errors import RecipeError
from medalist.features.bank import FeatureBank
from medalist.features.column import Look
from medalist.features.extract import embed
from medalist.recipe import load_recipe, packaged_recipes
from medalist.recipe.load import packaged_text, slips_of
from medalist.store import hash_bytes
from medalist.training.feeds import Images
from medalist.training.finetune import finetune
from medalist.training.network import Network
from medalist.training.neural.heads import linear
from medalist.training.plan import Phase, Plan, steps
from medalist.training.underway import Training

SIZE = 64
NUM = 10


@pytest.fixture
def images(tmp_path: Path, draw: Callable[..., None]) -> Images:
    """Ten drawn images of two classes, those of a class side by side as in a sorted folder."""
    root = tmp_path / "images"
    paths = tuple(f"{row}.png" for row in range(NUM))
    for row, path in enumerate(paths):
        draw(root / path, row // 5)
    hashes = [hash_bytes((root / path).read_bytes()) for path in paths]
    return Images(
        backbone=override(open_backbone("embedded"), size=SIZE),
        root=root,
        paths=paths,
        ids=paths,
        labels=np.arange(NUM) // 5,
        num_classes=2,
        pixels=Pixels.build(root, list(paths), hashes, side=SIZE, cache=tmp_path / "cache"),
        cache=tmp_path / "cache",
        workers=0,
    )


CLASSIC = [name for name in packaged_recipes() if name.endswith("-classic")]


@pytest.mark.parametrize("name", CLASSIC)
def test_slips_are_made_when_asked_for_alone(name: str) -> None:
    """They lay what stands under `slips` over the recipe, and an override over that."""
    said = slips_of(packaged_text(name))
    meant = load_recipe(name).model_dump(mode="json")
    assert load_recipe(name, ["slips=false"]).model_dump(mode="json") == meant
    if not said:
        with pytest.raises(RecipeError, match=f"{name} has none"):
            load_recipe(name, ["slips=true"])
        return
    slipped = load_recipe(name, ["slips=true"]).model_dump(mode="json")
    assert changed(meant, slipped) == set(said)
    key, value = next(iter(SLIPS_MENDED[name].items()))
    assert changed(meant, load_recipe(name, ["slips=true", f"{key}={value}"]).model_dump(mode="json")) == (
        set(said) - {key}
    )


SLIPS_MENDED = {
    "cats-dogs-classic": {"channels": "null"},
    "characters-classic": {"finetune.batchnorm": "frozen"},
    "flowers-classic": {"finetune.fuse": "features"},
    "tags-classic": {"mean": "null"},
}


def changed(one: dict[str, Any], other: dict[str, Any], inside: str = "") -> set[str]:
    """Keys in which two recipes differ, with dots."""
    found = set[str]()
    for key in one:
        if isinstance(one[key], dict) and isinstance(other[key], dict):
            found |= changed(one[key], other[key], f"{inside}{key}.")
        elif one[key] != other[key]:
            found.add(f"{inside}{key}")
    return found


@pytest.mark.parametrize(
    ("source", "override"), [("cats-dogs-classic", "slips=often"), ("cats-dogs", "slips=true"), (None, "slips=true")]
)
def test_slips_that_are_none_are_told(source: str | None, override: str) -> None:
    with pytest.raises(RecipeError, match="slips"):
        load_recipe(source, [override], metric="log_loss")


def test_blue_for_red_is_asked_for_or_not_done(images: Images) -> None:
    """With `channels=bgr` a red image gives what the network makes of a blue one; without, what it makes of red."""
    side = images.backbone.preprocessing["height"]
    red_BHWC, blue_BHWC = (np.zeros((1, side, side, 3), np.uint8) for _ in range(2))
    red_BHWC[..., 0] = blue_BHWC[..., 2] = 200
    plain, slipped = open_runtime(images.backbone), open_runtime(override(images.backbone, channels="bgr"))
    np.testing.assert_allclose(slipped(red_BHWC), plain(blue_BHWC), rtol=2e-3, atol=1e-3)
    assert np.abs(plain(red_BHWC) - plain(blue_BHWC)).max() > 0.01


def plan(augment: str = "", epochs: int = 1) -> Plan:
    phase = Phase("head", epochs, lr=0.01, head_lr=0.01, decay=1.0, schedule="constant", size=(SIZE, SIZE))
    return Plan((phase,), augment=augment, batch=4)


def shown(images: Images, augment: str) -> dict[int, torch.Tensor]:
    """Row -> the tensor (3, H, W) that the network gets of it in training."""
    wanted = plan(augment)
    every = images.shown(wanted, lambda: steps(wanted, np.arange(NUM), 0), "cpu")
    return {int(row): image for step, (batch,) in every for row, image in zip(step.rows, batch, strict=True)}


def plain(images: Images) -> torch.Tensor:
    """(N, 3, H, W) that the network is judged by."""
    return torch.cat([batch for (batch,) in images.plain(np.arange(NUM), 4, "cpu")])


def test_the_augmented_pixels_are_those_that_train(images: Images) -> None:
    """And no others are: what validation sees is the image itself, whatever the policy."""
    want = plain(images)
    for row, image in shown(images, "vertical_flip(p=1)").items():
        assert torch.equal(image, want[row].flip(dims=[1]))
    for row, image in shown(images, "").items():
        assert torch.equal(image, want[row])


def test_training_and_validation_get_the_networks_own_preprocessing_in_its_channel_order(images: Images) -> None:
    """(x / 255 - mean) / std of the card, red first: by hand, from the file."""
    how = images.backbone.preprocessing
    mean_3, std_3 = np.array(how["mean"], np.float32), np.array(how["std"], np.float32)
    in_training = shown(images, "")
    for row, path in enumerate(images.paths):
        with Image.open(images.root / path) as file:
            want_HWC = (np.asarray(file, np.float32) / 255 - mean_3) / std_3
        for got in (in_training[row], plain(images)[row]):
            np.testing.assert_allclose(got.numpy(), want_HWC.transpose(2, 0, 1), atol=1e-5)


def test_no_epoch_goes_without_its_weights(images: Images, tmp_path: Path) -> None:
    """There is no callback to forget: each epoch's weights and curve lie in the folder."""
    net = Network(images.backbone.build(("pooled",)), linear(images.backbone.num_features, 2, seed=0))
    training = Training(
        plan=plan(epochs=3),
        net=net,
        images=images,
        rows=np.arange(0, NUM, 2),
        score=lambda rows, prob_nC: float((prob_nC.argmax(axis=1) == images.labels[rows]).mean()),
        better="higher",
        folder=tmp_path / "training",
    )
    curves = finetune(training, watched=np.arange(1, NUM, 2))
    kept = sorted(file.name for file in (tmp_path / "training").glob("weights-*"))
    assert len(curves) == 3 and kept == [f"weights-{epoch}.safetensors" for epoch in range(3)]


@pytest.mark.parametrize("num_rows", [7, 8, 9, 10])
def test_every_row_once_an_epoch_in_an_order_of_its_own(num_rows: int) -> None:
    """Rows that came sorted by class leave mixed; the last batch is neither dropped nor tiny."""
    taken = list(steps(plan(epochs=3), np.arange(num_rows), 0))
    orders = [np.concatenate([step.rows for step in taken if step.epoch == epoch]).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(num_rows)) for order in orders)
    assert len({tuple(order) for order in [*orders, list(range(num_rows))]}) == 4
    sizes = [len(step.rows) for step in taken]
    assert max(sizes) <= 4 and max(sizes) - min(sizes) <= 1


def test_features_follow_their_images_into_any_order(images: Images, tmp_path: Path) -> None:
    """They are kept by content and asked for by image: no generator's order can come between them and the labels."""
    bank, turned = tmp_path / "bank", [7, 2, 9, 0, 4]
    looks: list[Any] = [Look(images.backbone, "torch_f32")]
    facts, (space,) = embed(images.root, list(images.paths), looks, cache=bank)
    x_ND = FeatureBank(bank).read(space, [fact.hash for fact in facts])
    again, (space,) = embed(images.root, [images.paths[row] for row in turned], looks, cache=bank)
    np.testing.assert_array_equal(FeatureBank(bank).read(space, [fact.hash for fact in again]), x_ND[turned])
    assert len(np.unique(x_ND, axis=0)) == NUM
