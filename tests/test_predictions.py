"""Predictions: keyed by id, saved and loaded to the bit, never mixed with those of other rows, classes or folds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.errors import MismatchError, StoreError
from medalist.predictions import Predictions

IDS, TEST_IDS = ("007", "7", "NA", "café"), ("1e5", "")


@pytest.fixture
def run() -> Predictions:
    rng = np.random.default_rng(0)
    return Predictions(
        name="ridge",
        ids=IDS,
        test_ids=TEST_IDS,
        oof_NC=rng.random((4, 3)).astype(np.float32),
        test_KMC=rng.random((5, 2, 3)).astype(np.float32),
        fit_NC=rng.random((4, 3)).astype(np.float32),
        scale="prob",
        class_hash="c",
        fold_hash="f",
        meta={"penalties": [1.0]},
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_is_saved_is_loaded_and_saves_the_same_bytes(run: Predictions, tmp_path: Path) -> None:
    run.save(tmp_path / "first")
    again = Predictions.load(tmp_path / "first")
    assert (again.name, again.ids, again.test_ids, again.scale) == (run.name, IDS, TEST_IDS, "prob")
    assert (again.class_hash, again.fold_hash, again.meta) == ("c", "f", {"penalties": [1.0]})
    for part in ("oof_NC", "test_KMC", "fit_NC"):
        assert isinstance(getattr(again, part), np.memmap)
        np.testing.assert_array_equal(getattr(again, part), getattr(run, part))
    again.save(tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_rows_are_taken_by_id(run: Predictions) -> None:
    part = run.take(("NA", "007"), "other")
    assert (part.ids, part.fold_hash, part.test_ids) == (("NA", "007"), "other", TEST_IDS)
    np.testing.assert_array_equal(part.oof_NC, run.oof_NC[[2, 0]])
    np.testing.assert_array_equal(part.fit_NC, run.fit_NC[[2, 0]])
    np.testing.assert_array_equal(part.test_KMC, run.test_KMC)
    assert run.take(IDS, "f") is run
    assert len(replace(run, fit_NC=np.zeros((0, 3), np.float32)).take(("7",), "f").fit_NC) == 0
    with pytest.raises(MismatchError, match="ridge has no rows of 1 images, such as '8'"):
        run.take(("7", "8"), "f")


def test_no_test_images_are_no_trouble(run: Predictions, tmp_path: Path) -> None:
    replace(run, test_ids=(), test_KMC=np.zeros((1, 0, 3), np.float32)).save(tmp_path)
    assert Predictions.load(tmp_path).test_KMC.shape == (1, 0, 3)


def test_in_sample_rows_may_be_unknown(run: Predictions, tmp_path: Path) -> None:
    assert run.fit_known
    replace(run, fit_NC=np.zeros((0, 3), np.float32)).save(tmp_path)
    assert not Predictions.load(tmp_path).fit_known


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": IDS[:3]}, "3 ids, 4 out-of-fold"),
        ({"fit_NC": np.zeros((3, 3))}, "4 out-of-fold and 3 fitted rows"),
        ({"test_ids": ("a",)}, "does not fit 1 ids x 3 classes"),
        ({"test_KMC": np.zeros((1, 2, 4))}, "does not fit 2 ids x 3 classes"),
        ({"ids": ("a", "a", "b", "c")}, "an image id appears twice"),
        ({"test_ids": ("a", "a")}, "an image id appears twice"),
    ],
)
def test_shapes_and_ids_must_fit(run: Predictions, change: dict[str, Any], message: str) -> None:
    with pytest.raises(MismatchError, match=message):
        replace(run, **change)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"class_hash": "d"}, "class hash"),
        ({"fold_hash": "g"}, "fold hash"),
        ({"ids": IDS[::-1]}, "ids"),
        ({"test_ids": TEST_IDS[::-1]}, "test ids"),
        ({"scale": "logits"}, "scale"),
    ],
)
def test_others_are_not_mixed_in(run: Predictions, change: dict[str, Any], part: str) -> None:
    run.check_same(replace(run, name="knn"))
    with pytest.raises(MismatchError, match=f"'ridge' and 'knn' differ in their {part}"):
        run.check_same(replace(run, name="knn", **change))


def test_an_unfinished_folder_is_refused(run: Predictions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="holds no finished predictions"):
        Predictions.load(tmp_path)
    run.save(tmp_path)

    def fail(path: Path, data: bytes) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("medalist.predictions.write_atomic", fail)
    with pytest.raises(OSError, match="disk full"):
        run.save(tmp_path)
    with pytest.raises(StoreError, match="holds no finished predictions"):
        Predictions.load(tmp_path)


def test_another_format_is_refused(run: Predictions, tmp_path: Path) -> None:
    run.save(tmp_path)
    (tmp_path / "predictions.json").write_text(json.dumps({"name": "ridge"}))
    with pytest.raises(StoreError, match="another version"):
        Predictions.load(tmp_path)
