"""A script's predictions become a run folder, or are refused with the reason."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from medalist.cli import app
from medalist.errors import DataError, MedalistError, MismatchError, StoreError
from medalist.metrics import metrics
from medalist.pipeline.adversary import warnings_of
from medalist.pipeline.blend import blend
from medalist.pipeline.join import join
from medalist.predictions import Predictions

Rows = list[list[str]]


def rows(file: Path) -> Rows:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def rewrite(file: Path, change: Callable[[Rows], Rows]) -> Path:
    changed = change(rows(file))
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(changed)
    return file


def test_it_is_scored_as_what_it_is(contest: Any, tmp_path: Path) -> None:
    oof, test = contest.script("net")
    summary = join(oof, test, contest.folds(), tmp_path / "out", metric="accuracy", name="net")
    by_hand = (contest.prob(contest.y, 2.0, 0).argmax(axis=1) == contest.y).mean()
    assert summary.score == pytest.approx(by_hand)
    assert summary.score_stderr == pytest.approx(np.sqrt(by_hand * (1 - by_hand) / len(contest.y)), rel=0.1)
    assert summary.score_in_sample is None
    assert summary.forecast is not None and summary.forecast["num_test"] == 60
    assert "in sample not known" in summary.text(tmp_path / "out")
    answers = dict(rows(tmp_path / "out" / "submission.csv")[1:])
    given = contest.prob(contest.y_test, 2.0, 1000).argmax(axis=1)
    assert answers == {i: contest.classes[c] for i, c in zip(contest.test_ids, given, strict=True)}


def test_rows_and_columns_may_come_in_any_order(contest: Any, tmp_path: Path) -> None:
    oof, test = contest.script("net")
    join(oof, test, contest.folds(), tmp_path / "plain", metric="log_loss", name="net")
    rng = np.random.default_rng(0)
    for file in (oof, test):
        rewrite(file, lambda table: [table[0], *(table[1:][i] for i in rng.permutation(len(table) - 1))])
        rewrite(file, lambda table: [[row[0], row[3], row[1], row[2]] for row in table])
    join(oof, test, contest.folds(), tmp_path / "mixed", metric="log_loss", name="net")
    one, two = (Predictions.load(tmp_path / name / "predictions" / "net") for name in ("plain", "mixed"))
    assert (one.ids, one.fold_hash) == (two.ids, two.fold_hash)
    np.testing.assert_array_equal(one.oof_NC, two.oof_NC)
    if contest.test_ids:  # without DATA the order of the test ids is the file's
        np.testing.assert_array_equal(
            one.test_KMC[0][np.argsort(one.test_ids)], two.test_KMC[0][np.argsort(two.test_ids)]
        )


def test_one_column_is_enough_for_two_classes(tmp_path: Path) -> None:
    y = np.arange(40) % 2
    folds = [["id", "fold", "group", "label", "no", "yes"]]
    folds += [[f"{i}", i % 3, i, ("no", "yes")[c], 1 - c, c] for i, c in enumerate(y)]
    (tmp_path / "folds.csv").write_text("\n".join(",".join(map(str, row)) for row in folds), encoding="utf-8")
    for column, sign in (("p", 1), ("Probability", 1), ("yes", 1), ("no", 0), ("yeah", None)):
        for part in ("oof", "test"):
            text = "".join(f"{i},{0.9 if c == sign else 0.2}\n" for i, c in enumerate(y))
            (tmp_path / f"{part}.csv").write_text(f"id,{column}\n{text}", encoding="utf-8")
        files = tmp_path / "oof.csv", tmp_path / "test.csv", tmp_path / "folds.csv"
        if sign is None:
            with pytest.raises(DataError, match=r"'yeah', which is no class; did you mean 'yes'.*'no' or 'yes'"):
                join(*files, tmp_path / column, metric="roc_auc", name="net")
            continue
        summary = join(*files, tmp_path / column, metric="roc_auc", name="net")
        assert summary.score == 1.0
        np.testing.assert_allclose(Predictions.load(tmp_path / column / "predictions" / "net").oof_NC.sum(axis=1), 1)


def test_tags_are_scored_by_sets(tag_contest: Any, tmp_path: Path) -> None:
    oof, test = tag_contest.script("net")
    out = tmp_path / "out"
    summary = join(oof, test, tag_contest.folds(), out, metric="f1_samples", name="net")
    at_half = metrics.bind("f1_samples")(tag_contest.y, tag_contest.prob(tag_contest.y, 2.0, 0) > 0.5)
    assert summary.score > at_half - 0.05
    assert json.loads((out / "decision.json").read_text(encoding="utf-8"))["kind"] == "import"


def first_number(text: str) -> Callable[[Rows], Rows]:
    return lambda table: [table[0], [table[1][0], text, *table[1][2:]], *table[2:]]


@pytest.mark.parametrize(
    ("which", "change", "message"),
    [
        (0, lambda t: [*t, t[1]], "1 ids come more than once .'000'."),
        (1, lambda t: [*t, t[1]], "1 ids come more than once .'t000'."),
        (0, lambda t: t[:-2], "2 ids are missing .'158', '159'."),
        (0, lambda t: [*t, ["0", *t[1][1:]]], "1 ids are not in the fold file .'0'."),
        (0, first_number("nan"), "1 rows are NaN or infinite .line 2."),
        (1, first_number("inf"), "1 rows are NaN or infinite"),
        (0, first_number("-0.5"), "lie outside 0 to 1"),
        (0, first_number("0.999"), "1 rows do not sum to 1 .line 2.; apply softmax"),
        (0, first_number("high"), "line 2: id '000' has 'high', which is no number, in column 'cat'"),
        (1, first_number(""), "line 2: id 't000' has a blank cell in column 'cat'"),
        (
            0,
            lambda t: [t[0], *([f"train/{row[0]}.jpg", *row[1:]] for row in t[1:])],
            "write '000' where you have 'train/000.jpg'",
        ),
        (0, lambda t: [["id", "cat", "dgo", "NA"], *t[1:]], "1 of classes have no column .'dog'.*did you mean 'dog'"),
        (0, lambda t: [row[:3] for row in t], "1 of classes have no column .'NA'."),
        (0, lambda t: [["name", *t[0][1:]], *t[1:]], "expected 'id'"),
        (0, lambda t: [[*t[0], "fold"], *([*row, str(i % 5)] for i, row in enumerate(t[1:]))], "in another fold"),
    ],
)
def test_what_does_not_fit_is_refused(contest: Any, tmp_path: Path, which: int, change: Any, message: str) -> None:
    files = contest.script("net")
    rewrite(files[which], change)
    with pytest.raises((DataError, MismatchError), match=message):
        join(*files, contest.folds(), tmp_path / "out", metric="accuracy")
    assert not (tmp_path / "out").exists()


def answered(file: Path, prob_NC: np.ndarray) -> None:
    rewrite(
        file,
        lambda table: [
            table[0],
            *([row[0], *map(repr, p)] for row, p in zip(table[1:], prob_NC.tolist(), strict=True)),
        ],
    )


@pytest.mark.parametrize("share", [0.0, 0.8, 1.0])
def test_rows_answered_by_heart_are_told_loudly(contest: Any, tmp_path: Path, share: float) -> None:
    oof, test = contest.script("net")
    prob_NC = contest.prob(contest.y, 2.0, 0)
    seen_N = np.arange(len(contest.y)) < share * len(contest.y)
    prob_NC[seen_N] = np.eye(3)[contest.y[seen_N]]
    answered(oof, prob_NC)
    notes = join(oof, test, contest.folds(), tmp_path / "out", metric="accuracy", name="net").notes
    loud = [note for note in notes if "may not be out of fold" in note]
    assert len(loud) == (share > 0) and all("far surer than test answers" in note for note in loud)
    assert ("the score is perfect" in "".join(loud)) == (share == 1)
    assert ("probabilities equal the labels" in "".join(loud)) == (share == 1)
    assert warnings_of([tmp_path / "out"]) == loud
    assert [note for note in blend([tmp_path / "out"], tmp_path / "both").notes if note.startswith("WARNING")] == loud
    assert any("folds were not checked: net-oof.csv has no fold column" in note for note in notes)


def test_the_same_folds_in_a_column_are_welcome(contest: Any, tmp_path: Path) -> None:
    oof, test = contest.script("net")
    rewrite(oof, lambda t: [[*t[0], "fold"], *([*row, str(i % 4)] for i, row in enumerate(t[1:]))])
    summary = join(oof, test, contest.folds(), tmp_path / "out", metric="accuracy")
    assert summary.score > 0.5 and not any("folds were not checked" in note for note in summary.notes)


def test_a_run_folders_folds_bring_its_rows(contest: Any, tmp_path: Path) -> None:
    join(*contest.script("net"), contest.folds(), tmp_path / "one", metric="accuracy", name="net")
    join(*contest.script("other", seed=9), tmp_path / "one" / "folds.csv", tmp_path / "two", metric="accuracy")
    assert (tmp_path / "one" / "folds.csv").read_bytes() == (tmp_path / "two" / "folds.csv").read_bytes()
    oof, test = contest.script("short")
    rewrite(test, lambda table: table[:-1])
    with pytest.raises(MismatchError, match=r"1 ids are missing .'t059'."):
        join(oof, test, tmp_path / "one" / "folds.csv", tmp_path / "three", metric="accuracy")


def test_again_computes_nothing_and_another_is_refused(contest: Any, tmp_path: Path) -> None:
    oof, test = contest.script("net")
    out = tmp_path / "out"
    first = join(oof, test, contest.folds(), out, metric="accuracy")
    stamps = {file: file.stat().st_mtime_ns for file in out.rglob("*.*")}
    again = join(oof, test, contest.folds(), out, metric="accuracy")
    assert again.score == first.score and "nothing was computed" in again.notes[-1]
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.*")} == stamps
    rewrite(oof, lambda table: table[:1] + table[:0:-1])
    with pytest.raises(StoreError, match=r"another run .different: files."):
        join(oof, test, contest.folds(), out, metric="accuracy")


def test_the_command_reads_data_as_told(contest: Any, tmp_path: Path) -> None:
    contest, data = replace(contest, classes=("NA", "cat", "dog")), tmp_path / "data"
    for name in (*contest.ids, *contest.test_ids):
        part = data / ("test" if name.startswith("t") else "train")
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{name}.jpg").touch()
    for name, shift in (("right", 0), ("wrong", 1)):
        classes = np.array(contest.classes)[(contest.y + shift) % 3]
        lines = [f"{image},{said}" for image, said in zip(contest.ids, classes, strict=True)]
        (data / f"{name}.csv").write_text("\n".join(["id,label", *lines]), encoding="utf-8")
    asked = "\n".join(["id,label", *(f"{image},cat" for image in contest.test_ids)])
    (data / "sample_submission.csv").write_text(asked, encoding="utf-8")
    files = [str(file) for file in (*contest.script("net"), contest.folds())]
    options = ["--folds", files[2], "--metric", "accuracy", "--data", str(data)]
    for name, code, said in (("right", 0, "accuracy"), ("wrong", 1, "160 images have other labels")):
        given = [*files[:2], f"data.labels={name}.csv", *options, "--out", str(tmp_path / name)]
        done = CliRunner().invoke(app, ["import", *given])
        assert (done.exit_code, said in done.output + str(done.exception)) == (code, True), (
            done.output,
            done.exception,
        )


@pytest.mark.parametrize(("metric", "message"), [("acuracy", "accuracy"), ("f1_samples", "does not score multiclass")])
def test_the_metric_is_checked_first(contest: Any, tmp_path: Path, metric: str, message: str) -> None:
    with pytest.raises(MedalistError, match=message):
        join(*contest.script("net"), contest.folds(), tmp_path / "out", metric=metric)
