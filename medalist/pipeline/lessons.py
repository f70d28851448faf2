"""Lessons of a recipe: what each model learns of suspicious labels (`suspects`) and of the test images (`pseudo`).

Scores are of all rows with their own labels, whatever was learnt. Fold k's lesson is made without fold k's labels: its
suspects are found by models that saw neither the suspect's fold nor k, its pseudo-labels are its own model's. The
refit's suspects are found by the ordinary out-of-fold probabilities, its pseudo-labels are the refit's.

Axes: N rows that are learnt from, n of a lesson, L readable test images, C classes, K folds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.features.rows import Rows
from medalist.fitted import Fitted, State
from medalist.predictions import Predictions
from medalist.quality import labels
from medalist.quality.actions import actions
from medalist.recipe import Recipe
from medalist.registry import Bound
from medalist.store import write_atomic
from medalist.training.choice import Task
from medalist.training.heads.contract import is_tags, targets
from medalist.training.lessons import Lesson, elsewhere, ordinary, relearn
from medalist.training.weights import present

FILE = "suspects.csv"
META = "suspects"
FAINT = 0.01  # a class of less probability is not learnt of a test image


@dataclass(frozen=True)
class Suspect:
    """A label that the refit was not taught as it stands, or not in full.

    Args:
        row: among those that are learnt from.
        weight: what it counted, of 1.
        y: the class that was learnt; for tags -1.
        prob: of the label itself; for tags of the tag that is doubted most.
    """

    row: int
    weight: float
    y: int
    prob: float


def relearnt(
    recipe: Recipe, task: Task, fitted: Fitted, oof_NC: np.ndarray, x_ND: Rows, x_LD: Rows
) -> tuple[Fitted, list[Suspect]]:
    """The models as the recipe has them learn; as they are where it says nothing.

    Args:
        recipe: with `suspects`, `pseudo`, or neither.
        task: that `fitted` was made by.
        fitted: the models of the ordinary rows.
        oof_NC: out-of-fold probabilities of the labelled rows, which come first.
        x_ND: raw features of what is learnt from.
        x_LD: of the readable test images.
    """
    lessons = [ordinary(task, k) for k in (*range(task.num_folds), None)]
    found = list[Suspect]()
    if recipe.suspects is not None:
        action = actions.bind(recipe.suspects)
        for k, prob_NC in enumerate(elsewhere(task, fitted, x_ND)):
            lessons[k], _ = _without_doubt(action, task, lessons[k], prob_NC)
        prob_NC = np.zeros((len(task.fold_N), task.num_classes), np.float32)
        prob_NC[: len(oof_NC)] = oof_NC
        lessons[-1], found = _without_doubt(action, task, lessons[-1], prob_NC)
        fitted = relearn(task, fitted, x_ND, lessons)
    if recipe.pseudo is not None:
        every = [*fitted.states, fitted.refit]
        lessons = [
            _with_test(lesson, _answered(fitted, state, x_LD), len(x_ND), recipe.pseudo)
            for lesson, state in zip(lessons, every, strict=True)
        ]
        fitted = relearn(task, fitted, x_ND.then(x_LD), lessons)
    return fitted, found


def _without_doubt(action: Bound[Any], task: Task, lesson: Lesson, prob_NC: np.ndarray) -> tuple[Lesson, list[Suspect]]:
    """An ordinary lesson after an action on its suspects, which are among its rows that have a fold and weigh anything;
    and what was done.
    """
    own = present(np.flatnonzero(task.fold_N[lesson.rows] >= 0), lesson.weight_n)
    prob_nC, own_y = prob_NC[lesson.rows[own]], lesson.y[own]
    doubted = np.zeros(len(own), bool)
    if action.facts.get("flags", True):
        doubted = _doubted(prob_nC, own_y, task.fold_N[lesson.rows[own]])
    y_own, factor_own = action(prob_nC, own_y, doubted)
    y, factor_n = lesson.y, np.ones(len(lesson.rows))
    factor_n[own] = factor_own
    if y_own is not own_y:
        y = targets(y, prob_NC.shape[1]) if is_tags(y) else y.copy()
        y[own] = y_own
    weight_n = factor_n if lesson.weight_n is None else factor_n * lesson.weight_n
    kept = np.flatnonzero(weight_n > 0)
    changed = np.flatnonzero((factor_own != 1) | _differ(y_own, own_y))
    right = _right(prob_nC, own_y)
    found = [
        Suspect(int(lesson.rows[own[i]]), float(factor_own[i]), -1 if is_tags(y) else int(y_own[i]), float(right[i]))
        for i in changed
    ]
    weights = None if (weight_n[kept] == 1).all() else weight_n[kept].astype(np.float32)
    return Lesson(lesson.rows[kept], y[kept], weights), found


def _differ(y: Any, own: Any) -> np.ndarray:
    """(n,) bool: rows of another label; of tags, those with a tag that is learnt as the other way round."""
    if not is_tags(own):
        return np.asarray(y != own)
    far_nC = np.abs(targets(y, own.shape[1]) - targets(own, own.shape[1]))
    return np.asarray(far_nC.max(axis=1, initial=0.0) >= 0.5)


def _doubted(prob_nC: np.ndarray, y: Any, fold_n: np.ndarray) -> np.ndarray:
    """(n,) bool: suspects. No model has met a class that lies in one of the folds alone: to doubt it is to lose it."""
    return np.asarray(labels.suspects(prob_nC, y) & labels.judged(y, fold_n))


def _right(prob_nC: np.ndarray, y: Any) -> np.ndarray:
    """(n,) probability of each label; of tags, that of the least likely one."""
    if not is_tags(y):
        return np.asarray(prob_nC[np.arange(len(y)), y])
    has_nC = targets(y, prob_nC.shape[1])
    return np.asarray((has_nC * prob_nC + (1 - has_nC) * (1 - prob_nC)).min(axis=1))


def _answered(fitted: Fitted, state: State, x_LD: Rows) -> np.ndarray:
    from medalist.training import heads

    return heads.predict(fitted.name, state, x_LD)


def _with_test(lesson: Lesson, prob_LC: np.ndarray, first: int, pseudo: float) -> Lesson:
    """A lesson, and the test images under soft labels.

    A row with shares of several classes is several rows, each of one class and that share of the weight: cross-entropy
    and squared loss are linear in the target. Tags are shares themselves.

    Args:
        lesson: of a model.
        prob_LC: what that model says of them.
        first: place of the first test image among the rows.
        pseudo: what an image weighs.
    """
    before = np.ones(len(lesson.rows)) if lesson.weight_n is None else lesson.weight_n
    if is_tags(lesson.y):
        rows, share = np.arange(len(prob_LC)), np.ones(len(prob_LC))
        y: Any = np.concatenate([targets(lesson.y, prob_LC.shape[1]), prob_LC])
    else:
        rows, classes = np.nonzero(prob_LC >= FAINT)
        share, y = prob_LC[rows, classes], np.concatenate([lesson.y, classes.astype(lesson.y.dtype)])
    weight_n = np.concatenate([before, pseudo * share]).astype(np.float32)
    return Lesson(np.concatenate([lesson.rows, first + rows]), y, weight_n)


def told(found: Sequence[Suspect], recipe: Recipe, ids: np.ndarray, classes: Sequence[str], y: Any) -> list[list[Any]]:
    """Suspects as JSON: id, label, what was done, probability of the label."""
    name = recipe.suspects and actions.bind(recipe.suspects).name
    rows = []
    for one in found:
        has = [int(y[one.row])] if not is_tags(y) else y[[one.row]].indices.tolist()
        label = "|".join(classes[c] for c in has)
        done = f"relabel to {classes[one.y]}" if name == "relabel" else f"{name} to {one.weight:g}"
        done = "complete" if name == "complete" else done
        rows.append([str(ids[one.row]), label, "drop" if one.weight == 0 else done, round(one.prob, 6)])
    return rows


def save_suspects(recipe: Recipe, runs: Sequence[Predictions], out: Path) -> list[str]:
    """Write suspects.csv, what the refits were taught otherwise than it stands; a sentence on it."""
    if recipe.suspects is None:
        return []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["learner", "id", "label", "done", "probability"])
    taught = [run for run in runs if META in run.meta]
    writer.writerows([run.name, *row] for run in taught for row in run.meta[META])
    write_atomic(out / FILE, text.getvalue().encode("utf-8", "surrogateescape"))
    counts = ", ".join(f"{len(run.meta[META])} by {run.name}" for run in taught)
    return [
        f"suspects={recipe.suspects}: of {len(runs[0].ids)} labels these many were doubted, and not learnt as they"
        f" stand: {counts} (suspects.csv, of the models of all rows); suspects of a fold's model are found without that"
        " fold, and the score is of all rows as labelled"
    ]


def pseudo_notes(recipe: Recipe, num_test: int) -> list[str]:
    """What was learnt of the test images."""
    if recipe.pseudo is None:
        return []
    return [
        f"heads learn {num_test} test images too, each by the weight {recipe.pseudo:g} and under the probabilities that"
        " the very model gave it before: no fold's labels reach its own model"
    ]
