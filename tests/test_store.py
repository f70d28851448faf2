"""Bytes on disk: whole or not at all, named by their content, never used when damaged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medalist.errors import StoreError
from medalist.store import (
    SET_ASIDE,
    array_bytes,
    hash_json,
    open_shard,
    set_aside,
    verify_shard,
    write_atomic,
    write_shard,
)

ROWS = np.arange(6, dtype=np.float16).reshape(2, 3)


@settings(max_examples=20, deadline=None)
@given(rows=arrays(np.float32, (3, 2), elements=st.floats(-1e6, 1e6, width=32)))
def test_an_array_is_a_plain_npy(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("npy") / "a.npy"
    write_atomic(file, array_bytes(rows))
    assert np.array_equal(np.load(file, allow_pickle=False), rows)
    assert [path.name for path in file.parent.iterdir()] == ["a.npy"]


def test_json_is_hashed_by_meaning() -> None:
    assert hash_json({"a": 1, "b": "é"}) == hash_json({"b": "é", "a": 1}) != hash_json({"a": 1, "b": "e"})


def test_the_same_rows_give_the_same_files(tmp_path: Path) -> None:
    first = write_shard(tmp_path, ["k", "l"], ROWS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert write_shard(tmp_path, ["k", "l"], ROWS) == first == open_shard(first.sidecar)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert write_shard(tmp_path, ["k", "m"], ROWS).sidecar != first.sidecar
    assert write_shard(tmp_path, ["k", "l"], ROWS + 1).sidecar != first.sidecar


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone"])
def test_damage_is_found_and_set_aside(tmp_path: Path, suffix: str, harm: str) -> None:
    shard = write_shard(tmp_path, ["k", "l"], ROWS)
    file = shard.sidecar.with_suffix(suffix)
    data = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes({"flip": data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "cut": data[:-1], "empty": b""}[harm])
    with pytest.raises(StoreError, match=shard.sidecar.stem):
        verify_shard(open_shard(shard.sidecar))
    set_aside(shard.sidecar)
    assert all(path.name.endswith(SET_ASIDE) for path in tmp_path.iterdir())


@pytest.mark.parametrize(("failpoint", "left"), [("before-rename", 0), ("before-rename:2", 1), ("after-shard", 1)])
def test_a_kill_leaves_a_shard_that_does_not_count(tmp_path: Path, failpoint: str, left: int) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from medalist.store import write_shard;"
        "write_shard(Path(sys.argv[1]), ['k', 'l'], np.arange(6, dtype=np.float16).reshape(2, 3))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    killed = subprocess.run(command, check=False, env={**os.environ, "MEDALIST_FAILPOINT": failpoint})
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.npy"))) == left
    assert not list(tmp_path.glob("[!.]*.json"))
    subprocess.run(command, check=True)
    verify_shard(open_shard(next(tmp_path.glob("[!.]*.json"))))
