"""How differently members err: what is alike adds nothing to a blend.

An answer is a row's largest column, or for tags whether p >= 0.5, each image and tag one answer (Kuncheva & Whitaker
2003, Measures of Diversity in Classifier Ensembles, section 2). Axes: N images, R members, C classes, E answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.ensembles.members import as_members
from medalist.metrics import dense
from medalist.metrics.contract import is_tags

LEGEND = (
    "wrong: share of wrong answers; error corr: mean correlation of errors with the other members'; unlike: mean share"
    " of answers unlike theirs; Q: Yule's, 1 where two members err together, 0 where only by chance; -: not defined"
)


@dataclass(frozen=True)
class Diversity:
    """Error rate of each member, and of each pair: correlation of errors, share of unlike answers, Yule's Q.

    A member that never errs, or always, has no correlation: NaN. So has Q where its denominator is 0.
    """

    error_R: np.ndarray
    correlation_RR: np.ndarray
    disagreement_RR: np.ndarray
    q_RR: np.ndarray

    def text(self, names: Sequence[str] = ()) -> str:
        """A table: each member's share of wrong answers, and the member whose errors are most like its own."""
        num_members = len(self.error_R)
        names = names or [f"member {r + 1}" for r in range(num_members)]
        width = max(len("member"), *(len(name) for name in names))
        lines = [f"{'member':{width}s} {'wrong':>7s} {'error corr':>10s} {'unlike':>7s}  errs most like"]
        for r, name in enumerate(names):
            others = np.flatnonzero(np.arange(num_members) != r)
            line = f"{name:{width}s} {self.error_R[r]:7.4f}"
            if len(others):
                correlation, near = self.correlation_RR[r, others], others[_largest(self.correlation_RR[r, others])]
                mean = np.nan if np.isnan(correlation).all() else np.nanmean(correlation)
                line += f" {_told(mean):>10s} {self.disagreement_RR[r, others].mean():7.4f}  {names[near]}"
                line += f" (corr {_told(self.correlation_RR[r, near])}, Q {_told(self.q_RR[r, near])})"
            lines.append(line)
        return "\n".join([*lines, LEGEND])


def _told(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def diversity(prob_NRC: Any, y: Any) -> Diversity:
    """Pairwise diversity of members, in one pass a block of rows at a time.

    Args:
        prob_NRC: out-of-fold probabilities of R members, dense or `Members`.
        y: class indices (N,), or tags (N, C), dense or CSR.
    """
    members = as_members(prob_NRC)
    num_members, total = members.shape[1], 0
    both_RR, unlike_RR = np.zeros((num_members, num_members)), np.zeros((num_members, num_members))
    for rows, prob_BRC in members.blocks():
        wrong_ER, unlike = _errors(prob_BRC, y[rows])
        both_RR += wrong_ER.T @ wrong_ER
        unlike_RR += unlike
        total += len(wrong_ER)
    wrong_R = np.diag(both_RR)
    only_RR = wrong_R[:, None] - both_RR  # the first is wrong, the second right
    neither_RR = total - both_RR - only_RR - only_RR.T
    with np.errstate(invalid="ignore", divide="ignore"):
        spread_R = np.sqrt(wrong_R * (total - wrong_R))
        correlation_RR = (total * both_RR - np.outer(wrong_R, wrong_R)) / np.outer(spread_R, spread_R)
        alike_RR, apart_RR = both_RR * neither_RR, only_RR * only_RR.T
        q_RR = (alike_RR - apart_RR) / (alike_RR + apart_RR)
    return Diversity(wrong_R / total, correlation_RR, unlike_RR / total, q_RR)


def _errors(prob_BRC: np.ndarray, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which answers are wrong, 0 or 1 float64 (E, R), and how many of each pair's are unlike (R, R)."""
    num_members = prob_BRC.shape[1]
    if is_tags(y):
        answer_ER = (prob_BRC >= 0.5).transpose(0, 2, 1).reshape(-1, num_members)
        truth_E = dense(y).ravel()
    else:
        answer_ER, truth_E = prob_BRC.argmax(axis=2), np.asarray(y)
    unlike = [np.count_nonzero(answer_ER != answer_ER[:, r : r + 1], axis=0) for r in range(num_members)]
    return (answer_ER != truth_E[:, None]).astype(np.float64), np.array(unlike)


def _largest(values: np.ndarray) -> int:
    return int(np.argmax(np.nan_to_num(values, nan=-np.inf)))
