"""All faults of a recipe, told at once, before the first image is read: every name bound, every signature met."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones.runtimes import AUTO, MEASURED, RUNTIMES
from medalist.backbones.taps import TAPS
from medalist.data.table import TEST, ImageTable
from medalist.decisions.rules import rules
from medalist.ensembles import ensembles
from medalist.errors import MedalistError, RecipeError, near
from medalist.features.views import VIEWS
from medalist.metrics import metrics, tasks_of
from medalist.pipeline.chain import Chain
from medalist.pipeline.extra import FILE as EXTRA_FILE
from medalist.pipeline.learners import num_members
from medalist.pipeline.ruling.breaches import rule_faults
from medalist.pipeline.tuning.checks import column_faults, task_faults, tuning_faults
from medalist.pipeline.tuning.disk import disk_faults
from medalist.quality.actions import actions
from medalist.recipe import Recipe
from medalist.registry import Bound
from medalist.training.heads import heads

TOY_FOLDS = 3
TOY_CLASSES = 64  # with more, not all of them come in the toy
FOLLOWS_PRIOR = ("argmax", "calibrated")


def check(recipe: Recipe, root: Path, out: Path) -> None:
    """Check what can be checked without the data.

    Raises:
        RecipeError: one line a fault.
    """
    faults = [
        *(f"{fault}; one of yours needs --allow-code" for fault in _unbound("metric", metrics.bind, [recipe.metric])),
        *_unbound("heads", heads.bind, recipe.heads),
        *_unbound("ensemble", ensembles.bind, [recipe.ensemble]),
        *_unbound("suspects", actions.bind, [recipe.suspects] if recipe.suspects else []),
        *_unbound("decide", rules.bind, [recipe.decide] if recipe.decide else []),
        *_unknown("views", recipe.views, tuple(VIEWS)),
        *_unknown("taps", recipe.taps, TAPS),
        *_unknown("runtime", [recipe.runtime], (AUTO, MEASURED, *RUNTIMES)),
        *_unopened(recipe),
        *_no_folds(recipe),
        *_no_lists(recipe),
        *rule_faults(recipe),
        *_untaught(recipe),
        *_unwritable(root, out),
        *([] if root.is_dir() else [f"DATA: {root} is not a folder"]),
    ]
    _tell(
        faults
        or [*_kinds(recipe), *_unusable(recipe), *_unsplit(recipe), *tuning_faults(recipe)]
        or [*disk_faults(recipe, out)]
    )


def check_table(recipe: Recipe, table: ImageTable) -> None:
    """Check the recipe against the dataset: its task, its classes, its sample submission.

    Raises:
        RecipeError: one line a fault.
    """
    faults = list(_strange_task(recipe.metric, table.task)) or list(_unfit(recipe, table))
    for text in recipe.heads:
        tasks = heads.bind(text).facts["tasks"]
        if table.task not in tasks:
            faults.append(f"heads: {text} learns {', '.join(tasks)}, this dataset is {table.task}")
    faults += [*task_faults(recipe, table.task), *column_faults(table)]
    if recipe.data.positive is not None:
        faults += _positive(recipe.data.positive, table)
    faults += _unmet(recipe, table)
    faults += _unlearnable(recipe, table)
    labelled = len(table.labelled())
    if labelled < recipe.folds.k:
        faults.append(f"folds.k: {recipe.folds.k} folds need as many labelled images, there are {labelled}")
    if table.sample is not None and table.sample.kind == "wide":
        absent = [name for name in table.classes if name not in table.sample.columns]
        faults += [f"{table.sample.path}: the sample submission has no column for class {name!r}" for name in absent]
        strange = [name for name in table.sample.columns[1:] if name not in table.classes]
        faults += [
            f"{table.sample.path}: column {name!r} is no class with images; list all classes in classes.txt"
            for name in strange
        ]
    _tell(faults)


def _strange_task(metric: str, task: str) -> Iterator[str]:
    """The metric must score the dataset's task."""
    if task not in tasks_of(metrics.bind(metric)):
        fit = [name for name in metrics if task in tasks_of(metrics.bind(name))]
        yield f"metric: {metric} does not score {task}{near(metric, fit)}; metrics that do: {', '.join(fit)}"


def _unmet(recipe: Recipe, table: ImageTable) -> Iterator[str]:
    """What is said of the test set as a whole must fit it."""
    if recipe.test_prior == "tested" and table.task == "tags":
        yield "test_prior: it is for classes that exclude each other, this dataset is tags; leave it out"
    rule = Chain.of(recipe, table.classes).rule.name
    if recipe.test_prior == "tested" and rule not in FOLLOWS_PRIOR:
        yield f"test_prior: {rule} does not follow class frequencies, {' and '.join(FOLLOWS_PRIOR)} do; leave it out"
    if recipe.test_prior == "tested" and recipe.final == "folds":
        yield "test_prior: the mean of the folds' models is surer than each, which looks like a shift; take final=refit"
    if recipe.counts is None:
        return
    eats = metrics.bind(recipe.metric).facts["eats"]
    if eats != "labels":
        yield f"counts: they rule labels, {recipe.metric} eats {eats}; leave counts out"
    if table.sample is not None and table.sample.kind not in ("class", "index"):
        yield f"counts: they rule labels, the sample submission asks for {table.sample.kind}; leave counts out"
    strange, absent = (
        sorted(recipe.counts.keys() - set(table.classes)),
        sorted(set(table.classes) - recipe.counts.keys()),
    )
    if strange or absent:
        yield f"counts: needs each class once; no classes: {strange[:5]}, without a count: {absent[:5]}"
    elif sum(recipe.counts.values()) != len(table.test()):
        yield f"counts: they sum to {sum(recipe.counts.values())}, there are {len(table.test())} test images"


def _positive(positive: str, table: ImageTable) -> Iterator[str]:
    """The key must mean something here."""
    if positive not in table.classes:
        yield f"data.positive: {positive!r} is no class{near(positive, table.classes)}; type data.positive=null"
    elif table.sample is None and positive != table.classes[-1]:
        yield f"data.positive: without a sample submission the probability of {table.classes[-1]!r} is written"
    elif table.sample is not None and table.sample.kind != "probability":
        asks = table.sample.kind
        yield f"data.positive: the sample submission asks for {asks}, not for a probability; type data.positive=null"


def _tell(faults: list[str]) -> None:
    if faults:
        raise RecipeError("\n".join(["this run cannot start:", *(f"  {fault}" for fault in faults)]))


def _unbound(key: str, bind: Callable[[str], Any], calls: Any) -> Iterator[str]:
    for call in calls:
        try:
            bind(call)
        except MedalistError as error:
            yield f"{key}: {error}"


def _kinds(recipe: Recipe) -> Iterator[str]:
    """The decision rule must give what the metric eats."""
    eats = metrics.bind(recipe.metric).facts["eats"]
    rule = Chain.of(recipe, ()).rule
    if rule.facts["gives"] != eats:
        fit = [name for name in rules if rules.bind(name).facts["gives"] == eats]
        key = "decide" if recipe.decide else f"ensemble: {recipe.ensemble} is decided by {rule.name}, which"
        told = f"{key}: {rule.name} gives" if recipe.decide else f"{key} gives"
        yield f"{told} {rule.facts['gives']}, {recipe.metric} eats {eats}; rules that give those: {', '.join(fit)}"


def _unusable(recipe: Recipe) -> Iterator[str]:
    """Arguments that a head refuses, found on a toy; and one head under two spellings."""
    x_ND, y_N = np.eye(6, 2, dtype=np.float32), np.array([0, 1] * 3, np.int32)
    bound = [heads.bind(text) for text in recipe.heads]
    if len({head.text for head in bound}) < len(bound):
        yield f"heads: {', '.join(recipe.heads)} name one head twice"
    if recipe.suspects:
        labels, action = np.array([0, 1] * 3, np.int32), actions.bind(recipe.suspects)
        if action.facts.get("flags", True) and find_spec("cleanlab") is None:
            yield "suspects: label errors need cleanlab: pip install 'medalist[quality]'"
        y = np.eye(2, dtype=bool)[labels] if action.facts["tasks"] == ("tags",) else labels
        yield from _tried("suspects", partial(action, np.eye(2)[labels], y, labels > 2))
    for head in bound:
        if "binary" in head.facts["tasks"]:
            yield from _tried(head.text, partial(_try_head, head, x_ND, y_N))


def _try_head(head: Bound[Any], x_ND: np.ndarray, y_N: np.ndarray) -> None:
    head.facts["predict"](head(x_ND, y_N, num_classes=2), x_ND)


def _unfit(recipe: Recipe, table: ImageTable) -> Iterator[str]:
    """What ensemble, rule or metric refuse of the dataset's task and classes, found on a toy of equal members."""
    chain = Chain.of(recipe, table.classes)
    num_classes = len(table.classes)
    num_shown = min(num_classes, TOY_CLASSES)
    y = np.arange(TOY_FOLDS * num_shown) % num_shown
    truth: Any = y[:, None] == np.arange(num_classes) if table.task == "tags" else y
    prob_NRC = np.full((len(y), num_members(recipe), num_classes), 1 / num_classes, np.float32)
    served = ensembles.bind(recipe.ensemble).facts.get("tasks", (table.task,))
    if table.task not in served:
        yield f"ensemble: {recipe.ensemble} serves {', '.join(served)}, this dataset is {table.task}"
        return
    fold_N = np.arange(len(y)) // num_shown
    yield from _tried(
        f"{recipe.ensemble}, {chain.rule.text}, {recipe.metric}",
        lambda: metrics.bind(recipe.metric)(truth, _toy_answers(chain, prob_NRC, truth, fold_N)),
    )


def _toy_answers(chain: Chain, prob_NRC: np.ndarray, truth: Any, fold_N: np.ndarray) -> np.ndarray:
    """All members together; and each by itself, which may be refused too."""
    for member in range(prob_NRC.shape[1]):
        chain.by_itself(member).fit(prob_NRC[:, member : member + 1], truth, fold_N)
    return chain.answers(chain.fit(prob_NRC, truth, fold_N), prob_NRC)


def _tried(what: str, call: Callable[[], Any]) -> Iterator[str]:
    try:
        call()
    except MedalistError as error:
        yield f"{what}: {error}"
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, NameError) as error:
        yield f"{what}: {type(error).__name__}: {error}{_where(error)}"


def _where(error: BaseException) -> str:
    """The innermost place of an error: in a metric of the user's own, the line to look at."""
    places = traceback.extract_tb(error.__traceback__)
    return f" ({Path(places[-1].filename).name}, line {places[-1].lineno})" if places else ""


def _unknown(key: str, names: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    yield from (f"{key}: unknown {n!r}{near(n, known)}; known: {', '.join(known)}" for n in names if n not in known)


def _unopened(recipe: Recipe) -> Iterator[str]:
    from medalist.pipeline.backbones import open_backbones

    try:
        backbones = open_backbones(recipe)
    except MedalistError as error:
        yield f"backbones: {error}"
        return
    if "logits" in recipe.taps:
        bare = [backbone.name for backbone in backbones if not backbone.num_classes]
        yield from (f"taps: {name} has no classifier, so that there are no logits; leave it out" for name in bare)


def _no_folds(recipe: Recipe) -> Iterator[str]:
    if recipe.folds.file is not None and not Path(recipe.folds.file).is_file():
        yield f"folds.file: there is no file {recipe.folds.file!r}; name the folds.csv of a run"
    if recipe.folds.groups is not None and not Path(recipe.folds.groups).is_file():
        yield f"folds.groups: there is no file {recipe.folds.groups!r}; type: medalist check DATA --out found"


def _no_lists(recipe: Recipe) -> Iterator[str]:
    """Files that say what is learnt from must be there."""
    if recipe.data.quarantine is not None and not Path(recipe.data.quarantine).is_file():
        yield f"data.quarantine: there is no file {recipe.data.quarantine!r}; name a CSV with a column id or path"
    for folder in recipe.extra:
        if not (Path(folder) / EXTRA_FILE).is_file():
            yield f"extra: there is no {EXTRA_FILE} in {folder!r}; name the folder of a medalist expand"


def _untaught(recipe: Recipe) -> Iterator[str]:
    """Lessons that networks do not take."""
    for key in ("suspects", "pseudo"):
        if getattr(recipe, key) is not None and recipe.finetune is not None:
            yield f"{key}: heads on frozen features alone are taught so, networks are not; leave {key} or finetune out"


def _unsplit(recipe: Recipe) -> Iterator[str]:
    """A test image under soft labels is several weighted rows, which only a loss that adds rows up takes for one."""
    strange = [text for text in recipe.heads if "problem" not in heads.bind(text).facts]
    if recipe.pseudo is not None and strange:
        fit = [name for name in heads if "problem" in heads.bind(name).facts]
        yield f"pseudo: it is for linear heads, {', '.join(strange)} cannot; heads that can: {', '.join(fit)}"


def _unlearnable(recipe: Recipe, table: ImageTable) -> Iterator[str]:
    """Lessons must fit the dataset."""
    if recipe.suspects is not None:
        action = actions.bind(recipe.suspects)
        if table.task not in action.facts["tasks"]:
            fit = [name for name in actions if table.task in actions.bind(name).facts["tasks"]]
            yield f"suspects: {action.name} is not for {table.task}; actions that are: {', '.join(fit)}"
    if recipe.pseudo is not None and not (table.split == TEST).any():
        yield "pseudo: there are no test images to learn from; leave it out"


def _unwritable(root: Path, out: Path) -> Iterator[str]:
    """Without making it: the nearest folder that exists must take a new entry, and it must not be part of the data."""
    if out.resolve().is_relative_to(root.resolve()):
        yield f"--out: {out} lies in the dataset, whose files it would join; choose a folder beside {root}"
    there = out
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield f"--out: cannot write in {there}; choose another folder"
