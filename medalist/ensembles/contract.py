"""What every ensembler keeps to: the registry, and several Predictions as one.

An ensembler is `fit(prob_NRC, y, *, own options) -> state`, a dict that JSON can hold. `prob_NRC` is a dense array or
`Members`, which need not fit in memory. Facts:

    apply     `(state, prob_MRC) -> prob_MC`, float32
    tasks     which of `binary`, `multiclass`, `tags` it serves; without it, all
    steered   True where `fit` takes `metric` (text), `rule` (text, None: the metric's default) and `seed` too
    bends     True where even one run comes out changed (by its threshold, or told by other tags); else one run in is
              the same run out

It never sees a fold: `combine`, or a longer chain, cross-fits it.
Axes: R runs, N training images, M images to answer, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from medalist.crossfit import crossfit
from medalist.ensembles.members import Members
from medalist.errors import MismatchError
from medalist.predictions import Predictions
from medalist.registry import Bound, Registry

State = dict[str, Any]
ensembles: Registry[Callable[..., State]] = Registry("ensemble")


def combine(ensemble: Bound[Any], runs: Sequence[Predictions], y_true: Any, *, fold_N: np.ndarray) -> Predictions:
    """Several runs as one.

    Args:
        ensemble: a bound entry of `ensembles`.
        runs: predictions of the same rows, classes and folds, as probabilities.
        y_true: class indices (N,), or tags (N, C), dense or CSR.
        fold_N: (N,) fold of each row.

    Returns:
        The only run as it came; else out-of-fold rows by a state fitted on the other folds, test rows (each run's
        slices averaged) by the state fitted on all rows, which is the `meta`.

    Raises:
        MismatchError: no runs, or runs of other rows, classes or folds.
    """
    if not runs:
        raise MismatchError("an ensemble needs at least one run, got none")
    first = runs[0]
    for run in runs[1:]:
        first.check_same(run)
    if len(runs) == 1:
        return first
    apply = ensemble.facts["apply"]
    oof_NC, state = crossfit(ensemble, apply, Members([run.oof_NC for run in runs]), y_true, fold_N)
    return Predictions(
        name=f"{ensemble.text}: {', '.join(run.name for run in runs)}",
        ids=first.ids,
        test_ids=first.test_ids,
        oof_NC=oof_NC,
        test_KMC=apply(state, Members([run.mean_over_folds().test_KMC[0] for run in runs]))[None],
        fit_NC=apply(state, Members([run.fit_NC for run in runs])),
        scale=first.scale,
        class_hash=first.class_hash,
        fold_hash=first.fold_hash,
        meta=state,
    )
