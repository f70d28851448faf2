"""How well training and test rows can be told apart: by a linear classifier, or by how surely they are answered.

Axes: N training rows, M test rows, P = N + M of both, D features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.evidence import two_sided
from medalist.ledger import Summary
from medalist.metrics import dense, metrics
from medalist.pipeline.outcome import summary_of
from medalist.pipeline.stale import stale_notes
from medalist.pipeline.tuning.notes import STEERED
from medalist.predictions import Predictions

MOST_ROWS = 4000  # of each side
MOST_AXES = 24  # principal axes of the features; the classifier sees each and its square
NUM_PARTS = 5
PENALTY = 1.0
BY_HEART = 0.5  # share of rows that look learnt by heart from which on an import says so
CERTAIN = 0.999
WARNING = "WARNING"


@dataclass(frozen=True)
class Separation:
    """How test rows differ from training rows.

    Args:
        auc: that a test row is ranked above a training row; 0.5 where nothing tells them apart.
        stderr: of `auc`.
        p: of one as far from 0.5 if there is no difference.
        share: of the test rows that lie where hardly a training row does: true minus false positive rate, 0 where `p`
            is above 0.01. A lower bound of the total variation distance, but for noise.
    """

    auc: float
    stderr: float
    p: float
    share: float


NOTHING = Separation(0.5, 0.0, 1.0, 0.0)


def separation(x_ND: np.ndarray, x_MD: np.ndarray, *, weight_N: np.ndarray | None = None, seed: int = 0) -> Separation:
    """Tell test rows from training rows (the classifier two-sample test: Lopez-Paz & Oquab 2017, section 3).

    Args:
        x_ND: features of training rows.
        x_MD: of test rows.
        weight_N: how much each training row counts; ratios of class frequencies take a known difference out.
        seed: of the sample and the parts.
    """
    return told_apart(x_ND, x_MD, weight_N=weight_N, seed=seed)[0]


def told_apart(
    x_ND: np.ndarray, x_MD: np.ndarray, *, weight_N: np.ndarray | None = None, seed: int = 0
) -> tuple[Separation, np.ndarray, np.ndarray]:
    """`separation`, and the scores that it rests on: how much each row looks like a test row, to who never saw it.

    Returns:
        The separation; scores of the training rows (N,) and of the test rows (M,), -1 a typical training row, 1 a
        typical test row, nan where a row was not drawn.
    """
    rng = np.random.default_rng(seed)
    train, test = (rng.permutation(len(x))[:MOST_ROWS] for x in (x_ND, x_MD))
    score_N, score_M = (np.full(len(x), np.nan) for x in (x_ND, x_MD))
    if len(train) < 2 * NUM_PARTS or len(test) < 2 * NUM_PARTS:
        return NOTHING, score_N, score_M
    given_N = np.ones(len(x_ND)) if weight_N is None else weight_N
    x_PD = np.concatenate([x_ND[train], x_MD[test]]).astype(np.float64)
    test_P = np.arange(len(x_PD)) >= len(train)
    # Both sides weigh the same in all, so that 0 is where they are equally dense.
    weight_P = np.concatenate([given_N[train] / given_N[train].sum(), np.full(len(test), 1 / len(test))])
    score_P = _unseen_scores(_axes(x_PD), test_P, weight_P, rng)
    score_N[train], score_M[test] = score_P[~test_P], score_P[test_P]
    auc, stderr = _auc(score_P, test_P, weight_P)
    p = two_sided(auc - 0.5, stderr)
    caught = float(weight_P[test_P & (score_P > 0)].sum() - weight_P[~test_P & (score_P > 0)].sum())
    return Separation(auc, stderr, p, max(0.0, caught) if p <= 0.01 and auc > 0.5 else 0.0), score_N, score_M


@dataclass(frozen=True)
class Sureness:
    """How much surer out-of-fold rows are answered than test rows.

    Args:
        oof: mean of each row's largest probability, out of fold; of tags the mean of max(p, 1 - p).
        test: of the test rows.
        stderr: of `oof - test`.
        share: of the out-of-fold rows that were answered by heart, if such rows are answered with certainty and all
            others like test rows; 0 where the difference is below 3 standard errors.
    """

    oof: float
    test: float
    stderr: float
    share: float

    def __str__(self) -> str:
        return f"mean largest probability {self.oof:.3f} out of fold, {self.test:.3f} in test (+- {self.stderr:.3f})"


def sureness(prob_NC: np.ndarray, prob_MC: np.ndarray, *, tags: bool, weight_N: np.ndarray | None = None) -> Sureness:
    """Compare the certainty of answers: a model is surer of rows that it was trained on (Yeom et al. 2018, section 4).

    With oof = s + (1 - s) test, the share of rows by heart is s = (oof - test) / (1 - test).

    Args:
        prob_NC: probabilities out of fold.
        prob_MC: of the test rows.
        tags: whether each column is an answer of its own.
        weight_N: how much each labelled row counts.
    """
    if not len(prob_MC):
        return Sureness(float("nan"), float("nan"), float("nan"), 0.0)
    sure_N, sure_M = (
        (np.maximum(p, 1 - p).mean(axis=1) if tags else p.max(axis=1)).astype(np.float64) for p in (prob_NC, prob_MC)
    )
    w_N = np.ones(len(sure_N)) if weight_N is None else weight_N
    oof, test = float(np.average(sure_N, weights=w_N)), float(sure_M.mean())
    stderr = math.hypot(
        math.sqrt(float((w_N**2 * (sure_N - oof) ** 2).sum())) / float(w_N.sum()),
        float(sure_M.std()) / len(sure_M) ** 0.5,
    )
    # Float32 probabilities that should be 1 are so to a millionth.
    known = oof - test > max(3 * stderr, 1e-6)
    return Sureness(oof, test, stderr, min(1.0, (oof - test) / (1 - test)) if known else 0.0)


def too_good(run: Predictions, summary: Summary, labels: Any) -> list[str]:
    """A warning where out-of-fold rows look as if the models behind them had been trained on them."""
    tags = not isinstance(labels, np.ndarray)
    true = np.where(dense(labels), run.oof_NC, 1 - run.oof_NC) if tags else run.oof_NC[np.arange(len(labels)), labels]
    signs = ["out-of-fold probabilities equal the labels"] if true.min() >= CERTAIN else []
    if metrics.bind(summary.metric).facts["better"] == "higher" and summary.score >= 1:
        signs.append("the score is perfect")
    found = sureness(run.oof_NC, run.test_KMC.mean(axis=0), tags=tags)
    if found.share >= BY_HEART:
        signs.append(f"out-of-fold answers are far surer than test answers ({found})")
    if not signs:
        return []
    return [
        f"{WARNING}, {run.name} may not be out of fold: {'; and '.join(signs)}. Rows that a script has trained on look"
        " so; each row must be answered by a model that never saw it, or score, blend and forecast mean nothing"
    ]


def warnings_of(folders: Sequence[Path]) -> list[str]:
    """What speaks against the scores of these finished runs, once each, for whoever builds on them: imports that may
    have been trained on, networks that were steered, folds that tear groups apart.
    """
    notes = [note for folder in folders for note in summary_of(folder)["notes"]]
    said = dict.fromkeys(note for note in notes if note.startswith((WARNING, STEERED)))
    return [*said, *stale_notes(folders)]


def _axes(x_PD: np.ndarray) -> np.ndarray:
    """Standardised principal axes and their squares: a shift moves the former, a change of spread the latter."""
    x_PD = (x_PD - x_PD.mean(axis=0)) / np.maximum(x_PD.std(axis=0), 1e-9)
    if x_PD.shape[1] > MOST_AXES:
        # Rows fewer than features or not, the smaller Gram matrix would do; D is at most some thousands.
        _, vectors = np.linalg.eigh(x_PD.T @ x_PD)
        x_PD = x_PD @ vectors[:, -MOST_AXES:]
        x_PD /= np.maximum(x_PD.std(axis=0), 1e-9)
    return np.concatenate([x_PD, np.minimum(x_PD**2, 9.0), np.ones((len(x_PD), 1))], axis=1)


def _unseen_scores(x_PD: np.ndarray, test_P: np.ndarray, weight_P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ridge regression on -1 and 1, each part of the rows by the others."""
    target_P, score_P = np.where(test_P, 1.0, -1.0), np.empty(len(x_PD))
    part_P = rng.permutation(len(x_PD)) % NUM_PARTS
    for part in range(NUM_PARTS):
        x_RD, w_R, t_R = (a[part_P != part] for a in (x_PD, weight_P * len(x_PD) / 2, target_P))
        gram_DD = (x_RD * w_R[:, None]).T @ x_RD + PENALTY * np.eye(x_RD.shape[1])
        score_P[part_P == part] = x_PD[part_P == part] @ np.linalg.solve(gram_DD, x_RD.T @ (w_R * t_R))
    return score_P


def _auc(score_P: np.ndarray, test_P: np.ndarray, weight_P: np.ndarray) -> tuple[float, float]:
    """Weighted AUC and its standard error, from each row's share in it (DeLong, DeLong & Clarke-Pearson 1988)."""
    place_P, w_P = np.unique(score_P, return_inverse=True)[1], weight_P
    below_test, below_train = (_mass_below(place_P, np.where(side, w_P, 0.0)) for side in (test_P, ~test_P))
    won_P = np.where(test_P, below_train, 1 - below_test)  # how often a row is on the right side of the other kind
    auc = float((w_P[test_P] * won_P[test_P]).sum() / w_P[test_P].sum())
    variance = sum(float((w_P[side] ** 2 * (won_P[side] - auc) ** 2).sum()) for side in (test_P, ~test_P))
    # Where all rows are told apart no spread is left to estimate from: as if one row had been on the wrong side.
    least = 1 / min(int(test_P.sum()), int((~test_P).sum()))
    return auc, max(math.sqrt(variance), 0.5 * least)


def _mass_below(place_P: np.ndarray, weight_P: np.ndarray) -> np.ndarray:
    """Weight of the rows with a smaller score, half of those with an equal one."""
    mass = np.bincount(place_P, weight_P)
    return np.asarray((np.cumsum(mass) - mass / 2)[place_P])
