"""Members -> a run folder: decided, scored, answered, and written as every other run's.

`import` ends here with one member, `blend` with several; no image is read and no torch loaded.
Axes: N labelled images, M test images, C classes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.ensembles import ensembles
from medalist.errors import RecipeError, StoreError, near
from medalist.ledger import Summary
from medalist.metrics import metrics, tasks_of
from medalist.pipeline.chain import Chain
from medalist.pipeline.decide import Decision, decide
from medalist.pipeline.folds import Field, load_field
from medalist.pipeline.holdout import held_note
from medalist.pipeline.kept import asking, load_unseen, save_folds, save_table, save_unseen
from medalist.pipeline.learners import slug
from medalist.predictions import Predictions
from medalist.submissions.writers import write

SUBMISSION = "submission.csv"
DECISION = "decision.json"


def check_chain(chain: Chain, task: str) -> None:
    """Refuse a chain that cannot answer for its metric.

    Raises:
        RecipeError: an unknown name, a metric of another task, or a rule that gives what the metric does not eat.
    """
    metric, rule = metrics.bind(chain.metric), chain.rule
    tasks = ensembles.bind(chain.ensemble).facts.get("tasks", (task,))
    if task not in tasks_of(metric):
        fit = [name for name in metrics if task in tasks_of(metrics.bind(name))]
        raise RecipeError(f"{chain.metric} does not score {task}{near(chain.metric, fit)}; metrics: {', '.join(fit)}")
    if task not in tasks:
        raise RecipeError(
            f"{chain.ensemble} blends {', '.join(tasks)}, these runs are {task}; choose another --ensemble"
        )
    if rule.facts["gives"] != metric.facts["eats"]:
        raise RecipeError(
            f"{rule.name} gives {rule.facts['gives']}, {chain.metric} eats {metric.facts['eats']}; leave --decide out"
        )


def conclude(
    field: Field,
    runs: Sequence[Predictions],
    chain: Chain,
    out: Path,
    *,
    facts: dict[str, Any],
    notes: Sequence[str] = (),
) -> tuple[Decision, Summary]:
    """Decide on the members and write everything but `predictions/` and the summary into the run folder.

    Args:
        field: the rows; its test ids are all that want an answer.
        runs: the members, all of the same test ids.
        chain: what to do, by name.
        out: the run folder, held by `ledger.writing`.
        facts: for `decision.json`: kind, ensemble, where the members are.
        notes: sentences for the summary.

    Raises:
        SubmissionError: the sample submission asks for what the metric's answers are not.
    """
    test_ids = runs[0].test_ids if field.test_ids is None else field.test_ids
    known = set(runs[0].test_ids)
    readable_M = np.array([name in known for name in test_ids], dtype=bool)
    decision = decide(chain, runs, field.truth, readable_M)
    save_folds(field.folds, out, outer=field.outer)
    save_table(field.table, field.truth.group_N, test_ids, out)
    told = {"rule": chain.rule.text, "chain": decision.chain, "class_hash": runs[0].class_hash}
    told |= {"fold_hash": field.folds.hash, "metric": chain.metric, "members": [run.name for run in runs]}
    save_unseen(decision.oof_N, out)
    ledger.write_json(out / DECISION, {**told, **facts})
    if test_ids:
        table = field.table if field.table.sample else asking(field.table, test_ids, decision.answers_M)
        write(table, test_ids, decision.answers_M, decision.prob_MC, out / SUBMISSION)
    if unread := int((~readable_M).sum()):
        notes = [*notes, f"{unread} test ids that not every member answers are answered by the class prior"]
    if field.outer is not None:
        notes = [*notes, held_note(field.folds, field.outer)]
    return decision, _summary(field, chain, decision, test_ids, notes)


def _summary(field: Field, chain: Chain, decision: Decision, test_ids: Sequence[str], notes: Sequence[str]) -> Summary:
    return Summary(
        metric=chain.metric,
        **decision.scores(),
        seconds={},
        images=len(field.table) + len(test_ids),
        rejected=0,
        notes=(*notes, *decision.notes),
        submission=SUBMISSION if test_ids else None,
    )


def decision_of(folder: Path) -> dict[str, Any]:
    """What a finished run, import or blend decided; its `metric` is there whoever wrote it.

    Raises:
        StoreError: the folder holds no finished run.
    """
    ledger.require_finished(folder)
    facts: dict[str, Any] = json.loads((folder / DECISION).read_text(encoding="utf-8"))
    return {"kind": "run", "metric": summary_of(folder)["metric"], **facts}


def summary_of(folder: Path) -> dict[str, Any]:
    """A finished run's `summary.json`.

    Raises:
        StoreError: the folder holds no finished run.
    """
    ledger.require_finished(folder)
    facts: dict[str, Any] = json.loads((folder / ledger.SUMMARY).read_text(encoding="utf-8"))
    return facts


def final_predictions(folder: Path) -> Predictions:
    """The probabilities behind a run's answers: of the blend, or of the only member of an import.

    Raises:
        StoreError: they are missing.
    """
    facts = decision_of(folder)
    name = facts["members"][0] if facts["kind"] == "import" else facts["ensemble"]
    return Predictions.load(folder / "predictions" / slug(name))


def unseen_answers(folder: Path) -> tuple[Field, np.ndarray]:
    """A run's rows, and the answers to the labelled ones that its score is of.

    Raises:
        StoreError: the run is not finished.
    """
    ledger.require_finished(folder)
    field, answers_N = load_field(folder), load_unseen(folder)
    if len(answers_N) != len(field.table.ids):
        raise StoreError(f"{folder} is damaged: its answers are of other rows than its table; run it again")
    return field, answers_N
