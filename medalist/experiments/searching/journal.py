"""The record of a search, an optuna journal: every trial with its values and what came of it, rung by rung.

A study's name is the hash of its question. What a rung said is an intermediate value and a user attribute, so that
`optuna-dashboard` draws a search while it runs; who was halved stays `running`, as more trials may send it up. New
values are drawn from the record alone: the same record, the same values, whether or not the search was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from medalist.errors import MissingExtraError
from medalist.experiments.searching.record import Outcome, Trial
from medalist.experiments.searching.space import Dimension, every, num_recipes

try:
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise MissingExtraError("search needs optuna: pip install 'medalist[search]'") from error

RANDOM = 6  # trials drawn at random before the sampler trusts what it saw
DRAWS = 20  # before a list of recipes is gone through in order
LISTED = 10_000  # recipes of the largest space that is gone through


class Journal:
    """The trials of one search on disk.

    Args:
        file: of the journal; made where there is none.
        name: of the study: the hash of its question.
        higher: whether a higher score is better.
        num_rungs: of the search.
    """

    def __init__(self, file: Path, name: str, *, higher: bool, num_rungs: int) -> None:
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._num_rungs = num_rungs
        self._study = optuna.create_study(
            study_name=name,
            storage=JournalStorage(JournalFileBackend(str(file))),
            direction=_direction(higher),
            load_if_exists=True,
        )

    def trials(self) -> list[Trial]:
        """All of them, in the order in which they were begun."""
        return [_read(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def begin(self, values: Mapping[str, str], dimensions: Sequence[Dimension]) -> Trial:
        """A new trial; its values are on disk before it runs."""
        number = len(self._study.get_trials(deepcopy=False))
        inside, ranges = _inside(values, dimensions)
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=inside,
                distributions=ranges,
                user_attrs={"values": json.dumps(dict(values))},
            )
        )
        return Trial(number, dict(values))

    def note(self, number: int, outcome: Outcome) -> None:
        """What the trial's next rung said; on the last one, or where it failed, the trial is over."""
        frozen = self._study.get_trials(deepcopy=False)[number]
        trial, rung = optuna.trial.Trial(self._study, frozen._trial_id), len(_read(frozen).outcomes)
        if outcome.score is not None:
            trial.report(outcome.score, step=rung)
        # The rung counts from here on; what follows is for those who look at the journal with other tools.
        trial.set_user_attr(f"rung{rung}", json.dumps(asdict(outcome)))
        if outcome.fault:
            self._study.tell(number, state=TrialState.FAIL)
        elif rung + 1 == self._num_rungs:
            self._study.tell(number, outcome.score)


def propose(
    trials: Sequence[Trial], dimensions: Sequence[Dimension], *, num_rungs: int, higher: bool, seed: int
) -> Iterator[dict[str, str]]:
    """Values for a new trial, likely ones first; a few may have been tried before.

    Tree-structured Parzen estimator (Bergstra et al. 2011, section 4) over all dimensions at once; lists have no order.
    It learns from each trial's highest rung: of two trials the one that came further counts as the better.

    Args:
        trials: the record.
        dimensions: of the space.
        num_rungs: of the search.
        higher: whether a higher score is better.
        seed: of the search; with the number of trials it decides what is drawn.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = [seen for trial in trials if (seen := _seen(trial, dimensions, num_rungs)) is not None]
    for draw in range(DRAWS):
        drawn_by = (seed * 1_000_003 + len(trials)) * DRAWS + draw
        sampler = optuna.samplers.TPESampler(seed=drawn_by % 2**32, multivariate=True, n_startup_trials=RANDOM)
        study = optuna.create_study(sampler=sampler, direction=_direction(higher))
        study.add_trials(known)
        params = study.ask({one.name: _distribution(one) for one in dimensions}).params
        yield {one.name: params[one.name] if one.choices else one.text(params[one.name]) for one in dimensions}
    if num_recipes(dimensions) <= LISTED:
        yield from every(dimensions)


def _seen(trial: Trial, dimensions: Sequence[Dimension], num_rungs: int) -> FrozenTrial | None:
    """A trial as the sampler sees it; None where its values lie outside the space, as the recipe's own may.

    The recipe as given goes up without merit, so that its first rung alone counts.
    """
    inside, ranges = _inside(trial.values, dimensions)
    if len(inside) < len(dimensions):
        return None
    scores = trial.scores[:1] if trial.number == 0 else trial.scores
    whole = len(scores) == num_rungs
    at_work = TrialState.PRUNED if scores else TrialState.RUNNING
    return optuna.trial.create_trial(
        state=TrialState.FAIL if trial.failed else TrialState.COMPLETE if whole else at_work,
        value=scores[-1] if whole and not trial.failed else None,
        params=inside,
        distributions=ranges,
        intermediate_values=dict(enumerate(scores)),
    )


def _inside(
    values: Mapping[str, str], dimensions: Sequence[Dimension]
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Values as optuna has them, of the dimensions that hold them."""
    held = [one for one in dimensions if one.name in values and one.holds(values[one.name])]
    params = {one.name: _param(one, values[one.name]) for one in held}
    return params, {one.name: _distribution(one) for one in held}


def _param(dimension: Dimension, text: str) -> str | int | float:
    if dimension.choices:
        return text
    return int(text) if dimension.whole else float(text)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _direction(higher: bool) -> Literal["maximize", "minimize"]:
    return "maximize" if higher else "minimize"


def _read(frozen: FrozenTrial) -> Trial:
    told = [frozen.user_attrs[name] for name in sorted(frozen.user_attrs) if name.startswith("rung")]
    outcomes = tuple(Outcome(**json.loads(text)) for text in told)
    return Trial(frozen.number, json.loads(frozen.user_attrs["values"]), outcomes)
