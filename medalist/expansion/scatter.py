"""Whether what was found for a class shows it: from how many pass its bar, and how many right and wrong images would.

Of images found for a class let a share `right` show it. Then right x own + (1 - right) x other of them pass, where own
and other are measured on labelled images (`bars.Rates`); solved for `right`. Wrong images from outside are mostly less
like the class than images of other classes are, so that `right` is rather too low than too high.
"""

from __future__ import annotations

import math

FEW = 5  # judged images, below which nothing is said of a class
PURE = 0.75  # share of the accepted that must show the class; otherwise its query is ambiguous
TELLS = 0.1  # least difference of own and other: below, the backbone cannot tell the class from others


def purity(accepted: int, judged: int, *, own: float, other: float) -> float | None:
    """Share of the accepted images of a class that show it, as far as can be told; None: it cannot.

    Args:
        accepted: images that passed the class's bar.
        judged: images that were measured by it.
        own, other: shares of labelled images of the class, and of all others, that pass.

    >>> purity(95, 100, own=0.95, other=0.05), purity(5, 100, own=0.95, other=0.05)
    (1.0, 0.0)
    >>> round(purity(50, 100, own=0.95, other=0.05), 2)
    0.95
    """
    if judged < FEW or math.isnan(own) or math.isnan(other) or own - other < TELLS:
        return None
    right = min(max((accepted / judged - other) / (own - other), 0.0), 1.0)
    return right * own / (right * own + (1 - right) * other) if right else 0.0
