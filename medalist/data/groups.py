"""Duplicates -> groups that must not be torn apart: equal bytes or pixels, near-equal and mirrored pictures, a column.

Axes: N images, P pairs, U different pictures (of N, by perceptual hash and colours), V hashes of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medalist.data.facts import Facts
from medalist.data.signatures import mirrored_cells

MAX_BITS = 4  # of 64, by which perceptual hashes of near-duplicates differ
MAX_COLOUR = 12.0  # levels of 255, mean absolute difference of the colour cells: grey hashes are blind to colour
NUM_BANDS, NUM_EQUAL = 6, 2  # hashes that differ in 4 bits differ in 4 of 6 bands at most: 2 are equal (pigeonhole)
WINDOW = 64  # images with equal bands are compared with that many neighbours in hash order
CHAIN = 2  # a group lies within CHAIN x MAX_BITS and CHAIN x MAX_COLOUR of its first picture

Pairs = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Duplicates:
    """Rows of the same picture; `kind`: equal `bytes`, equal `pixels`, or `near`: alike as it is, mirrored, or cut; or
    `alike`: no hash says so, see `quality.alike`.
    """

    rows: tuple[int, ...]
    kind: str


def duplicate_groups(facts: Sequence[Facts], *columns: np.ndarray | None) -> np.ndarray:
    """Group of each image, int64 (N,), numbered from 0 in the order of first appearance.

    Args:
        facts: N facts; an image without them (not ok) is joined by equal bytes only.
        columns: (N,) group names of the user's, each; empty text names no group, None is no column.
    """
    pairs = [_same([fact.hash for fact in facts]), _same([fact.pixel_hash for fact in facts]), near_duplicates(facts)]
    pairs += [_same([str(name) for name in column]) for column in columns if column is not None]
    return _components(len(facts), pairs)


def joined(group_N: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Groups as they are when each pair of rows is in one, numbered likewise."""
    return np.asarray(_components(len(group_N), [(group_N[pairs[0]], group_N[pairs[1]])])[group_N])


def duplicates(facts: Sequence[Facts], group_N: np.ndarray | None = None) -> list[Duplicates]:
    """The groups of two images and more, for a report; by default those of `duplicate_groups`."""
    group_N = duplicate_groups(facts) if group_N is None else group_N
    order = np.argsort(group_N, kind="stable")
    order = order[np.bincount(group_N)[group_N[order]] > 1] if len(facts) else order
    hashed_P = duplicate_groups([facts[i] for i in order])  # few: once for all
    ends = np.flatnonzero(np.diff(group_N[order])) + 1
    clusters = zip(np.split(order, ends), np.split(hashed_P, ends), strict=True)
    return [_cluster(facts, rows, hashed) for rows, hashed in clusters if len(rows)]


def _cluster(facts: Sequence[Facts], rows: np.ndarray, hashed: np.ndarray) -> Duplicates:
    """A group, by its rows and by what hashes alone make of them."""
    kind = "near"
    if len({facts[i].hash for i in rows}) == 1:
        kind = "bytes"
    elif len({facts[i].pixel_hash for i in rows}) == 1:
        kind = "pixels"
    elif len(set(hashed.tolist())) > 1:
        kind = "alike"
    return Duplicates(tuple(rows.tolist()), kind)


def near_duplicates(facts: Sequence[Facts]) -> Pairs:
    """(image, first image of its kind): hashes differ in at most MAX_BITS bits, colours by MAX_COLOUR.

    One of the two may be mirrored, or a crop that leaves out up to a twentieth of each side. Likeness is passed on (A
    like B, B like C), but not without end: a chain is cut where it leaves CHAIN times these limits around its first
    picture.
    """
    # 1. Equal hash and equal colours are one picture: ten thousand blank pages are no crowd.
    index, first = _same([fact.phash and fact.phash + fact.colour for fact in facts])
    if not len(index):
        return index, index
    row_U, picture = np.unique(first, return_inverse=True)
    looks = _Looks.of([facts[i] for i in row_U])
    # 2. Components of likeness; 3. long ones cut.
    head_U = _cut(_alike(looks), looks)
    return index, row_U[head_U[picture]]


def direct_twins(facts: Sequence[Facts], asked_N: np.ndarray) -> np.ndarray:
    """Where likeness is not passed on: for each picture that is asked about, one of the others that it is near to.

    Args:
        facts: N facts.
        asked_N: bool, which are asked about.

    Returns:
        int64 (N,), a row that is not asked about, or -1.
    """
    sides = zip(facts, asked_N.tolist(), strict=True)
    index, first = _same([fact.phash and f"{asked} {fact.phash}{fact.colour}" for fact, asked in sides])
    twin_N = np.full(len(facts), -1)
    if not len(index):
        return twin_N
    row_U, picture = np.unique(first, return_inverse=True)
    looks, asked_U, twin_U = _Looks.of([facts[i] for i in row_U]), asked_N[row_U], np.full(len(row_U), -1)
    for pairs in _banded(looks):
        for left, right in pairs:
            own, other = np.where(asked_U[left], left, right), np.where(asked_U[left], right, left)
            some = np.flatnonzero((asked_U[left] != asked_U[right]) & (twin_U[own] < 0))
            near = some[looks.near(own[some], other[some])]
            twin_U[own[near]] = row_U[other[near]]
    twin_N[index] = twin_U[picture]
    return twin_N


@dataclass(frozen=True)
class _Looks:
    """What pictures look like: hashes (U,), of mirror images too, and of crops (U, 9); colour cells (U, 48) of both."""

    hash_U: np.ndarray
    mirrored_U: np.ndarray
    crops_U9: np.ndarray
    colour_UC: np.ndarray
    mirrored_UC: np.ndarray

    @classmethod
    def of(cls, facts: Sequence[Facts]) -> _Looks:
        colour_UC = np.stack([np.frombuffer(bytes.fromhex(fact.colour), np.uint8) for fact in facts]).astype(np.int16)
        hashes = [_hashes([getattr(fact, name) for fact in facts]) for name in ("phash", "mirrored", "crops")]
        return cls(hashes[0][:, 0], hashes[1][:, 0], hashes[2], colour_UC, mirrored_cells(colour_UC))

    @property
    def every(self) -> Pairs:
        """All hashes (V,), and whose they are."""
        hash_UX = np.column_stack([self.hash_U, self.mirrored_U, self.crops_U9])
        return hash_UX.ravel(), np.repeat(np.arange(len(hash_UX)), hash_UX.shape[1])

    def near(self, left: np.ndarray, right: np.ndarray, slack: int = 1) -> np.ndarray:
        """(P,) bool: one picture, or a crop of it, and the other or its mirror image are within `slack` x both limits.

        Colours are looked at only where the hashes are near.
        """
        near_P = np.zeros(len(left), bool)
        for one_U, other_UC in ((self.hash_U, self.colour_UC), (self.mirrored_U, self.mirrored_UC)):
            bits_P = np.minimum(
                np.bitwise_count(one_U[left, None] ^ self._wholes(right)).min(axis=1),
                np.bitwise_count(one_U[right, None] ^ self._wholes(left)).min(axis=1),
            )
            some = np.flatnonzero(bits_P <= slack * MAX_BITS)
            apart = np.abs(other_UC[left[some]] - self.colour_UC[right[some]]).mean(axis=1)
            near_P[some] |= apart <= slack * MAX_COLOUR
        return near_P

    def _wholes(self, rows: np.ndarray) -> np.ndarray:
        """Hashes (P, 10) of pictures and of their crops."""
        return np.column_stack([self.hash_U[rows], self.crops_U9[rows]])


def _hashes(texts: Sequence[str]) -> np.ndarray:
    """uint64 (U, W) of texts of W x 16 hex digits."""
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64).reshape(len(texts), -1)


def _alike(looks: _Looks) -> np.ndarray:
    """Component of likeness of each picture; pairs are sought among those with hashes that agree in NUM_EQUAL bands."""
    component_U = np.arange(len(looks.hash_U))
    for found in _banded(looks):
        pairs = []
        for left, right in found:
            unlinked = component_U[left] != component_U[right]
            left, right = left[unlinked], right[unlinked]
            near = looks.near(left, right)
            pairs.append((component_U[left[near]], component_U[right[near]]))
        component_U = _components(len(component_U), pairs)[component_U]
    return component_U


def _banded(looks: _Looks) -> Iterator[Iterator[Pairs]]:
    """Pairs of pictures with hashes that agree in NUM_EQUAL bands, for each choice of bands."""
    hash_V, picture_V = looks.every
    edges = np.linspace(0, 64, NUM_BANDS + 1).astype(int)
    masks = [sum(1 << bit for bit in range(low, high)) for low, high in pairwise(edges)]
    for equal in combinations(masks, NUM_EQUAL):
        yield _neighbours(hash_V, picture_V, np.uint64(sum(equal)))


def _neighbours(hash_V: np.ndarray, picture_V: np.ndarray, mask: np.uint64) -> Iterator[Pairs]:
    """Pairs of pictures with hashes that agree under `mask`, at most WINDOW apart in hash order."""
    key_V = hash_V & mask
    order = np.lexsort((picture_V, key_V))
    # One hash a picture and key: the crops of a picture are much alike.
    changed = (np.diff(key_V[order]) != 0) | (np.diff(picture_V[order]) != 0)
    order = order[np.concatenate([[True], changed])]
    order = order[np.lexsort((hash_V[order], key_V[order]))]
    key_V, picture_V = key_V[order], picture_V[order]
    start = np.arange(len(order))
    for step in range(1, WINDOW + 1):
        start = start[start < len(order) - step]
        start = start[key_V[start] == key_V[start + step]]
        if not len(start):
            return
        yield picture_V[start], picture_V[start + step]


def _cut(component_U: np.ndarray, looks: _Looks) -> np.ndarray:
    """Head of each picture: the first of its component, or the first of those that are too far from that one."""
    head_U = np.arange(len(component_U))
    left_over = np.arange(len(component_U))
    while len(left_over):
        _, first, inverse = np.unique(component_U[left_over], return_index=True, return_inverse=True)
        heads = left_over[first[inverse]]
        near = looks.near(left_over, heads, CHAIN)
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
