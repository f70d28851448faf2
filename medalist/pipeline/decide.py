"""From members to answers: the chain cross-fitted, its score with its error, each member beside it, test rows answered.

Nothing here knows of images: it works on `Predictions`, whether a head made them a second ago, or another run, or
somebody's script. Axes: N training images, M test images, R members, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medalist.decisions.rules import prior
from medalist.evidence import Estimate, estimate
from medalist.metrics import metrics
from medalist.pipeline.chain import Chain, State
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
        in_sample: the same metric on rows that members and chain were fitted on; for the gap alone.
        heads: (out-of-fold, in-sample) score of each member by itself, decided by the same rule.
        oof_N: the cross-fitted answers to the training rows.
        blend: the members as one: out-of-fold, in-sample and test probabilities.
        answers_M: answers to the test rows; where there is no readable image, those to the class prior.
        prob_MC: the blended probabilities behind them.
        chain: JSON state of blend and rule, fitted on all out-of-fold rows; what `predict` applies.
    """

    estimate: Estimate
    in_sample: float
    heads: dict[str, tuple[float, float]]
    oof_N: np.ndarray
    blend: Predictions
    answers_M: np.ndarray
    prob_MC: np.ndarray
    chain: State


def decide(chain: Chain, runs: Sequence[Predictions], truth: Truth, readable_M: np.ndarray) -> Decision:
    """Blend the members and answer for the metric; the chain of both is cross-fitted as one.

    Args:
        chain: what to do, by name.
        runs: R members, whose test rows are the readable ones.
        truth: of the N training rows.
        readable_M: which test rows the members know; the others are answered by the class prior.

    Raises:
        MismatchError: the members are not of the same rows, classes and folds.
    """
    for other in runs[1:]:
        runs[0].check_same(other)
    y, metric = truth.labels, metrics.bind(chain.metric)
    oof_NRC, fit_NRC = (np.stack([getattr(run, part) for run in runs], axis=1) for part in ("oof_NC", "fit_NC"))
    found = chain.crossfit(oof_NRC, y, truth.fold_N)
    test_LRC = np.stack([run.test_KMC.mean(axis=0, dtype=np.float32) for run in runs], axis=1)
    answers_M, prob_MC = chain.answer_all(found.state, test_LRC, readable_M, prior(y, len(truth.classes)))
    return Decision(
        estimate=estimate(metric, y, found.answers_N, groups=truth.group_N, seed=chain.seed),
        in_sample=metric(y, chain.answers(found.state, fit_NRC)),
        heads={run.name: _alone(chain, run, truth) for run in runs},
        oof_N=found.answers_N,
        blend=replace(
            runs[0],
            name=f"{chain.ensemble}: {', '.join(run.name for run in runs)}",
            oof_NC=found.prob_NC,
            test_KMC=prob_MC[readable_M][None],
            fit_NC=chain.blended(found.state, fit_NRC),
            meta=found.state,
        ),
        answers_M=answers_M,
        prob_MC=prob_MC,
        chain=found.state,
    )


def _alone(chain: Chain, run: Predictions, truth: Truth) -> tuple[float, float]:
    """Cross-fitted and in-sample score of one member without the others."""
    metric, y, chain = metrics.bind(chain.metric), truth.labels, replace(chain, num_views=1)
    found = chain.crossfit(run.oof_NC[:, None], y, truth.fold_N)
    return metric(y, found.answers_N), metric(y, chain.answers(found.state, run.fit_NC[:, None]))
