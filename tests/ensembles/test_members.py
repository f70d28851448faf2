"""`Members`: lazy rows and members against a dense array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.ensembles import Members, as_members
from medalist.errors import MismatchError

DENSE_NRC = np.random.default_rng(0).random((12, 3, 4)).astype(np.float32)
ROWS = st.one_of(
    st.slices(12),
    st.lists(st.integers(0, 11), min_size=1).map(np.array),
    st.lists(st.booleans(), min_size=12, max_size=12).map(np.array),
)


@given(ROWS, st.sampled_from([slice(None), slice(1, 3), np.array([2, 0])]))
def test_rows_and_members_are_those_of_the_array(rows: Any, which: Any) -> None:
    members = as_members(DENSE_NRC)
    np.testing.assert_array_equal(np.asarray(members[rows]), DENSE_NRC[rows])
    np.testing.assert_array_equal(np.asarray(members[rows, which]), DENSE_NRC[rows][:, which])
    assert members[rows].shape == DENSE_NRC[rows].shape
    assert len(members[rows]) == len(DENSE_NRC[rows])


@given(st.slices(12), st.data())
def test_rows_of_rows(rows: slice, data: st.DataObject) -> None:
    inner = data.draw(st.slices(len(DENSE_NRC[rows])))
    np.testing.assert_array_equal(np.asarray(as_members(DENSE_NRC)[rows][inner]), DENSE_NRC[rows][inner])


def test_maps_of_half_precision_are_read_and_left_as_they_were(tmp_path: Path) -> None:
    half_NRC = DENSE_NRC.astype(np.float16)
    for r in range(3):
        np.save(tmp_path / f"{r}.npy", half_NRC[:, r])
    for mode in ("r", "r+", "c"):
        members = Members([np.load(tmp_path / f"{r}.npy", mmap_mode=mode) for r in range(3)])
        member_NC = members.member(1)
        assert member_NC.dtype == np.float32
        member_NC += 1  # a copy
        np.testing.assert_array_equal(np.asarray(members), half_NRC.astype(np.float32))


def test_what_was_changed_in_a_copy_on_write_map_stays(tmp_path: Path) -> None:
    np.save(tmp_path / "0.npy", DENSE_NRC[:, 0])
    array = np.load(tmp_path / "0.npy", mmap_mode="c")
    array[:] = 0.5
    assert (Members([array]).member(0) == 0.5).all()
    assert (Members([array]).member(0) == 0.5).all()


def test_the_true_class_and_samples() -> None:
    y_N = np.arange(12) % 4
    members = as_members(DENSE_NRC)
    np.testing.assert_array_equal(members.true(y_N), DENSE_NRC[np.arange(12), :, y_N])
    np.testing.assert_array_equal(members[3:9].true(y_N[3:9]), DENSE_NRC[np.arange(3, 9), :, y_N[3:9]])
    part_NRC, rows = members.sample(60)
    assert len(rows) == 5 and (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(part_NRC, DENSE_NRC[rows])
    np.testing.assert_array_equal(np.concatenate([part for _, part in members.blocks()]), DENSE_NRC)


def test_members_of_several_shapes_are_refused() -> None:
    with pytest.raises(MismatchError, match="one shape"):
        Members([np.ones((3, 2)), np.ones((2, 2))])
    with pytest.raises(MismatchError, match="none"):
        Members([])
