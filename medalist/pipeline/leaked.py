"""Test images that show a labelled picture, answered by its label where the recipe says `leaks: use`.

A twin's label is no certainty: how often twins in training agree is the probability that it is given. Where labels of
one picture contradict each other (mirrored copies, where the side is the class), nothing is answered.

Axes: N labelled images, M test images, J of them known, C classes, G pictures.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.table import ImageTable
from medalist.metrics import dense
from medalist.store import write_atomic

FILE = "leaks.csv"
COLUMNS = ("id", "answered_by", "label")
SHOWN = 3  # pairs that the note names


@dataclass(frozen=True)
class Known:
    """What training tells of test images.

    Args:
        rows_J: of the M test images.
        labels_J: class indices (J,), or tags (J, C) as booleans.
        sure: probability that a twin's label holds: the share of training pictures whose files agree, by Laplace's rule
            of succession.
        num_pictures: training pictures of several files, from which `sure` comes.
        twins_J: of the N labelled images, one that shows the picture.
        named_J: id of the test image, id of that labelled one, and its label, for people.
    """

    rows_J: np.ndarray
    labels_J: np.ndarray
    sure: float
    num_pictures: int
    twins_J: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    named_J: tuple[tuple[str, str, str], ...] = ()

    def answer(self, answers_M: np.ndarray, prob_MC: np.ndarray, gives: str) -> tuple[np.ndarray, np.ndarray]:
        """Answers and the probabilities behind them, with what is known laid over.

        Args:
            answers_M: by the models; what the metric eats.
            prob_MC: probabilities behind them.
            gives: `prob`, `labels` or `sets`, the kind of the answers.
        """
        answers_M, prob_MC = answers_M.copy(), prob_MC.copy()
        prob_MC[self.rows_J] = prob_JC = self._laid_over(prob_MC[self.rows_J])
        if gives == "prob":
            answers_M[self.rows_J] = self._laid_over(answers_M[self.rows_J])
        elif gives == "labels":
            own = prob_JC.argmax(axis=1) == self.labels_J  # a label that twins often contradict leaves the model's
            answers_M[self.rows_J[own]] = self.labels_J[own]
        elif self.sure > 0.5:
            answers_M[self.rows_J] = self.labels_J
        return answers_M, prob_MC

    def _laid_over(self, prob_JC: np.ndarray) -> np.ndarray:
        """`sure` for what is known; a class's rest is shared by the others as the models would."""
        if self.labels_J.ndim == 2:
            return np.where(self.labels_J, self.sure, 1 - self.sure).astype(prob_JC.dtype)
        own_JC = np.arange(prob_JC.shape[1]) == self.labels_J[:, None]
        rest_JC = np.where(own_JC, 0, prob_JC + 1e-9)
        rest_JC *= (1 - self.sure) / rest_JC.sum(axis=1, keepdims=True)
        return np.where(own_JC, self.sure, rest_JC).astype(prob_JC.dtype)

    def told(self, num_test: int) -> str:
        """A sentence for people."""
        if not len(self.rows_J):
            return "leaks: no test image shows a labelled picture"
        such = ", ".join(f"{test} as {twin}" for test, twin, _ in self.named_J[:SHOWN])
        such += ", ..." if len(self.named_J) > SHOWN else ""
        why = (
            f"how often the files of {self.num_pictures} training pictures agree"
            if self.num_pictures
            else "no training picture has several files, so that nothing says how often they agree"
        )
        return (
            f"leaks: {len(self.rows_J)} of {num_test} test images show a labelled picture, and its label answers them"
            + (f" ({FILE}: {such})" if such else "")
            + f", with probability {self.sure:.3f} ({why}); score and forecast are of answers without"
        )

    def with_names(self, test: ImageTable, train: ImageTable) -> Known:
        """The same with ids of the images, and labels as the organisers write them."""
        names = np.array(train.class_names or train.classes, dtype=object)
        told = ["|".join(np.atleast_1d(names[label])) for label in self.labels_J]
        ids = zip(test.ids[self.rows_J].tolist(), train.ids[self.twins_J].tolist(), strict=True)
        return replace(self, named_J=tuple((*pair, label) for pair, label in zip(ids, told, strict=True)))


def save_known(found: Known, out: Path) -> None:
    """Write which test images are answered by which labelled one; ids are exact."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(found.named_J)
    write_atomic(out / FILE, text.getvalue().encode("utf-8", "surrogateescape"))


def known(labels: Any, group_N: np.ndarray, group_M: np.ndarray) -> Known:
    """What labelled twins tell of the test images.

    Args:
        labels: class indices (N,), or tags (N, C) as CSR.
        group_N, group_M: which picture each image shows, numbered alike.
    """
    code_N = _codes(labels)
    num_groups = int(max(group_N.max(initial=-1), group_M.max(initial=-1))) + 1
    (group_P, _), count_P = np.unique(np.stack([group_N, code_N]), axis=1, return_counts=True)
    size_G, labels_G = (np.bincount(group, minlength=num_groups) for group in (group_N, group_P))
    agreeing_G = np.bincount(group_P, count_P * (count_P - 1), minlength=num_groups)
    several = size_G > 1
    share = agreeing_G[several] / (size_G * (size_G - 1))[several]
    first_G = np.zeros(num_groups, np.int64)
    first_G[group_N[::-1]] = np.arange(len(group_N))[::-1]
    rows_J = np.flatnonzero((labels_G == 1)[group_M])
    twins_J = first_G[group_M[rows_J]]
    told = labels[twins_J]
    labels_J = told if isinstance(labels, np.ndarray) else dense(told).astype(bool)
    return Known(rows_J, labels_J, float((share.sum() + 1) / (several.sum() + 2)), int(several.sum()), twins_J)


def _codes(labels: Any) -> np.ndarray:
    """(N,) one number a label, or a set of tags."""
    if isinstance(labels, np.ndarray):
        return labels.astype(np.int64)
    code_of: dict[tuple[int, ...], int] = {}
    sets = np.split(labels.indices, labels.indptr[1:-1])
    return np.array([code_of.setdefault(tuple(sorted(tags.tolist())), len(code_of)) for tags in sets], np.int64)
