"""Rows on disk are the array that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medalist.features import rows as module
from medalist.features.bank import FeatureBank, Space
from medalist.features.rows import normalised

HASHES = [f"k{i}" for i in range(11)]
SPACES = [
    Space({"name": "net", "weights_hash": w, "preprocessing": {}, "view": "center"}, d) for w, d in (("a", 3), ("b", 5))
]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> FeatureBank:
    """Two spaces of eleven images in shards of four."""
    bank = FeatureBank(tmp_path_factory.mktemp("cache"))
    for space in SPACES:
        x_ND = np.random.default_rng(space.num_features).random((11, space.num_features), np.float32)
        for start in range(0, 11, 4):
            bank.write(space, HASHES[start : start + 4], x_ND[start : start + 4])
    return bank


@settings(max_examples=40, deadline=None)
@given(
    order=st.lists(st.sampled_from([*HASHES, ""]), min_size=1, max_size=20),
    data=st.data(),
)
def test_any_index_reads_what_the_array_holds(bank: FeatureBank, order: list[str], data: st.DataObject) -> None:
    rows = bank.rows(SPACES, order)
    whole = np.hstack(
        [np.stack([bank.read(s, [k])[0] if k else np.zeros(s.num_features) for k in order]) for s in SPACES]
    )
    assert rows.shape == whole.shape
    assert np.array_equal(rows[:], whole.astype(np.float32))
    positions = np.array(data.draw(st.lists(st.integers(0, len(order) - 1), max_size=12)), int)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order))))
    for index in (positions, mask, slice(2, None, 3)):
        assert np.array_equal(rows[index], whole[index].astype(np.float32))


def test_reading_in_parts_is_reading_at_once(bank: FeatureBank, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = bank.rows(SPACES, HASHES)
    whole = rows[:]
    monkeypatch.setattr(module, "READ_ROWS", 3)
    assert np.array_equal(rows[:], whole)


@pytest.mark.parametrize(("norm", "order"), [("l1", 1), ("l2", 2)])
def test_each_block_of_a_row_has_norm_one(bank: FeatureBank, norm: str, order: int) -> None:
    x_ND = bank.rows(SPACES, [*HASHES, ""], normalise=norm)[:]
    for block in (x_ND[:, :3], x_ND[:, 3:]):
        np.testing.assert_allclose(np.linalg.norm(block[:-1], ord=order, axis=1), 1, rtol=1e-5)
    assert not x_ND[-1].any()
    assert np.array_equal(normalised(x_ND, "none"), x_ND)
