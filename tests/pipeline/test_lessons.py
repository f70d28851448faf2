"""Suspects and pseudo-labels: scored on all rows as labelled, at chance where labels tell nothing, and no fold's labels
reach its own model.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.errors import RecipeError
from medalist.experiments.ablating.questions import ask
from medalist.features.rows import Block, Rows
from medalist.fitted import Fitted
from medalist.pipeline import run
from medalist.pipeline.checks import check, check_table
from medalist.pipeline.lessons import relearnt
from medalist.pipeline.way import decide, embed, fit, read, split
from medalist.predictions import Predictions
from medalist.progress import ignore
from medalist.recipe import Recipe, load_recipe
from medalist.training.choice import Task
from medalist.training.crossval import crossval
from medalist.training.heads import heads, predict
from medalist.training.lessons import ordinary, relearn

SMALL = ["folds.k=3", "views=center"]
ACTIONS = ["drop", "relabel(least=0.6)", "downweight(weight=0.1)"]
NUM_ROWS, NUM_TEST, NUM_FOLDS = 150, 30, 5
FOLD_N = np.where(np.arange(NUM_ROWS) < 140, np.arange(NUM_ROWS) // 2 % NUM_FOLDS, -1)


def recipe_of(*overrides: str, metric: str = "accuracy") -> Recipe:
    return load_recipe(None, [*SMALL, *overrides], metric=metric, backbones=("embedded",))


def rows_in(folder: Path, x_ND: np.ndarray, name: str) -> Rows:
    """Features on disk, as a run reads them."""
    np.save(folder / f"{name}.npy", x_ND)
    place_N2 = np.stack([np.zeros(len(x_ND), np.int64), np.arange(len(x_ND))], axis=1)
    return Rows([Block([folder / f"{name}.npy"], place_N2, x_ND.shape[1])], num_rows=len(x_ND))


def drawn(
    seed: int = 0, wrong: float = 0.1, apart: float = 1.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels some of which are wrong, which those are, and features of the test set."""
    rng = np.random.default_rng(seed)
    y, y_test = rng.integers(0, 3, NUM_ROWS), rng.integers(0, 3, NUM_TEST)
    corner_CD = apart * rng.normal(size=(3, 12))
    x, x_test = (corner_CD[c] + rng.normal(size=(len(c), 12)) for c in (y, y_test))
    wrong_N = rng.random(NUM_ROWS) < wrong
    return x.astype("f4"), np.where(wrong_N, (y + 1) % 3, y).astype(np.int32), wrong_N, x_test.astype("f4")


def taught(name: str, x: Rows, y: Any, x_test: Rows, folder: Path, *overrides: str) -> tuple[Fitted, list[Any]]:
    task = Task(heads.bind(name), y, FOLD_N, NUM_FOLDS, 3, 0, ignore)
    fitted, first = crossval(task.head, x, y, FOLD_N, x_test, num_classes=3)
    return relearnt(recipe_of(*overrides), task, fitted, first.oof_NC, x, x_test)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        *product(["ridge", "logistic", "lda", "knn"], ([f"suspects={one}"] for one in ACTIONS)),
        *product(["ridge", "logistic", "lda"], [["pseudo=0.5"], ["suspects=drop", "pseudo=1"]]),
    ],
)
def test_labels_of_a_fold_never_reach_its_model(name: str, overrides: list[str], tmp_path: Path) -> None:
    """To the bit."""
    x, y, _, x_test = drawn()
    features, tests = rows_in(tmp_path, x, "train"), rows_in(tmp_path, x_test, "test")
    other = np.where(FOLD_N == 2, (y + 1) % 3, y).astype(np.int32)
    one, two = (taught(name, features, labels, tests, tmp_path, *overrides)[0] for labels in (y, other))
    for k, (a, b) in enumerate(zip(one.states, two.states, strict=True)):
        same = all(a[key].tobytes() == b[key].tobytes() for key in a)
        assert same == (k == 2)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_refit_acts_on_labels_that_are_wrong(action: str, tmp_path: Path) -> None:
    x, y, wrong_N, x_test = drawn()
    features, tests = rows_in(tmp_path, x, "train"), rows_in(tmp_path, x_test, "test")
    _, found = taught("logistic", features, y, tests, tmp_path, f"suspects={action}")
    rows = np.array([one.row for one in found])
    assert wrong_N[rows].mean() > 0.7 and wrong_N[rows].sum() > 0.5 * wrong_N[:140].sum()
    assert (rows < 140).all()  # extra rows were screened when they came
    assert {one.weight for one in found} == {0.0 if action == "drop" else 1.0 if "relabel" in action else 0.1}
    if "relabel" in action:
        right = (y - 1) % 3
        assert np.mean([one.y == right[one.row] for one in found if wrong_N[one.row]]) > 0.8
    else:
        assert all(one.y == y[one.row] for one in found)


@pytest.mark.parametrize(
    "overrides", [["suspects=drop"], ["suspects=downweight"], ["pseudo=0.5"], ["suspects=drop", "pseudo=1"]]
)
def test_tags_are_taught_too(overrides: list[str], tmp_path: Path) -> None:
    x, y, _, x_test = drawn(wrong=0, apart=4)
    features, tests = rows_in(tmp_path, x, "train"), rows_in(tmp_path, x_test, "test")
    tags = csr_array(np.eye(3, dtype=bool)[y] ^ (np.random.default_rng(1).random((NUM_ROWS, 3)) < 0.06))
    for name in ("ridge", "logistic", *(["knn"] if overrides[-1].startswith("suspects") else [])):
        plain = crossval(heads.bind(name), x, tags, FOLD_N, x_test, num_classes=3)[0].refit
        fitted, found = taught(name, features, tags, tests, tmp_path, *overrides)
        answers = [predict(name, refit, x_test) for refit in (plain, fitted.refit)]
        assert (answers[0] != answers[1]).any()
        assert bool(found) == ("pseudo" not in overrides[0])


@pytest.mark.parametrize("name", ["ridge", "logistic", "lda"])
def test_test_images_that_weigh_next_to_nothing_change_next_to_nothing(name: str, tmp_path: Path) -> None:
    x, y, _, x_test = drawn()
    features, tests = rows_in(tmp_path, x, "train"), rows_in(tmp_path, x_test, "test")
    task = Task(heads.bind(name), y, FOLD_N, NUM_FOLDS, 3, 0, ignore)
    fitted, _ = crossval(task.head, features, y, FOLD_N, tests, num_classes=3)
    plain = relearn(task, fitted, features, [ordinary(task, k) for k in (*range(NUM_FOLDS), None)])
    light, _ = taught(name, features, y, tests, tmp_path, "pseudo=1e-6")
    for one, two in zip([*plain.states, plain.refit], [*light.states, light.refit], strict=True):
        np.testing.assert_allclose(predict(name, two, x_test), predict(name, one, x_test), atol=1e-3)


def test_quarantined_rows_are_no_suspects(tmp_path: Path) -> None:
    """They are learnt by no model, so that nothing is to be done about them."""
    x, y, wrong_N, x_test = drawn()
    features, tests = rows_in(tmp_path, x, "train"), rows_in(tmp_path, x_test, "test")
    weight_N = (~wrong_N).astype(np.float32)
    task = Task(heads.bind("ridge"), y, FOLD_N, NUM_FOLDS, 3, 0, ignore, True, weight_N)
    fitted, first = crossval(task.head, features, y, FOLD_N, tests, num_classes=3, weight_N=weight_N)
    _, found = relearnt(recipe_of("suspects=drop"), task, fitted, first.oof_NC, features, tests)
    assert not {one.row for one in found} & set(np.flatnonzero(wrong_N).tolist())


@pytest.mark.parametrize("overrides", [["suspects=drop"], ["suspects=relabel(least=0.0)"], ["pseudo=1"]])
def test_shuffled_labels_score_at_chance(competition: Path, cache: Path, tmp_path: Path, overrides: list[str]) -> None:
    recipe = recipe_of("heads=[ridge, logistic]", *overrides)
    features = embed(recipe, read(recipe, competition), cache=cache)
    gains, errors = [], []
    for seed in range(6):
        label_N = np.random.default_rng(seed).permutation(features.train.labels)
        shuffled = replace(features, train=replace(features.train, labels=label_N))
        folds = split(recipe, shuffled)
        decision = decide(recipe, fit(recipe, shuffled, folds, tmp_path / str(seed)), shuffled, folds)
        gains.append(decision.estimate.score - np.bincount(label_N).max() / len(label_N))
        errors.append(decision.estimate.stderr)
    assert np.mean(gains) <= 2 * np.sqrt(np.square(errors).mean() / len(gains))


def test_a_run_tells_what_was_done_and_scores_all_rows_as_labelled(
    competition: Path, cache: Path, tmp_path: Path
) -> None:
    plain, acted = tmp_path / "plain", tmp_path / "acted"
    run(recipe_of("heads=[ridge, lda]"), competition, plain, cache=cache)
    run(recipe_of("heads=[ridge, lda]", "suspects=drop", "pseudo=0.5"), competition, acted, cache=cache)
    for name in ("folds.csv", "table.json"):
        assert (plain / name).read_bytes() == (acted / name).read_bytes()
    one, two = (Predictions.load(out / "predictions" / "ridge") for out in (plain, acted))
    one.check_same(two)
    assert (one.oof_NC != two.oof_NC).any()
    rows = list(csv.DictReader((acted / "suspects.csv").read_text(encoding="utf-8").splitlines()))
    told = {name: sum(row["learner"] == name for row in rows) for name in ("ridge", "lda")}
    notes = json.loads((acted / "summary.json").read_text())["notes"]
    assert any(f"{told['ridge']} by ridge, {told['lda']} by lda (suspects.csv," in note for note in notes)
    assert any(note.startswith("heads learn 28 test images too") for note in notes)
    table = read(recipe_of(), competition)
    label_of = dict(zip(table.ids.tolist(), [table.classes[c] if c >= 0 else "" for c in table.labels], strict=True))
    assert rows and all(label_of[row["id"]] == row["label"] and row["done"] == "drop" for row in rows)
    assert all(0 <= float(row["probability"]) < 0.5 for row in rows)
    # Once more, of what lies in the folder: the same file.
    before = (acted / "suspects.csv").read_bytes()
    (acted / "summary.json").unlink()
    run(recipe_of("heads=[ridge, lda]", "suspects=drop", "pseudo=0.5"), competition, acted, cache=cache)
    assert (acted / "suspects.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["suspects=dorp"], "suspects: unknown action 'dorp'; did you mean 'drop'"),
        (["suspects=relabel(least=2)"], "suspects: relabel got least=2"),
        (["suspects=downweight(weight=-1)"], "suspects: downweight got weight=-1"),
        (["suspects=drop", "finetune={}"], "suspects: heads on frozen features alone"),
        (
            ["pseudo=0.5", "heads=[ridge, knn, mlp(epochs=2)]"],
            "pseudo: it is for linear heads, knn, mlp(epochs=2) cannot; heads that can: ",
        ),
        (["pseudo=0.5", "finetune={}"], "pseudo: heads on frozen features alone"),
    ],
)
def test_faults_are_told_before_the_first_image(
    competition: Path, tmp_path: Path, overrides: list[str], told: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check(recipe_of(*overrides), competition, tmp_path / "out")
    assert told in str(caught.value)


def test_faults_of_the_dataset_are_told(competition: Path) -> None:
    table = read(recipe_of(), competition)
    with pytest.raises(RecipeError, match="pseudo: there are no test images"):
        check_table(recipe_of("pseudo=1"), table.labelled())
    tags = replace(table, labels=csr_array(np.eye(len(table.classes), dtype=bool)[table.labels]))
    with pytest.raises(
        RecipeError, match=r"suspects: relabel is not for tags; actions that are: complete, downweight, drop"
    ):
        check_table(recipe_of("suspects=relabel", metric="f1_macro"), tags)


def test_each_can_be_asked_about() -> None:
    recipe = recipe_of()
    texts = [value.text for value in ask(recipe, "suspects=null,drop,relabel(least=0.8),downweight").values]
    assert texts == ["drop", "relabel(least=0.8)", "downweight"]
    assert ask(recipe, "pseudo=null,0.5").values[0].recipe.pseudo == 0.5


def test_a_class_that_lies_in_one_fold_is_not_doubted(tmp_path: Path) -> None:
    """No model has met it, so that all its images would look wrong and it would be lost."""
    x, y, _, x_test = drawn()
    y = np.where((FOLD_N == 1) & (np.arange(NUM_ROWS) % 3 == 0), 2, y % 2).astype(np.int32)
    rows = rows_in(tmp_path, x, "x")
    _, found = taught("ridge", rows, y, rows_in(tmp_path, x_test, "test"), tmp_path, "suspects=drop")
    assert found and all(y[one.row] != 2 for one in found)
