"""What can make a leaderboard score worse than its forecast, each looked for by itself, with its evidence.

Axes: N labelled images, M test images, C classes, A configurations, D statistics or features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.data.facts import Facts
from medalist.data.groups import duplicate_groups
from medalist.decisions.priors import shift_test
from medalist.evidence import best_of_many, estimate, two_sided
from medalist.pipeline.adversary import Separation, separation, sureness
from medalist.pipeline.decide import Truth
from medalist.predictions import Predictions
from medalist.registry import Bound

STATISTICS = (
    "log width",
    "log height",
    "red",
    "green",
    "blue",
    "red spread",
    "green spread",
    "blue spread",
    "red - blue",
)


@dataclass(frozen=True)
class Cause:
    """A cause that was looked for.

    Args:
        name: of it.
        drop: by how much it can have made the score worse, in the metric's units; 0 where there is no sign of it.
        evidence: a sentence with the numbers.
    """

    name: str
    drop: float
    evidence: str


@dataclass(frozen=True)
class Seen:
    """The answers in question.

    Args:
        metric: bound.
        truth: labels, groups, folds.
        answers_N: unseen answers to the labelled rows.
        final: probabilities behind them and behind the test answers.
        gap: by how much the leaderboard is worse than the forecast, 0 or more.
    """

    metric: Bound[Any]
    truth: Truth
    answers_N: np.ndarray
    final: Predictions
    gap: float

    @property
    def way(self) -> float:
        """1 where higher is better, else -1."""
        return 1.0 if self.metric.facts["better"] == "higher" else -1.0

    def score(self, rows: np.ndarray) -> float:
        """Of some rows."""
        return float(self.metric(self.truth.labels[rows], self.answers_N[rows]))


def twins(facts: Sequence[Facts], fold_N: np.ndarray) -> np.ndarray:
    """(N,) bool: images of which another fold has a copy, by bytes, pixels, or nearly."""
    group_N = duplicate_groups(facts)
    first_G, last_G = (np.zeros(group_N.max() + 1, fold_N.dtype) for _ in range(2))
    first_G[group_N], last_G[group_N] = fold_N, fold_N
    np.minimum.at(first_G, group_N, fold_N)
    np.maximum.at(last_G, group_N, fold_N)
    return np.asarray((first_G < last_G)[group_N])


def independent(twin_N: np.ndarray, group_N: np.ndarray) -> np.ndarray:
    """(N,) bool: one row a group, and none with a copy in another fold, which is answered more surely than test rows.

    Where nothing would be left, one row a group.
    """
    first_N = np.isin(np.arange(len(group_N)), np.unique(group_N, return_index=True)[1])
    return np.asarray(first_N & ~twin_N if (first_N & ~twin_N).any() else first_N)


def duplicates_across_folds(seen: Seen, twin_N: np.ndarray) -> Cause:
    """Rows with a copy in another fold: their answers were learnt by heart. The drop is what is left without them."""
    name = "duplicates across folds"
    if not twin_N.any():
        return Cause(name, 0.0, "no picture lies in two folds")
    told = f"{twin_N.sum()} of {len(twin_N)} labelled images have the same picture in another fold"
    if (~twin_N).sum() < 2:
        return Cause(name, seen.gap, f"{told}: no image is left to score without")
    with_twin, alone = (
        estimate(seen.metric, seen.truth.labels[rows], seen.answers_N[rows], groups=seen.truth.group_N[rows])
        if len(np.unique(seen.truth.group_N[rows])) > 1
        else None
        for rows in (twin_N, ~twin_N)
    )
    drop = max(0.0, seen.way * (seen.score(np.ones(len(twin_N), bool)) - seen.score(~twin_N)))
    if with_twin is None or alone is None:
        return Cause(name, drop, told)
    stderr = float(np.hypot(with_twin.stderr, alone.stderr))
    p = two_sided(with_twin.score - alone.score, stderr)
    return Cause(
        name,
        drop,
        f"{told}; they score {with_twin.score:.4f} +- {with_twin.stderr:.4f}, the others {alone.score:.4f} +-"
        f" {alone.stderr:.4f} (p {p:.2g}). Split again with folds.duplicates=true",
    )


def selection(seen: Seen, tried: Sequence[np.ndarray], in_sample: float | None) -> Cause:
    """The best of many looks better than it is; the drop is its bootstrap correction, as far as the score had it.

    Args:
        seen: the answers in question.
        tried: unseen answers of all configurations that one was chosen from, (N,) or (N, C) each.
        in_sample: score on rows that were fitted on; None: not known.
    """
    name = "selection among many"
    y = seen.truth.labels
    score = seen.score(np.ones(len(seen.truth.fold_N), bool))
    gap = "" if in_sample is None else f"; in sample {in_sample:.4f}, out of fold {score:.4f}"
    if len(tried) < 2:
        return Cause(name, 0.0, f"one configuration is known of; others that were tried: --tried RUN{gap}")
    found = best_of_many(seen.metric, y, tried, groups=seen.truth.group_N)
    # A blend that scores below the best of its members was not chosen for that one's luck.
    looked = min(seen.way * found.naive, seen.way * score)
    return Cause(
        name,
        max(0.0, looked - seen.way * found.score),
        f"the best of {found.num_tried} configurations (one that blends several learners counts once) scores"
        f" {found.naive:.4f} out of fold; corrected for the choice"
        f" {found.score:.4f} +- {found.stderr:.4f}{gap}",
    )


def trained_on(
    seen: Seen, imports: Sequence[Predictions], weight_N: np.ndarray, share_of_images: float
) -> tuple[Cause, float]:
    """Imports that answer out-of-fold rows far more surely than test rows. Also the share of rows that look so.

    Rows known by heart score as well as can be, all others like test rows, so that the same share of the gap is put
    down to them; what image statistics tell of the test images may be the reason for their doubt, and is taken off.

    Args:
        seen: the answers in question.
        imports: the imported predictions behind them, at least one.
        weight_N: how much each labelled row counts.
        share_of_images: of the test images, made differently.
    """
    tags = not isinstance(seen.truth.labels, np.ndarray)
    found = [sureness(run.oof_NC, run.test_KMC.mean(axis=0), tags=tags, weight_N=weight_N) for run in imports]
    place = int(np.argmax([one.share for one in found]))
    share = max(0.0, found[place].share - share_of_images)
    told = f"{imports[place].name}, imported: {found[place]}"
    if share:
        told += (
            f"; as if {share:.0%} of its out-of-fold rows had been trained on (a mean of many models over the test"
            " images is less sure too). Answer each row by a model that never saw it, and import again"
        )
    return Cause("out-of-fold rows seen in training", share * seen.gap, told), share


@dataclass(frozen=True)
class Shifts:
    """Test rows against training rows, as they are and with the classes as frequent as in the test set."""

    new_C: np.ndarray
    old_C: np.ndarray
    p: float
    weight_N: np.ndarray
    raw: Separation
    left: Separation
    what: str


def shifts(seen: Seen, x_ND: np.ndarray, x_MD: np.ndarray, what: str, alone_N: np.ndarray) -> Shifts:
    """Class frequencies of the test set by expectation-maximisation, and the shift with and without them.

    Args:
        seen: the answers in question.
        x_ND: features of the labelled rows, or what stands for them.
        x_MD: of the test rows.
        what: they are, for people.
        alone_N: which labelled rows are independent of each other.
    """
    y, final = seen.truth.labels, seen.final
    raw = separation(x_ND, x_MD, weight_N=alone_N.astype(float))
    if not isinstance(y, np.ndarray):  # tags have no one class
        none_C = np.zeros(len(seen.truth.classes))
        return Shifts(none_C, none_C, 1.0, np.ones(y.shape[0]), raw, raw, what)
    prob_MC = final.test_KMC.mean(axis=0)
    found = shift_test(np.asarray(final.oof_NC)[alone_N], y[alone_N], prob_MC, seed=0)
    weight_N = (found.new_C / found.old_C)[y] if found.shifted else np.ones(len(y))
    left = separation(x_ND, x_MD, weight_N=weight_N * alone_N) if found.shifted else raw
    return Shifts(found.new_C, found.old_C, found.p_value, weight_N, raw, left, what)


def class_prior(seen: Seen, found: Shifts) -> Cause:
    """Classes as frequent as they seem to be in the test set: the drop is that of the labelled rows weighted so.

    If nothing but frequencies changed, weights by class leave nothing that tells the sets apart; as far as something is
    left, the estimate of the frequencies is itself a victim, and the drop counts for so much less.
    """
    name = "class frequencies"
    if not isinstance(seen.truth.labels, np.ndarray):
        return Cause(name, 0.0, "not looked for: images have tags, no one class")
    if np.allclose(found.weight_N, 1):
        return Cause(name, 0.0, f"those of the test set are as in training, as far as is seen (p {found.p:.2g})")
    c = int(np.argmax(np.abs(found.new_C - found.old_C)))
    told = (
        f"class {seen.truth.classes[c]!r} seems to be {found.new_C[c]:.1%} of the test images, it is"
        f" {found.old_C[c]:.1%} of the labelled ones (p {found.p:.2g})"
    )
    spared = 1.0 if found.raw.share <= 0 else max(0.0, 1 - found.left.share / found.raw.share)
    weighted = weighted_score(seen, found.weight_N)
    if weighted is None:
        distance = 0.5 * float(np.abs(found.new_C - found.old_C).sum())
        return Cause(name, spared * distance * seen.gap, told)
    drop = seen.way * (seen.score(np.ones(len(found.weight_N), bool)) - weighted)
    left = f"; weights by class leave an AUC of {found.left.auc:.3f} between the sets, from {found.raw.auc:.3f}"
    return Cause(name, spared * max(0.0, drop), f"{told}; labelled rows weighted so score {weighted:.4f}{left}")


def weighted_score(seen: Seen, weight_N: np.ndarray) -> float | None:
    """The score with each labelled row counted so often; None where the metric cannot be weighted."""
    y, facts, options = seen.truth.labels, seen.metric.facts, seen.metric.arguments
    if "rows" in facts:
        return float(np.average(facts["rows"](y, seen.answers_N, **options), weights=weight_N))
    return float(facts["reweigh"](y, seen.answers_N, **options)(weight_N)) if "reweigh" in facts else None


def preprocessing(
    seen: Seen, facts: Sequence[Facts], test_facts: Sequence[Facts], weight_N: np.ndarray
) -> tuple[Cause, float]:
    """Test images made in another way: sizes, colours, formats. Also the share of test images that shows it.

    No label tells what that costs; as much of the gap is put down to it as there are test images that differ.
    """
    name = "images made differently"
    x_ND, x_MD = (statistics(part) for part in (facts, test_facts))
    formats = sorted({f"{one.format} {one.mode}" for one in (*facts, *test_facts)})
    kind_NF, kind_MF = (
        np.array([[f"{one.format} {one.mode}" == kind for kind in formats] for one in part], float).reshape(
            len(part), -1
        )
        for part in (facts, test_facts)
    )
    found = separation(np.hstack([x_ND, kind_NF]), np.hstack([x_MD, kind_MF]), weight_N=weight_N)
    if not found.share:
        told = (
            f"sizes, colours and formats of test images are as in training (AUC {found.auc:.3f} +- {found.stderr:.3f})"
        )
        return Cause(name, 0.0, told), 0.0
    far_D = (x_MD.mean(axis=0) - x_ND.mean(axis=0)) / np.maximum(x_ND.std(axis=0), 1e-3)
    d = int(np.argmax(np.abs(far_D)))
    return Cause(
        name,
        found.share * seen.gap,
        f"test images are told by sizes, colours and formats alone (AUC {found.auc:.3f} +- {found.stderr:.3f}): most by"
        f" {STATISTICS[d]}, mean {x_ND[:, d].mean():.3f} in training and {x_MD[:, d].mean():.3f} in test"
        f" ({far_D[d]:+.1f} standard deviations)",
    ), found.share


def statistics(facts: Sequence[Facts]) -> np.ndarray:
    """Of each image (rows, D): see STATISTICS."""
    size = np.log([[one.width, one.height] for one in facts])
    mean, square = (np.array([getattr(one, part) for one in facts]) for part in ("mean", "mean_square"))
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    return np.hstack([size, mean, spread, mean[:, :1] - mean[:, 2:]])


def other_shift(seen: Seen, found: Shifts, share_of_images: float, share_trained_on: float = 0.0) -> Cause:
    """What still tells the sets apart once class frequencies, image statistics and rows by heart are accounted for."""
    share = max(0.0, found.left.share - share_of_images - share_trained_on)
    raw = f"{found.raw.auc:.3f} +- {found.raw.stderr:.3f}"
    told = f"test rows are told from training rows by {found.what} with an AUC of {raw}"
    if found.left is not found.raw:
        told += f", of {found.left.auc:.3f} +- {found.left.stderr:.3f} once classes are weighted"
    if share_of_images:
        told += "; what image statistics tell is not counted twice"
    if share_trained_on:
        told += "; what out-of-fold rows by heart tell is not counted twice"
    return Cause("test images of another kind", share * seen.gap, f"{told} (p {found.left.p:.2g})")
