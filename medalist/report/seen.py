"""What a report looks at: a run folder's rows, the answers that its score is of, and the probabilities behind them.

Axes: N labelled images, C classes or tags.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from medalist.errors import MedalistError
from medalist.metrics import dense, metrics
from medalist.pipeline.folds import Field
from medalist.pipeline.learners import slug
from medalist.pipeline.outcome import decision_of, final_predictions, summary_of, unseen_answers
from medalist.predictions import Predictions
from medalist.report.markup import cleaned, paths_in

MOST = 2**24  # probabilities that are sorted for a curve


@dataclass(frozen=True)
class Seen:
    """A finished run, import or blend.

    Args:
        name: of its folder.
        folder: where it lies.
        summary, decision: its JSON.
        recipe: as it was resolved, with paths of the machine in it; empty for imports and blends.
        sources: each member's name, and the folder of its predictions relative to `folder`.
        field: its rows with labels, groups and folds.
        answers: what its score is of: (N,) labels, (N, C) probabilities or sets; nothing that made them saw their row.
        prob_NC: probabilities of the same kind; see `calibrated`.
        calibrated: whether `prob_NC` are the answers themselves, after the rule; else they are the blend's.
        known: paths of this machine that no page may name, those of the recipe among them.
    """

    name: str
    folder: Path
    summary: dict[str, Any]
    decision: dict[str, Any]
    recipe: dict[str, Any]
    sources: tuple[tuple[str, str], ...]
    field: Field
    answers: np.ndarray
    prob_NC: np.ndarray
    calibrated: bool
    known: tuple[Path, ...] = ()

    @property
    def metric(self) -> str:
        return str(self.summary["metric"])

    @property
    def higher(self) -> bool:
        """Whether a higher score is better."""
        return bool(metrics.bind(self.metric).facts["better"] == "higher")

    @property
    def tags(self) -> bool:
        return self.field.table.task == "tags"

    @property
    def ids(self) -> list[str]:
        return list(map(str, self.field.table.ids))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Classes as people call them; where two bear one name, with their code."""
        table = self.field.table
        names = table.class_names or table.classes
        twice = {told for told, times in Counter(names).items() if times > 1}
        return tuple(
            f"{told} ({code})" if told in twice else told for told, code in zip(names, table.classes, strict=True)
        )

    @cached_property
    def y_N(self) -> np.ndarray:  # noqa: N802
        """True class of each row; not of tags."""
        return np.asarray(self.field.table.labels, np.int64)

    @cached_property
    def label_N(self) -> np.ndarray:  # noqa: N802
        """Class that was answered; where the answers are probabilities, the likeliest."""
        answers = np.asarray(self.answers)
        return np.asarray(answers if answers.ndim == 1 else answers.argmax(axis=1), np.int64)

    @cached_property
    def true_NC(self) -> np.ndarray:  # noqa: N802
        """True classes or tags as booleans."""
        if self.tags:
            return dense(self.field.table.labels)
        return np.asarray(self.y_N[:, None] == np.arange(len(self.names)))

    @cached_property
    def said_NC(self) -> np.ndarray:  # noqa: N802
        """Answered classes or tags; where the answers to tags are probabilities, those of a half or more."""
        if not self.tags:
            return np.asarray(self.label_N[:, None] == np.arange(len(self.names)))
        answers = np.asarray(self.answers)
        return answers if answers.dtype == bool else np.asarray(answers >= 0.5)

    def rows(self) -> np.ndarray:
        """Evenly spaced rows, all of them where rows times classes are few enough to sort all probabilities."""
        most = max(1, MOST // len(self.names))
        num_rows = len(self.field.table)
        return np.arange(num_rows) if num_rows <= most else np.linspace(0, num_rows - 1, most).astype(np.int64)

    @property
    def state(self) -> dict[str, Any]:
        """What the decision rule has learnt, of all rows."""
        return dict(self.decision["chain"].get("rule", {}))

    @cached_property
    def members(self) -> tuple[Predictions, ...]:
        """The members' predictions for the rows, those that are still there; see `members_of`."""
        return tuple(members_of(self))


def look(folder: Path, known: Sequence[Path] = ()) -> Seen:
    """Read a run folder.

    Args:
        folder: of the run.
        known: folders of this machine that no page may name.

    Raises:
        StoreError: it holds no finished run, or is damaged.
    """
    summary, decision = summary_of(folder), decision_of(folder)
    field, answers = unseen_answers(folder)
    calibrated = metrics.bind(summary["metric"]).facts["eats"] == "prob"
    file = folder / "recipe.yaml"
    recipe = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    known = (*known, *paths_in(recipe))
    return Seen(
        name=folder.resolve().name,
        folder=folder,
        summary=cleaned(summary, known),
        decision=cleaned(decision, known),
        recipe=recipe,
        sources=tuple((cleaned(source["name"], known), source["folder"]) for source in decision.get("sources", ()))
        or tuple((cleaned(told, known), f"predictions/{slug(told)}") for told in decision["members"]),
        field=field,
        answers=answers,
        prob_NC=np.asarray(answers if calibrated else _own_rows(final_predictions(folder), field).oof_NC),
        calibrated=calibrated,
        known=known,
    )


def members_of(seen: Seen) -> list[Predictions]:
    """Each member by its name in the summary: of the run's own folder, or of the runs that a blend is of.

    A blend's sources may have been moved or changed since; those are left out.
    """
    found = []
    for told, place in seen.sources:
        try:
            run = _own_rows(Predictions.load(seen.folder / place), seen.field)
        except (MedalistError, OSError):
            continue
        found.append(Predictions(**{**vars(run), "name": told}))
    return found


def _own_rows(run: Predictions, field: Field) -> Predictions:
    """The rows that are scored, in their order."""
    return run if run.ids == field.folds.ids else run.take(field.folds.ids, field.folds.hash)


def read_json(file: Path) -> Any:
    """JSON of a file of a run folder."""
    return json.loads(file.read_text(encoding="utf-8"))
