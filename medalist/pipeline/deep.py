"""`medalist check --deep`: what features and out-of-fold answers tell of labels, strange images and the test set.

A table and what its files became in the bank go in; findings, each kind with the worst first, and sentences come out.
What cannot be looked for in a set (one class, a handful of images, no labels) is said in words. Nothing acts on it.

Axes: N labelled images, M test images, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.facts import Facts
from medalist.data.groups import duplicate_groups
from medalist.data.splits import make_folds
from medalist.data.table import TEST, ImageTable
from medalist.errors import DataError, RecipeError
from medalist.features.bank import FeatureBank
from medalist.features.rows import Rows
from medalist.metrics import dense
from medalist.pipeline.adversary import told_apart
from medalist.pipeline.extraction import Extracted, unit_rows
from medalist.pipeline.way import groups_of
from medalist.progress import Sink, ignore
from medalist.quality import labels, outliers
from medalist.quality.alike import alike
from medalist.quality.findings import Finding
from medalist.recipe import Recipe
from medalist.training.rows import Source
from medalist.training.weights import part_of

LEAST_FOLDS = 3
LEAST_IMAGES = 20  # below which no image is called strange, and no shift looked for
SHOWN_OF_SHIFT = 12  # images of each side that give a shift away
SURPRISING = 0.01  # p from which on a shift is told
TAGS_TOLD = 3


@dataclass(frozen=True)
class Deep:
    """What was seen: findings, and sentences for people."""

    findings: list[Finding] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    """Readable labelled and test images: rows of the table, features for heads, unit rows for distances."""

    table: ImageTable
    rows_N: np.ndarray
    rows_M: np.ndarray
    x_ND: Rows
    x_MD: Rows
    unit_ND: np.ndarray
    unit_MD: np.ndarray
    group_N: np.ndarray

    @property
    def y(self) -> Any:
        """Labels of the N rows."""
        return self.table.labels[self.rows_N]


def pictures(table: ImageTable, found: Extracted, *, cache: Path, sink: Sink = ignore) -> np.ndarray:
    """Which picture each image of a table shows, by hash or, where features propose it, by pixels; see `alike`.

    Args:
        table: the dataset.
        found: of its images, see `extraction.extract`.
        cache: folder of the bank.
        sink: takes progress events.
    """
    readable = np.flatnonzero([fact.ok for fact in found.facts])
    unit_ND = unit_rows(FeatureBank(cache), found, readable)
    x_ND = np.zeros((len(table), unit_ND.shape[1]), np.float32)
    x_ND[readable] = unit_ND
    return alike(table, found.facts, x_ND, cache=cache, sink=sink)


def look_deeper(
    recipe: Recipe,
    table: ImageTable,
    found: Extracted,
    picture_N: np.ndarray,
    *,
    cache: Path,
    sink: Sink = ignore,
) -> Deep:
    """Doubtful labels, strange images, and what tells test from training images.

    Args:
        recipe: its heads, folds and seed count.
        table: the dataset.
        found: of its images, see `extraction.extract`.
        picture_N: which picture each shows, see `pictures`; images of one share a fold and are no neighbours.
        cache: folder of the bank.
        sink: takes progress events.

    Raises:
        RecipeError: no heads. MissingExtraError: cleanlab is not installed.
    """
    if not recipe.heads:
        raise RecipeError("check --deep asks heads whether labels are right, and the recipe has none: heads=ridge")
    seen = _see(recipe, table, found, picture_N, cache)
    parts = _labels(recipe, seen, sink), _strangers(seen), _shift(seen)
    return Deep([one for part in parts for one in part.findings], [line for part in parts for line in part.told])


def _see(recipe: Recipe, table: ImageTable, found: Extracted, picture_N: np.ndarray, cache: Path) -> _Seen:
    """Rows of the bank, for heads and for distances."""
    bank, facts = FeatureBank(cache), found.facts
    readable = np.array([fact.ok for fact in facts], dtype=bool)
    test, labelled = table.split == TEST, table.split < TEST
    known = labelled & (table.labels >= 0) if isinstance(table.labels, np.ndarray) else labelled
    rows_N, rows_M = (np.flatnonzero(readable & side) for side in (known, test))
    hashes_N, hashes_M = ([facts[i].hash for i in rows] for rows in (rows_N, rows_M))
    x_ND, x_MD = (bank.rows(found.spaces, some, normalise=recipe.normalise) for some in (hashes_N, hashes_M))
    named_N = groups_of(recipe, table.take(rows_N), [facts[i] for i in rows_N])
    group_N = duplicate_groups([Facts(False)] * len(rows_N), named_N, picture_N[rows_N])
    unit_ND, unit_MD = (unit_rows(bank, found, rows) for rows in (rows_N, rows_M))
    return _Seen(table, rows_N, rows_M, x_ND, x_MD, unit_ND, unit_MD, group_N)


def _labels(recipe: Recipe, seen: _Seen, sink: Sink) -> Deep:
    """Labels that heads, which saw neither the image nor its duplicates, find unlikely."""
    try:
        num_classes = len(seen.table.classes)
        weight_N = part_of(seen.table.weights, seen.rows_N)
        prob_NC, fold_N = out_of_fold(
            recipe, seen.x_ND, seen.y, seen.group_N, num_classes=num_classes, weight_N=weight_N, sink=sink
        )
    except DataError as error:
        return Deep(told=[f"labels: not doubted, {error}"])
    judged_N = labels.judged(seen.y, fold_N)
    flagged = np.flatnonzero(labels.suspects(prob_NC, seen.y) & judged_N)
    worst = flagged[np.argsort(labels.label_quality(prob_NC, seen.y)[flagged], kind="stable")]
    found = [Finding(int(seen.rows_N[i]), "label", _preferred(seen.table, seen.y, prob_NC, i)) for i in worst]
    told = f"labels: {len(found)} of {len(seen.rows_N)} look wrong to {' and '.join(recipe.heads)}, out of fold"
    if unknown := int((~judged_N).sum()):
        told += f"; {unknown} were not judged, as their class lies in one fold alone"
    return Deep(found, [told])


def out_of_fold(
    recipe: Recipe,
    x_ND: Source,
    y: Any,
    group_N: np.ndarray,
    *,
    num_classes: int,
    weight_N: np.ndarray | None = None,
    sink: Sink = ignore,
) -> tuple[np.ndarray, np.ndarray]:
    """What a recipe's heads say of labelled rows that they never saw.

    Args:
        recipe: its heads, folds and seed count.
        x_ND: features.
        y: class indices (N,), or tags (N, C).
        group_N: (N,) pictures; one lies in one fold.
        num_classes: C.
        weight_N: of the rows in learning; what is in quarantine weighs 0 and is answered all the same.
        sink: hears of each model.

    Returns:
        float32 (N, C) mean of the heads' probabilities, and the fold of each row; fewer folds where there are fewer
        pictures.

    Raises:
        DataError: too few pictures, or no second class.
    """
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    num_groups = len(np.unique(group_N))
    if num_groups < LEAST_FOLDS:
        raise DataError(f"{num_groups} different labelled images are too few")
    fold_N = make_folds(y, group_N, num_folds=min(recipe.folds.k, num_groups), seed=recipe.folds.seed)
    nobody = x_ND[np.arange(0)]
    options: dict[str, Any] = {"num_classes": num_classes, "seed": recipe.seed, "weight_N": weight_N, "sink": sink}
    runs = (crossval(heads.bind(head), x_ND, y, fold_N, nobody, **options)[1] for head in recipe.heads)
    return np.asarray(sum(run.oof_NC for run in runs) / np.float32(len(recipe.heads))), fold_N


def _preferred(table: ImageTable, y: Any, prob_NC: np.ndarray, i: int) -> str:
    """What the heads say of row i instead."""
    names = table.class_names or table.classes
    if y.ndim == 1:
        best = int(prob_NC[i].argmax())
        return f"{names[best]} {prob_NC[i, best]:.2f}, {names[y[i]]} {prob_NC[i, y[i]]:.2f}"
    given_C = dense(y[[i]])[0]
    quality_C = labels.tag_quality(prob_NC[[i]], given_C[None])[0]
    doubted = [c for c in np.argsort(quality_C, kind="stable")[:TAGS_TOLD] if quality_C[c] < labels.DOUBT]
    return "; ".join(f"{names[c]} {prob_NC[i, c]:.2f}, {'given' if given_C[c] else 'not given'}" for c in doubted)


def _strangers(seen: _Seen) -> Deep:
    """Images that resemble no labelled image of another picture, or none of their class."""
    if len(seen.rows_N) < LEAST_IMAGES:
        return Deep(told=[f"outliers: not looked for, {len(seen.rows_N)} labelled images are too few"])
    far_N = outliers.distances(seen.unit_ND, seen.unit_ND, seen.group_N, seen.group_N)
    far_M = outliers.distances(seen.unit_MD, seen.unit_ND, np.full(len(seen.unit_MD), -1), seen.group_N)
    everywhere_N, test_M = (outliers.deviations(far, far_N) for far in (far_N, far_M))
    own_N = np.zeros(len(far_N))
    if seen.y.ndim == 1:
        own_N = outliers.class_deviations(seen.unit_ND, seen.y, seen.group_N)
    listed = [
        *zip(np.maximum(everywhere_N, own_N), seen.rows_N, everywhere_N >= own_N, strict=True),
        *zip(test_M, seen.rows_M, np.ones(len(test_M), bool), strict=True),
    ]
    flagged = sorted((one for one in listed if one[0] > outliers.FLAGGED), key=lambda one: -one[0])
    found = [
        Finding(int(row), "outlier", f"{far:.1f} deviations from {'any image' if everywhere else 'its class'}")
        for far, row, everywhere in flagged
    ]
    return Deep(found, [f"outliers: {len(found)} of {len(listed)} images"])


def _shift(seen: _Seen) -> Deep:
    """Whether test images are told from training images, and by which."""
    if min(len(seen.rows_N), len(seen.rows_M)) < LEAST_IMAGES:
        return Deep(
            told=[f"shift: not looked for, {len(seen.rows_M)} test images beside {len(seen.rows_N)} are too few"]
        )
    weight_N = 1 / np.bincount(seen.group_N)[seen.group_N]  # a picture counts once
    found, score_N, score_M = told_apart(seen.x_ND[:], seen.x_MD[:], weight_N=weight_N)
    auc = f"AUC {found.auc:.3f} +- {found.stderr:.3f}"
    if not (found.p <= SURPRISING and found.auc > 0.5):
        return Deep(told=[f"shift: test images are not told from training images ({auc})"])
    told = (
        f"shift: test images are told from training images ({auc}, p {found.p:.2g}); {found.share:.0%} or more differ"
    )
    return Deep([*_giving_away(seen.rows_M, score_M, 1), *_giving_away(seen.rows_N, score_N, -1)], [told])


def _giving_away(rows: np.ndarray, score: np.ndarray, side: int) -> Iterator[Finding]:
    """The images that look most like their side and least like the other."""
    known = np.flatnonzero(np.isfinite(score))
    for i in known[np.argsort(-side * score[known], kind="stable")[:SHOWN_OF_SHIFT]]:
        yield Finding(int(rows[i]), "shift", f"{score[i]:+.1f} from -1 (like training) to 1 (like test)")
