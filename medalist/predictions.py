"""Predictions: out-of-fold and test answers of a learner, keyed by image id -> a folder of memory-mapped arrays.

Axes: N training images, M test images, C classes, K folds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import MismatchError, StoreError
from medalist.store import array_bytes, write_atomic

FORMAT = 1


@dataclass(frozen=True)
class Predictions:
    """Probabilities (or logits) of one learner or blend.

    Args:
        name: what made them, as in the recipe.
        ids: N training ids, text.
        test_ids: M test ids, text.
        oof_NC: float32 (N, C); row i comes from a model that never saw row i.
        test_KMC: float32 (K, M, C), one slice a fold's model, or (1, M, C) for a mean or a refit.
        fit_NC: float32 (N, C) in-sample predictions of the refit, to show the gap; never used as a score. (0, C) where
            nobody knows them: somebody's script handed in out-of-fold and test rows alone.
        scale: `prob` or `logits`.
        class_hash, fold_hash: of the class list and the fold file they were made with.
        meta: JSON facts (seconds, penalties, curves).
    """

    name: str
    ids: tuple[str, ...]
    test_ids: tuple[str, ...]
    oof_NC: np.ndarray
    test_KMC: np.ndarray
    fit_NC: np.ndarray
    scale: str
    class_hash: str
    fold_hash: str
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, c = self.oof_NC.shape
        if len(self.ids) != n or self.fit_NC.shape not in ((n, c), (0, c)):
            raise MismatchError(f"{self.name}: {len(self.ids)} ids, {n} out-of-fold and {len(self.fit_NC)} fitted rows")
        if self.test_KMC.shape[1:] != (len(self.test_ids), c):
            raise MismatchError(
                f"{self.name}: test array {self.test_KMC.shape} does not fit {len(self.test_ids)} ids x {c} classes"
            )
        if len(set(self.ids)) != n or len(set(self.test_ids)) != len(self.test_ids):
            raise MismatchError(f"{self.name}: an image id appears twice")

    @property
    def fit_known(self) -> bool:
        """Whether the in-sample predictions are known."""
        return len(self.fit_NC) == len(self.ids)

    def take(self, ids: Sequence[str], fold_hash: str) -> Predictions:
        """The same of some of its training rows, in the order of `ids`, which have folds of their own.

        Raises:
            MismatchError: an id is not among its rows.
        """
        if tuple(ids) == self.ids and fold_hash == self.fold_hash:
            return self
        row_of = {name: row for row, name in enumerate(self.ids)}
        if absent := [name for name in ids if name not in row_of]:
            raise MismatchError(f"{self.name} has no rows of {len(absent)} images, such as {absent[0]!r}")
        rows = np.array([row_of[name] for name in ids], np.int64)
        fit_NC = self.fit_NC[rows] if self.fit_known else self.fit_NC
        return replace(self, ids=tuple(ids), oof_NC=self.oof_NC[rows], fit_NC=fit_NC, fold_hash=fold_hash)

    def check_same(self, other: Predictions) -> None:
        """Refuse to combine predictions of other rows, classes or folds.

        Raises:
            MismatchError: names the part that differs.
        """
        for part in ("class_hash", "fold_hash", "ids", "test_ids", "scale"):
            if getattr(self, part) != getattr(other, part):
                raise MismatchError(f"{self.name!r} and {other.name!r} differ in their {part.replace('_', ' ')}")

    def save(self, folder: Path) -> None:
        """Write `predictions.json` last, and take an older one away first, so that a folder with it is complete."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "predictions.json").unlink(missing_ok=True)
        for stem, array in (("oof", self.oof_NC), ("test", self.test_KMC), ("fit", self.fit_NC)):
            write_atomic(folder / f"{stem}.npy", array_bytes(np.asarray(array, np.float32)))
        head = {
            "format": FORMAT,
            "name": self.name,
            "scale": self.scale,
            "class_hash": self.class_hash,
            "fold_hash": self.fold_hash,
            "ids": self.ids,
            "test_ids": self.test_ids,
            "meta": self.meta,
        }
        write_atomic(folder / "predictions.json", json.dumps(head, sort_keys=True).encode())

    @classmethod
    def load(cls, folder: Path) -> Predictions:
        """Read what `save` wrote; the arrays stay on disk until touched.

        Raises:
            StoreError: the folder is missing, unfinished, or of another format.
        """
        head_file = folder / "predictions.json"
        if not head_file.is_file():
            raise StoreError(f"{folder} holds no finished predictions; run `medalist run` again")
        head = json.loads(head_file.read_text(encoding="utf-8"))
        if head.pop("format", None) != FORMAT:
            raise StoreError(f"{head_file} was written by another version of medalist")
        arrays = {stem: np.load(folder / f"{stem}.npy", mmap_mode="r") for stem in ("oof", "test", "fit")}
        ids, test_ids = tuple(head.pop("ids")), tuple(head.pop("test_ids"))
        return cls(
            ids=ids, test_ids=test_ids, oof_NC=arrays["oof"], test_KMC=arrays["test"], fit_NC=arrays["fit"], **head
        )
