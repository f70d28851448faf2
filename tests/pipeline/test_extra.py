"""Images learnt from and never scored, images scored and not learnt from: the same rows and folds as without."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from medalist.data.drawn import CLASSES, draw_competition, draw_image
from medalist.data.facts import Facts
from medalist.data.table import EXTRA, TEST
from medalist.errors import DataError, RecipeError, StoreError
from medalist.experiments.ablating.questions import ask
from medalist.fitted import Fitted
from medalist.pipeline import run, run_key
from medalist.pipeline.blend import blend
from medalist.pipeline.checks import check
from medalist.pipeline.extra import strangers
from medalist.pipeline.preflight import sample_of
from medalist.pipeline.way import _twins, read
from medalist.predictions import Predictions
from medalist.progress import Event
from medalist.recipe import Recipe, load_recipe
from medalist.store import hash_bytes

pytestmark = pytest.mark.usefixtures("one_core")
COLUMNS = ["id", "path", "label", "weight", "source", "url", "page", "licence", "licence_url", "author", "query"]
SMALL = ["folds.k=3", "heads=[ridge, logistic]", "views=center"]
TUNED = ["finetune.size=32", "finetune.precision=fp32", "finetune.workers=0", "finetune.batch=16", "heads=[]"]
TUNED += ["finetune.phases=[{train: 'from: layer4', epochs: 1, lr: 0.001}]"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=3, num_train=60, num_test=8)
    return root


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def expansion(folder: Path, images: list[tuple[bytes, str]], weight: str = "1") -> Path:
    """A folder as `medalist expand` writes it."""
    rows = []
    for data, label in images:
        name = hash_bytes(data)
        path = Path("images") / name[:2] / f"{name}.jpg"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        rows.append([name, str(path), label, weight, "folder", "", "", "", "", "'=formula", "", name])
    with (folder / "extra.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([[*COLUMNS, "hash"], *rows])
    return folder


def pictures(count: int, folder: Path, seed: int = 9) -> list[tuple[bytes, str]]:
    """Drawn things under their own names."""
    rng, found = np.random.default_rng(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        name = CLASSES[i % len(CLASSES)]
        draw_image(name, rng).save(folder / "one.jpg")
        found.append(((folder / "one.jpg").read_bytes(), name))
    return found


@pytest.fixture(scope="module")
def more(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 new images, one that cannot be read, and copies of a labelled and of a test image."""
    folder = tmp_path_factory.mktemp("more")
    ids = [row["id"] for row in rows_of(drawn / "sample_submission.csv")]
    tests = [drawn / "test" / f"{name}.jpg" for name in ids]
    leak = next(file for file in tests if file.stat().st_size > 4000).read_bytes()
    labelled = sorted((drawn / "train" / CLASSES[0]).glob("*.jpg"))
    twin = next(file for file in labelled if file.stat().st_size > 4000).read_bytes()
    odd = [(b"no image", CLASSES[1]), (twin, CLASSES[0]), (leak, CLASSES[2])]
    return expansion(folder / "expansion", [*pictures(16, folder / "drawn"), *odd])


def recipe_of(*overrides: str) -> Recipe:
    return load_recipe(None, [*SMALL, *overrides], metric="log_loss", backbones=("embedded",))


@pytest.fixture(scope="module")
def plain(drawn: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain") / "out"
    run(recipe_of(), drawn, out, cache=cache)
    return out


@pytest.fixture(scope="module")
def extended(drawn: Path, more: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("extended") / "out"
    run(recipe_of(f"extra={more}"), drawn, out, cache=cache)
    return out


def test_rows_folds_and_groups_are_those_without_extra_images(plain: Path, extended: Path, tmp_path: Path) -> None:
    for name in ("folds.csv", "table.json", "sample_submission.csv"):
        assert (plain / name).read_bytes() == (extended / name).read_bytes()
    one, two = (Predictions.load(out / "predictions" / "ridge") for out in (plain, extended))
    one.check_same(two)
    assert one.oof_NC.shape == two.oof_NC.shape and np.abs(one.oof_NC - two.oof_NC).max() > 1e-3
    assert two.fit_NC.shape == one.fit_NC.shape
    both = blend([plain, extended], tmp_path / "both")
    assert {*both.heads} == {str(out / name) for out in (plain, extended) for name in ("ridge", "logistic")}


def test_what_shows_a_picture_of_the_dataset_is_left_out_with_its_reason(extended: Path) -> None:
    rows = {row["path"]: row["reason"] for row in rows_of(extended / "rejected.csv")}
    told = [reason for path, reason in rows.items() if "expansion" in path]
    assert sum(reason.startswith("shows the same picture as labelled") for reason in told) == 1
    assert sum(reason.startswith("shows the same picture as test") for reason in told) == 1
    assert len(told) == 3
    summary = json.loads((extended / "summary.json").read_text())
    assert any("models learn from 16 extra images besides, 3 are left out" in note for note in summary["notes"])
    unread = [note for note in summary["notes"] if "training images could not be read" in note]
    plain_unread = sum("train/" in path for path in rows)
    assert all(note.startswith(f"{plain_unread} ") for note in unread)


def test_another_extra_csv_is_another_run(drawn: Path, more: Path, cache: Path, tmp_path: Path) -> None:
    """Weights that change, or rows, do not leave old predictions where they were."""
    folder = tmp_path / "expansion"
    shutil.copytree(more, folder)
    out = tmp_path / "out"
    recipe = recipe_of(f"extra={folder}", "heads=ridge")
    run(recipe, drawn, out, cache=cache)
    before = Predictions.load(out / "predictions" / "ridge").oof_NC.copy()
    text = (folder / "extra.csv").read_text().replace(",1,folder,", ",3,folder,")
    (folder / "extra.csv").write_text(text)
    with pytest.raises(StoreError, match="extra"):
        run(recipe, drawn, out, cache=cache)
    run(recipe, drawn, out, cache=cache, overwrite=True)
    after = Predictions.load(out / "predictions" / "ridge").oof_NC
    assert np.abs(before - after).max() > 1e-4
    # The weight of all of them is the recipe's, times each one's own.
    run(recipe_of(f"extra={more}", "heads=ridge", "extra_weight=3"), drawn, tmp_path / "three", cache=cache)
    three = Predictions.load(tmp_path / "three" / "predictions" / "ridge").oof_NC
    np.testing.assert_array_equal(after, three)


def test_files_that_change_in_place_are_another_run(drawn: Path, more: Path, tmp_path: Path) -> None:
    """Lists that a person edits, and pictures that take others' places under the same names."""
    folder, groups, quarantine = tmp_path / "expansion", tmp_path / "groups.csv", tmp_path / "quarantine.csv"
    shutil.copytree(more, folder)
    groups.write_text("id,group\na,1\n")
    quarantine.write_text("id\na\n")
    recipe = recipe_of(f"extra={folder}", f"folds.groups={groups}", f"data.quarantine={quarantine}")
    keys = [run_key(recipe, drawn)]
    groups.write_text("id,group\na,2\n")
    keys.append(run_key(recipe, drawn))
    quarantine.write_text("id\nb\n")
    keys.append(run_key(recipe, drawn))
    picture = folder / next(iter(rows_of(folder / "extra.csv")))["path"]
    picture.write_bytes(picture.read_bytes() + b" ")
    keys.append(run_key(recipe, drawn))
    changed = [{part for part in one if one[part] != two[part]} for one, two in pairwise(keys)]
    assert changed == [{"groups"}, {"quarantine"}, {"extra"}]
    assert run_key(recipe, drawn) == keys[-1]


def test_quarantine_is_scored_and_not_learnt_from(plain: Path, drawn: Path, cache: Path, tmp_path: Path) -> None:
    ids = [row["id"] for row in rows_of(plain / "folds.csv")]
    file = tmp_path / "out-of-it.csv"
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([["id", "reason"], *([name, "looks odd"] for name in ids[:5])])
    run(recipe_of(f"data.quarantine={file}"), drawn, tmp_path / "out", cache=cache)
    for name in ("folds.csv", "table.json"):
        assert (plain / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    one, two = (Predictions.load(out / "predictions" / "ridge") for out in (plain, tmp_path / "out"))
    one.check_same(two)
    assert (one.oof_NC != two.oof_NC).any()
    notes = json.loads((tmp_path / "out" / "summary.json").read_text())["notes"]
    assert any(note.startswith("5 labelled images are in quarantine (out-of-it.csv)") for note in notes)
    table = read(recipe_of(f"data.quarantine={file}"), drawn)
    assert table.weights is not None and table.ids[table.weights == 0].tolist() == sorted(ids[:5], key=ids.index)


def test_a_list_that_changes_under_a_run_changes_nothing(drawn: Path, cache: Path, tmp_path: Path) -> None:
    """What was in quarantine is told as the run read it, with those that the score is of."""
    file, out = tmp_path / "list.csv", tmp_path / "out"
    ids = read(recipe_of(), drawn).labelled().ids[:4].tolist()
    file.write_text("\n".join(["id", *ids]) + "\n")

    def sink(event: Event) -> None:
        if event.stage == "fit":
            file.unlink(missing_ok=True)

    summary = run(recipe_of(f"data.quarantine={file}"), drawn, out, cache=cache, sink=sink)
    assert not file.exists()
    assert [row["id"] for row in rows_of(out / "quarantined.csv")] == ids
    assert any("4 labelled images are in quarantine" in note and "they are scored" in note for note in summary.notes)
    # Done anew without a list, the folder tells of none.
    run(recipe_of(), drawn, out, cache=cache, overwrite=True)
    assert not (out / "quarantined.csv").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,why\na,b\n", "expected id or path"),
        ("id,why\nnowhere,b\n", "1 of 1 rows of .* are no id of a labelled image, such as 'nowhere'"),
    ],
)
def test_a_quarantine_of_other_images_is_refused(drawn: Path, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=told):
        read(recipe_of(f"data.quarantine={tmp_path / 'list.csv'}"), drawn)


def test_unknown_classes_weights_and_files_are_told(drawn: Path, tmp_path: Path) -> None:
    one = pictures(1, tmp_path / "drawn")
    strange = expansion(tmp_path / "strange", [(one[0][0], "bottel")])
    with pytest.raises(DataError, match=r"extra\.csv:2: 'bottel' is no class .*did you mean 'bottle'"):
        read(recipe_of(f"extra={strange}"), drawn)
    heavy = expansion(tmp_path / "heavy", one, weight="-1")
    with pytest.raises(DataError, match=r"extra\.csv:2: weight '-1'"):
        read(recipe_of(f"extra={heavy}"), drawn)
    good = expansion(tmp_path / "good", one)
    with pytest.raises(DataError, match="repeats 1 ids of another folder"):
        read(recipe_of(f"extra=[{good}, {expansion(tmp_path / 'again', one)}]"), drawn)
    with pytest.raises(RecipeError, match=r"(?s)data\.quarantine: there is no file.*extra: there is no extra\.csv"):
        check(recipe_of(f"extra={tmp_path / 'no'}", f"data.quarantine={tmp_path / 'no.csv'}"), drawn, tmp_path / "out")


def test_tables_end_with_extra_rows_that_are_neither_labelled_nor_test(drawn: Path, more: Path) -> None:
    without, table = read(recipe_of(), drawn), read(recipe_of(f"extra={more}"), drawn)
    assert table.labelled().ids.tolist() == without.labelled().ids.tolist()
    assert table.test().ids.tolist() == without.test().ids.tolist()
    extra = table.take(table.split == EXTRA)
    assert len(extra) == 19 and table.split[-19:].tolist() == [EXTRA] * 19
    assert [table.classes[c] for c in extra.labels[:3]] == list(CLASSES[:3])
    few, fewer = (sample_of(one, 32, 0) for one in (table, without))
    assert few.labelled().ids.tolist() == fewer.labelled().ids.tolist()
    assert (few.split == EXTRA).sum() == 4


def test_both_can_be_asked_about() -> None:
    assert ask(recipe_of(), "data.quarantine=null,list.csv").key == "data.quarantine"
    assert ask(recipe_of(), "extra=null,some/folder").values[0].recipe.extra == ("some/folder",)
    with pytest.raises(RecipeError, match="no question"):
        ask(recipe_of(), "data.labels=a,b")


@pytest.mark.slow
def test_networks_learn_from_extra_rows_and_not_from_quarantine(
    plain: Path, drawn: Path, more: Path, cache: Path, tmp_path: Path
) -> None:
    ids = [row["id"] for row in rows_of(plain / "folds.csv")]
    (tmp_path / "list.csv").write_text("id\n" + "\n".join(ids[:5]) + "\n")
    overrides = [*TUNED, f"extra={more}", f"data.quarantine={tmp_path / 'list.csv'}", "extra_weight=0.5"]
    for name, added in (("plain", TUNED), ("more", overrides), ("inner", [*overrides, "finetune.steer=inner"])):
        run(recipe_of(*added), drawn, tmp_path / name, cache=cache)
    runs = [Predictions.load(tmp_path / name / "predictions" / "tuned-embedded") for name in ("plain", "more", "inner")]
    runs[0].check_same(runs[1])
    runs[0].check_same(runs[2])
    assert (runs[0].oof_NC != runs[1].oof_NC).all(axis=1).mean() > 0.9
    states = [Fitted.load(tmp_path / name / "fitted" / "tuned-embedded").states for name in ("plain", "more")]
    assert all(any((a[key] != b[key]).any() for key in a) for a, b in zip(*states, strict=True))


@pytest.mark.slow
def test_one_head_on_trained_features_learns_from_them_too(
    drawn: Path, more: Path, cache: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(*TUNED, f"extra={more}", "extra_weight=0.5", "finetune.fuse=features", "finetune.holdout=false")
    summary = run(recipe, drawn, tmp_path / "out", cache=cache)
    assert np.isfinite(summary.score)


def test_an_extra_picture_is_compared_with_labelled_ones_beyond_the_cut_of_a_chain(drawn: Path, more: Path) -> None:
    table = read(recipe_of(f"extra={more}"), drawn)
    rows = np.concatenate([np.flatnonzero(table.split < TEST)[:3], np.flatnonzero(table.split == EXTRA)[:1]])
    grey = bytes([128] * 48).hex()
    facts = []
    for i in range(4):
        other = "".join(hash_bytes(f"{i} {part}".encode()) for part in range(3))
        look = {"phash": f"{2**64 - 2 ** (4 * i):016x}", "mirrored": other[:16], "crops": other[16:160]}
        facts.append(Facts(True, hash=f"h{i}", pixel_hash=f"p{i}", colour=grey, **look))
    chain = table.take(rows)
    kept, rejected = strangers(chain, facts)
    assert not len(kept)
    assert rejected[0].reason == f"shows the same picture as labelled {chain.paths[2]}"


def test_a_label_in_quarantine_answers_no_test_image(drawn: Path) -> None:
    table = read(recipe_of(), drawn)
    kept, test = np.flatnonzero(table.split < TEST), np.flatnonzero(table.split == TEST)
    facts = [Facts(False, hash=f"h{row}") for row in range(len(table))]
    facts[test[0]] = replace(facts[test[0]], ok=True, hash=facts[kept[4]].hash)
    facts[kept[4]] = replace(facts[kept[4]], ok=True)
    assert _twins(recipe_of(), table, facts, kept, test).rows_J.tolist() == [0]
    weights = np.ones(len(table), np.float32)
    weights[kept[4]] = 0
    assert not len(_twins(recipe_of(), replace(table, weights=weights), facts, kept, test).rows_J)
