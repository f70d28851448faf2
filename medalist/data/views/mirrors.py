"""Mirror images. They are copied at once: every later operation would copy a reversed view, slowly."""

from __future__ import annotations

import numpy as np

from medalist.data.views.contract import ops


@ops(p=0.5)
def flip(image_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Left for right; the view of that name. Harmful where the image holds text (write-up 4)."""
    flipped_HWC = np.empty_like(image_HWC, order="C")
    # A channel at a time, as numpy takes six times as long for all three at once.
    for channel in range(3):
        flipped_HWC[..., channel] = image_HWC[:, ::-1, channel]
    return flipped_HWC


@ops(p=0.5)
def vertical_flip(image_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Top for bottom: for things seen from above."""
    return image_HWC[::-1].copy()
