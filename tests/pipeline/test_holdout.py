"""One holdout: every number is of rows of fold 0, in folds of their own; its runs are blended, killed, asked again."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from medalist.data.splits import Folds
from medalist.errors import DataError, MismatchError
from medalist.fitted import Fitted
from medalist.pipeline import run
from medalist.pipeline.blend import blend
from medalist.pipeline.holdout import inside
from medalist.pipeline.join import join
from medalist.pipeline.outcome import unseen_answers
from medalist.pipeline.predict import predict
from medalist.pipeline.way import decide, embed, fit, read, split, tune
from medalist.predictions import Predictions
from medalist.recipe import Recipe, load_recipe
from medalist.store import hash_bytes

pytestmark = pytest.mark.usefixtures("one_core")
SMALL = ["folds.k=3", "heads=ridge", "views=center"]
TUNED = ["finetune.holdout=true", "finetune.size=32", "finetune.precision=fp32", "finetune.workers=0"]
TUNED += ["finetune.batch=16", "finetune.phases=[{train: 'from: layer4', epochs: 2, lr: 0.001}]"]
VARIANTS = {
    "heads": [],
    "refit": TUNED,
    "folds": [*TUNED, "final=folds", "fuse=answers", "views=[center, flip]", "finetune.steer=inner", "seed=1"],
    "continue": [*TUNED, "finetune.refit=continue"],
}
SAME = ("fitted", "predictions", "tuned", "submission.csv", "folds.csv", "scored.csv", "decision.json", "unseen.npy")


@pytest.fixture(scope="module")
def done(drawn: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a variant's run that nobody killed."""
    folder = tmp_path_factory.mktemp("runs")

    def make(name: str) -> Path:
        if not (folder / name).exists():
            run(recipe_of(name), drawn, folder / name, cache=cache)
        return folder / name

    return make


def recipe_of(name: str, *overrides: str, metric: str = "log_loss") -> Recipe:
    return load_recipe(None, [*SMALL, *VARIANTS[name], *overrides], metric=metric, backbones=("embedded",))


def folds_in(file: Path) -> dict[str, int]:
    with file.open(newline="", encoding="utf-8") as lines:
        return {row["id"]: int(row["fold"]) for row in csv.DictReader(lines)}


def loss_of(label_n: np.ndarray, prob_nC: np.ndarray) -> float:
    """scikit-learn's log-loss; rows that were clipped are made to sum to 1 again, as leaderboards do."""
    prob_nC = prob_nC.astype(float) / prob_nC.astype(float).sum(axis=1, keepdims=True)
    return float(log_loss(label_n, prob_nC, labels=range(prob_nC.shape[1])))


def bytes_of(out: Path) -> dict[str, str]:
    """Hash of every file that a run's answer consists of; clocks aside."""
    files = [file for name in SAME for file in [out / name, *(out / name).rglob("*")] if file.is_file()]
    return {
        str(file.relative_to(out)): hash_bytes(file.read_bytes())
        for file in files
        if not file.name.startswith("pace-") and file.suffix != ".tmp"
    }


def submitted(text: str) -> dict[str, list[str]]:
    _, *found = csv.reader(text.splitlines())
    return {Path(row[0]).stem: row[1:] for row in found}


@given(
    group_N=st.lists(st.integers(0, 60), min_size=40, max_size=120),
    num_folds=st.integers(3, 8),
    seed=st.integers(0, 9),
)
def test_folds_inside_are_of_the_held_out_rows_with_groups_whole(group_N: list[int], num_folds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.array(group_N)
    fold_N = rng.integers(0, num_folds, 61)[groups].astype(np.int8)
    label_N = rng.integers(0, 3, len(groups))
    folds = Folds(fold_N, tuple(f"{row:03d}" for row in range(len(groups))), num_folds, seed)
    held = np.flatnonzero(fold_N == 0)
    num_groups = len(np.unique(groups[held]))
    if num_groups < 2 or len(held) < 10:
        with pytest.raises(DataError, match=f"fold 0 has {len(held)} rows in {num_groups} groups.*numbered from 0"):
            inside(folds, label_N, groups)
        return
    rows, own = inside(folds, label_N, groups)
    assert rows.tolist() == held.tolist()
    assert own.ids == tuple(folds.ids[row] for row in held)
    assert set(own.fold_N.tolist()) == set(range(min(num_folds, num_groups)))
    for group in np.unique(groups[held]):
        assert len(set(own.fold_N[groups[rows] == group].tolist())) == 1
    # Another run's folds are known by their hash alone: the seed that they were drawn with is not in the file.
    assert inside(replace(folds, seed=seed + 1), label_N, groups)[1].hash == own.hash


def test_one_curve_that_may_not_choose_counts_to_its_end() -> None:
    from medalist.pipeline.tuning.epochs import choose_epochs

    curve = np.array([[0.9, -0.1], [0.2, -0.5], [0.3, -0.4]])
    assert choose_epochs([curve], own=False) == [2, 2]
    assert choose_epochs([curve], own=True) == [0, 0]


def test_all_that_a_run_keeps_is_of_the_held_out_rows(done: Callable[[str], Path]) -> None:
    out = done("refit")
    outer, own = folds_in(out / "folds.csv"), folds_in(out / "scored.csv")
    assert len(outer) == 41
    assert [name for name, fold in outer.items() if fold == 0] == list(own)
    members = [Predictions.load(folder) for folder in sorted((out / "predictions").iterdir())]
    assert [one.name for one in members] == ["blend: ridge, tuned embedded", "ridge", "tuned embedded"]
    assert all(one.ids == tuple(own) and one.fit_known for one in members)
    field, answers_N = unseen_answers(out)
    summary = json.loads((out / "summary.json").read_text())
    by_hand = loss_of(field.truth.labels, answers_N)
    assert summary["score"] == pytest.approx(by_hand, rel=1e-4)
    assert any(
        "scored on the 13 held-out rows of fold 0" in note and "41 labelled" in note for note in summary["notes"]
    )
    assert any("after 2 of 2 epochs answer the held-out rows (as planned" in note for note in summary["notes"])
    cards = sorted(file.name for file in (out / "tuned" / "tuned-embedded").glob("*.safetensors"))
    assert cards == ["fold0.safetensors", "refit.safetensors"]


def test_heads_are_those_of_a_run_of_all_folds(done: Callable[[str], Path]) -> None:
    every, held = (Predictions.load(done(name) / "predictions" / "ridge") for name in ("heads", "refit"))
    rows = [every.ids.index(name) for name in held.ids]
    np.testing.assert_array_equal(held.oof_NC, every.oof_NC[rows])
    np.testing.assert_array_equal(held.test_KMC, every.test_KMC)


@pytest.mark.parametrize("name", ["refit", "folds", pytest.param("continue", marks=pytest.mark.slow)])
def test_new_images_are_answered_as_the_test_images_were(
    done: Callable[[str], Path], drawn: Path, tmp_path: Path, name: str
) -> None:
    """Bit for bit, with a feature bank of its own."""
    out = done(name)
    test = Predictions.load(out / "predictions" / "blend").test_ids
    images = [next(file for file in (drawn / "test").iterdir() if file.stem == Path(one).stem) for one in test]
    new, said = submitted(predict(out, images, cache=tmp_path)), submitted((out / "submission.csv").read_text())
    assert len(new) == len(test) == 6
    assert new == {one: said[one] for one in new}


def test_folds_answer_by_the_models_that_were_scored(done: Callable[[str], Path]) -> None:
    out = done("folds")
    for name in ("ridge", "tuned-embedded"):
        assert len(Fitted.load(out / "fitted" / name).states) == 1
        assert len(Predictions.load(out / "predictions" / name).test_KMC) == 1
    assert not (out / "tuned" / "tuned-embedded" / "refit.json").exists()


class KilledError(BaseException):
    """Not an Exception: nothing that handles errors handles it."""


def arm(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Let the n-th passing of a point end the run."""
    wanted, _, count = point.partition(":")
    left = [int(count)]

    def failpoint(name: str) -> None:
        left[0] -= name == wanted
        if left[0] == 0 and name == wanted:
            raise KilledError(point)

    for name, module in list(sys.modules.items()):
        if name.startswith("medalist.") and hasattr(module, "failpoint"):
            monkeypatch.setattr(module, "failpoint", failpoint)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("refit", ["after-step:2", "before-checkpoint:4", "in-fit:1"]),
        pytest.param("folds", ["after-step:3", "before-rename:12", "in-fit:1"], marks=pytest.mark.slow),
        pytest.param("continue", ["after-step:6", "after-checkpoint:2", "in-fit:1"], marks=pytest.mark.slow),
    ],
)
def test_stopped_again_and_again_it_ends_in_the_same_bytes(
    done: Callable[[str], Path], drawn: Path, cache: Path, tmp_path: Path, name: str, points: list[str]
) -> None:
    want, recipe = bytes_of(done(name)), recipe_of(name)
    for point in points:
        with pytest.MonkeyPatch.context() as patch:
            arm(patch, point)
            with pytest.raises(KilledError):
                run(recipe, drawn, tmp_path / "out", cache=cache)
    run(recipe, drawn, tmp_path / "out", cache=cache)
    assert bytes_of(tmp_path / "out") == want


def test_two_holdouts_and_a_run_of_all_folds_are_blended_on_the_held_out_rows(
    done: Callable[[str], Path], drawn: Path, cache: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all"
    summary = blend([done("heads"), done("refit"), done("folds")], out)
    assert len(summary.heads) == 1 + 2 + 4
    for name in ("folds.csv", "scored.csv"):
        assert (out / name).read_bytes() == (done("refit") / name).read_bytes()
    assert any("scored on the 13 held-out rows of fold 0" in note for note in summary.notes)
    field, answers_N = unseen_answers(out)
    held = [name for name, fold in folds_in(out / "folds.csv").items() if fold == 0]
    assert list(field.folds.ids) == held
    by_hand = loss_of(field.truth.labels, answers_N)
    assert summary.score == pytest.approx(by_hand, rel=1e-4)
    heads = json.loads((done("refit") / "summary.json").read_text())["heads"]
    assert summary.heads["refit/ridge"]["score"] == pytest.approx(heads["ridge"]["score"])
    assert summary.heads["heads/ridge"]["score"] == pytest.approx(heads["ridge"]["score"])
    new = submitted(predict(out, [drawn / "test"], cache=cache))
    said = submitted((out / "submission.csv").read_text())
    known = {Path(one).stem for one in Predictions.load(out / "predictions" / "blend").test_ids}
    assert {one: new[one] for one in known} == {one: said[one] for one in known}


def test_a_member_of_other_folds_than_its_run_s_is_refused(done: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(done("heads"), tmp_path / "heads")
    folder = tmp_path / "heads" / "predictions" / "ridge"
    replace(Predictions.load(folder), fold_hash="another").save(folder)
    with pytest.raises(MismatchError, match="differ in their fold hash"):
        blend([done("refit"), tmp_path / "heads"], tmp_path / "both")


def test_other_folds_are_refused(done: Callable[[str], Path], drawn: Path, cache: Path, tmp_path: Path) -> None:
    run(recipe_of("heads", "folds.seed=5"), drawn, tmp_path / "other", cache=cache)
    with pytest.raises(MismatchError, match=r"28 are in one only.*folds\.file=.*refit/folds\.csv"):
        blend([done("refit"), tmp_path / "other"], tmp_path / "both")


def test_a_script_joins_with_all_folds_or_with_the_held_out_one(done: Callable[[str], Path], tmp_path: Path) -> None:
    every = Predictions.load(done("heads") / "predictions" / "ridge")
    folds = done("refit") / "folds.csv"
    field = unseen_answers(done("refit"))[0]
    header, fold_of = ["id", "fold", *field.table.classes], folds_in(folds)

    def write(name: str, wanted: list[str]) -> Path:
        rows = [[one, fold_of[one], *every.oof_NC[every.ids.index(one)].tolist()] for one in wanted]
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines).writerows([header, *rows])
        return tmp_path / name

    with (tmp_path / "test.csv").open("w", newline="", encoding="utf-8") as lines:
        prob_MC = np.full((len(field.test_ids or ()), len(field.table.classes)), 1 / len(field.table.classes))
        answers = [[name, *row] for name, row in zip(field.test_ids or (), prob_MC.tolist(), strict=True)]
        csv.writer(lines).writerows([["id", *field.table.classes], *answers])
    held = [name for name, fold in fold_of.items() if fold == 0]
    scores = []
    for name, wanted in (("all", list(every.ids)), ("held", held)):
        oof = write(f"{name}.csv", wanted)
        scores.append(join(oof, tmp_path / "test.csv", folds, tmp_path / name, metric="log_loss").score)
    assert scores[0] == scores[1]
    assert blend([done("refit"), tmp_path / "held"], tmp_path / "both").score > 0
    with pytest.raises(MismatchError, match=r"1 ids are missing"):
        join(write("short.csv", held[1:]), tmp_path / "test.csv", folds, tmp_path / "short", metric="log_loss")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_shuffled_labels_score_at_chance(drawn: Path, cache: Path, tmp_path: Path) -> None:
    """Forty epochs learn every label by heart; held-out rows are answered no better than by chance."""
    phases = "finetune.phases=[{train: all, epochs: 40, lr: 0.003}]"
    gains, errors = [], []
    for seed in range(4):
        recipe = recipe_of("refit", phases, "finetune.augment=flip", "final=folds", metric="accuracy")
        features = embed(recipe, read(recipe, drawn), cache=cache)
        label_N = np.random.default_rng(seed).permutation(features.train.labels)
        features = replace(features, train=replace(features.train, labels=label_N))
        folds = split(recipe, features)
        out = tmp_path / str(seed)
        runs = (*fit(recipe, features, folds, out), *tune(recipe, features, folds, out, cache=cache))
        decision = decide(recipe, runs, features, folds)
        held_n = label_N[folds.fold_N == 0]
        share = np.bincount(held_n).max() / len(held_n)
        hit = float((runs[-1].oof_NC.argmax(axis=1) == held_n).mean())
        gains += [decision.estimate.score - share, hit - share]
        errors += [decision.estimate.stderr] * 2
        assert runs[-1].meta["curves"][0][-1]["train_metric"] > 0.8  # it did learn them
    assert np.mean(gains) <= 2 * np.sqrt(np.square(errors).mean() / len(gains))
