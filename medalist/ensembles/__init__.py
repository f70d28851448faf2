"""Ensembles: Predictions of several learners -> one.

An ensembler is `(runs, y_true, metric, *, fold_N, seed) -> Predictions`, registered with `apply`:
`(meta, prob_RMC) -> prob_MC` does to new images what its `meta` says was learnt on the training rows.
One run in is the same run out.
"""

from __future__ import annotations

from medalist.ensembles import blend, mean
from medalist.ensembles.contract import ensembles

__all__ = ["blend", "ensembles", "mean"]
