"""Write-up 3 end to end on tiny images, classic and default; the numbers that it states stand in the recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.pipeline import run
from medalist.predictions import Predictions
from medalist.recipe import load_recipe

CLASSES = ("Agaricus", "Amanita", "Boletus")


@pytest.fixture
def data(tmp_path: Path, draw: Callable[..., None]) -> Path:
    """Class folders and a flat test folder; there is no sample submission."""
    root = tmp_path / "mushrooms"
    for kind, name in enumerate(CLASSES):
        for number in range(8):
            draw(root / "train" / name / f"{name}{number}.jpg", kind)
        draw(root / "test" / f"{kind}.jpg", kind)
    return root


@pytest.mark.parametrize("name", ["mushrooms", "mushrooms-classic"])
def test_it_runs_end_to_end(data: Path, tmp_path: Path, tiny: Any, answers: Any, name: str) -> None:
    out = tmp_path / "out"
    summary = run(tiny(name), data, out, cache=tmp_path / "cache")
    assert set(answers(out)) == {"0.jpg", "1.jpg", "2.jpg"} and set(answers(out).values()) <= set(CLASSES)
    tuned = Predictions.load(out / "predictions" / "tuned-embedded")
    np.testing.assert_allclose(tuned.oof_NC.sum(axis=1), 1, rtol=1e-5)
    assert not any("too good" in note for note in summary.notes)
    if name == "mushrooms":
        assert summary.score > 0.9 and list(summary.heads) == ["ridge", "logistic", "tuned embedded"]
        assert [answers(out)[f"{kind}.jpg"] for kind in range(3)] == list(CLASSES)
    else:
        assert list(summary.heads) == ["tuned embedded"]  # one step from random weights: what it scores says nothing


def test_the_numbers_are_the_write_up_s() -> None:
    recipe = load_recipe("mushrooms-classic")
    tune = recipe.finetune
    assert tune is not None
    assert recipe.metric == "accuracy" and recipe.backbones == ("tf_efficientnet_b6.aa_in1k",)
    assert [(phase.train, phase.epochs) for phase in tune.phases] == [("all", 30)]
    assert (tune.batch, tune.loss, tune.head, tune.start) == (64, "cross_entropy", "linear", "random")
    assert tune.sam and tune.mix and tune.mix.startswith("mixup")
    assert len(recipe.views) > 1 and recipe.ensemble == "mean"
    steps = [step.strip() for step in tune.augment.split("|")]
    assert steps == [
        "random_scale_crop",
        "flip",
        "vertical_flip",
        "shift_scale_rotate",
        "brightness_contrast",
        "one_of(gauss_noise, clahe, jpeg, gamma, posterize, blur)",
        "random_erasing",
    ]
