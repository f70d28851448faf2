"""Features of the bank beside those that the images give now: the same, or told as the first cause."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from medalist.data.ingest import facts_of
from medalist.evidence import Forecast
from medalist.features.bank import FeatureBank
from medalist.pipeline import run
from medalist.pipeline.causes import Cause
from medalist.pipeline.diagnose import ranked_causes
from medalist.pipeline.way import read
from medalist.recipe import load_recipe


def test_a_bank_of_other_features_is_told(competition: Path, cache: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    recipe = load_recipe(None, ["folds.k=3", "heads=ridge"], metric="accuracy", backbones=("embedded",))
    run(recipe, competition, out, cache=cache)
    found = json.loads((out / "summary.json").read_text(encoding="utf-8"))["forecast"]
    forecast = Forecast(found["score"], found["stderr"], tuple(found["interval95"]), found["num_test"])

    def looked(bank: Path) -> Cause:
        ranked = ranked_causes(out, 0.0, forecast, data=competition, cache=bank)
        return next(one for one in ranked if one.name == "features computed differently")

    same = looked(cache)
    assert same.drop == 0 and "are off by 0.0% (worst 0.0%)" in same.evidence
    table, names = read(recipe, competition), json.loads((out / "decision.json").read_text(encoding="utf-8"))["spaces"]
    facts = facts_of(table.root, list(table.paths), cache=other)
    hashes = list(dict.fromkeys(one.hash for one in facts if one.ok))
    for space in FeatureBank(cache).spaces():
        if space.name in names:
            x_ND = FeatureBank(cache).read(space, hashes)
            noise_ND = x_ND.std() * np.random.default_rng(0).normal(size=x_ND.shape)
            FeatureBank(other).write(space, hashes, (x_ND + noise_ND).astype(np.float32))
    first = looked(other)
    assert first.drop == forecast.score and "a damaged bank" in first.evidence
