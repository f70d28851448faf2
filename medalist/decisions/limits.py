"""Limits on sets of tags: at least so many, at most so many, and groups of tags that exclude each other.

What a limit forbids an image is decided by probability alone, before any threshold: of a group only the likeliest tag
may be taken, of all tags only the `at_most` likeliest. Forbidden tags get the probability -1, below every threshold, at
fitting as at answering, so that thresholds are learnt for the sets that are then handed in.
Axes: N images, C tags.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medalist.errors import RecipeError, near

FORBIDDEN = np.float32(-1)


def check_limits(
    rule: str, at_least: int, at_most: int | None, exclusive: Sequence[Sequence[str]], classes: Sequence[str] | None
) -> list[list[int]]:
    """The groups as columns, after a look at all the limits.

    Args:
        rule: named in errors.
        at_least: number of tags that every image gets where the other limits allow it.
        at_most: number of tags that no image exceeds, or None.
        exclusive: names of tags that exclude each other, a list a group.
        classes: the names of the columns.

    Raises:
        RecipeError: numbers without sense, or a name that is no tag.
    """
    if at_least < 0:
        raise RecipeError(f"{rule} takes at_least=0 or more tags, got {at_least}")
    if at_most is not None and at_most < max(at_least, 1):
        raise RecipeError(f"{rule} takes at_most of 1 or more and not below at_least={at_least}, got {at_most}")
    if isinstance(exclusive, str) or any(isinstance(group, str) for group in exclusive):
        raise RecipeError(f"{rule} takes exclusive=[['day', 'night']], a list of groups, got {exclusive!r}")
    return [[_column(rule, name, classes) for name in group] for group in exclusive]


def _column(rule: str, name: str, classes: Sequence[str] | None) -> int:
    if classes is None:
        raise RecipeError(f"{rule} takes exclusive={name!r} only with the names of the tags; pass classes=[...]")
    if name not in classes:
        raise RecipeError(f"{rule} takes names of tags in exclusive, {name!r} is none{near(name, classes)}")
    return list(classes).index(name)


def permitted(prob_NC: np.ndarray, at_most: int | None, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """The probabilities with -1 where a limit forbids the tag; the array itself where there is no limit.

    Equal probabilities rank by column, in a group by their order there.
    """
    if not groups and (at_most is None or at_most >= prob_NC.shape[1]):
        return prob_NC
    kept_NC = np.array(prob_NC, np.float32)
    row_N = np.arange(len(kept_NC))
    for group in groups:
        part = kept_NC[:, group]
        best_N = part.argmax(axis=1)
        kept_NC[:, group] = FORBIDDEN
        kept_NC[row_N, np.asarray(group)[best_N]] = part[row_N, best_N]
    if at_most is not None and at_most < kept_NC.shape[1]:
        order_NC = np.argsort(-kept_NC, axis=1, kind="stable")
        np.put_along_axis(kept_NC, order_NC[:, at_most:], FORBIDDEN, axis=1)
    return kept_NC
