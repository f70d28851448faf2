"""What the summary says of fine-tuned members is what was done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.fitted import Fitted
from medalist.pipeline.tuning.notes import tuning_notes
from medalist.recipe import load_recipe


def run_folder(out: Path, *facts: dict[str, Any]) -> Path:
    """Of two folds' trainings of six epochs, as a run leaves it."""
    meta = {"epochs": [3, 4, 5], "curves": [[{}] * 6] * 2}
    states = ({"bias": np.zeros(2)}, {"bias": np.zeros(2)})
    Fitted("tuned embedded", states, {}, meta).save(out / "fitted" / "tuned-embedded")
    tuned = out / "tuned" / "tuned-embedded"
    tuned.mkdir(parents=True)
    for place, fact in enumerate(facts):
        (tuned / f"curves-{place}.json").write_text(json.dumps({"facts": fact, "epochs": []}))
    return out


def notes(out: Path, *overrides: str) -> list[str]:
    recipe = load_recipe(None, ["finetune={}", *overrides], metric="accuracy", backbones=("embedded",))
    return tuning_notes(recipe, out)


@pytest.mark.parametrize(
    ("overrides", "others"),
    [
        ([], ", after 5 all others"),
        (["final=folds"], ", and together all others"),
        (["finetune.refit=continue"], ", the first's after 5 more on all rows all others"),
    ],
)
def test_which_weights_answer(tmp_path: Path, overrides: list[str], others: str) -> None:
    told = f"tuned embedded: weights after 3, 4 of 6 epochs answer the folds{others}"
    assert notes(run_folder(tmp_path), *overrides) == [told]


def test_why_a_phase_trained_whole_is_told_once(tmp_path: Path) -> None:
    reason = {"prefix": "phase 2: it cannot be cut; it trains whole"}
    _, told = notes(run_folder(tmp_path, {}, reason, {**reason, "out_of_memory": [[0, 1, 4]]}))
    assert told == "tuned embedded, phase 2: it cannot be cut; it trains whole"
