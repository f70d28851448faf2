"""Labels of twins answer test images where the recipe says so: by hand, and from a folder to a submission."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy.sparse import csr_array

from medalist.metrics import metrics
from medalist.pipeline import run
from medalist.pipeline.leaked import Known, known
from medalist.recipe import load_recipe

# Pictures 0 to 3 in training: twins that agree, a pair that does not, three files of which two agree, a single one.
LABELS = np.array([0, 0, 0, 1, 2, 2, 1, 2], np.int32)
GROUPS = np.array([0, 0, 1, 1, 2, 2, 2, 3])
TEST = np.array([3, 1, 0, 4, 2])


def test_unanimous_twins_answer_and_their_sureness_is_how_often_twins_agree() -> None:
    found = known(LABELS, GROUPS, TEST)
    assert found.rows_J.tolist() == [0, 2]
    assert found.labels_J.tolist() == [2, 0]
    assert found.sure == pytest.approx((1 + 0 + 1 / 3 + 1) / (3 + 2)) and found.num_pictures == 3
    assert "2 of 5 test images" in found.told(5)


def test_without_twins_in_training_nothing_is_known_of_twins() -> None:
    found = known(np.array([1, 0], np.int32), np.array([0, 1]), np.array([0]))
    assert (found.sure, found.num_pictures) == (0.5, 0)
    none = known(np.array([1, 0], np.int32), np.array([0, 1]), np.array([2]))
    assert none.told(1) == "leaks: no test image shows a labelled picture"
    prob_MC = np.array([[0.3, 0.7]], np.float32)
    np.testing.assert_array_equal(none.answer(prob_MC, prob_MC, "prob")[0], prob_MC)


def test_tags_are_known_as_sets() -> None:
    has_NC = np.array([[1, 0, 1], [1, 0, 1], [0, 1, 0], [0, 1, 1]], bool)
    found = known(csr_array(has_NC), np.array([0, 0, 1, 1]), np.array([0, 1]))
    assert found.rows_J.tolist() == [0] and found.labels_J.tolist() == [[True, False, True]]
    assert found.sure == pytest.approx(2 / 4)
    sure = Known(found.rows_J, found.labels_J, 0.9, 8)
    sets, prob = sure.answer(np.zeros((2, 3), bool), np.full((2, 3), 0.2, np.float32), "sets")
    assert sets.tolist() == [[True, False, True], [False] * 3]
    np.testing.assert_allclose(prob, [[0.9, 0.1, 0.9], [0.2] * 3], rtol=1e-6)


def test_a_class_gets_the_sureness_and_the_others_share_the_rest_as_the_model_would() -> None:
    prob_MC = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.0, 0.0, 1.0]], np.float32)
    one = Known(np.array([0, 2]), np.array([1, 2]), 0.9, 8)
    answers, prob = one.answer(prob_MC, prob_MC, "prob")
    np.testing.assert_allclose(
        answers, [[0.1 * 5 / 7, 0.9, 0.1 * 2 / 7], [0.2, 0.2, 0.6], [0.05, 0.05, 0.9]], atol=1e-6
    )
    np.testing.assert_array_equal(answers, prob)
    np.testing.assert_array_equal(prob_MC[2], [0, 0, 1])  # as it was
    assert one.answer(np.array([0, 2, 0]), prob_MC, "labels")[0].tolist() == [1, 2, 2]


def test_a_label_that_twins_often_contradict_leaves_the_models() -> None:
    """Where the side is the class, a single mirrored twin would be wrong: pairs in training have said so."""
    prob_MC = np.array([[0.8, 0.2]], np.float32)
    one = known(np.array([0, 1] * 5, np.int32), np.repeat(np.arange(6), 2)[:10], np.array([2]))
    assert not len(one.rows_J)  # the pair itself is at odds
    lonely = known(np.array([0, 1] * 5 + [1], np.int32), np.repeat(np.arange(6), 2)[:11], np.array([5]))
    assert lonely.rows_J.tolist() == [0] and lonely.sure == pytest.approx(1 / 7)
    assert lonely.answer(np.array([0]), prob_MC, "labels")[0].tolist() == [0]


def test_log_loss_gains_what_twins_know() -> None:
    rng = np.random.default_rng(0)
    y_N, y_M = rng.integers(3, size=400), rng.integers(3, size=200)
    group_N, group_M = np.arange(400) // 2, 200 + np.arange(200)
    y_N[1::2] = np.where(rng.random(200) < 0.95, y_N[::2], (y_N[::2] + 1) % 3)
    labels, groups = np.concatenate([y_N, y_M]).astype(np.int32), np.concatenate([group_N, group_M])
    prob_MC = np.full((200, 3), 1 / 3, np.float32)
    found = known(labels, groups, group_M)
    assert found.sure == pytest.approx(0.95, abs=0.05)
    agree_M = np.where(rng.random(200) < 0.95, y_M, (y_M + 1) % 3)  # test twins agree as often as those in training
    loss = metrics.bind("log_loss")
    assert loss(agree_M, found.answer(prob_MC, prob_MC, "prob")[0]) < 0.4 < loss(agree_M, prob_MC)


@pytest.fixture
def leaking(competition: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A competition whose first test images are training images, one of them mirrored; and their labels."""
    root = tmp_path / "data"
    shutil.copytree(competition, root)
    tests = [path for path in sorted((root / "test").iterdir()) if path.stat().st_size > 1500]
    boats, fish = (sorted(path for path in (root / "train" / name).glob("*.jpg")) for name in ("boat", "fish"))
    shutil.copy(boats[2], tests[0])
    with Image.open(fish[3]) as image:
        ImageOps.mirror(image).save(tests[1], format="JPEG", quality=95)
    return root, {tests[0].stem: "boat", tests[1].stem: "fish"}


def test_a_run_answers_leaks_on_request_alone(leaking: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    root, told = leaking
    summaries, answers = {}, {}
    for leaks in ("list", "use"):
        keys = ["folds.k=3", "heads=ridge", f"leaks={leaks}"]
        recipe = load_recipe(None, keys, metric="accuracy", backbones=("embedded",))
        summaries[leaks] = run(recipe, root, tmp_path / leaks, cache=tmp_path / "cache")
        with (tmp_path / leaks / "submission.csv").open(newline="") as file:
            answers[leaks] = dict(list(csv.reader(file))[1:])
    assert summaries["use"].score == summaries["list"].score
    assert summaries["use"].forecast == summaries["list"].forecast
    (note,) = (note for note in summaries["use"].notes if note.startswith("leaks:"))
    assert "2 of 30 test images" in note and "score and forecast are of answers without" in note
    with (tmp_path / "use" / "leaks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["id"]: row["label"] for row in rows} == told
    answered = {row["id"]: row["answered_by"] for row in rows}
    assert all(f"{test} as {answered[test]}" in note and told[test] in answered[test] for test in told)
    assert not (tmp_path / "list" / "leaks.csv").exists()
    assert not [note for note in summaries["list"].notes if note.startswith("leaks:")]
    assert {name: answers["use"][name] for name in told} == told
    others = answers["list"].keys() - told.keys()
    assert {answers["use"][name] == answers["list"][name] for name in others} == {True}
