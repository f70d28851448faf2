"""Duplicates -> groups that must not be torn apart: equal bytes, equal pixels, near-equal pictures, a group column.

Axes: N images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medalist.data.facts import Facts

MAX_BITS = 4  # of 64, by which perceptual hashes of near-duplicates differ
MAX_COLOUR = 12.0  # levels of 255, mean absolute difference of the colour cells: grey hashes are blind to colour
BANDS = 5  # more than MAX_BITS bands: two hashes within MAX_BITS bits agree in one of them (pigeonhole)
MAX_BUCKET = 2000  # images with one band in common, beyond which they are compared with their neighbours alone


def duplicate_groups(facts: Sequence[Facts], column: np.ndarray | None = None) -> np.ndarray:
    """Group of each image, int64 (N,), numbered from 0 in the order of first appearance.

    Args:
        facts: N facts; an image without them (not ok) is a group of its own.
        column: (N,) group names of the user's; empty text names no group.
    """
    num_images = len(facts)
    keys: list[list[str]] = [
        [fact.hash or f"row {i}" for i, fact in enumerate(facts)],
        [fact.pixel_hash or f"row {i}" for i, fact in enumerate(facts)],
    ]
    if column is not None:
        keys.append([str(name) or f"row {i}" for i, name in enumerate(column)])
    pairs = [*(_same(key) for key in keys), near_duplicates(facts)]
    left, right = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(num_images, num_images))
    component_N = connected_components(graph, directed=False)[1]
    first, inverse = np.unique(component_N, return_index=True, return_inverse=True)[1:]
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _same(keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (image, first image with the same key)."""
    _, first, inverse = np.unique(np.array(keys, dtype=object).astype(str), return_index=True, return_inverse=True)
    return np.arange(len(keys)), first[inverse]


def near_duplicates(facts: Sequence[Facts]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pictures whose perceptual hashes differ in at most MAX_BITS bits and whose colours are close."""
    index = np.array([i for i, fact in enumerate(facts) if fact.phash], np.int64)
    if len(index) < 2:
        return index[:0], index[:0]
    hash_N = np.array([int(facts[i].phash, 16) for i in index], np.uint64)
    colour_N = np.stack([np.frombuffer(bytes.fromhex(facts[i].colour), np.uint8) for i in index])
    left, right = (np.concatenate(side) for side in zip(*_candidates(hash_N), strict=True))
    close = np.bitwise_count(hash_N[left] ^ hash_N[right]) <= MAX_BITS
    left, right = left[close], right[close]
    apart = np.abs(colour_N[left].astype(np.int16) - colour_N[right]).mean(axis=1)
    return index[left[apart <= MAX_COLOUR]], index[right[apart <= MAX_COLOUR]]


def _candidates(hash_N: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs that agree in one band of bits; in a crowded bucket (blank pages) only neighbours in full hash order."""
    edges = np.linspace(0, 64, BANDS + 1).astype(int)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        band_N = (hash_N >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.lexsort((hash_N, band_N))
        starts = np.flatnonzero(np.diff(band_N[order], prepend=band_N[order[0]] + np.uint64(1)))
        for members in np.split(order, starts[1:]):
            if len(members) > MAX_BUCKET:
                yield members[:-1], members[1:]
            elif len(members) > 1:
                left, right = np.triu_indices(len(members), 1)
                yield members[left], members[right]
    yield np.empty(0, np.int64), np.empty(0, np.int64)
