"""How strong augmentation is in each epoch."""

from __future__ import annotations

from medalist.errors import RecipeError


def strength_of(epoch: int, epochs: int, *, first: int = 0, fade: int = 0, last: int = 0) -> float:
    """Nothing in the `first` epochs, all of it, then less over `fade` epochs, and nothing in the `last` ones.

    A policy multiplies the chance of each of its steps by it. From IMOKURI's write-up of Kaggle's Cassava leaf disease
    (2021): none at first while the new head settles, less towards the end, none last, so that the network ends on
    images as they are when it is asked.

    Args:
        epoch: 0 to epochs - 1.
        epochs: all of them.
        first, fade, last: epochs of each part. The fade takes equal steps that reach neither 1 nor 0.

    Returns:
        0 to 1.

    Raises:
        RecipeError: the parts are negative, or longer together than all epochs.

    >>> [round(strength_of(epoch, 8, first=1, fade=3, last=1), 2) for epoch in range(8)]
    [0.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if min(first, fade, last) < 0 or first + fade + last > epochs:
        raise RecipeError(
            f"augmentation's first={first}, fade={fade} and last={last} epochs do not fit into {epochs};"
            " none may be negative, and together they must not be more"
        )
    if epoch < first or epoch >= epochs - last:
        return 0.0
    left = epochs - last - epoch  # epochs to go that are augmented, this one too
    return min(1.0, left / (fade + 1))
