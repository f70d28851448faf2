"""Auxiliary columns through a whole run: told before an image is read, part of the key, gone from what is left."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.data.drawn import draw_competition
from medalist.errors import DataError, RecipeError
from medalist.pipeline import run
from medalist.pipeline.backbones import tuned_backbones
from medalist.pipeline.tuning.shared import Tuning
from medalist.pipeline.way import embed, read, split
from medalist.progress import ignore
from medalist.recipe import Recipe, load_recipe

KEYS = ["folds.k=3", "heads=ridge", "views=center", "finetune.size=32", "finetune.precision=fp32", "finetune.workers=0"]
KEYS += ["finetune.phases=[{train: 'from: layer4', epochs: 1, lr: 0.001}]", "finetune.batch=16"]


def recipe_of(*overrides: str) -> Recipe:
    return load_recipe(None, [*KEYS, *overrides], metric="log_loss", backbones=("embedded",))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn competition whose labels stand in a CSV, with its images' kinds, sides and numbers beside them."""
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=3, num_train=44, num_test=8)
    (root / "train").rename(root / "images")
    with (root / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "kind", "side", "number", "same"])
        for number, path in enumerate(sorted((root / "images").glob("*/*"))):
            name, kind = path.parent.name, f"{path.parent.name[:2]} {number % 2}" if number % 4 else ""
            rows.writerow([path.relative_to(root).as_posix(), name, kind, "lr"[number % 2], str(number), "one"])
    return root


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("{}", {}),
        ("null", {}),
        ("diagnosis", {"diagnosis": 1.0}),
        ("[diagnosis, '2019']", {"diagnosis": 1.0, "2019": 1.0}),
        ("{diagnosis: 0.5, 2019: 2, site: 0}", {"diagnosis": 0.5, "2019": 2.0}),
    ],
)
def test_a_list_weighs_one_and_no_weight_is_off(text: str, want: dict[str, float]) -> None:
    recipe = recipe_of(f"finetune.auxiliary={text}")
    assert recipe.finetune is not None
    assert recipe.finetune.auxiliary == want


@pytest.mark.parametrize("text", ["{a: -1}", "{a: much}", "[[a]]", "3"])
def test_what_is_no_weight_is_told(text: str) -> None:
    with pytest.raises(RecipeError, match=r"finetune\.auxiliary"):
        recipe_of(f"finetune.auxiliary={text}")


def test_columns_that_teach_nothing_are_told_before_an_image_is_read(root: Path, cache: Path, tmp_path: Path) -> None:
    recipe = recipe_of("finetune.auxiliary=[kind, same, number]")
    with pytest.raises(RecipeError) as raised:
        run(recipe, root, tmp_path / "out", cache=cache)
    told = str(raised.value).splitlines()[1:]
    assert ["'same' has 1 known values" in line or "of 'number' is in one row alone" in line for line in told] == [
        True
    ] * 2
    with pytest.raises(DataError, match=r"finetune\.auxiliary='kid': labels\.csv has no such column"):
        run(recipe_of("finetune.auxiliary=kid"), root, tmp_path / "out", cache=cache)
    assert not (tmp_path / "out").exists()


def test_a_training_knows_its_columns_by_its_key(root: Path, cache: Path, tmp_path: Path) -> None:
    def tuning_of(text: str) -> Tuning:
        recipe = recipe_of(f"finetune.auxiliary={text}")
        features = embed(recipe, read(recipe, root), cache=cache)
        (backbone,) = tuned_backbones(recipe)
        return Tuning(backbone, recipe, features, split(recipe, features), tmp_path, cache, ignore)

    tunings = [tuning_of(text) for text in ("{}", "kind", "{kind: 0.5}", "side")]
    assert len({tuning.key for tuning in tunings}) == 4
    assert tuning_of("{kind: 0}").key == tunings[0].key
    train = tunings[1].features.train
    cells = np.where(np.arange(len(train)) == 5, "", train.targets["kind"])
    other = replace(tunings[1].features, train=replace(train, targets={"kind": cells}))
    assert cells[5] != train.targets["kind"][5]
    assert replace(tunings[1], features=other).key != tunings[1].key


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_of_a_column_is_left_in_a_run(root: Path, cache: Path, tmp_path: Path) -> None:
    """The files of a run with a column are those of one without, of the same shapes; the network's are others."""
    shapes: dict[str, Any] = {}
    for name, text in (("without", "{}"), ("with", "{kind: 2.0}")):
        run(recipe_of(f"finetune.auxiliary={text}", "final=folds"), root, tmp_path / name, cache=cache)
        tuned = tmp_path / name / "tuned" / "tuned-embedded"
        shapes[name] = {file.name: file.stat().st_size for file in tuned.glob("fold*")}
        shapes[name] |= {str(file.relative_to(tmp_path / name)): 0 for file in (tmp_path / name).rglob("*")}
    assert shapes["with"] == shapes["without"]
    one, two = (tmp_path / name / "tuned" / "tuned-embedded" / "fold0.safetensors" for name in shapes)
    assert one.read_bytes() != two.read_bytes()
    curves = json.loads((tmp_path / "with" / "tuned" / "tuned-embedded" / "curves-0.json").read_text())
    assert curves["epochs"][0]["auxiliary_loss"] > 0
