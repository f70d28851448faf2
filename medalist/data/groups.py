"""Duplicates -> groups that must not be torn apart: equal bytes, equal pixels, near-equal pictures, a group column.

Axes: N images, P pairs, U different pictures (of N, by perceptual hash and colours).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medalist.data.facts import Facts

MAX_BITS = 4  # of 64, by which perceptual hashes of near-duplicates differ
MAX_COLOUR = 12.0  # levels of 255, mean absolute difference of the colour cells: grey hashes are blind to colour
NUM_BANDS, NUM_EQUAL = 6, 2  # hashes that differ in 4 bits differ in 4 of 6 bands at most: 2 are equal (pigeonhole)
WINDOW = 64  # images with equal bands are compared with that many neighbours in hash order
CHAIN = 2  # a group lies within CHAIN x MAX_BITS and CHAIN x MAX_COLOUR of its first picture

Pairs = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Duplicates:
    """Rows of the same picture; `kind`: equal `bytes`, equal `pixels`, or `near` in hash and colour."""

    rows: tuple[int, ...]
    kind: str


def duplicate_groups(facts: Sequence[Facts], column: np.ndarray | None = None) -> np.ndarray:
    """Group of each image, int64 (N,), numbered from 0 in the order of first appearance.

    Args:
        facts: N facts; an image without them (not ok) is joined by equal bytes only.
        column: (N,) group names of the user's; empty text names no group.
    """
    pairs = [_same([fact.hash for fact in facts]), _same([fact.pixel_hash for fact in facts]), near_duplicates(facts)]
    if column is not None:
        pairs.append(_same([str(name) for name in column]))
    return _components(len(facts), pairs)


def duplicates(facts: Sequence[Facts]) -> list[Duplicates]:
    """The groups of two images and more, for a report."""
    group_N = duplicate_groups(facts)
    order = np.argsort(group_N, kind="stable")
    clusters = np.split(order, np.flatnonzero(np.diff(group_N[order])) + 1) if len(facts) else []
    return [_cluster(facts, rows) for rows in clusters if len(rows) > 1]


def _cluster(facts: Sequence[Facts], rows: np.ndarray) -> Duplicates:
    kind = "near"
    if len({facts[i].hash for i in rows}) == 1:
        kind = "bytes"
    elif len({facts[i].pixel_hash for i in rows}) == 1:
        kind = "pixels"
    return Duplicates(tuple(rows.tolist()), kind)


def near_duplicates(facts: Sequence[Facts]) -> Pairs:
    """(image, first image of its kind): hashes differ in at most MAX_BITS bits, colours by MAX_COLOUR.

    Likeness is passed on (A like B, B like C), but not without end: a chain is cut where it leaves CHAIN times these
    limits around its first picture.
    """
    # 1. Equal hash and equal colours are one picture: ten thousand blank pages are no crowd.
    index, first = _same([fact.phash and fact.phash + fact.colour for fact in facts])
    if not len(index):
        return index, index
    row_U, picture = np.unique(first, return_inverse=True)
    hash_U = np.array([int(facts[i].phash, 16) for i in row_U], np.uint64)
    colour_UC = np.stack([np.frombuffer(bytes.fromhex(facts[i].colour), np.uint8) for i in row_U]).astype(np.int16)
    # 2. Components of likeness; 3. long ones cut.
    head_U = _cut(_alike(hash_U, colour_UC), hash_U, colour_UC)
    return index, row_U[head_U[picture]]


def _alike(hash_U: np.ndarray, colour_UC: np.ndarray) -> np.ndarray:
    """Component of likeness of each picture; pairs are sought among those that agree in NUM_EQUAL bands."""
    edges = np.linspace(0, 64, NUM_BANDS + 1).astype(int)
    masks = [sum(1 << bit for bit in range(low, high)) for low, high in pairwise(edges)]
    component_U = np.arange(len(hash_U))
    for equal in combinations(masks, NUM_EQUAL):
        pairs = []
        for left, right in _neighbours(hash_U, np.uint64(sum(equal))):
            unlinked = component_U[left] != component_U[right]
            left, right = left[unlinked], right[unlinked]
            near = _near(hash_U, colour_UC, left, right, 1)
            pairs.append((component_U[left[near]], component_U[right[near]]))
        component_U = _components(len(hash_U), pairs)[component_U]
    return component_U


def _neighbours(hash_U: np.ndarray, mask: np.uint64) -> Iterator[Pairs]:
    """Pairs whose hashes agree under `mask`, at most WINDOW apart in hash order."""
    order = np.lexsort((hash_U, hash_U & mask))
    key_U = hash_U[order] & mask
    start = np.arange(len(order))
    for step in range(1, WINDOW + 1):
        start = start[start < len(order) - step]
        start = start[key_U[start] == key_U[start + step]]
        if not len(start):
            return
        yield order[start], order[start + step]


def _near(hash_U: np.ndarray, colour_UC: np.ndarray, left: np.ndarray, right: np.ndarray, slack: int) -> np.ndarray:
    """(P,) bool: pairs within `slack` times both limits; colours are looked at only where the hashes are near."""
    near: np.ndarray = np.bitwise_count(hash_U[left] ^ hash_U[right]) <= slack * MAX_BITS
    some = np.flatnonzero(near)
    apart = np.abs(colour_UC[left[some]] - colour_UC[right[some]]).mean(axis=1)
    near[some] = apart <= slack * MAX_COLOUR
    return near


def _cut(component_U: np.ndarray, hash_U: np.ndarray, colour_UC: np.ndarray) -> np.ndarray:
    """Head of each picture: the first of its component, or the first of those that are too far from that one."""
    head_U = np.arange(len(component_U))
    left_over = np.arange(len(component_U))
    while len(left_over):
        _, first, inverse = np.unique(component_U[left_over], return_index=True, return_inverse=True)
        heads = left_over[first[inverse]]
        near = _near(hash_U, colour_UC, left_over, heads, CHAIN)
        head_U[left_over[near]] = heads[near]
        left_over = left_over[~near]
    return head_U


def _same(keys: Sequence[str]) -> Pairs:
    """Pairs (image, first image with the same key); an empty key is like no other."""
    first: dict[str, int] = {}
    pairs = [(i, first.setdefault(key, i)) for i, key in enumerate(keys) if key]
    left_right = np.array(pairs, np.int64).reshape(-1, 2)
    return left_right[:, 0], left_right[:, 1]


def _components(size: int, pairs: Sequence[Pairs]) -> np.ndarray:
    """Connected component of each of `size` nodes, int64, numbered in the order of first appearance."""
    left = np.concatenate([np.empty(0, np.int64), *(pair[0] for pair in pairs)])
    right = np.concatenate([np.empty(0, np.int64), *(pair[1] for pair in pairs)])
    links = (np.ones(len(left), bool), (left, right))
    component = connected_components(coo_array(links, shape=(size, size)), directed=False)[1]
    _, first, inverse = np.unique(component, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
