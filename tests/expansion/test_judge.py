"""Do they help? Images of the classes do, other classes' images under wrong names harm, and none of it is for ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from medalist.errors import RecipeError, StoreError
from medalist.expansion.expand import Asked, expand
from medalist.expansion.judge import JUDGED, RUNS, enough_seeds, judge, sentence
from medalist.expansion.written import EXTRA
from medalist.recipe import Recipe, load_recipe
from medalist.store import hash_bytes


def recipe(*overrides: str) -> Recipe:
    settings = ["folds.k=3", "taps=pooled", "views=center", "heads=[ridge]", *overrides]
    return load_recipe(None, settings, metric="log_loss", backbones=("embedded",))


def expansion(drawn: Any, source: Path, out: Path, *, looks: bool = True) -> Path:
    expand(recipe(), drawn.root, out, Asked((f"folder(path={str(source)!r})",), 100, looks=looks), cache=drawn.cache)
    return out


def verdict(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / JUDGED).read_bytes()))


@pytest.mark.slow
def test_help_and_harm_are_told_apart(drawn: Any, tmp_path: Path) -> None:
    right = drawn.more(tmp_path / "right", 24)
    helps = expansion(drawn, right, tmp_path / "helps")
    text = judge(recipe(), drawn.root, helps, cache=drawn.cache)
    told = verdict(helps)
    assert told["verdict"] == "better" and told["helps"] and told["difference"] > 2 * told["stderr"] > 0
    assert "the new images help: gain in log_loss +" in text and f"extra={helps}" in text
    # Wrong names, not looked at: in the same place, the same number of images.
    harms = expansion(drawn, drawn.more(tmp_path / "wrong", 24, shift=1), tmp_path / "harms", looks=False)
    text = judge(recipe(), drawn.root, harms, cache=drawn.cache)
    told = verdict(harms)
    assert told["verdict"] == "worse" and not told["helps"]
    assert "the new images harm; they are refused" in text
    assert "nothing to change" in text and f"extra={harms}" not in text.splitlines()[-1]
    # Both are of all the dataset's own readable rows.
    assert told["num_rows"] == verdict(helps)["num_rows"] == 127


def test_a_verdict_is_of_these_images_alone(drawn: Any, tmp_path: Path) -> None:
    folder = expansion(drawn, drawn.more(tmp_path / "right", 2), tmp_path / "out")
    judge(recipe(), drawn.root, folder, cache=drawn.cache)
    first = verdict(folder)
    assert first[EXTRA] == hash_bytes((folder / EXTRA).read_bytes())
    again = judge(recipe(), drawn.root, folder, cache=drawn.cache)
    assert "nothing was computed" in again and verdict(folder) == first
    lines = (folder / EXTRA).read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / EXTRA).write_text("".join(lines[:-1]), encoding="utf-8")
    judge(recipe(), drawn.root, folder, cache=drawn.cache)
    assert verdict(folder)["runs"] != first["runs"] and len(list((folder / RUNS).iterdir())) == 2


def test_seeds_are_as_many_as_a_verdict_needs(tmp_path: Path) -> None:
    assert enough_seeds(recipe()) == 3  # other folds are another draw
    assert enough_seeds(recipe(f"folds.file={tmp_path / 'folds.csv'}")) == 1  # ridge in given folds draws nothing
    assert enough_seeds(recipe(f"folds.file={tmp_path / 'folds.csv'}", "heads=[mlp]")) == 3
    facts = {"verdict": "equal", "metric": "accuracy", "difference": 0.0, "stderr": 0.01, "p": 1.0}
    assert "rows alone counted, no other draw" in sentence({**facts, "seeds": 1})


def test_nothing_to_judge_and_nothing_to_compare_with_are_refused(drawn: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing to judge"):
        judge(recipe(), drawn.root, tmp_path, cache=drawn.cache)
    with pytest.raises(RecipeError, match="leave extra=more out"):
        judge(recipe("extra=more"), drawn.root, tmp_path, cache=drawn.cache)
    (tmp_path / "a,b").mkdir()
    shutil.copy(Path(__file__), tmp_path / "a,b" / EXTRA)
    with pytest.raises(RecipeError, match="has a comma"):
        judge(recipe(), drawn.root, tmp_path / "a,b", cache=drawn.cache)
