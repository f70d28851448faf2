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
        x_ND: features of `train`, read when asked for; all spaces' columns side by side, or where the recipe fuses
            answers those of the first view.
        x_test_MD: features of `test`, likewise; a row without a readable image holds zeros.
        others_ND: the same of `train` in each other view, where the recipe fuses answers.
        others_test_MD: the same of `test`.
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
    others_ND: tuple[Rows, ...]
    others_test_MD: tuple[Rows, ...]
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

    def views_of(index: np.ndarray) -> list[Rows]:
        keys = [hashes[i] for i in index]
        return [bank.rows(spaces, keys, normalise=recipe.normalise) for spaces in found.seen(recipe.fuse)]

    (x_ND, *others_ND), (x_test_MD, *others_test_MD) = views_of(kept), views_of(test)

    return Features(
        train=table.take(kept),
        test=table.take(test),
        x_ND=x_ND,
        x_test_MD=x_test_MD,
        others_ND=tuple(others_ND),
        others_test_MD=tuple(others_test_MD),
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
    """Each head, cross-validated, saved in `out/fitted` and `out/predictions`; not again where it stands there.

    Where the recipe fuses answers, a head learns from the first view and answers each: so many predictions a head.
    """
    return tuple(run for text in recipe.heads for run in _fit_head(text, recipe, features, folds, out, sink))


def _fit_head(
    text: str, recipe: Recipe, features: Features, folds: Folds, out: Path, sink: Sink
) -> tuple[Predictions, ...]:
    from medalist.training import heads
    from medalist.training.crossval import answer_view, crossval

    train, readable = features.train, np.flatnonzero(features.readable_M)
    head = heads.heads.bind(text)
    key = _head_key(head.text, recipe, features, folds)
    names = [head.text, *(f"{head.text} on {view}" for view in recipe.views[1 : 1 + len(features.others_ND)])]
    folders = [out / "predictions" / slug(name) for name in names]
    if all((folder / "predictions.json").is_file() for folder in folders):
        done = tuple(Predictions.load(folder) for folder in folders)
        if all(run.meta["key"] == key for run in done):
            return done
    x_test_LD = [rows.take(readable) for rows in (features.x_test_MD, *features.others_test_MD)]
    fitted, result = crossval(
        head,
        features.x_ND,
        train.labels,
        folds.fold_N,
        x_test_LD[0],
        num_classes=len(train.classes),
        seed=recipe.seed,
        sink=sink,
    )
    failpoint("in-fit")
    views = zip(features.others_ND, x_test_LD[1:], strict=True)
    results = [result, *(answer_view(fitted, x_ND, folds.fold_N, x_LD) for x_ND, x_LD in views)]
    runs = tuple(
        Predictions(
            name=name,
            ids=tuple(train.ids),
            test_ids=tuple(features.test.ids[features.readable_M]),
            oof_NC=seen.oof_NC,
            test_KMC=heads.predict(head.text, fitted.refit, x_LD)[None] if recipe.final == "refit" else seen.test_KMC,
            fit_NC=seen.fit_NC,
            scale="prob",
            class_hash=train.class_hash,
            fold_hash=folds.hash,
            meta={"key": key, **seen.meta},
        )
        for name, seen, x_LD in zip(names, results, x_test_LD, strict=True)
    )
    fitted.save(out / "fitted" / slug(head.text))
    for folder, run in zip(folders, runs, strict=True):
        run.save(folder)
    return runs


def _head_key(head: str, recipe: Recipe, features: Features, folds: Folds) -> str:
    """Hash of all that a head's predictions depend on."""
    return hash_json(
        {
            "head": head,
            "seed": recipe.seed,
            "final": recipe.final,
            "spaces": [space.name for space in features.extracted.spaces],
            "fuse": recipe.fuse,
            "normalise": recipe.normalise,
            "rows": [features.hashes, features.test_hashes],
            "labels": label_lists(features.train),
            "folds": folds.hash,
            "classes": features.train.class_hash,
        }
    )


def slug(text: str) -> str:
    """A head's call as a folder name: `mlp(hidden=8)` -> `mlp-hidden-8`."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def truth_of(features: Features, folds: Folds) -> Truth:
    """What a decision needs to know of the training rows."""
    return Truth(features.train.labels, features.train.classes, features.group_N, folds.fold_N)


def decide(recipe: Recipe, runs: Sequence[Predictions], features: Features, folds: Folds) -> Decision:
    """Blend the heads and answer for the metric; the chain of both is cross-fitted as one.

    Raises:
        MismatchError: the runs are not of the same rows, classes and folds.
    """
    chain = Chain.of(recipe, features.train.classes)
    return decide_on(
        chain,
        runs,
        truth_of(features, folds),
        features.readable_M,
        test_prior=recipe.test_prior,
        counts=recipe.counts,
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
