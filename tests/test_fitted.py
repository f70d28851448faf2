"""Fitted: saved and loaded to the bit, complete or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medalist.errors import StoreError
from medalist.fitted import Fitted

arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), hnp.array_shapes(min_dims=0, min_side=0)
)
states = st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), arrays, min_size=1, max_size=3)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@given(parts=st.lists(states, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_what_is_saved_is_loaded_and_saves_the_same_bytes(
    parts: list[dict[str, np.ndarray]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    fitted = Fitted("mlp(hidden=8)", tuple(parts[:-1]), parts[-1], {"penalties": [1.0, 0.1], "name": "café"})
    fitted.save(first)
    again = Fitted.load(first)
    assert (again.name, again.meta) == (fitted.name, fitted.meta)
    for got, expected in zip((*again.states, again.refit), parts, strict=True):
        assert got.keys() == expected.keys()
        for key, array in expected.items():
            assert got[key].dtype == array.dtype
            np.testing.assert_array_equal(got[key], array)
            assert got[key].shape == array.shape
    again.save(second)
    assert contents(first) == contents(second)


def test_transposed_arrays_keep_their_shape_and_values(tmp_path: Path) -> None:
    x_ND = np.arange(6.0).reshape(2, 3).T
    Fitted("ridge", (), {"x": x_ND}).save(tmp_path)
    np.testing.assert_array_equal(Fitted.load(tmp_path).refit["x"], x_ND)


def test_an_unfinished_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = Fitted("ridge", ({"x": np.ones(2)},), {"x": np.ones(2)})
    with pytest.raises(StoreError, match="holds no finished learner"):
        Fitted.load(tmp_path)
    fitted.save(tmp_path)

    def fail(path: Path, data: bytes) -> None:
        raise OSError("disk full")

    # A second save that breaks off must not leave old and new states mixed under an old head.
    monkeypatch.setattr("medalist.fitted.write_atomic", fail)
    with pytest.raises(OSError, match="disk full"):
        fitted.save(tmp_path)
    with pytest.raises(StoreError, match="holds no finished learner"):
        Fitted.load(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    Fitted("ridge", (), {"x": np.ones(2)}).save(tmp_path)
    (tmp_path / "fitted.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(StoreError, match="has format 99, this medalist reads 1"):
        Fitted.load(tmp_path)
