"""Cut points for quadratic kappa: the expected class value, cut into classes 0 ... C - 1.

With answers a and truths y, quadratic kappa (Cohen 1968) is 1 - sum (y - a)^2 / (sum y^2 + sum a^2 - 2 sum y sum a / N)
and is told by three sums of the answers: sum a, sum a^2 and sum y a. When one cut moves past a row of the sorted values
they move by known steps, so that all places of a cut are scored exactly by one cumulative sum.
Axes: N images, C classes, T = C - 1 cuts, P places of a cut.
"""

from __future__ import annotations

import numpy as np

MAX_SWEEPS = 100


def expected_value(prob_NC: np.ndarray) -> np.ndarray:
    """The mean class index of each row, float64 (N,)."""
    prob_NC = np.asarray(prob_NC, np.float64)
    return np.asarray((prob_NC * np.arange(prob_NC.shape[1])).sum(axis=1) / np.maximum(prob_NC.sum(axis=1), 1e-300))


def best_cuts(value_N: np.ndarray, y_N: np.ndarray, num_classes: int) -> np.ndarray:
    """Cut points (C - 1,), rising, with a large kappa of `y_N` and the number of cuts at or below each value.

    One cut after the other is put where kappa is largest given the rest, until none moves: from rounding, and from the
    cuts that give each class as many images as it has; the better end is taken, rounding of equal ones.

    Args:
        value_N: expected class values.
        y_N: true class indices.
        num_classes: C.
    """
    order = np.argsort(value_N, kind="stable")
    value_N, y_N = value_N[order].astype(np.float64), y_N[order].astype(np.float64)
    rounding_T = np.arange(num_classes - 1) + 0.5
    if not len(value_N):
        return rounding_T
    places_T = np.searchsorted(value_N, rounding_T)
    counted_T = np.cumsum(np.bincount(y_N.astype(int), minlength=num_classes))[:-1]
    # A place k says that the rows from the k-th on lie above; it must not part equal values.
    free_P = np.flatnonzero(np.concatenate([[True], value_N[1:] != value_N[:-1], [True]]))
    counted_T = free_P[np.searchsorted(free_P, counted_T)]
    ends = [_climb(y_N, places_T, free_P), _climb(y_N, counted_T, free_P)]
    best_T, _ = max(ends, key=lambda end: end[1])
    return _between(value_N, best_T, rounding_T)


def _climb(y_N: np.ndarray, place_T: np.ndarray, free_P: np.ndarray) -> tuple[np.ndarray, float]:
    """Move one cut at a time until kappa stops rising: the places, and kappa."""
    place_T = place_T.copy()
    after_N = np.append(np.cumsum(y_N[::-1])[::-1], 0.0)
    best = -np.inf
    for _ in range(MAX_SWEEPS):
        start = best
        for cut in range(len(place_T)):
            low = place_T[cut - 1] if cut else 0
            high = place_T[cut + 1] if cut + 1 < len(place_T) else len(y_N)
            choice_P = free_P[(free_P >= low) & (free_P <= high)]
            kappa_P = _kappa(y_N, after_N, place_T, cut, choice_P)
            stay = float(kappa_P[np.searchsorted(choice_P, place_T[cut])])
            found = int(np.argmax(kappa_P))
            # Rounding noise must not move a cut.
            if kappa_P[found] > stay + 1e-12:
                place_T[cut] = choice_P[found]
            best = max(stay, float(kappa_P[found]))
        if best <= start + 1e-12:
            break
    return place_T, best


def _kappa(y_N: np.ndarray, after_N: np.ndarray, place_T: np.ndarray, cut: int, choice_P: np.ndarray) -> np.ndarray:
    """Kappa with one cut at each of the places, the others staying.

    An answer is the number of cuts at or before its row: a = sum_t [row >= place_t]. So sum a = sum_t (N - place_t),
    sum y a = sum_t after(place_t) and, cut t raising a from t to t + 1, sum a^2 = sum_t (2 t + 1) (N - place_t).
    """
    num = len(y_N)
    others_T = np.delete(place_T, cut)
    weight_T = np.delete(2 * np.arange(len(place_T)) + 1, cut)
    sum_a = (num - others_T).sum() + num - choice_P
    sum_aa = (weight_T * (num - others_T)).sum() + (2 * cut + 1) * (num - choice_P)
    sum_ya = after_N[others_T].sum() + after_N[choice_P]
    sum_yy, sum_y = float((y_N**2).sum()), float(y_N.sum())
    chance_P = sum_yy + sum_aa - 2 * sum_y * sum_a / num
    return np.where(chance_P > 0, 1 - (sum_yy + sum_aa - 2 * sum_ya) / np.where(chance_P > 0, chance_P, 1), 0.0)


def _between(value_N: np.ndarray, place_T: np.ndarray, rounding_T: np.ndarray) -> np.ndarray:
    """Cuts halfway between the values on both sides; rounding's own cut where that parts the rows alike."""
    padded = np.concatenate([[-np.inf], value_N, [np.inf]])
    low_T, high_T = padded[place_T], padded[place_T + 1]
    middle_T = np.where(np.isinf(low_T), high_T, np.where(np.isinf(high_T), low_T + 1e-9, (low_T + high_T) / 2))
    cut_T = np.where((low_T < rounding_T) & (rounding_T <= high_T), rounding_T, middle_T)
    return np.maximum.accumulate(cut_T)
