"""The quick look: backbones, or several side by side, by one closed-form head on features that lie in the bank.

It decides who is looked at closely, never who is best. Axes: N labelled images, A sights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medalist.data.splits import make_folds
from medalist.data.table import ImageTable
from medalist.ensembles.members import Members
from medalist.evidence import estimate
from medalist.evidence.draws import bind, sign
from medalist.experiments.ranking.candidates import Candidate
from medalist.pipeline.chain import Chain
from medalist.pipeline.extraction import Features
from medalist.pipeline.way import embed, split
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe

HEAD = "ridge"
ENOUGH = 8  # backbones that are all looked at closely
PARTS, FEWEST = 8, 500  # the first subset is an eighth of the labelled images, and no smaller than this
ROUNDS = 500


@dataclass(frozen=True)
class Look:
    """What the quick look says of one sight.

    Args:
        names: the backbones, side by side.
        score: out of fold.
        stderr: of the score.
        images: labelled images that it is of.
        kept: whether it went on.
    """

    names: tuple[str, ...]
    score: float
    stderr: float
    images: int
    kept: bool = True


def quick_looks(
    recipe: Recipe, features: Features, sights: Sequence[Sequence[Candidate]], *, sink: Sink = ignore
) -> list[Look]:
    """Score each sight out of fold, by ridge and the metric's rule, cross-fitted.

    Args:
        recipe: metric, rule, folds and seed.
        features: of all the backbones.
        sights: which backbones are seen side by side.
        sink: takes progress events.
    """
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    train, folds = features.train, split(recipe, features)
    chain = replace(Chain.of(recipe, train.classes), num_views=1).by_itself(0)
    nothing = np.zeros(0, np.int64)
    looks = []
    for sight in sights:
        blocks = [block for one in sight for block in blocks_of(one, features)]
        x_ND, x_0D = features.x_ND.only(blocks), features.x_test_MD.take(nothing).only(blocks)
        _, found = crossval(
            heads.bind(HEAD),
            x_ND,
            train.labels,
            folds.fold_N,
            x_0D,
            num_classes=len(train.classes),
            seed=recipe.seed,
            weight_N=train.weights,
            sink=sink,
        )
        answers_N = chain.crossfit(Members([found.oof_NC]), train.labels, folds.fold_N).answers_N
        told = estimate(recipe.metric, train.labels, answers_N, groups=features.group_N, seed=0, rounds=ROUNDS)
        looks.append(Look(tuple(one.name for one in sight), told.score, told.stderr, len(train)))
    return looks


def blocks_of(candidate: Candidate, features: Features) -> list[int]:
    """Which spaces are a candidate's: those of its weights."""
    spaces = features.extracted.spaces
    return [i for i, space in enumerate(spaces) if space.key["weights_hash"] == candidate.weights_hash]


def halve(
    recipe: Recipe, table: ImageTable, candidates: Sequence[Candidate], *, cache: Path, sink: Sink = ignore
) -> tuple[tuple[Candidate, ...], list[Look]]:
    """Successive halving: the better half of a long list goes on, each time with twice the images.

    All look at the same images of a round; subsets are stratified, nested, and keep groups whole (Jamieson & Talwalkar
    2016, Non-stochastic Best Arm Identification, algorithm 1, with images as the budget). A candidate leaves by its
    score on the subset alone.

    Args:
        recipe: metric, views, taps, folds and seed.
        table: the dataset.
        candidates: in the order in which they are to be kept.
        cache: of the bank.
        sink: takes progress events.

    Returns:
        ENOUGH of them or fewer where the images suffice for halving; and all looks, in the order in which they were
        taken.
    """
    labelled, looks = table.labelled(), list[Look]()
    shares = [share for share in (1, 2, 4) if share * len(labelled) >= PARTS * FEWEST]
    part_N = parts_of(labelled, recipe.folds.seed)
    for share in shares:
        if len(candidates) <= ENOUGH:
            break
        subset = labelled.take(part_N < share)
        found = []
        # So many networks at a time are in memory; a decode serves all of them.
        for start in range(0, len(candidates), ENOUGH):
            some = candidates[start : start + ENOUGH]
            features = embed(asking_for(recipe, some), subset, cache=cache, sink=sink)
            found += quick_looks(recipe, features, [(one,) for one in some])
        num_kept = ENOUGH if share == shares[-1] else max(ENOUGH, -(-len(candidates) // 2))
        kept = set(best([look.score for look in found], recipe.metric, num_kept))
        looks += [replace(look, kept=place in kept) for place, look in enumerate(found)]
        candidates = [one for place, one in enumerate(candidates) if place in kept]
    return tuple(candidates), looks


def parts_of(table: ImageTable, seed: int) -> np.ndarray:
    """(N,) PARTS stratified parts of a table, with the groups of its group column whole."""
    group_N = np.arange(len(table)) if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    return make_folds(table.labels, group_N, num_folds=PARTS, seed=seed)


def best(scores: Sequence[float], metric: str, count: int | None = None) -> list[int]:
    """Places of the `count` best scores (None: of all), the best first; of equals the earlier."""
    way = sign(bind(metric))
    return sorted(range(len(scores)), key=lambda place: -way * scores[place])[:count]


def asking_for(recipe: Recipe, candidates: Sequence[Candidate]) -> Recipe:
    """The recipe on these backbones."""
    return recipe.model_copy(update={"backbones": tuple(one.name for one in candidates)})
