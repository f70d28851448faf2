"""Greedy selection's walk for accuracy: exact, but only where one more run can change which column is largest.

Let S be the sum of the runs taken and m = S_y - S_c the lead of the true class y over class c of a row. A run with
d = p_c - p_y makes it m - d, and the row is right while every lead is above 0 (at 0 the earlier column wins). With
lo <= d <= hi over all runs, known from one pass, J more runs cannot overtake where m > max(hi, J hi), and cannot
rescue the row where m < min(lo, J lo). What is left, pairs of a row and a class, is few and gets fewer as S grows: the
differences d of all runs are read once for the pairs of the next J rounds. Where not even one round's pairs fit, they
are read a chunk after the other in every round.

Axes: R runs, N images, C classes, Q pairs, P the runs of a bag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medalist.ensembles.members import Members

MOST = 2**28  # differences held in memory, float32: 1 GiB
STRIP = 2**13  # rows looked at at once
HORIZONS = (32, 16, 8, 4, 2, 1)
SLACK = 1e-5  # float32 rounding of lo and hi; pairs this near the bound are looked at


@dataclass
class Pairs:
    """Pairs of rows whose fate is open: row and class, where each row's begin, and the differences if they are held."""

    row_Q: np.ndarray
    class_Q: np.ndarray
    start_N: np.ndarray
    margin_Q: np.ndarray
    difference_PQ: np.ndarray | None
    rounds: int


class ArgmaxWalk:
    """Accuracy of the mean's largest column; see `walks` for what a walk has."""

    def __init__(self, members: Members, y_N: np.ndarray, *, most: int = MOST) -> None:
        self._members, self._y_N, self._most = members, y_N, most
        self._bounds()
        self.begin(np.arange(members.shape[1]))

    def _bounds(self) -> None:
        """One pass: lo and hi of d, and the accuracy of each run alone."""
        num_rows, num_runs, num_classes = self._members.shape
        self._high_NC = np.full((num_rows, num_classes), -np.inf, np.float32)
        self._low_NC = np.full((num_rows, num_classes), np.inf, np.float32)
        self.alone_R = np.empty(num_runs)
        for r in range(num_runs):
            prob_NC, hits = self._members.member(r), 0
            for strip in _strips(num_rows):
                part_NC, y_N = prob_NC[strip], self._y_N[strip]
                hits += int(np.count_nonzero(part_NC.argmax(axis=1) == y_N))
                part_NC -= part_NC[np.arange(len(y_N)), y_N][:, None].copy()
                np.maximum(self._high_NC[strip], part_NC, out=self._high_NC[strip])
                np.minimum(self._low_NC[strip], part_NC, out=self._low_NC[strip])
            self.alone_R[r] = hits / num_rows
        # The true class does not compete with itself.
        self._high_NC[np.arange(num_rows), self._y_N] = -np.inf
        self._low_NC[np.arange(num_rows), self._y_N] = -np.inf

    def begin(self, bag_P: np.ndarray) -> None:
        num_rows, _, num_classes = self._members.shape
        self._bag_P, self._size = bag_P, 0
        self._sum_NC = np.zeros((num_rows, num_classes))
        self._pairs: Pairs | None = None

    def add(self, run: int) -> None:
        self._sum_NC += self._members.member(int(run))
        self._size += 1
        pairs = self._pairs
        if pairs is None or pairs.difference_PQ is None or pairs.rounds == 1:
            self._pairs = None
            return
        pairs.margin_Q -= pairs.difference_PQ[np.searchsorted(self._bag_P, run)]
        pairs.rounds -= 1

    def score(self) -> float:
        return float(np.mean(self._sum_NC.argmax(axis=1) == self._y_N))

    def scores_with(self) -> np.ndarray:
        if self._pairs is None:
            self._pairs, self._settled = self._open_pairs()
        pairs, hits_P = self._pairs, np.full(len(self._bag_P), self._settled)
        if pairs.difference_PQ is not None:
            hits_P += _hits(pairs.difference_PQ, self._limits(pairs), pairs.start_N)
        else:
            for part in _chunks(pairs, max(1, self._most // len(self._bag_P))):
                hits_P += _hits(self._differences(part), self._limits(part), part.start_N)
        return hits_P / len(self._y_N)

    def _open_pairs(self) -> tuple[Pairs, int]:
        """Pairs open for as many rounds as fit, and how many rows are right whatever comes."""
        fit, found = self._most // len(self._bag_P), None
        horizons = iter(HORIZONS)
        while found is None:
            rounds = next(horizons)
            found = self._undecided(rounds, fit if rounds > 1 else None)
        row_Q, class_Q, settled = found
        y_Q = self._y_N[row_Q]
        margin_Q = self._sum_NC[row_Q, y_Q] - self._sum_NC[row_Q, class_Q]
        pairs = Pairs(row_Q, class_Q, _starts(row_Q), margin_Q, None, rounds)
        if len(row_Q) <= fit:
            pairs.difference_PQ = self._differences(pairs)
        return pairs, settled

    def _undecided(self, rounds: int, most: int | None) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Row and class of pairs open for so many rounds, and rows surely right; None: more pairs than `most`."""
        rows, classes, settled, num_pairs = [], [], 0, 0
        for strip in _strips(len(self._y_N)):
            sum_NC, high_NC, low_NC = self._sum_NC[strip], self._high_NC[strip], self._low_NC[strip]
            lead_NC = sum_NC[np.arange(len(sum_NC)), self._y_N[strip]][:, None] - sum_NC
            lost_N = (lead_NC < np.minimum(low_NC, rounds * low_NC) - SLACK * rounds).any(axis=1)
            open_NC = lead_NC <= np.maximum(high_NC, rounds * high_NC) + SLACK * rounds
            open_NC[lost_N] = False
            settled += int(np.count_nonzero(~open_NC.any(axis=1) & ~lost_N))
            row_Q, class_Q = np.nonzero(open_NC)
            num_pairs += len(row_Q)
            if most is not None and num_pairs > most:
                return None
            rows.append(row_Q + strip.start)
            classes.append(class_Q)
        return np.concatenate(rows), np.concatenate(classes), settled

    def _differences(self, pairs: Pairs) -> np.ndarray:
        """d of each run of the bag and pair, float32 (P, Q)."""
        out_PQ = np.empty((len(self._bag_P), len(pairs.row_Q)), np.float32)
        # Only rows with pairs are read; `place_Q` is where each pair's row stands among them.
        row_U = pairs.row_Q[pairs.start_N]
        place_Q = np.repeat(np.arange(len(row_U)), np.diff(pairs.start_N, append=len(pairs.row_Q)))
        members, y_U = self._members[row_U], self._y_N[row_U]
        for place, run in enumerate(self._bag_P):
            prob_UC = members.member(int(run))
            prob_UC -= prob_UC[np.arange(len(row_U)), y_U][:, None].copy()
            out_PQ[place] = prob_UC[place_Q, pairs.class_Q]
        return out_PQ

    def _limits(self, pairs: Pairs) -> np.ndarray:
        """The float32 that d must stay below: its margin, or just above it where the true class wins a tie."""
        tie_Q = self._y_N[pairs.row_Q] < pairs.class_Q
        near_Q = pairs.margin_Q.astype(np.float32)
        above_Q = np.nextafter(near_Q, np.float32(np.inf))
        # d < m holds just where d < (least float32 >= m), d <= m just where d < (least float32 > m).
        return np.where((near_Q > pairs.margin_Q) | (~tie_Q & (near_Q == pairs.margin_Q)), near_Q, above_Q)


def _hits(difference_PQ: np.ndarray, limit_Q: np.ndarray, start_N: np.ndarray) -> np.ndarray:
    """Rows, of those with pairs, that each run makes right: integers (P,)."""
    if not len(start_N):
        return np.zeros(len(difference_PQ), int)
    return np.array([np.count_nonzero(np.logical_and.reduceat(d_Q < limit_Q, start_N)) for d_Q in difference_PQ])


def _starts(row_Q: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.diff(row_Q, prepend=-1))


def _strips(num_rows: int) -> list[slice]:
    return [slice(start, min(start + STRIP, num_rows)) for start in range(0, num_rows, STRIP)]


def _chunks(pairs: Pairs, most: int) -> list[Pairs]:
    """The pairs in parts of about `most`, whole rows each."""
    num_pairs = len(pairs.row_Q)
    cuts = pairs.start_N[np.searchsorted(pairs.start_N, np.arange(0, num_pairs, most), side="right") - 1]
    parts = zip(cuts, [*cuts[1:], num_pairs], strict=True)
    return [_part(pairs, slice(low, high)) for low, high in parts if high > low]


def _part(pairs: Pairs, at: slice) -> Pairs:
    row_Q = pairs.row_Q[at]
    return Pairs(row_Q, pairs.class_Q[at], _starts(row_Q), pairs.margin_Q[at], None, pairs.rounds)
