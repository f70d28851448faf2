"""Whether the label survives an augmentation, each by itself, by frozen features of one view an image: minutes.

The head learns from the mixture that a training would see: of each image one view in which the operation does happen,
and as many copies of the image as it is as the operation's chance leaves. Two questions. Does it answer the images as
they are worse than a head that learnt from these alone (the gain)? Does it answer the views worse than that one answers
images (survival)? A view that only shifts features loses the first and not the second, one that hides a part the second
and not the first; where the label is lost, both are. Only both together reject, each by a verdict of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalist.data.views import Policy
from medalist.evidence import Comparison, compare, holm, verdict
from medalist.experiments.augmenting.copies import Copies, Showing

MOST_PLAIN = 3  # copies of the image beside its view, however rarely the operation happens


@dataclass(frozen=True)
class Probed:
    """An operation by itself, against none; positive: better with it.

    Args:
        gain: of answers to the images as they are.
        survival: of answers to views in which it happened.
    """

    gain: Comparison
    survival: Comparison

    @property
    def lost(self) -> bool:
        """Whether the label does not survive: it is kept out of everything that follows."""
        return self.gain.verdict == "worse" and self.survival.verdict == "worse"


def probe(copies: Copies, factors: Sequence[str]) -> dict[str, Probed]:
    """Each operation by itself, in one view an image (epoch 1 + its place); p values and verdicts are Holm's."""
    mixed = {one: mixture(one) for one in factors}
    showings = [Showing(happening, 1 + place) for place, (happening, _) in enumerate(mixed.values())]
    # A head on as many copies, none of them changed: what changes nothing then differs by nothing, to the bit.
    none = {plain: copies.learn([copies.plain] * (1 + plain)).plain_N for _, plain in mixed.values()}
    found = {
        one: copies.learn([x_ND, *[copies.plain] * mixed[one][1]])
        for one, x_ND in zip(factors, copies.features(showings), strict=True)
    }
    gains = _compared(copies, {one: (answered.plain_N, none[mixed[one][1]]) for one, answered in found.items()})
    survivals = _compared(copies, {one: (answered.viewed_N, none[mixed[one][1]]) for one, answered in found.items()})
    return {one: Probed(gains[one], survivals[one]) for one in factors}


def mixture(factor: str) -> tuple[str, int]:
    """The operation as it happens for certain, and how many unchanged copies stand beside one such view.

    >>> mixture("flip"), mixture("rotation(limit=5)"), mixture("jpeg(p=0.25)")
    (('flip(p=1.0)', 1), ('rotation(limit=5)', 0), ('jpeg(p=1.0)', 3))
    """
    (step,) = Policy.parse(factor).steps
    if step.p == 0:
        return "", 0
    return Policy((replace(step, p=1.0),)).text, min(MOST_PLAIN, round(1 / step.p) - 1)


def _compared(copies: Copies, pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Comparison]:
    """Each pair of answers to the same rows; p values are Holm's over all."""
    metric, truth = copies.chain.metric, copies.truth
    found = {one: compare(metric, truth.labels, *pair, groups=truth.group_N) for one, pair in pairs.items()}
    adjusted = holm([each.p for each in found.values()])
    return {
        one: replace(each, p=float(p), verdict=verdict(each.difference, each.stderr, float(p)))
        for (one, each), p in zip(found.items(), adjusted, strict=True)
    }
