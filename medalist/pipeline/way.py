"""The way, top to bottom: read -> embed -> split -> fit -> ensemble -> decide -> submit.

Axes: N usable training images, M test images, D features of all banks side by side, C classes, R heads, K folds.
Nothing here chooses by experiment; every choice that looks at labels is cross-fitted by the rooms below.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalist.data import layouts
from medalist.data.facts import Facts
from medalist.data.groups import duplicate_groups
from medalist.data.splits import Folds, make_folds
from medalist.data.table import TEST, ImageTable, Rejected
from medalist.ensembles import combine, ensembles
from medalist.errors import DataError
from medalist.features.bank import FeatureBank
from medalist.features.rows import Rows
from medalist.pipeline.chain import Chain
from medalist.pipeline.decide import Decision, Truth
from medalist.pipeline.decide import decide as decide_on
from medalist.pipeline.extraction import Extracted, extract
from medalist.pipeline.kept import asking, label_lists
from medalist.predictions import Predictions
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe
from medalist.store import failpoint, hash_json
from medalist.submissions.writers import write


@dataclass(frozen=True)
class Features:
    """The images of a table as rows of numbers.

    Args:
        train: the N labelled rows whose image could be read.
        test: all M test rows.
        x_ND: features of `train`, read when asked for; the spaces' columns side by side.
        x_test_MD: features of `test`; a row without a readable image holds zeros.
        readable_M: which test rows have features.
        group_N: int64 group of each training row (a group column, duplicates): whole in folds and bootstrap.
        hashes: N hashes of bytes.
        test_hashes: M hashes of bytes, empty where unreadable.
        extracted: what the columns are, and how they came to be.
        rejected: labelled and test rows whose file could not be read.
    """

    train: ImageTable
    test: ImageTable
    x_ND: Rows
    x_test_MD: Rows
    readable_M: np.ndarray
    group_N: np.ndarray
    hashes: tuple[str, ...]
    test_hashes: tuple[str, ...]
    extracted: Extracted
    rejected: tuple[Rejected, ...] = ()


def read(recipe: Recipe, root: Path) -> ImageTable:
    """The dataset as a table; the recipe's `data` section overrides what would be inferred."""
    options = recipe.data.model_dump(exclude_none=True)
    return layouts.read(root, layout=options.pop("layout", None), options=options)


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
    labelled = table.split != TEST
    if not (readable & labelled).any():
        raise DataError(f"none of the {labelled.sum()} labelled images in {table.root} could be read")
    kept, test = np.flatnonzero(readable & labelled), np.flatnonzero(~labelled)
    bank = FeatureBank(cache)
    hashes = [fact.hash if fact.ok else "" for fact in facts]
    return Features(
        train=table.take(kept),
        test=table.take(test),
        x_ND=bank.rows(found.spaces, [hashes[i] for i in kept], normalise=recipe.normalise),
        x_test_MD=bank.rows(found.spaces, [hashes[i] for i in test], normalise=recipe.normalise),
        readable_M=readable[test],
        group_N=_groups(recipe, table.take(kept), [facts[i] for i in kept]),
        hashes=tuple(hashes[i] for i in kept),
        test_hashes=tuple(hashes[i] for i in test),
        extracted=found,
        rejected=tuple(
            Rejected(str(table.paths[i]), facts[i].reason) for i in np.flatnonzero(~readable) if table.paths[i]
        ),
    )


def _groups(recipe: Recipe, train: ImageTable, facts: Sequence[Facts]) -> np.ndarray:
    """(N,) what must not be torn apart: rows of one group column value, and duplicates unless the recipe says no."""
    if recipe.folds.duplicates:
        return duplicate_groups(facts, train.groups)
    return duplicate_groups([Facts(False)] * len(train), train.groups)


def split(recipe: Recipe, features: Features) -> Folds:
    """Folds of the training rows: stratified, with groups whole."""
    fold_N = make_folds(features.train.labels, features.group_N, num_folds=recipe.folds.k, seed=recipe.folds.seed)
    return Folds(fold_N, tuple(features.train.ids), recipe.folds.k, recipe.folds.seed)


def fit(recipe: Recipe, features: Features, folds: Folds, out: Path, *, sink: Sink = ignore) -> tuple[Predictions, ...]:
    """Each head, cross-validated, saved in `out/fitted` and `out/predictions`; not again where it stands there."""
    return tuple(_fit_head(text, recipe, features, folds, out, sink) for text in recipe.heads)


def _fit_head(text: str, recipe: Recipe, features: Features, folds: Folds, out: Path, sink: Sink) -> Predictions:
    from medalist.training import heads
    from medalist.training.crossval import crossval

    train, readable = features.train, features.readable_M
    head = heads.heads.bind(text)
    key = hash_json(
        {
            "head": head.text,
            "seed": recipe.seed,
            "final": recipe.final,
            "spaces": [space.name for space in features.extracted.spaces],
            "normalise": recipe.normalise,
            "rows": [features.hashes, features.test_hashes],
            "labels": label_lists(train),
            "folds": folds.hash,
            "classes": train.class_hash,
        }
    )
    folder = out / "predictions" / slug(head.text)
    if (folder / "predictions.json").is_file() and (done := Predictions.load(folder)).meta["key"] == key:
        return done
    x_test_LD = features.x_test_MD.take(np.flatnonzero(readable))
    fitted, result = crossval(
        head,
        features.x_ND,
        train.labels,
        folds.fold_N,
        x_test_LD,
        num_classes=len(train.classes),
        seed=recipe.seed,
        sink=sink,
    )
    failpoint("in-fit")
    refit_KMC = heads.predict(head.text, fitted.refit, x_test_LD)[None]
    predictions = Predictions(
        name=head.text,
        ids=tuple(train.ids),
        test_ids=tuple(features.test.ids[readable]),
        oof_NC=result.oof_NC,
        test_KMC=refit_KMC if recipe.final == "refit" else result.test_KMC,
        fit_NC=result.fit_NC,
        scale="prob",
        class_hash=train.class_hash,
        fold_hash=folds.hash,
        meta={"key": key, **result.meta},
    )
    fitted.save(out / "fitted" / slug(head.text))
    predictions.save(folder)
    return predictions


def slug(text: str) -> str:
    """A head's call as a folder name: `mlp(hidden=8)` -> `mlp-hidden-8`."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def ensemble(recipe: Recipe, runs: Sequence[Predictions], features: Features, folds: Folds) -> Predictions:
    """The heads as one: rows of fold k blended with weights learnt on the other folds, test rows with those of all.

    Raises:
        MismatchError: the runs are not of the same rows, classes and folds.
    """
    return combine(ensembles.bind(recipe.ensemble), runs, features.train.labels, fold_N=folds.fold_N)


def truth_of(features: Features, folds: Folds) -> Truth:
    """What a decision needs to know of the training rows."""
    return Truth(features.train.labels, features.train.classes, features.group_N, folds.fold_N)


def decide(recipe: Recipe, runs: Sequence[Predictions], features: Features, folds: Folds) -> Decision:
    """Blend the heads and answer for the metric; the chain of both is cross-fitted as one.

    Raises:
        MismatchError: the runs are not of the same rows, classes and folds.
    """
    chain = Chain.of(recipe, features.train.classes)
    return decide_on(chain, runs, truth_of(features, folds), features.readable_M)


def submit(features: Features, decision: Decision, path: Path) -> None:
    """Write the organisers' file.

    Raises:
        SubmissionError: a check fails; nothing is written.
    """
    ids = features.test.ids.tolist()
    table = features.train if features.train.sample else asking(features.train, ids, decision.answers_M)
    write(table, ids, decision.answers_M, decision.prob_MC, path)
