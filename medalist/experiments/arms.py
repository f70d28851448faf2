"""Arms of a question: recipes that differ in what is asked, each a run of its own, told apart in pairs.

An arm is an ordinary run folder below the experiment's own, so a killed experiment goes on where it stood, and any arm
can be blended, diagnosed or handed in. Axes: N scored rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.table import ImageTable
from medalist.errors import MismatchError, RecipeError
from medalist.evidence import Comparison, compare_arms
from medalist.ledger import Summary
from medalist.pipeline import run
from medalist.pipeline.backbones import weights_of
from medalist.pipeline.checks import check, check_table
from medalist.pipeline.decide import Truth
from medalist.pipeline.kept import load_table, load_truth, load_unseen
from medalist.pipeline.learners import slug
from medalist.pipeline.way import read
from medalist.progress import Event, Sink, ignore
from medalist.recipe import Recipe
from medalist.store import hash_json

ARMS = "arms"
LONGEST = 200  # characters of a folder name; file systems take 255


@dataclass(frozen=True)
class Arm:
    """One of the answers that a question may have.

    Args:
        name: told to people, unique within the question; its run folder is named after it.
        recipe: of its run.
    """

    name: str
    recipe: Recipe


@dataclass(frozen=True)
class Done:
    """An arm after its run.

    Args:
        arm: what was run.
        folder: its run folder.
        ids: of the N rows that the score is of.
        summary: score with its error, seconds a stage.
        truth: their labels, groups and folds.
        answers_N: the answers to them, by a chain that never saw them.
    """

    arm: Arm
    folder: Path
    ids: tuple[str, ...]
    summary: Summary
    truth: Truth
    answers_N: np.ndarray


def check_arms(arms: Sequence[Arm], root: Path, out: Path) -> None:
    """All faults of all arms, before the first is run; those of the baseline, which all share, by themselves.

    Raises:
        RecipeError: one line a fault, with its arm.
    """
    tables: dict[str, ImageTable] = {}
    faults = []
    for place, arm in enumerate(arms):
        try:
            check(arm.recipe, root, out / ARMS / folder_name(arm.name))
            auxiliary = arm.recipe.finetune and arm.recipe.finetune.auxiliary
            asked = hash_json([arm.recipe.data.model_dump(), arm.recipe.extra, arm.recipe.extra_weight, auxiliary])
            tables[asked] = tables.get(asked) or read(arm.recipe, root)
            check_table(arm.recipe, tables[asked])
        except RecipeError as error:
            if place == 0:
                raise
            faults += [f"  {arm.name}: {line.strip()}" for line in str(error).splitlines()[1:]]
    if faults:
        raise RecipeError("\n".join(["this experiment cannot start:", *faults]))


def carry_out(arm: Arm, root: Path, out: Path, *, cache: Path | None = None, sink: Sink = ignore) -> Done:
    """Run an arm in `out/arms`, or read it there where it is finished.

    Args:
        arm: what to run.
        root: folder of the dataset.
        out: folder of the experiment.
        cache: see `pipeline.run`.
        sink: takes progress events.

    Raises: as `pipeline.run`.
    """
    folder = out / ARMS / folder_name(arm.name)
    start = time.perf_counter()
    summary = run(arm.recipe, root, folder, cache=cache, sink=sink)
    seconds = time.perf_counter() - start
    told = f"{summary.metric} {summary.score:.4f} +- {summary.score_stderr:.4f}, {seconds:.0f} s"
    sink(Event("arms", 0, 0, seconds, {"ended": arm.name, "told": told}))
    return Done(arm, folder, tuple(load_table(folder).ids), summary, load_truth(folder), load_unseen(folder))


def carry_out_all(
    arms: Sequence[Arm], root: Path, out: Path, *, cache: Path | None = None, sink: Sink = ignore
) -> list[Done]:
    """Run arms one after the other, telling which begins; see `carry_out`."""
    done, start = list[Done](), time.perf_counter()
    for arm in arms:
        sink(Event("arms", len(done), len(arms), time.perf_counter() - start, {"arm": arm.name}))
        done.append(carry_out(arm, root, out, cache=cache, sink=sink))
    sink(Event("arms", len(arms), len(arms), time.perf_counter() - start))
    return done


def folder_name(name: str) -> str:
    """An arm's name as a folder's; of a long one its beginning and a hash."""
    short = slug(name)
    return short if len(short) <= LONGEST else f"{short[: LONGEST - 9]}-{hash_json(name)[:8]}"


def weights_of_all(recipes: Iterable[Recipe]) -> dict[str, str]:
    """Hash of each backbone's weights, of all recipes: with a card that was written anew it is another question."""
    return {name: weights for recipe in recipes for name, weights in weights_of(recipe).items()}


def against(baseline: Done, others: Sequence[Done]) -> dict[str, Comparison]:
    """Each arm against the baseline on the same rows; positive: the arm is better; p values and verdicts are Holm's.

    Raises:
        MismatchError: the arms answered different rows or metrics.
    """
    require_paired(baseline, *others)
    truth, metric = baseline.truth, baseline.arm.recipe.metric
    answers = {other.arm.name: other.answers_N for other in others}
    return compare_arms(metric, truth.labels, baseline.answers_N, answers, groups=truth.group_N)


def require_paired(first: Done, *others: Done) -> None:
    """Refuse arms that cannot be compared row by row.

    Raises:
        MismatchError: ids, their order, labels, groups or metrics differ.
    """
    for other in others:
        one, two = first.truth, other.truth
        if not (
            other.arm.recipe.metric == first.arm.recipe.metric
            and other.ids == first.ids
            and len(other.answers_N) == len(first.answers_N)
            and np.array_equal(one.group_N, two.group_N)
            and _same(one.labels, two.labels)
        ):
            raise MismatchError(
                f"{other.arm.name!r} and {first.arm.name!r} are scored on other rows or metrics; --overwrite runs all"
                " of them again"
            )


def _same(one: Any, two: Any) -> bool:
    """Whether labels are alike: (N,), or tags as CSR."""
    if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
        return np.array_equal(one, two)
    return bool(one.shape == two.shape and (one != two).nnz == 0)
