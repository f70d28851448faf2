"""Folds: groups whole, classes even, the same seed the same folds; the fold file and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.model_selection import StratifiedGroupKFold

from medalist.data.splits import Folds, make_folds, rare_classes
from medalist.errors import DataError, MismatchError, StoreError


def class_counts(labels: np.ndarray, fold_N: np.ndarray, num_folds: int) -> np.ndarray:
    """(K, C) rows of each class in each fold."""
    return np.stack([np.bincount(labels[fold_N == k], minlength=labels.max() + 1) for k in range(num_folds)])


@st.composite
def labelled_groups(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    num_rows = draw(st.integers(12, 120))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    labels = rng.zipf(1.5, num_rows) % draw(st.integers(1, 9))
    group_N = np.unique(rng.integers(0, draw(st.integers(8, 200)), num_rows), return_inverse=True)[1]
    return labels.astype(np.int32), group_N, draw(st.integers(2, 5))


@given(labelled_groups(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_every_row_has_one_fold_and_groups_are_whole(case: tuple[np.ndarray, np.ndarray, int], seed: int) -> None:
    labels, group_N, num_folds = case
    if group_N.max() + 1 < num_folds:
        with pytest.raises(DataError, match="groups of images"):
            make_folds(labels, group_N, num_folds=num_folds, seed=seed)
        return
    fold_N = make_folds(labels, group_N, num_folds=num_folds, seed=seed)
    assert (fold_N.dtype, fold_N.shape) == (np.int8, labels.shape)
    assert set(fold_N) <= set(range(num_folds))
    assert all(len(set(fold_N[group_N == group])) == 1 for group in set(group_N))
    assert np.array_equal(fold_N, make_folds(labels, group_N, num_folds=num_folds, seed=seed))


@given(labelled_groups(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_without_groups_folds_differ_by_one_row_a_class_and_in_all(
    case: tuple[np.ndarray, np.ndarray, int], seed: int
) -> None:
    labels, _, num_folds = case
    fold_N = make_folds(labels, np.arange(len(labels)), num_folds=num_folds, seed=seed)
    count_KC = class_counts(labels, fold_N, num_folds)
    assert np.all(count_KC.max(axis=0) - count_KC.min(axis=0) <= 1)
    assert np.ptp(count_KC.sum(axis=1)) <= 1


@given(labelled_groups(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_a_class_with_enough_groups_is_in_every_fold(case: tuple[np.ndarray, np.ndarray, int], seed: int) -> None:
    labels, group_N, num_folds = case
    group_N = np.unique(np.stack([labels, group_N]), axis=1, return_inverse=True)[1].ravel()  # groups of one class
    if group_N.max() + 1 < num_folds:
        return
    fold_N = make_folds(labels, group_N, num_folds=num_folds, seed=seed)
    rare = rare_classes(labels, group_N, num_folds=num_folds, num_classes=int(labels.max()) + 1)
    for class_ in set(labels):
        groups = len(set(group_N[labels == class_]))
        assert (class_ in rare) == (groups < num_folds)
        assert len(set(fold_N[labels == class_])) == min(groups, num_folds)


def test_seeds_differ() -> None:
    labels = np.arange(100) % 3
    folds = {make_folds(labels, np.arange(100), num_folds=5, seed=seed).tobytes() for seed in range(5)}
    assert len(folds) == 5


def test_mixed_groups_are_as_even_as_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for seed in range(10):
        group_N = np.unique(rng.integers(0, 80, 600), return_inverse=True)[1]
        labels = (rng.zipf(1.6, 600) + group_N) % 6
        sizes = np.bincount(labels)
        fold_N = make_folds(labels, group_N, num_folds=5, seed=seed)
        split = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(labels, labels, group_N)
        reference_N = np.empty(600, int)
        for k, (_, rows) in enumerate(split):
            reference_N[rows] = k
        ours.append((class_counts(labels, fold_N, 5) / sizes).std(axis=0).mean())
        theirs.append((class_counts(labels, reference_N, 5) / sizes).std(axis=0).mean())
    assert np.mean(ours) <= 1.1 * np.mean(theirs)


@given(st.integers(0, 10**6), st.integers(2, 5), st.booleans())
@settings(max_examples=40, deadline=None)
def test_tags_reach_every_fold_rarest_first(seed: int, num_folds: int, sparse: bool) -> None:
    rng = np.random.default_rng(seed)
    label_NC = rng.random((200, 12)) < np.geomspace(0.02, 0.6, 12)
    labels = csr_array(label_NC) if sparse else label_NC
    fold_N = make_folds(labels, np.arange(200), num_folds=num_folds, seed=seed)
    assert np.array_equal(fold_N, make_folds(label_NC, np.arange(200), num_folds=num_folds, seed=seed))
    count_KC = np.stack([label_NC[fold_N == k].sum(axis=0) for k in range(num_folds)])
    rarest = np.argmin(np.where(label_NC.any(axis=0), label_NC.sum(axis=0), 10**6))
    assert np.ptp(count_KC[:, rarest]) <= 1
    # Sechidis et al. 2011: the label distribution is closer to even than in a random split.
    random_N = rng.permutation(np.arange(200) % num_folds)
    random_KC = np.stack([label_NC[random_N == k].sum(axis=0) for k in range(num_folds)])
    assert count_KC.std(axis=0).sum() < random_KC.std(axis=0).sum()


def test_rows_without_a_label_are_spread_too() -> None:
    labels = np.array([-1] * 10 + [0] * 10)
    fold_N = make_folds(labels, np.arange(20), num_folds=5, seed=0)
    assert np.bincount(fold_N).tolist() == [4] * 5
    assert rare_classes(labels, np.arange(20), num_folds=5, num_classes=2).tolist() == [1]


def test_two_tags_by_hand() -> None:
    label_NC = np.array([[1, 1], [1, 1], [0, 1], [0, 1], [0, 0], [0, 0]], bool)
    fold_N = make_folds(label_NC, np.arange(6), num_folds=2, seed=0)
    assert sorted(fold_N[:2]) == sorted(fold_N[2:4]) == sorted(fold_N[4:]) == [0, 1]


def test_a_fold_file_comes_back(tmp_path: Path) -> None:
    ids = ("007", "1e5", "NA", 'a,"b"', "cafe\u0301", "caf\u00e9", "x")
    folds = Folds(np.array([0, 1, 2, 0, 1, 2, 0], np.int8), ids, 3, 5)
    folds.save(tmp_path / "folds.csv")
    assert (tmp_path / "folds.csv").read_bytes().startswith(b"id,fold\n007,0\n1e5,1\n")
    back = Folds.load(tmp_path / "folds.csv", seed=5)
    assert (back.ids, back.num_folds, back.hash) == (folds.ids, 3, folds.hash)
    turned = Folds.load(tmp_path / "folds.csv", ids=ids[::-1])
    assert turned.fold_N.tolist() == folds.fold_N[::-1].tolist()
    assert turned.hash != folds.hash


def test_a_hash_tells_folds_and_ids_apart() -> None:
    fold_N = np.array([0, 1, 0], np.int8)
    hashes = {
        Folds(fold_N, ("a", "b", "c"), 2, 0).hash,
        Folds(fold_N[::-1].copy(), ("a", "b", "c"), 2, 0).hash,
        Folds(1 - fold_N, ("a", "b", "c"), 2, 0).hash,
        Folds(fold_N, ("a", "b", "d"), 2, 0).hash,
    }
    assert len(hashes) == 3  # 0,1,0 is its own mirror image


@pytest.mark.parametrize(
    "text", ["", "id;fold\na;0\n", "id,fold\na\n", "id,fold\na,x\n", "id,fold\na,-1\n", "id,fold\na,300\n"]
)
def test_another_file_is_no_fold_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "folds.csv").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match="no fold file"):
        Folds.load(tmp_path / "folds.csv")


def test_mismatches_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="2 folds for 1"):
        Folds(np.zeros(2, np.int8), ("a",), 2, 0)
    (tmp_path / "folds.csv").write_text("id,fold\na,0\nb,1\n", encoding="utf-8")
    with pytest.raises(MismatchError, match="2 ids differ, such as 'b'"):
        Folds.load(tmp_path / "folds.csv", ids=["a", "c"])
    (tmp_path / "folds.csv").write_text("id,fold\na,0\na,1\n", encoding="utf-8")
    with pytest.raises(StoreError, match="comes twice"):
        Folds.load(tmp_path / "folds.csv")
