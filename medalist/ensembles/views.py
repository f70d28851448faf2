"""Weights of one learner's views of an image (test-time augmentation), and what a view corrects and corrupts.

The views' probabilities are pooled log-linearly with weights of at least 0 that sum to 1. They are learnt with a
temperature beside them, which is then left out: else a vague view would be wanted for making the others less sure.
Views of one learner are much alike: one that does harm is left out, and the rest is drawn to equal weights, unless
other weights are better by two standard errors on images left out.
Axes: V views, N training images, M images to answer, C classes or tags, P strengths.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import as_members
from medalist.ensembles.pool import FLOOR, least_loss, logits, pooled, right, squash, targets
from medalist.metrics import dense
from medalist.metrics.contract import is_tags

NUM_PARTS = 5
STRENGTHS = (1e4, 1e3, 1e2, 1e1, 0.0)
MOST = 2**21  # numbers that weights are learnt on; more images are sampled


def apply(state: State, prob_MVC: Any) -> np.ndarray:
    """Pool of the views, float32 (M, C)."""
    return pooled(np.asarray(state["weights"]), prob_MVC, bool(state["tags"]))


@ensembles(apply=apply)
def views(prob_NVC: Any, y: Any, *, pull: float | None = None) -> State:
    """Learn the weights with the least log-loss.

    Args:
        prob_NVC: one learner's out-of-fold probabilities of V views.
        y: class indices (N,), or tags (N, C), dense or CSR.
        pull: towards equal weights, in units of log-loss summed over images; None: harmful views are left out first,
            and the pull is the strongest of five that is within two standard errors of the best on images left out.
    """
    tags, members = is_tags(y), as_members(prob_NVC)
    if members.shape[1] == 1:
        return {"weights": [1.0], "tags": tags}
    dense_NVC, rows = members.sample(MOST)
    logit_NVC, target_NC = logits(dense_NVC, tags).astype(np.float32), targets(y[rows], members.shape[2])
    # Matrices of a few views are slower on several threads than on one.
    with threadpool_limits(1, user_api="blas"):
        kept_V = np.arange(members.shape[1]) if pull is not None else _harmless(logit_NVC, target_NC, tags)
        # At the temperature that equal weights want, so that the pull is on shares alone.
        kept_NVC = logit_NVC[:, kept_V]
        kept_NVC *= least_loss(kept_NVC.mean(axis=1, keepdims=True), target_NC, tags, 0.0)[0]
        if pull is None:
            pull = _strength(kept_NVC, target_NC, tags)
        weight_V = np.zeros(members.shape[1])
        weight_V[kept_V] = _shares(least_loss(kept_NVC, target_NC, tags, pull))
    return {"weights": weight_V.tolist(), "tags": tags, "pull": float(pull)}


def flips(y: Any, base_NC: np.ndarray, other_NC: np.ndarray) -> tuple[int, int]:
    """How many answers change from wrong to right, and from right to wrong, between two sets of probabilities.

    Args:
        y: class indices (N,), where an answer is a row's largest column, or tags (N, C), where it is p >= 0.5.
        base_NC: probabilities before, such as of the centre view.
        other_NC: probabilities after, such as of all views pooled.

    >>> flips(np.array([0, 1]), np.array([[0.4, 0.6], [0.4, 0.6]]), np.array([[0.7, 0.3], [0.9, 0.1]]))
    (1, 1)
    """
    before, after = _rightness(y, base_NC), _rightness(y, other_NC)
    return int(np.count_nonzero(~before & after)), int(np.count_nonzero(before & ~after))


def _rightness(y: Any, prob_NC: np.ndarray) -> np.ndarray:
    answers, truth = (prob_NC >= 0.5, dense(y)) if is_tags(y) else (prob_NC.argmax(axis=1), np.asarray(y))
    return np.asarray(answers == truth)


def _shares(weight_V: np.ndarray) -> np.ndarray:
    total = weight_V.sum()
    return np.full(len(weight_V), 1 / len(weight_V)) if total < FLOOR else weight_V / total


def _harmless(logit_NVC: np.ndarray, target_NC: np.ndarray, tags: bool) -> np.ndarray:
    """Views that are kept, indices.

    A view leaves where equal weights are better without it by two standard errors and the best weights no worse by one.
    (Dropping a parameter whose true value is 0 costs chi^2 / 2 with a deviation of chi: 1 standard error is chi = 2.)
    """

    @cache
    def best(views: tuple[int, ...]) -> np.ndarray:
        return _losses(logit_NVC[:, views], target_NC, tags)

    @cache
    def equal(views: tuple[int, ...]) -> np.ndarray:
        if len(views) == 1:
            return best(views)
        return _losses(logit_NVC[:, views].mean(axis=1, keepdims=True), target_NC, tags)

    kept = tuple(range(logit_NVC.shape[1]))
    while len(kept) > 1:
        gains = {}
        for rest in combinations(kept, len(kept) - 1):
            gain = _errors_apart(equal(kept), equal(rest))
            if gain >= 2 and _errors_apart(best(rest), best(kept)) <= 1:
                gains[rest] = gain
        if not gains:
            break
        kept = max(gains, key=lambda rest: gains[rest])
    return np.array(kept)


def _losses(logit_NVC: np.ndarray, target_NC: np.ndarray, tags: bool) -> np.ndarray:
    """Each image's log-loss (N,) under the best weights, temperature and all."""
    return _image_losses(least_loss(logit_NVC, target_NC, tags, 0.0), logit_NVC, target_NC, tags)


def _image_losses(weight_V: np.ndarray, logit_NVC: np.ndarray, target_NC: np.ndarray, tags: bool) -> np.ndarray:
    prob_NC = squash(np.einsum("v,nvc->nc", weight_V.astype(logit_NVC.dtype), logit_NVC), tags)
    given = np.log(np.maximum(right(prob_NC, target_NC, tags), FLOOR), dtype=np.float64)
    return np.asarray(-given.reshape(len(prob_NC), -1).sum(axis=1))


def _errors_apart(a_N: np.ndarray, b_N: np.ndarray) -> float:
    """By how many standard errors of their difference a's mean loss is above b's."""
    worse_N = a_N - b_N
    return float(worse_N.mean() / max(worse_N.std() / np.sqrt(len(worse_N)), FLOOR))


def _strength(logit_NVC: np.ndarray, target_NC: np.ndarray, tags: bool) -> float:
    """The pull by cross-validation, the strongest that is not worse than the best by two standard errors."""
    loss_PN = np.empty((len(STRENGTHS), len(logit_NVC)))
    part_N = np.random.default_rng(0).permutation(len(logit_NVC)) % NUM_PARTS
    for part in np.unique(part_N):
        seen, held, weight_V = part_N != part, part_N == part, None
        for p, pull in enumerate(STRENGTHS):
            weight_V = least_loss(logit_NVC[seen], target_NC[seen], tags, pull, weight_V)
            loss_PN[p, held] = _image_losses(weight_V, logit_NVC[held], target_NC[held], tags)
    best_N = loss_PN[loss_PN.mean(axis=1).argmin()]
    return STRENGTHS[int(np.argmax([_errors_apart(loss_N, best_N) < 2 for loss_N in loss_PN]))]
