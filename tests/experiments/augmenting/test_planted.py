"""Planted effects are found, planted nothing is not, over 20 drawn datasets, at a quarter of the cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medalist.experiments.augmenting.augment import augment
from medalist.recipe import load_recipe

SEEDS = 20
NOTHING, HARM = "rotation(limit=0)", ("flip", "hue(limit=0.5)")
OTHERS = (
    "brightness | contrast | gauss_noise | rotation(limit=10) | shift(limit=0.05) | zoom | gamma | posterize(bits=6)"
    " | jpeg | gaussian_blur | saturation | contrast_normalisation"
)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_planted_harm_and_nothing_are_told_apart(flags: Callable[..., Path], tmp_path: Path) -> None:
    """Flip where the side is the class, hue where the colour is: worse; a turn by nothing: no difference."""
    told = [ask(flags(tmp_path / str(seed) / "data", seed=seed, num_images=120), seed) for seed in range(SEEDS)]
    for harm in HARM:
        assert sum(verdicts[harm] == "worse" for verdicts, _ in told) >= 18, told
    assert sum(verdicts[NOTHING] in ("equal", "not distinguishable") for verdicts, _ in told) >= 18, told
    assert max(share for _, share in told) <= 0.25, told


def ask(data: Path, seed: int) -> tuple[dict[str, str], float]:
    """Verdict of each operation, and the cost as a share of one at a time."""
    folder = data.parent
    recipe = load_recipe(
        None,
        [f"seed={seed}", f"folds.seed={seed}", "size=64", "heads=ridge"],
        metric="accuracy",
        backbones=("embedded",),
    )
    operations = " | ".join([*HARM, NOTHING, OTHERS])
    augment(recipe, data, folder / "out", operations, views=2, cache=folder / "cache")
    found = json.loads((folder / "out" / "experiment.json").read_text(encoding="utf-8"))
    passes = dict(found["image_passes"])
    one_at_a_time = passes.pop("one_at_a_time")
    return {row["operation"]: row["verdict"] for row in found["operations"]}, sum(passes.values()) / one_at_a_time
