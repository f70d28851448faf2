"""From members to answers: the chain cross-fitted, its score with its error, each member beside it, test rows answered.

Nothing here knows of images: it works on `Predictions`, whether a head made them a second ago, or another run, or
somebody's script. Axes: N training images, M test images, R members, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from medalist.decisions.rules import prior
from medalist.ensembles.members import Members
from medalist.evidence import Estimate, Forecast, estimate, forecast
from medalist.metrics import metrics
from medalist.pipeline.alone import against_best, alone
from medalist.pipeline.chain import Chain, Crossfitted, State
from medalist.pipeline.foldscores import each_fold, fold_scores
from medalist.pipeline.leaked import Known
from medalist.pipeline.testset import labels_with_counts, learn_shift, tell_shift
from medalist.pipeline.told import tell_rule, tell_views, tell_weights
from medalist.predictions import Predictions


@dataclass(frozen=True)
class Truth:
    """What is known of the N training rows.

    Args:
        labels: class indices (N,), or tags (N, C) as CSR.
        classes: C names.
        group_N: group of each row, whole in folds and bootstrap.
        fold_N: fold of each row.
    """

    labels: Any
    classes: tuple[str, ...]
    group_N: np.ndarray
    fold_N: np.ndarray


@dataclass(frozen=True)
class Decision:
    """Answers for the metric, and the chain that made them.

    Args:
        estimate: score of the cross-fitted answers, with its error.
        forecast: what the test set will say, with its interval; None without test images.
        in_sample: the same metric on rows that members and chain were fitted on; for the gap alone. None: not known.
        heads: of each member by itself its `score`, the score's `stderr`, and the score `in_sample` (None: not known).
        folds: of each fold the score of the answers and of each member; see `foldscores`.
        oof_N: the cross-fitted answers to the training rows.
        blend: the members as one: out-of-fold, in-sample and test probabilities.
        answers_M: answers to the test rows; where there is no readable image, those to the class prior.
        prob_MC: the blended probabilities behind them.
        chain: JSON state of blend and rule, fitted on all out-of-fold rows; what `predict` applies.
        notes: sentences for people.
    """

    estimate: Estimate
    forecast: Forecast | None
    in_sample: float | None
    heads: dict[str, dict[str, float | None]]
    folds: list[dict[str, Any]]
    oof_N: np.ndarray
    blend: Predictions
    answers_M: np.ndarray
    prob_MC: np.ndarray
    chain: State
    notes: tuple[str, ...] = ()

    def scores(self) -> dict[str, Any]:
        """The numbers of a `ledger.Summary`."""
        return {
            "score": self.estimate.score,
            "score_stderr": self.estimate.stderr,
            "interval95": self.estimate.interval95,
            "score_in_sample": self.in_sample,
            "heads": self.heads,
            "folds": tuple(self.folds),
            "forecast": None if self.forecast is None else asdict(self.forecast),
        }


def decide(
    chain: Chain,
    runs: Sequence[Predictions],
    truth: Truth,
    readable_M: np.ndarray,
    *,
    test_prior: str = "train",
    counts: Mapping[str, int] | None = None,
    known: Known | None = None,
) -> Decision:
    """Blend the members and answer for the metric; the chain of both is cross-fitted as one.

    Args:
        chain: what to do, by name.
        runs: R members, whose test rows are the readable ones.
        truth: of the N training rows.
        readable_M: which test rows the members know; the others are answered by the class prior.
        test_prior: `tested`: where the test set's class frequencies are found to differ, they are taken into account.
        counts: known number of test images of each class; None: not known.
        known: what labelled twins tell of test rows; None: they are answered as all others.

    Raises:
        MismatchError: the members are not of the same rows, classes and folds.
    """
    for other in runs[1:]:
        runs[0].check_same(other)
    y, names = truth.labels, [run.name for run in runs]
    oof_NRC = Members([run.oof_NC for run in runs])
    found = chain.crossfit(oof_NRC, y, truth.fold_N)
    notes = tell_views(chain, found, oof_NRC, y, truth.fold_N, names)
    notes += tell_weights(found.state, names[:: chain.num_views])
    fit_NC = _in_sample(chain, found.state, runs)
    in_sample = metrics.bind(chain.metric)(y, chain.decided(found.state, fit_NC)) if len(fit_NC) else None
    told = estimate(chain.metric, y, found.answers_N, groups=truth.group_N, seed=chain.seed)
    heads = {names[0]: {"score": told.score, "stderr": told.stderr, "in_sample": in_sample}}
    own = {names[0]: each_fold(chain.metric, y, found.answers_N, truth.fold_N)}
    if len(runs) > 1:
        heads, own, against = _members(chain, found, runs, truth)
        notes.append(against)
    test = _answer(chain, found, runs, truth, readable_M, test_prior, counts, known)
    return Decision(
        estimate=told,
        forecast=_forecast(chain, truth, found.answers_N, len(readable_M)),
        in_sample=in_sample,
        heads=heads,
        folds=fold_scores(chain.metric, y, found.answers_N, truth.fold_N, truth.group_N, own),
        oof_N=found.answers_N,
        blend=replace(
            runs[0],
            name=f"{chain.ensemble}: {', '.join(names)}",
            oof_NC=found.prob_NC,
            test_KMC=test.prob_LC[None],
            fit_NC=fit_NC,
            meta=found.state,
        ),
        answers_M=test.answers_M,
        prob_MC=test.prob_MC,
        chain=found.state,
        notes=(f"decided by {chain.rule.text}", *notes, *tell_rule(found.state), *test.notes),
    )


def _members(
    chain: Chain, found: Crossfitted, runs: Sequence[Predictions], truth: Truth
) -> tuple[dict[str, dict[str, float | None]], dict[str, tuple[float | None, ...]], str]:
    """Of each member by itself its scores, and that of each fold; and whether the blend beats the best of them."""
    y, fold_N, groups = truth.labels, truth.fold_N, truth.group_N
    members = [alone(chain, place, run, y, fold_N, groups) for place, run in enumerate(runs)]
    heads = {one.run.name: {"score": one.score, "stderr": one.stderr, "in_sample": one.in_sample} for one in members}
    folds = {one.run.name: one.inside_K for one in members}
    return heads, folds, against_best(chain, found, members, y, fold_N, groups)[1]


class _Test(NamedTuple):
    """Test rows, answered: L readable ones blended, all M decided."""

    prob_LC: np.ndarray
    answers_M: np.ndarray
    prob_MC: np.ndarray
    notes: list[str]


def _answer(
    chain: Chain,
    found: Crossfitted,
    runs: Sequence[Predictions],
    truth: Truth,
    readable_M: np.ndarray,
    test_prior: str,
    counts: Mapping[str, int] | None,
    known: Known | None,
) -> _Test:
    """Answer the test rows; a shift of class frequencies goes into the chain's state."""
    state, notes = found.state, list[str]()
    prob_LC = chain.blended(state, Members([run.test_KMC.mean(axis=0, dtype=np.float32) for run in runs]))
    if test_prior == "tested":
        calibrated = chain.rule.facts["gives"] == "prob"
        seen_NC = found.answers_N if calibrated else found.prob_NC
        seen_LC = chain.decided(state, prob_LC) if calibrated else prob_LC
        state["shift"], shift = learn_shift(seen_NC, truth.labels, seen_LC, calibrated=calibrated, seed=chain.seed)
        notes.append(tell_shift(shift, truth.classes))
    prior_C = prior(truth.labels, len(truth.classes))
    answers_M, prob_MC = chain.answer_all(state, prob_LC, readable_M, prior_C)
    if known is not None:
        answers_M, prob_MC = known.answer(answers_M, prob_MC, chain.rule.facts["gives"])
        notes.append(known.told(len(readable_M)))
    if counts is not None:
        answers_M = labels_with_counts(prob_MC, counts, truth.classes)
        notes.append("test images were given the class counts that the recipe knows; the score is of answers without")
    return _Test(prob_LC, answers_M, prob_MC, notes)


def _in_sample(chain: Chain, state: State, runs: Sequence[Predictions]) -> np.ndarray:
    """The blend's probabilities on rows that all its members were fitted on; none where one member's are not known."""
    if not all(run.fit_known for run in runs):
        return runs[0].oof_NC[:0]
    return chain.blended(state, Members([run.fit_NC for run in runs]))


def _forecast(chain: Chain, truth: Truth, answers_N: np.ndarray, num_test: int) -> Forecast | None:
    if not num_test:
        return None
    y, groups = truth.labels, truth.group_N
    return forecast(metrics.bind(chain.metric), y, answers_N, num_test=num_test, groups=groups, seed=chain.seed)
