"""The whole way on a drawn competition: what a run leaves, what a repeat costs, what new images are answered."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medalist.backbones import embedded_card
from medalist.errors import RecipeError, StoreError
from medalist.pipeline import run
from medalist.pipeline.predict import predict
from medalist.pipeline.way import embed, read, split
from medalist.predictions import Predictions
from medalist.recipe import Recipe, load_recipe
from medalist.store import hash_json
from medalist.submissions.checks import lint


def recipe_of(*overrides: str) -> Recipe:
    return load_recipe(None, ["folds.k=3", *overrides], metric="accuracy", backbones=("embedded",))


@pytest.fixture(scope="module")
def out(competition: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    run(recipe_of(), competition, folder, cache=cache)
    return folder


def rows(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def test_the_run_folder_holds_what_the_readme_says(out: Path) -> None:
    for name in ("submission.csv", "recipe.yaml", "folds.csv", "rejected.csv", "decision.json", "disclosure.md"):
        assert (out / name).is_file(), name
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert {"metric", "score", "score_stderr", "interval95", "score_in_sample", "images", "rejected"} <= set(summary)
    assert summary["interval95"][0] <= summary["score"] <= summary["interval95"][1]
    assert summary["seconds"]["embed"] <= summary["seconds"]["total"]
    assert any("stand-in for real weights" in note for note in summary["notes"])


def test_each_fold_s_score_is_of_its_own_rows(out: Path) -> None:
    """Recomputed with numpy from what the folder holds: answers, labels, folds; and each member's argmax."""
    summary, table = (json.loads((out / name).read_bytes()) for name in ("summary.json", "table.json"))
    fold_of = {image: int(fold) for image, fold in rows(out / "folds.csv")[1:]}
    fold_N, y_N = np.array([fold_of[image] for image in table["ids"]]), np.array(table["labels"])
    answers_N = np.load(out / "unseen.npy")
    assert [one["fold"] for one in summary["folds"]] == [0, 1, 2]
    for one in summary["folds"]:
        mine = fold_N == one["fold"]
        assert one["rows"] == mine.sum() and one["score"] == pytest.approx((answers_N == y_N)[mine].mean())
        spread = np.sqrt(one["score"] * (1 - one["score"]) / mine.sum())  # binomial, but for groups
        assert one["stderr"] == pytest.approx(spread, rel=0.3)
        assert set(one["members"]) == set(summary["heads"])
        for name, score in one["members"].items():
            oof_NC = Predictions.load(out / "predictions" / name).oof_NC
            assert score == pytest.approx((oof_NC.argmax(axis=1) == y_N)[mine].mean())


def test_paces_count_what_was_computed(out: Path, competition: Path, cache: Path, tmp_path: Path) -> None:
    summary = json.loads((out / "summary.json").read_bytes())
    run(recipe_of(), competition, tmp_path / "again", cache=cache)
    again = json.loads((tmp_path / "again" / "summary.json").read_bytes())
    paces = [{(one["stage"], one["what"]): one for one in told["paces"]} for told in (summary, again)]
    # The bank was full for the second: nothing went through a network, and it says for how many images that was so.
    known = [told["embed", ""]["kept"] for told in paces]
    assert paces[1]["embed", ""] == {"stage": "embed", "what": "", "images": 0, "kept": known[1], "seconds": 0.0,
                                     "images_s": None}  # fmt: skip
    assert known[1] + again["rejected"] >= again["images"] - 1  # an id without a file
    assert paces[1]["read", ""]["images"] == again["images"] and not any("px" in what for _, what in paces[1])
    for told in paces:
        for head in again["heads"]:
            one = told["fit", head]
            assert one["images"] == len(json.loads((out / "table.json").read_bytes())["ids"]) and not one["kept"]
            assert one["images_s"] == pytest.approx(one["images"] / one["seconds"], rel=0.05)


def test_a_run_that_was_stopped_says_what_it_kept(out: Path, competition: Path, cache: Path, tmp_path: Path) -> None:
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out" / "summary.json").unlink()  # as if it had been killed before the last byte
    run(recipe_of(), competition, tmp_path / "out", cache=cache)
    summary, made = (json.loads((tmp_path / "out" / name).read_bytes()) for name in ("summary.json", "made.json"))
    fitted = [one for one in summary["paces"] if one["stage"] == "fit"]
    assert {one["what"] for one in fitted} == {"", *summary["heads"]}
    assert all(one["images"] == 0 and one["kept"] > 0 and one["images_s"] is None for one in fitted)
    assert made["sessions"] == 2 and json.loads((out / "made.json").read_bytes())["sessions"] == 1


def test_the_hashes_are_those_of_the_folder(out: Path) -> None:
    made, key, decision = (json.loads((out / name).read_bytes()) for name in ("made.json", "run.json", "decision.json"))
    hashes, card = made["hashes"], json.loads(embedded_card().read_bytes())
    assert hashes["data"] == key["data"] and hashes["recipe"] == hash_json(key["recipe"])
    assert (hashes["folds"], hashes["classes"]) == (decision["fold_hash"], decision["class_hash"])
    assert hashes["rows"] == hashlib.sha256((out / "table.json").read_bytes()).hexdigest()
    assert hashes["weights"] == {"embedded": {"sha256": card["sha256"], "licence": card["licence"]}}


def test_the_submission_passes_the_organisers_checks(out: Path, competition: Path) -> None:
    assert lint(out / "submission.csv", competition / "sample_submission.csv") == []


def test_the_drawn_classes_are_learnt(out: Path) -> None:
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["score"] - 4 * summary["score_stderr"] > 1 / 8  # eight classes


def test_every_head_leaves_out_of_fold_rows_for_every_usable_image(out: Path) -> None:
    folds = rows(out / "folds.csv")[1:]
    for folder in (out / "predictions").iterdir():
        predictions = Predictions.load(folder)
        assert list(predictions.ids) == [row[0] for row in folds]
        assert np.isfinite(predictions.oof_NC).all()


def test_broken_files_are_listed_and_their_ids_are_answered(out: Path, competition: Path) -> None:
    rejected = {row[0]: row[1] for row in rows(out / "rejected.csv")[1:]}
    assert any("empty" in reason for reason in rejected.values())
    wanted = [row[0] for row in rows(competition / "sample_submission.csv")[1:]]
    assert [row[0] for row in rows(out / "submission.csv")[1:]] == wanted


def test_a_repeat_does_nothing_and_needs_no_torch(out: Path, competition: Path, cache: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file()}
    script = (
        "import sys; from medalist.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules"
    )
    arguments = ["run", str(competition), "--metric", "accuracy", "--backbone", "embedded", "--folds", "3"]
    process = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--out", str(out), "--cache", str(cache)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "accuracy" in process.stdout
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*") if file.is_file()} == before


def test_another_recipe_in_the_same_folder_is_refused(out: Path, competition: Path, cache: Path) -> None:
    with pytest.raises(StoreError, match="another run"):
        run(recipe_of("heads=ridge"), competition, out, cache=cache)


def test_rules_that_become_known_late_cost_nothing_and_hold(
    out: Path, competition: Path, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(out, folder)
    before = (folder / "submission.csv").read_bytes()
    found = run(recipe_of("rules.weights_before=2030-01-01", "rules.leaks=false"), competition, folder, cache=cache)
    assert "nothing was computed" in found.notes[-1]
    assert load_recipe(folder / "recipe.yaml").rules.leaks is False
    assert json.loads((folder / "disclosure.json").read_text(encoding="utf-8"))["rules"][0]["leaks"] is False
    assert "- embedded; origin trained by scripts" in (folder / "disclosure.md").read_text(encoding="utf-8")
    with pytest.raises(RecipeError, match=r"rules.licences: mit, but embedded has 'Apache-2.0'"):
        run(recipe_of("rules.licences=mit"), competition, folder, cache=cache)
    assert (folder / "submission.csv").read_bytes() == before


def test_predict_answers_as_the_run_did(out: Path, competition: Path, cache: Path, tmp_path: Path) -> None:
    text = predict(out, [competition / "test"], cache=tmp_path)
    new = dict(csv.reader(text.splitlines()[1:]))
    for image_id, answer in rows(out / "submission.csv")[1:]:
        given = [label for name, label in new.items() if Path(name).stem == Path(image_id).stem]
        assert given == [answer]


def test_taps_sizes_norms_and_the_runtime_are_kept_for_new_images(
    competition: Path, cache: Path, tmp_path: Path
) -> None:
    """Two sizes x two views x three taps are twelve blocks of columns; `predict` finds the very same ones."""
    recipe = recipe_of("taps=[pooled, gem, middle]", "size=[64, 96]", "normalise=l1", "heads=[ridge]")
    done = run(recipe, competition, tmp_path / "out", cache=cache)
    decision = json.loads((tmp_path / "out" / "decision.json").read_text(encoding="utf-8"))
    assert len(set(decision["spaces"])) == 12
    assert json.loads((tmp_path / "out" / "runtimes.json").read_text()) == ["torch_f32", "torch_f32"]
    assert any("set the pace" in note for note in done.notes)
    images = [competition / "test" / f"{row[0]}.jpg" for row in rows(tmp_path / "out" / "submission.csv")[1:4]]
    answers = predict(tmp_path / "out", images, cache=tmp_path / "elsewhere")
    assert [line.split(",")[1] for line in answers.splitlines()[1:]] == [
        row[1] for row in rows(tmp_path / "out" / "submission.csv")[1:4]
    ]


def test_a_runtime_is_settled_before_the_first_row(competition: Path, cache: Path, tmp_path: Path) -> None:
    """A run that was begun goes on by its own runtime, whatever was measured meanwhile."""
    recipe, out = recipe_of("heads=[ridge]"), tmp_path / "out"
    out.mkdir()
    (out / "runtimes.json").write_text(json.dumps(["torch_bf16"]), encoding="utf-8")
    features = embed(recipe, read(recipe, competition), cache=cache, settled=out / "runtimes.json")
    assert {space.key["runtime"]["runtime"] for space in features.extracted.spaces} == {"torch_bf16"}
    plain = embed(recipe, read(recipe, competition), cache=cache, settled=tmp_path / "new.json")
    assert {space.key["runtime"]["runtime"] for space in plain.extracted.spaces} == {"torch_f32"}
    assert json.loads((tmp_path / "new.json").read_text(encoding="utf-8")) == ["torch_f32"]


def test_int8_lives_in_the_run_folder(competition: Path, cache: Path, tmp_path: Path) -> None:
    """Calibrated on the run's images, it answers new ones on a machine whose cache is empty."""
    for package in ("openvino", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    out = tmp_path / "out"
    run(recipe_of("runtime=openvino_int8", "heads=[ridge]", "views=[center]"), competition, out, cache=cache)
    (runtime,) = json.loads((out / "runtimes.json").read_text(encoding="utf-8"))
    assert runtime.startswith("openvino_int8@")
    asked = rows(out / "submission.csv")[1:4]
    answers = predict(out, [competition / "test" / f"{row[0]}.jpg" for row in asked], cache=tmp_path / "empty")
    assert [line.split(",")[1] for line in answers.splitlines()[1:]] == [row[1] for row in asked]


def test_the_same_bytes_elsewhere_cost_nothing(competition: Path, cache: Path, tmp_path: Path) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(competition, grown)
    before = set(cache.rglob("*.npy"))
    recipe = recipe_of()
    features = embed(recipe, read(recipe, grown), cache=cache)
    assert set(cache.rglob("*.npy")) == before  # the same bytes elsewhere are known
    assert len(features.x_ND) == len(features.train)


def test_duplicates_share_a_fold(competition: Path, cache: Path) -> None:
    recipe = recipe_of()
    features = embed(recipe, read(recipe, competition), cache=cache)
    folds = split(recipe, features)
    fold_of: dict[str, set[int]] = {}
    for bytes_hash, fold in zip(features.hashes, folds.fold_N, strict=True):
        fold_of.setdefault(bytes_hash, set()).add(int(fold))
    assert len(fold_of) < len(features.hashes)  # there are duplicates
    assert all(len(folds_of_bytes) == 1 for folds_of_bytes in fold_of.values())


def test_all_faults_are_told_before_the_first_image(competition: Path, tmp_path: Path) -> None:
    slips = ["heads=[rigde]", "ensemble=blnd", "runtime=fast", "taps=[poled]"]
    recipe = load_recipe(None, slips, metric="acuracy", backbones=("embeded",))
    with pytest.raises(RecipeError) as error:
        run(recipe, competition, tmp_path / "out", cache=tmp_path / "cache")
    for near_name in ("ridge", "blend", "accuracy", "embedded", "runtime", "pooled"):
        assert near_name in str(error.value)
    assert not (tmp_path / "cache").exists()


def test_a_metric_of_another_task_is_told(competition: Path, tmp_path: Path) -> None:
    recipe = load_recipe(metric="f1_samples", backbones=("embedded",))
    with pytest.raises(RecipeError, match="metrics that do: accuracy, average_precision_macro"):
        run(recipe, competition, tmp_path / "out", cache=tmp_path / "cache")


def test_a_slip_with_overwrite_costs_nothing(out: Path, competition: Path, cache: Path) -> None:
    with pytest.raises(RecipeError):
        run(recipe_of("heads=rige"), competition, out, cache=cache, overwrite=True)
    assert (out / "summary.json").is_file()


def test_an_output_inside_the_data_is_refused(competition: Path, cache: Path) -> None:
    with pytest.raises(RecipeError, match="lies in the dataset"):
        run(recipe_of(), competition, competition / "out", cache=cache)


@pytest.mark.parametrize(
    "slip", ["heads=['knn(k=0)']", "heads=['ridge', 'ridge()']", "decide=calibrated(temperature=-1)"]
)
def test_an_argument_that_cannot_work_is_told_at_once(competition: Path, tmp_path: Path, slip: str) -> None:
    metric = "log_loss" if "calibrated" in slip else "accuracy"
    recipe = load_recipe(None, [slip], metric=metric, backbones=("embedded",))
    with pytest.raises(RecipeError, match="this run cannot start"):
        run(recipe, competition, tmp_path / "out", cache=tmp_path / "cache")
