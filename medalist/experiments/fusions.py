"""Which backbones fuse best: pairs of the best singles, then trios grown from the best pairs, each a run of its own.

Axes: N scored rows, A arms, K folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from medalist.evidence import Comparison, compare, holm, verdict
from medalist.evidence.draws import bind, sign
from medalist.experiments.arms import Done
from medalist.experiments.rank_candidates import Candidate
from medalist.experiments.rank_screen import Look, best

BEST = 6  # singles that may be fused
PAIRS, TRIOS = 6, 3  # that are run in full
GROWN = 3  # pairs that trios grow from

Sight = tuple[Candidate, ...]


@dataclass(frozen=True)
class Fusions:
    """What was fused.

    Args:
        done: pairs and trios that were run.
        looks: of all that were looked at quickly, as more were possible than are run.
        tried: how many pairs and trios the best among `done` was picked from.
    """

    done: tuple[Done, ...]
    looks: tuple[Look, ...]
    tried: int


def fuse(
    singles: Sequence[Candidate],
    run: Callable[[Sequence[Sight]], list[Done]],
    look: Callable[[Sequence[Sight]], list[Look]],
    metric: str,
) -> Fusions:
    """Pairs of the BEST singles, and trios of which a part is one of the GROWN best pairs.

    Args:
        singles: the best first.
        run: backbones side by side, as full runs.
        look: the same, quickly; asked only where there are more than are run.
        metric: that tells which are best.
    """
    first, looks = singles[:BEST], list[Look]()

    def few(sights: list[Sight], most: int) -> list[Sight]:
        if len(sights) <= most:
            return sights
        found = look(sights)
        order = best([one.score for one in found], metric, most)
        looks.extend(replace(one, kept=place in order) for place, one in enumerate(found))
        return [sights[place] for place in sorted(order)]

    pairs: list[Sight] = list(combinations(first, 2))
    chosen = few(pairs, PAIRS)
    run_pairs = run(chosen)
    order = best([done.summary.score for done in run_pairs], metric, GROWN)
    trios = grown([chosen[place] for place in order], first)
    run_trios = run(few(trios, TRIOS))
    return Fusions((*run_pairs, *run_trios), tuple(looks), len(pairs) + len(trios))


def grown(pairs: Sequence[Sight], singles: Sequence[Candidate]) -> list[Sight]:
    """Each pair with each further single, in the order of the singles; a trio that two pairs grow into comes once."""
    trios = [
        tuple(one for one in singles if one in (*pair, third))
        for pair in pairs
        for third in singles
        if third not in pair
    ]
    return list(dict.fromkeys(trios))


def against_single(single: Done, fusions: Fusions) -> dict[str, Comparison]:
    """Each fusion against one single, paired; p and verdict are Holm's over all that were tried, run in full or not."""
    truth, metric = single.truth, single.arm.recipe.metric
    found = {
        one.arm.name: compare(metric, truth.labels, one.answers_N, single.answers_N, groups=truth.group_N)
        for one in fusions.done
    }
    # A fusion that the quick look passed over counts as tried, with nothing to show for it.
    p_A = holm([*(one.p for one in found.values()), *[1.0] * (fusions.tried - len(found))])
    return {
        name: Comparison(one.difference, one.stderr, verdict(one.difference, one.stderr, p), float(p))
        for (name, one), p in zip(found.items(), p_A[: len(found)], strict=True)
    }


def gain_of_fusing(singles: Sequence[Done], fusions: Sequence[Done]) -> Comparison:
    """What the best fusion gains over the best single where both are picked without the rows that they are judged on.

    For the rows of each fold, the fusion and the single with the best scores on the other folds answer. Picked on the
    same rows, the best of many would carry its luck into the gain.
    """
    truth, metric = singles[0].truth, singles[0].arm.recipe.metric
    a_N, b_N = picked_elsewhere(fusions), picked_elsewhere(singles)
    return compare(metric, truth.labels, a_N, b_N, groups=truth.group_N)


def picked_elsewhere(arms: Sequence[Done]) -> np.ndarray:
    """Answers (N, ...) to each fold's rows by the arm that is best on the other folds' rows; of equals the first."""
    truth, metric = arms[0].truth, bind(arms[0].arm.recipe.metric)
    answers_N = np.empty_like(arms[0].answers_N)
    for fold in np.unique(truth.fold_N):
        rest, own = truth.fold_N != fold, truth.fold_N == fold
        score_A = sign(metric) * np.array([metric(truth.labels[rest], arm.answers_N[rest]) for arm in arms], np.float64)
        answers_N[own] = arms[int(np.argmax(np.nan_to_num(score_A, nan=-np.inf)))].answers_N[own]
    return answers_N
