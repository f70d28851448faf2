"""`runs`, `diff` and `best` on real runs and imports: what is printed is what the folders hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.errors import MismatchError, StoreError
from medalist.evidence import best_of_many
from medalist.pipeline import run
from medalist.pipeline.outcome import unseen_answers
from medalist.pipeline.records import listing
from medalist.pipeline.records.choosing import best
from medalist.pipeline.records.differing import diff
from medalist.recipe import load_recipe

Import = Callable[..., Path]


@pytest.fixture(scope="module")
def three(competition: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of a drawn competition: ridge, ridge on one view, a nearest neighbour."""
    place = tmp_path_factory.mktemp("three")
    for name, keys in (("a", {}), ("b", {"views": ("center",)}), ("c", {"views": ("center",), "heads": ("knn(k=1)",)})):
        recipe = load_recipe(metric="accuracy", backbones=("embedded",), **{"heads": ("ridge",), **keys})
        run(recipe, competition, place / name, cache=cache)
    return place


def test_runs_tells_what_each_changed_and_what_that_was_worth(three: Path, cache: Path) -> None:
    found, faults = listing.runs([three], cache=cache)
    assert [step.entry.folder.name for step in found] == ["a", "b", "c"] and not faults
    assert [step.changed for step in found] == [(), ('views=["center"]',), ('heads=["knn(k=1)"]',)]
    gain = found[2].gain
    (field, b_N), (_, c_N) = unseen_answers(three / "b"), unseen_answers(three / "c")
    y = field.truth.labels
    assert gain is not None and gain.difference == pytest.approx((c_N == y).mean() - (b_N == y).mean())
    told = listing.table(found)
    assert "accuracy (higher is better) on" in told and "3 runs" in told
    assert "      heads=[knn(k=1)]" in told.splitlines()
    assert "each is one comparison of 2" in told
    assert f"{gain.difference:+.4f} +- {gain.stderr:.4f}" in told


def test_the_csv_has_every_number_in_full(three: Path, cache: Path) -> None:
    found, _ = listing.runs([three], cache=cache)
    rows = list(csv.DictReader(io.StringIO(listing.as_csv(found))))
    assert [row["run"] for row in rows] == [str(three / name) for name in "abc"]
    assert tuple(rows[0]) == listing.COLUMNS
    for row, step in zip(rows, found, strict=True):
        assert float(row["score"]) == step.entry.score and float(row["seconds"]) == step.entry.seconds
        assert row["gain"] == ("" if step.gain is None else repr(step.gain.difference))
    assert rows[2]["changed"] == 'heads=["knn(k=1)"]' and rows[0]["submission"] == "yes"


def test_no_run_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no finished run in .* \(add --arms .*type: medalist run"):
        listing.runs([tmp_path], cache=tmp_path / "cache")
    with pytest.raises(StoreError, match="no finished run"):
        best([tmp_path], cache=tmp_path / "cache")


def test_diff_tells_recipe_score_and_images(three: Path) -> None:
    told = diff(three / "b", three / "c")
    (field, b_N), (_, c_N) = unseen_answers(three / "b"), unseen_answers(three / "c")
    b, c = b_N == field.truth.labels, c_N == field.truth.labels
    assert 'recipe: 1 key differs\n  heads: ["ridge"] -> ["knn(k=1)"]' in told
    assert f"{(c.mean() - b.mean()):+.4f} +- " in told
    assert (
        f"right: both {(b & c).sum()}, only {three / 'b'} {(b & ~c).sum()}, only {three / 'c'} {(c & ~b).sum()}" in told
    )
    assert "made with: the same versions and machine" in told
    assert "recipe: the same" in diff(three / "b", three / "b")


def test_diff_names_what_moved_most(bring: Import, contest: Any) -> None:
    one, two = bring("one", 2.0, seed=1), bring("two", 2.0, seed=2)
    told = diff(one, two)
    prob = [np.load(folder / "predictions" / folder.name / "oof.npy") for folder in (one, two)]
    moved = int(np.abs(prob[1] - prob[0]).max(axis=1).argmax())
    assert f"answered most differently: {contest.ids[moved]} (" in told
    assert "right:" not in told  # log-loss eats probabilities


def test_diff_tells_versions_that_differ(bring: Import) -> None:
    one, two = bring("one", seed=1), bring("two", seed=2)
    facts = json.loads((two / "made.json").read_bytes())
    facts["packages"]["numpy"] = "9.9"
    (two / "made.json").write_text(json.dumps(facts))
    assert f"made with:\n  numpy: {np.__version__} -> 9.9\n" in diff(one, two)


def test_what_cannot_be_compared_is_refused(bring: Import, contest: Any) -> None:
    one, two = bring("one", seed=1), bring("two", seed=2, metric="accuracy")
    with pytest.raises(MismatchError, match=r"scored by log_loss, .* by accuracy.*name runs of one metric"):
        diff(one, two)
    table = json.loads((two / "table.json").read_bytes())
    (two / "table.json").write_text(json.dumps({**table, "labels": [(c + 1) % 3 for c in table["labels"]]}))
    three = bring("three", seed=3, metric="accuracy")
    with pytest.raises(MismatchError, match=r"other labels for 160 images, such as '000'"):
        diff(two, three)


def test_best_counts_the_choice_and_names_what_is_cheaper(three: Path, cache: Path) -> None:
    told = best([three], cache=cache)
    found = [unseen_answers(three / name) for name in "abc"]
    truth = found[0][0].truth
    chosen = best_of_many("accuracy", truth.labels, [answers_N for _, answers_N in found], groups=truth.group_N)
    assert f"best: {three / 'abc'[chosen.index]} {chosen.naive:.4f}" in told
    assert f"with the choice among 3 counted: {chosen.score:.4f} +- {chosen.stderr:.4f}" in told
    assert sum(" +- " in line and ": " in line for line in told.splitlines()) >= 4


@pytest.mark.parametrize(("seconds", "told_so"), [(60.0, True), (590.0, False)])
def test_cheaper_and_as_good_is_said(bring: Import, tmp_path: Path, seconds: float, told_so: bool) -> None:
    for name, skill, seed, took in (("slow", 2.0, 1, 600.0), ("fast", 1.9, 2, seconds)):
        folder = bring(name, skill, seed=seed)
        summary = json.loads((folder / "summary.json").read_bytes())
        (folder / "summary.json").write_text(json.dumps({**summary, "seconds": {"total": took}}))
    told = best([tmp_path], cache=tmp_path / "cache")
    assert f"best: {tmp_path / 'slow'}" in told
    assert (f"not worse by what can be told, and cheaper: {tmp_path / 'fast'}" in told) is told_so


def test_one_run_is_the_only_one(bring: Import, tmp_path: Path) -> None:
    assert "the only one" in best([bring("one", seed=1)], cache=tmp_path / "cache")


def test_other_folds_are_told(contest: Any, bring: Import) -> None:
    one, two = bring("one", seed=1), bring("two", seed=1, folds=contest.folds(5))
    told = diff(one, two)
    assert "WARNING: " in told and "of these images lie in other folds" in told
    assert "WARNING" not in diff(one, one)


def test_the_same_answers_are_one_choice(bring: Import, tmp_path: Path) -> None:
    for name in ("one", "again", "once-more"):
        bring(name, 2.0, seed=1)
    bring("other", 1.0, seed=2)
    told = best([tmp_path], cache=tmp_path / "cache")
    assert "with the choice among 2 counted" in told and "2 runs have the same answers as another" in told
