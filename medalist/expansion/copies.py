"""New images that show a picture that is known already: of a test image, a labelled one, or of another new image.

Axes: N images of the dataset, X new ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medalist.data.facts import Facts
from medalist.data.groups import Duplicates, duplicates
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
    refused: dict[int, tuple[str, str]] = {}
    for cluster in duplicates([*known, *new]):
        places = [row - len(known) for row in cluster.rows if row >= len(known)]
        if places:
            refused.update(_of_cluster(table, cluster, places, labels))
    return refused


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
