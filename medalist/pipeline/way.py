"""The way, top to bottom: read -> embed -> split -> fit -> tune -> ensemble -> decide -> submit.

Axes: N usable training images, M test images, D features of all banks side by side, C classes, R heads, K folds.
Nothing here chooses by experiment; every choice that looks at labels is cross-fitted by the rooms below.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medalist.data import layouts
from medalist.data.facts import Facts
from medalist.data.groupfile import groups_column
from medalist.data.groups import duplicate_groups
from medalist.data.splits import Folds, make_folds
from medalist.data.table import EXTRA, TEST, ImageTable, Rejected
from medalist.errors import DataError
from medalist.features.bank import FeatureBank
from medalist.pipeline import cache_folder
from medalist.pipeline.chain import Chain
from medalist.pipeline.decide import Decision, Truth
from medalist.pipeline.decide import decide as decide_on
from medalist.pipeline.extra import strangers, with_extra
from medalist.pipeline.extraction import Extra, Extracted, Features, extract
from medalist.pipeline.holdout import scored
from medalist.pipeline.kept import asking
from medalist.pipeline.leaked import Known, known
from medalist.pipeline.learners import fit_learner, learners_of
from medalist.pipeline.quarantine import quarantined
from medalist.pipeline.tuning.tuned import fit_tuned
from medalist.predictions import Predictions
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe
from medalist.submissions.writers import write
from medalist.training.weights import present


def read(recipe: Recipe, root: Path) -> ImageTable:
    """The dataset as a table; the recipe's `data` section overrides what would be inferred. Extra images come last."""
    options = recipe.data.model_dump(exclude_none=True, exclude={"quarantine"})
    if recipe.finetune is not None:
        options["auxiliary"] = tuple(recipe.finetune.auxiliary)
    table = layouts.read(root, layout=options.pop("layout", None), options=options)
    if recipe.data.quarantine is not None:
        table = quarantined(table, Path(recipe.data.quarantine))
    return with_extra(table, recipe.extra, recipe.extra_weight)


def embed(
    recipe: Recipe, table: ImageTable, *, cache: Path, settled: Path | None = None, sink: Sink = ignore
) -> Features:
    """Each image once through each backbone; only what the bank lacks is computed. For `settled` see `extract`.

    Raises:
        DataError: no labelled image could be read.
    """
    found = extract(recipe, table.root, table.paths, cache=cache, settled=settled, sink=sink)
    facts = found.facts
    readable = np.array([fact.ok for fact in facts], dtype=bool)
    labelled = table.split < TEST
    if not (readable & labelled).any():
        raise DataError(f"none of the {labelled.sum()} labelled images in {table.root} could be read")
    kept, test = np.flatnonzero(readable & labelled), np.flatnonzero(table.split == TEST)
    bank = FeatureBank(cache)
    hashes = [fact.hash if fact.ok else "" for fact in facts]
    return Features(
        train=table.take(kept),
        test=table.take(test),
        x_ND=bank.rows(found.spaces, [hashes[i] for i in kept], normalise=recipe.normalise),
        x_test_MD=bank.rows(found.spaces, [hashes[i] for i in test], normalise=recipe.normalise),
        readable_M=readable[test],
        group_N=groups_of(recipe, table.take(kept), [facts[i] for i in kept]),
        hashes=tuple(hashes[i] for i in kept),
        test_hashes=tuple(hashes[i] for i in test),
        extracted=found,
        rejected=tuple(
            Rejected(str(table.paths[i]), facts[i].reason)
            for i in np.flatnonzero(~readable & (table.split != EXTRA))
            if table.paths[i]
        ),
        extra=_extra(recipe, table, found, bank),
        known=_twins(recipe, table, facts, kept, test) if recipe.leaks == "use" else None,
    )


def _extra(recipe: Recipe, table: ImageTable, found: Extracted, bank: FeatureBank) -> Extra | None:
    """The extra images of a table; None where it has none."""
    if not (table.split == EXTRA).any():
        return None
    kept, rejected = strangers(table, found.facts)
    hashes = tuple(found.facts[i].hash for i in kept)
    x_ED = bank.rows(found.spaces, hashes, normalise=recipe.normalise)
    return Extra(table.take(kept), x_ED, hashes, rejected)


def groups_of(recipe: Recipe, train: ImageTable, facts: Sequence[Facts]) -> np.ndarray:
    """(N,) what must not be torn apart: rows of one value of the group column or of the recipe's file of groups, and
    duplicates unless the recipe says no.

    Raises:
        DataError: the file is none of groups, or of other images.
    """
    seen = facts if recipe.folds.duplicates else [Facts(False)] * len(train)
    return duplicate_groups(seen, train.groups, _named(recipe, train))


def _named(recipe: Recipe, table: ImageTable) -> np.ndarray | None:
    """What the recipe's file of groups says of these rows."""
    return None if recipe.folds.groups is None else groups_column(Path(recipe.folds.groups), table)


def _twins(recipe: Recipe, table: ImageTable, facts: Sequence[Facts], kept: np.ndarray, test: np.ndarray) -> Known:
    """What labelled images tell of test images that show the same picture, by hash or by the file of groups. What is in
    quarantine (of weight 0) tells nothing.
    """
    kept = present(kept, table.weights)
    rows = np.concatenate([kept, test])
    both = table.take(rows)
    group_P = duplicate_groups([facts[i] if facts[i].ok else Facts(False) for i in rows], _named(recipe, both))
    found = known(table.labels[kept], group_P[: len(kept)], group_P[len(kept) :])
    return found.with_names(table.take(test), table.take(kept))


def split(recipe: Recipe, features: Features) -> Folds:
    """Folds of the training rows: those of the recipe's file, or drawn, stratified, with groups whole.

    Raises:
        MismatchError: the file has folds of other images.
    """
    if recipe.folds.file is not None:
        return Folds.load(Path(recipe.folds.file), ids=features.train.ids.tolist(), seed=recipe.folds.seed)
    fold_N = make_folds(features.train.labels, features.group_N, num_folds=recipe.folds.k, seed=recipe.folds.seed)
    return Folds(fold_N, tuple(features.train.ids), recipe.folds.k, recipe.folds.seed)


def fit(recipe: Recipe, features: Features, folds: Folds, out: Path, *, sink: Sink = ignore) -> tuple[Predictions, ...]:
    """Each head, cross-validated, saved in `out/fitted` and `out/predictions`; not again where it stands there.

    One member a head, unless the recipe has heads see one backbone, or answers fused: then one a head, sight and view.
    """
    learners = learners_of(recipe, features.extracted.spaces)
    return tuple(run for one in learners for run in fit_learner(one, recipe, features, folds, out, sink=sink))


def tune(
    recipe: Recipe, features: Features, folds: Folds, out: Path, *, cache: Path | None = None, sink: Sink = ignore
) -> tuple[Predictions, ...]:
    """Members on fine-tuned backbones; none where the recipe asks for none. A training that was killed goes on.

    Trained weights are saved in `out/tuned`; `cache` is of bank and pixels, see `cache_folder`.
    """
    if recipe.finetune is None:
        return ()
    return fit_tuned(recipe, features, folds, out, cache=cache_folder(cache), sink=sink)


def truth_of(recipe: Recipe, features: Features, folds: Folds) -> Truth:
    """What a decision needs to know of the training rows: of all, or of those that are held out."""
    rows, own = scored(recipe, features, folds)
    return Truth(features.train.labels[rows], features.train.classes, features.group_N[rows], own.fold_N)


def decide(recipe: Recipe, runs: Sequence[Predictions], features: Features, folds: Folds) -> Decision:
    """Blend the heads and answer for the metric; the chain of both is cross-fitted as one.

    Raises:
        MismatchError: the runs are not of the same rows, classes and folds.
    """
    chain = Chain.of(recipe, features.train.classes)
    return decide_on(
        chain,
        runs,
        truth_of(recipe, features, folds),
        features.readable_M,
        test_prior=recipe.test_prior,
        counts=recipe.counts,
        known=features.known,
    )


def ensemble(recipe: Recipe, runs: Sequence[Predictions], features: Features, folds: Folds) -> Predictions:
    """The heads as one: rows of fold k blended with weights learnt on the other folds, test rows with those of all.

    Raises:
        MismatchError: the runs are not of the same rows, classes and folds.
    """
    return decide(recipe, runs, features, folds).blend


def submit(features: Features, decision: Decision, path: Path) -> None:
    """Write the organisers' file.

    Raises:
        SubmissionError: a check fails; nothing is written.
    """
    ids = features.test.ids.tolist()
    table = features.train if features.train.sample else asking(features.train, ids, decision.answers_M)
    write(table, ids, decision.answers_M, decision.prob_MC, path)
