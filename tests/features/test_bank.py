"""The bank gives back what it was given, to float16, and nothing that is damaged."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medalist.errors import StoreError
from medalist.features.bank import FeatureBank, Space
from medalist.features.rows import compact

KEY = {
    "name": "net",
    "weights_hash": "w",
    "preprocessing": {"height": 8},
    "view": "center",
    "tap": "pooled",
    "runtime": {"runtime": "torch_f32"},
    "decoder": "1",
}
SPACE = Space(KEY, 4)


def rows(*seeds: int) -> np.ndarray:
    """A row a seed, whatever its place."""
    return np.stack([np.random.default_rng(seed).normal(size=4).astype(np.float32) for seed in seeds])


@settings(max_examples=15, deadline=None)  # each writes and syncs four files
@given(order=st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_rows_come_back_by_key(order: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    bank = FeatureBank(tmp_path_factory.mktemp("cache"))
    bank.write(SPACE, [f"k{i}" for i in range(5)], rows(*range(5)))
    bank.write(SPACE, [f"k{i}" for i in range(5, 10)], rows(*range(5, 10)))
    got = bank.read(SPACE, [f"k{i}" for i in order])
    assert got.dtype == np.float32
    assert np.array_equal(got, rows(*order).astype(np.float16).astype(np.float32))


def test_missing_names_each_once(tmp_path: Path) -> None:
    bank = FeatureBank(tmp_path)
    assert bank.missing(SPACE, ["b", "a", "b"]) == ["b", "a"]
    bank.write(SPACE, ["a"], rows(1))
    assert bank.missing(SPACE, ["b", "a", "b"]) == ["b"]
    assert FeatureBank(tmp_path).missing(SPACE, ["a"]) == []
    with pytest.raises(StoreError, match="1 of 2 images"):
        bank.read(SPACE, ["a", "b"])


def test_spaces_that_differ_share_nothing(tmp_path: Path) -> None:
    bank = FeatureBank(tmp_path)
    bank.write(SPACE, ["a"], rows(1))
    for part in set(KEY) - {"name"}:
        assert bank.missing(Space({**KEY, part: "other"}, 4), ["a"]) == ["a"]
    assert bank.missing(Space({**KEY, "name": "renamed"}, 4), ["a"]) == []
    assert bank.spaces() == [SPACE]


@given(
    x_ND=arrays(np.float32, (5, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)),
    keep=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_compact_loses_little_and_sees_no_shard_mates(x_ND: np.ndarray, keep: list[bool]) -> None:
    got = compact(x_ND)
    scale_N = np.abs(x_ND).max(axis=1)
    assert (np.abs(got.astype(np.float64) - x_ND).max(axis=1) <= 1e-3 * scale_N).all()
    assert np.array_equal(compact(x_ND[keep]).astype(np.float32), got.astype(np.float32)[keep])


def test_float16_unless_it_overflows() -> None:
    assert compact(rows(1, 2)).dtype == np.float16
    assert compact(rows(1, 2) * np.float32(1e6)).dtype == np.float32
    assert compact(rows(1, 2) * np.float32(1e-8)).dtype == np.float32


def test_only_finite_rows_of_the_right_width(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not finite"):
        FeatureBank(tmp_path).write(SPACE, ["a"], np.full((1, 4), np.nan, np.float32))
    with pytest.raises(StoreError, match="space of 4"):
        FeatureBank(tmp_path).write(SPACE, ["a"], np.zeros((1, 5), np.float32))


def test_a_damaged_shard_is_set_aside_and_its_rows_are_missing(tmp_path: Path) -> None:
    FeatureBank(tmp_path).write(SPACE, ["a", "b"], rows(1, 2))
    FeatureBank(tmp_path).write(SPACE, ["c"], rows(3))
    folder = tmp_path / "bank" / SPACE.name
    larger = max(folder.glob("*.npy"), key=lambda file: file.stat().st_size)
    larger.write_bytes(larger.read_bytes()[:-1] + b"\x55")

    bank = FeatureBank(tmp_path)
    assert bank.missing(SPACE, ["c", "b", "a"]) == ["b", "a"]
    assert bank.damaged == [larger.with_suffix(".json")]
    bank.write(SPACE, ["a", "b"], rows(1, 2))
    assert np.array_equal(bank.read(SPACE, ["b"]), rows(2).astype(np.float16).astype(np.float32))
    assert {path.name for path in bank.collect()} == {larger.name + ".damaged", larger.stem + ".json.damaged"}
    assert bank.verify() == []


def test_verify_reads_every_shard(tmp_path: Path) -> None:
    bank = FeatureBank(tmp_path)
    bank.write(SPACE, ["a"], rows(1))
    bank.read(SPACE, ["a"])
    file = next((tmp_path / "bank").glob("*/*.npy"))
    file.write_bytes(b"")
    assert bank.verify() == [file.with_suffix(".json")]


def test_collect_spares_what_may_be_in_the_making(tmp_path: Path) -> None:
    bank = FeatureBank(tmp_path)
    bank.write(SPACE, ["a"], rows(1))
    bank.write(Space({**KEY, "weights_hash": "old"}, 4), ["a"], rows(1))
    folder = tmp_path / "bank" / SPACE.name
    for name in (".x.json.7.tmp", "half.npy"):
        (folder / name).write_bytes(b"")
    assert bank.collect() == []
    an_age_ago = time.time() - 7200
    for name in (".x.json.7.tmp", "half.npy"):
        os.utime(folder / name, (an_age_ago, an_age_ago))
    assert len(bank.collect()) == 2
    assert len(bank.collect(weights=["w"])) == 1
    assert bank.spaces() == [SPACE]
    assert bank.missing(SPACE, ["a"]) == []


def test_two_banks_of_one_folder_see_each_other(tmp_path: Path) -> None:
    one, other = FeatureBank(tmp_path), FeatureBank(tmp_path)
    assert other.missing(SPACE, ["a"]) == ["a"]
    one.write(SPACE, ["a"], rows(1))
    assert other.missing(SPACE, ["a"]) == []
    assert other.read(SPACE, ["a"]).shape == (1, 4)


def test_hdf5_holds_the_columns_side_by_side(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    bank, second = FeatureBank(tmp_path), Space({**KEY, "view": "flip"}, 4)
    for space in (SPACE, second):
        bank.write(space, ["a", "b", "c"], rows(1, 2, 3))
    hashes = {"train": ["b", "a"], "valid": ["c"], "test": ["a", ""]}
    labels = {"train": np.array([1, 0]), "valid": np.array([1])}
    bank.export_hdf5(tmp_path / "x.h5", [SPACE, second], hashes, labels)
    with h5py.File(tmp_path / "x.h5") as file:
        assert set(file) == {"train_x", "train_label", "valid_x", "valid_label", "test"}
        assert file["train_label"][()].tolist() == [1, 0]
        assert np.array_equal(file["train_x"][()], np.hstack([bank.read(s, ["b", "a"]) for s in (SPACE, second)]))
        assert not file["test"][1].any()


def test_text_has_a_line_a_space(tmp_path: Path) -> None:
    bank = FeatureBank(tmp_path)
    assert "empty" in bank.text()
    bank.write(SPACE, ["a"], rows(1))
    assert bank.text().split()[:5] == [SPACE.name, "1", "images", "x", "4"]
