"""New images that show a picture that is known already: of a test image, a labelled one, or of another new image.

Test images are guarded twice: what is too far from one for `data.groups`, but less than twice as far, is refused too. A
copy that gets in is worth more than it should be, a stranger that is kept out is worth one image.
Axes: N images of the dataset, M test images, X new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medalist.data.facts import Facts
from medalist.data.groups import MAX_BITS, MAX_COLOUR, Duplicates, duplicates
from medalist.data.signatures import mirrored_cells
from medalist.data.table import TEST, ImageTable


def copies(
    table: ImageTable, facts: Sequence[Facts], new: Sequence[Facts], labels: Sequence[str]
) -> dict[int, tuple[str, str]]:
    """What is not to be let in, by its place among the new: (`test`, `train`, `copy` or `several`, what was seen).

    Of new images that show one picture the first stays; where they were fetched for different classes, none does, as
    nobody knows which is right. A picture of a test image is `test` whatever else it is like.

    Args:
        table: the dataset.
        facts: of its N images.
        new: facts of the X images.
        labels: X labels that they were fetched for.
    """
    known = [fact if fact.ok else Facts(False) for fact in facts]  # empty files show no picture
    tested = {row: known[row] for row in np.flatnonzero(table.split == TEST).tolist()}
    refused = {
        place: ("test", f"looks much the same as {table.paths[row]}") for place, row in _near(new, tested).items()
    }
    for cluster in duplicates([*known, *new]):
        places = [row - len(known) for row in cluster.rows if row >= len(known)]
        if places:
            told = _of_cluster(table, cluster, places, labels)
            refused |= {place: why for place, why in told.items() if why[0] == "test" or place not in refused}
    return refused


def _near(new: Sequence[Facts], tested: Mapping[int, Facts]) -> dict[int, int]:
    """The test image that each new one is within twice MAX_BITS of, as it is or mirrored, its colours as usual."""
    shown = {row: fact for row, fact in tested.items() if fact.phash}
    hash_M = np.array([int(fact.phash, 16) for fact in shown.values()], np.uint64)
    colour_MC = np.array([list(bytes.fromhex(fact.colour)) for fact in shown.values()], np.int16)
    near: dict[int, int] = {}
    for place, fact in enumerate(new):
        colour_1C = np.array([list(bytes.fromhex(fact.colour))], np.int16)
        for name, cells_1C in (("phash", colour_1C), ("mirrored", mirrored_cells(colour_1C))):
            close = np.flatnonzero(np.bitwise_count(hash_M ^ np.uint64(int(getattr(fact, name), 16))) <= 2 * MAX_BITS)
            close = close[np.abs(colour_MC[close] - cells_1C).mean(axis=1) <= MAX_COLOUR] if len(close) else close
            if len(close):
                near.setdefault(place, list(shown)[close[0]])
    return near


def _of_cluster(
    table: ImageTable, cluster: Duplicates, places: Sequence[int], labels: Sequence[str]
) -> dict[int, tuple[str, str]]:
    """What one cluster says of its new images."""
    rows = np.array([row for row in cluster.rows if row < len(table)], int)
    tested, labelled = rows[table.split[rows] == TEST], rows[table.split[rows] != TEST]
    same = {"bytes": "the same bytes as", "pixels": "the same pixels as", "near": "looks the same as"}[cluster.kind]
    for kind, some in (("test", tested), ("train", labelled)):
        if len(some):
            return dict.fromkeys(places, (kind, f"{same} {table.paths[some[0]]}"))
    asked = sorted({labels[place] for place in places})
    if len(asked) > 1:
        return dict.fromkeys(places, ("several", f"one picture was found for {', '.join(asked)}"))
    return dict.fromkeys(places[1:], ("copy", f"{same} an earlier one of {asked[0]}"))
