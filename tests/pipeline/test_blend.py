"""Runs are blended as heads are: honestly, by id, without torch; what does not belong together is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import MedalistError, MismatchError, StoreError
from medalist.metrics import metrics
from medalist.pipeline.blend import _regrouped, blend, members_of
from medalist.pipeline.outcome import unseen_answers
from medalist.predictions import Predictions
from medalist.submissions.checks import lint

Import = Callable[..., Path]


def test_two_that_err_apart_beat_each(bring: Import, tmp_path: Path) -> None:
    folders = [bring("one", seed=1), bring("two", seed=2)]
    summary = blend(folders, tmp_path / "both")
    assert summary.score < min(head["score"] for head in summary.heads.values()) - summary.score_stderr / 2
    assert list(summary.heads) == ["one/one", "two/two"]
    notes = "\n".join(summary.notes)
    assert "blend beats its best member, one/one" in notes or "blend beats its best member, two/two" in notes
    assert "weights: " in notes and "errs most like" in notes
    assert summary.score_in_sample is None


def test_the_score_is_of_the_cross_fitted_answers(bring: Import, contest: Any, tmp_path: Path) -> None:
    out = tmp_path / "both"
    summary = blend([bring("one", seed=1), bring("two", seed=2)], out, metric="accuracy")
    final = Predictions.load(out / "predictions" / "blend")
    assert summary.score == pytest.approx((final.oof_NC.argmax(axis=1) == contest.y).mean())
    field, answers_N = unseen_answers(out)
    assert metrics.bind("accuracy")(field.truth.labels, answers_N) == pytest.approx(summary.score)


def test_a_blend_and_its_imports_keep_fold_scores_and_hashes(bring: Import, contest: Any, tmp_path: Path) -> None:
    one, out = bring("one", seed=1), tmp_path / "both"
    summary = blend([one, bring("two", seed=2)], out, metric="accuracy")
    field, answers_N = unseen_answers(out)
    for told in summary.folds:
        mine = field.truth.fold_N == told["fold"]
        assert told["score"] == pytest.approx((answers_N == contest.y)[mine].mean())
        assert set(told["members"]) == set(summary.heads)
    of_one, of_both = (json.loads((folder / "made.json").read_bytes())["hashes"] for folder in (one, out))
    assert of_one["weights"] is None and of_one["recipe"] is None  # a script's, which nobody knows
    assert of_both["folds"] == of_one["folds"] == field.folds.hash
    assert of_both["classes"] == of_one["classes"] == field.table.class_hash


def test_copies_are_named(bring: Import, tmp_path: Path) -> None:
    folders = [bring("one", seed=1), bring("two", seed=2), bring("copy", seed=1), bring("again", seed=1)]
    told = [note for note in blend(folders, tmp_path / "all").notes if "the same out-of-fold answers" in note]
    assert told == [
        "one/one, copy/copy and again/again have the same out-of-fold answers: they add nothing to each other;"
        " leave out all but one"
    ]
    assert "the same out-of-fold" not in "\n".join(blend(folders[:2], tmp_path / "both").notes)


def test_ten_of_noise_gain_nothing(bring: Import, contest: Any, tmp_path: Path) -> None:
    folders = [bring(f"noise{i}", skill=0.0, seed=i, metric="accuracy") for i in range(10)]
    summary = blend(folders, tmp_path / "noise")
    chance = np.bincount(contest.y).max() / len(contest.y)
    assert summary.score < chance + 2 * summary.score_stderr


def test_a_blend_folder_is_a_run_folder(bring: Import, tmp_path: Path) -> None:
    out = tmp_path / "both"
    summary = blend([bring("one", seed=1), bring("two", seed=2)], out)
    for name in ("run.json", "table.json", "folds.csv", "decision.json", "submission.csv", "summary.json"):
        assert (out / name).is_file(), name
    facts = json.loads((out / "decision.json").read_text(encoding="utf-8"))
    assert [source["folder"] for source in facts["sources"]] == ["../one/predictions/one", "../two/predictions/two"]
    assert str(tmp_path) not in (out / "decision.json").read_text() + (out / "run.json").read_text()
    assert summary.submission == "submission.csv"
    with pytest.raises(StoreError, match=r"is a blend and has no learners.*\.\./one/predictions/one"):
        blend([out, tmp_path / "one"], tmp_path / "more")


def test_again_computes_nothing_until_a_member_changes(bring: Import, contest: Any, tmp_path: Path) -> None:
    folders, out = [bring("one", seed=1), bring("two", seed=2)], tmp_path / "both"
    first = blend(folders, out)
    stamps = {file: file.stat().st_mtime_ns for file in out.rglob("*.*")}
    assert blend(folders, out).score == first.score
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*.*")} == stamps
    bring("two", seed=3, overwrite=True)
    with pytest.raises(StoreError, match=r"different: sources.*--overwrite"):
        blend(folders, out)
    assert blend(folders, out, overwrite=True).score != first.score


def test_no_torch_is_loaded(bring: Import, tmp_path: Path) -> None:
    folders = [bring("one", seed=1), bring("two", seed=2)]
    script = (
        "import sys; from medalist.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'timm', 'sklearn'} & set(sys.modules), set(sys.modules)"
    )
    arguments = ["blend", *map(str, folders), "--out", str(tmp_path / "both")]
    process = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=100
    )
    assert process.returncode == 0, process.stderr
    assert "log_loss" in process.stdout and "in sample not known" in process.stdout


@pytest.mark.parametrize("passing", [2, 7])
def test_a_killed_blend_goes_on(bring: Import, tmp_path: Path, passing: int) -> None:
    folders = [str(bring("one", seed=1)), str(bring("two", seed=2))]
    command = [sys.executable, "-m", "medalist.cli", "blend", *folders, "--out", str(tmp_path / "both")]
    kill = {**os.environ, "MEDALIST_FAILPOINT": f"before-rename:{passing}"}
    assert subprocess.run(command, env=kill, check=False, timeout=100).returncode == -signal.SIGKILL
    assert not (tmp_path / "both" / "summary.json").exists()
    blend([Path(folder) for folder in folders], tmp_path / "both")
    blend([Path(folder) for folder in folders], tmp_path / "clean")
    for file in ("submission.csv", "decision.json", "run.json", "summary.json", "predictions/blend/oof.npy"):
        assert (tmp_path / "both" / file).read_bytes() == (tmp_path / "clean" / file).read_bytes(), file


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    facts = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    change(facts)
    (folder / "table.json").write_text(json.dumps(facts), encoding="utf-8")


def test_other_folds_are_refused(bring: Import, contest: Any, tmp_path: Path) -> None:
    folders = [bring("one"), bring("two", folds=contest.folds(5))]
    with pytest.raises(
        MismatchError,
        match=r"folds: \d+ images are in other folds, such as '004'.*run DATA .* folds.file=.*one/folds.csv",
    ):
        blend(folders, tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_other_labels_are_refused(bring: Import, tmp_path: Path) -> None:
    folders = [bring("one"), bring("two")]
    rewrite(folders[1], lambda facts: facts["labels"].reverse())
    with pytest.raises(MismatchError, match=r"differ in their labels; .* different datasets"):
        blend(folders, tmp_path / "both")


def test_other_groups_are_refused_and_other_names_of_groups_are_not(bring: Import, tmp_path: Path) -> None:
    folders = [bring("one"), bring("two")]
    rewrite(folders[1], lambda facts: facts.update(groups=[1000 - group for group in facts["groups"]]))
    assert blend(folders, tmp_path / "renamed").score > 0
    rewrite(folders[1], lambda facts: facts["groups"].__setitem__(8, facts["groups"][4]))
    for pair in (folders, folders[::-1]):
        with pytest.raises(MismatchError, match=r"groups: 2 images are grouped with others, such as '004'.*duplicates"):
            blend(pair, tmp_path / "both")
    assert not (tmp_path / "both").exists()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_regrouped_rows_are_those_of_brute_force(pairs: list[tuple[int, int]]) -> None:
    one, two = zip(*pairs, strict=True)
    by_hand = [[a == b for a in one] != [c == d for c in two] for b, d in pairs]
    assert _regrouped(np.array(one), np.array(two)).tolist() == by_hand


def test_other_classes_test_images_and_metrics_are_refused(bring: Import, tmp_path: Path) -> None:
    folders = [bring("one"), bring("two", metric="accuracy")]
    with pytest.raises(MismatchError, match=r"several metrics .*type --metric log_loss"):
        blend(folders, tmp_path / "both")
    assert blend(folders, tmp_path / "told", metric="accuracy").score > 0.3
    rewrite(folders[1], lambda facts: facts.update(test_ids=facts["test_ids"][1:]))
    with pytest.raises(MismatchError, match="differ in their test images: 1 are in one only, such as 't000'"):
        blend(folders, tmp_path / "both", metric="accuracy")
    rewrite(folders[1], lambda facts: facts.update(classes=["cat", "cow", "NA"]))
    with pytest.raises(
        MismatchError, match=r"differ in their classes: 2 are in one only, such as 'cow'.*different datasets"
    ):
        blend(folders, tmp_path / "both", metric="accuracy")


def test_a_test_image_that_one_member_could_not_read_is_answered_by_the_prior(
    bring: Import, contest: Any, tmp_path: Path
) -> None:
    folders = [bring("one", seed=1), bring("two", seed=2)]
    part = folders[0] / "predictions" / "one"
    run = Predictions.load(part)
    replace(run, test_ids=run.test_ids[1:], test_KMC=np.array(run.test_KMC[:, 1:])).save(part)
    summary = blend(folders, tmp_path / "both")
    assert any("1 test ids that not every member answers" in note for note in summary.notes)
    first = (tmp_path / "both" / "submission.csv").read_text(encoding="utf-8").splitlines()[1].split(",")
    prior_C = np.bincount(contest.y) / len(contest.y)
    assert first[0] == "t000" and len(first) == 4
    assert abs(np.array(first[1:], float) - prior_C).max() < 0.1  # the rule's temperature moves it a little


def test_slips_are_told(bring: Import, tmp_path: Path) -> None:
    one = bring("one")
    for options, message in (
        ({"ensemble": "blnd"}, "blend"),
        ({"ensemble": "union"}, "union blends tags, these runs are multiclass"),
        ({"decide": "argmax"}, "gives labels, log_loss eats prob"),
        ({"metric": "f1_samples"}, "does not score multiclass"),
    ):
        with pytest.raises(MedalistError, match=message):
            blend([one], tmp_path / "out", **options)
    with pytest.raises(MismatchError, match="named twice"):
        blend([one, one], tmp_path / "out")
    with pytest.raises(StoreError, match="holds no finished run"):
        blend([one, tmp_path / "nowhere"], tmp_path / "out")
    assert [member.name for member in members_of(one)] == ["one"]


def test_its_submission_passes_the_checks(bring: Import, tmp_path: Path) -> None:
    out = tmp_path / "both"
    blend([bring("one", seed=1), bring("two", seed=2)], out, metric="accuracy")
    assert lint(out / "submission.csv", out / "submission.csv") == []
