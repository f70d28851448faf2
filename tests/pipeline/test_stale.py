"""New groups: no fold tears them, runs whose folds do are marked, and whoever builds on those is told."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.errors import MismatchError, RecipeError
from medalist.pipeline import run
from medalist.pipeline.blend import blend
from medalist.pipeline.folds import folds_csv
from medalist.pipeline.join import join
from medalist.pipeline.stale import FILE, mark, stale_notes, torn
from medalist.pipeline.submit import submit
from medalist.recipe import Recipe, load_recipe


def recipe_of(*overrides: str) -> Recipe:
    return load_recipe(None, ["folds.k=3", "heads=ridge", *overrides], metric="accuracy", backbones=("embedded",))


def folds_of(text: str) -> dict[str, str]:
    return {row["id"]: row["fold"] for row in csv.DictReader(text.splitlines())}


def test_torn_groups_and_their_rows_are_counted() -> None:
    group_N, fold_N = np.array([0, 0, 1, 1, 1, 2, 3, 3]), np.array([0, 1, 2, 2, 0, 1, 1, 1])
    assert torn(group_N, fold_N) == (2, 5)
    assert torn(np.arange(4), np.arange(4)) == torn(np.zeros(0, int), np.zeros(0, int)) == (0, 0)


@pytest.fixture
def pair(competition: Path, cache: Path, tmp_path: Path) -> Path:
    """A file that joins two images which lie in different folds."""
    fold_of = folds_of(folds_csv(recipe_of(), competition, cache=cache))
    one = next(iter(fold_of))
    other = next(name for name, fold in fold_of.items() if fold != fold_of[one])
    file = tmp_path / "groups.csv"
    file.write_text(f"id,group\n{one},same\n{other},same\n")
    return file


def test_a_run_with_new_groups_marks_the_old_one_and_keeps_its_score(
    competition: Path, cache: Path, tmp_path: Path, pair: Path
) -> None:
    out, regrouped = tmp_path / "old", recipe_of(f"folds.groups={pair}")
    run(recipe_of(), competition, out, cache=cache)
    summary, said = (out / "summary.json").read_bytes(), list[str]()
    new = folds_csv(regrouped, competition, cache=cache, runs=[out], say=said.append)
    rows = [row["id"] for row in csv.DictReader(pair.read_text().splitlines())]
    assert folds_of(new)[rows[0]] == folds_of(new)[rows[1]]
    assert "tear 1 groups" in said[0] and (out / "summary.json").read_bytes() == summary
    assert json.loads((out / FILE).read_text())["groups"] == 1
    assert "WARNING" in submit(out) and "tear 1 groups" in submit_notes(out)

    run(regrouped, competition, tmp_path / "new", cache=cache)
    folds_csv(regrouped, competition, cache=cache, runs=[tmp_path / "new"], say=said.append)
    assert said[-1].endswith("its folds tear no group") and stale_notes([tmp_path / "new"]) == []
    folds_csv(recipe_of(), competition, cache=cache, runs=[out], say=said.append)
    assert not (out / FILE).exists()  # by the old groups it is as good as ever


def submit_notes(out: Path) -> str:
    return "\n".join(stale_notes([out]))


def test_a_blend_of_marked_runs_says_so(contest: Any, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for seed, out in enumerate(folders):
        oof, test = contest.script(out.name, seed=seed)
        join(oof, test, contest.folds(), out, metric="accuracy", name=out.name)
    assert mark(folders[0], {name: row // 2 for row, name in enumerate(contest.ids)}, source="groups.csv")
    told = [note for note in blend(folders, tmp_path / "both").notes if note.startswith("WARNING")]
    with pytest.raises(MismatchError, match="of other images, such as '000'"):
        mark(folders[0], {"somebody": 0}, source="groups.csv")
    assert len(told) == 1 and "80 groups of groups.csv apart (160 images)" in told[0]


def test_torn_groups_of_given_folds_are_a_warning(competition: Path, cache: Path, tmp_path: Path, pair: Path) -> None:
    (tmp_path / "folds.csv").write_text(folds_csv(recipe_of(), competition, cache=cache))
    given = recipe_of(f"folds.file={tmp_path / 'folds.csv'}", f"folds.groups={pair}")
    notes = run(given, competition, tmp_path / "out", cache=cache).notes
    assert any(note.startswith("WARNING") and "tear 1 groups (2 images)" in note for note in notes)


def test_a_file_that_is_missing_is_told_before_the_first_image(competition: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"folds.groups: there is no file .* medalist check DATA --out"):
        run(recipe_of("folds.groups=none.csv"), competition, tmp_path / "out", cache=tmp_path / "cache")
