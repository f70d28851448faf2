"""Write-up 4 end to end on tiny images, classic and default; the numbers that it states stand in the recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medalist.backbones.outline import outline
from medalist.errors import RecipeError
from medalist.pipeline import run
from medalist.recipe import load_recipe
from medalist.training.layers import depth, layers

CLASSES = ("alice", "ben", "cat")


@pytest.fixture
def data(tmp_path: Path, draw: Callable[..., None]) -> Path:
    """Class folders, and test images two folders deep."""
    root = tmp_path / "characters"
    for kind, name in enumerate(CLASSES):
        for number in range(8):
            draw(root / "train" / name / f"{name}{number}.jpg", kind)
        draw(root / "test" / "unlabelled" / f"{kind}.jpg", kind)
    return root


def test_the_classic_way_runs_end_to_end(data: Path, tmp_path: Path, tiny: Any, answers: Any) -> None:
    """The folds' networks steer themselves, which is said; the answering one trained on with all rows."""
    out = tmp_path / "out"
    depths = [f"finetune.phases[{place}].train='from: layer3'" for place in range(3)]
    summary = run(tiny("characters-classic", *depths), data, out, cache=tmp_path / "cache")
    assert len(answers(out)) == 3 and set(answers(out).values()) <= set(CLASSES)
    assert any("steered by the rows that score them" in note for note in summary.notes)
    folder = out / "tuned" / "tuned-embedded"
    rates = {
        place: [epoch["lr"] for epoch in json.loads((folder / f"curves-{place}.json").read_text())["epochs"]]
        for place in (0, "refit")
    }
    assert rates == {0: [5e-4, 1e-5, 1e-6], "refit": [1e-6, 1e-6]}  # the largest of an epoch's, at first the head's


def test_the_default_way_runs_end_to_end(data: Path, tmp_path: Path, tiny: Any, answers: Any) -> None:
    summary = run(tiny("characters"), data, tmp_path / "out", cache=tmp_path / "cache")
    assert summary.score > 0.9 and list(summary.heads) == ["ridge", "logistic", "tuned embedded"]
    assert list(answers(tmp_path / "out").values()) == list(CLASSES)
    assert not any("too good" in note for note in summary.notes)


def test_the_numbers_are_the_write_up_s() -> None:
    recipe = load_recipe("characters-classic")
    tune = recipe.finetune
    assert tune is not None
    assert recipe.metric == "accuracy" and recipe.backbones == ("resnext101_32x8d.tv_in1k",)
    assert recipe.size == (224,) and recipe.resize == "crop" and recipe.views == ("center",) and recipe.folds.k == 5
    assert [(phase.epochs, phase.lr, phase.head_lr) for phase in tune.phases] == [
        (4, 5e-5, 5e-4),
        (4, 1e-5, None),
        (4, 1e-6, None),
    ]
    assert {phase.schedule for phase in tune.phases} == {"constant"}
    assert (tune.optimiser, tune.batch, tune.augment) == ("adam", 50, "brightness(limit=0.05)")
    assert (tune.head, tune.start, tune.batchnorm) == ("linear", "random", "frozen")
    assert (tune.steer, tune.refit) == ("fold", "continue")


def test_the_depth_is_the_write_up_s() -> None:
    """Stem, layers 1 and 2 and blocks 0 to 17 of layer 3 are frozen; layer3.18-22 and layer 4 train."""
    tune = load_recipe("characters-classic").finetune
    assert tune is not None
    found = layers(outline("resnext101_32x8d.tv_in1k"))
    names = [layer.name for layer in found]
    (first,) = {depth(found, phase.train) for phase in tune.phases}
    blocks = {1: range(3), 2: range(4), 3: range(18)}
    assert names[:first] == ["stem", *(f"layer{stage}.{block}" for stage in blocks for block in blocks[stage])]
    assert names[first:] == [
        *(f"layer3.{block}" for block in range(18, 23)),
        *(f"layer4.{block}" for block in range(3)),
    ]


def test_another_network_is_told_that_it_lacks_the_layer(data: Path, tmp_path: Path, tiny: Any) -> None:
    with pytest.raises(RecipeError, match=r"train of embedded: the network has no layer 'layer3\.18'"):
        run(tiny("characters-classic"), data, tmp_path / "out", cache=tmp_path / "cache")


def test_writing_is_never_mirrored() -> None:
    for name in ("characters", "characters-classic"):
        recipe = load_recipe(name)
        assert recipe.finetune is not None and "flip" not in recipe.finetune.augment
        assert not any("flip" in view for view in recipe.views)
