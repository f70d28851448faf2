"""How sure a share, or an F1, is. Axes: C classes."""

from __future__ import annotations

import numpy as np

Z95 = 1.959963984540054  # of the standard normal distribution


def wilson(hit_C: np.ndarray, of_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of a share (Wilson 1927), rows taken as independent; NaN where there are none.

    >>> low, high = wilson(np.array([9]), np.array([10]))
    >>> round(float(low[0]), 3), round(float(high[0]), 3)
    (0.596, 0.982)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share_C, square = hit_C / of_C, Z95**2
        middle_C = (share_C + square / (2 * of_C)) / (1 + square / of_C)
        half_C = Z95 * np.sqrt(share_C * (1 - share_C) / of_C + square / (4 * of_C**2)) / (1 + square / of_C)
    return np.maximum(middle_C - half_C, 0.0), np.minimum(middle_C + half_C, 1.0)


def f1_interval(hit_C: np.ndarray, true_C: np.ndarray, said_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of F1 = 2 h / (t + s).

    Of the u = t + s - h rows that are of a class or were said to be, h are both: J = h / u is a share, so Wilson's
    interval holds for it. F1 = 2 J / (1 + J) rises with J, so it carries the interval's ends over.
    """
    low_C, high_C = wilson(hit_C, true_C + said_C - hit_C)
    return 2 * low_C / (1 + low_C), 2 * high_C / (1 + high_C)
