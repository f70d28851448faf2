"""Mirror images: free, as they are numpy views."""

from __future__ import annotations

import numpy as np

from medalist.data.views.contract import ops


@ops(p=0.5)
def flip(image_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Left for right; the view of that name. Harmful where the image holds text (write-up 4)."""
    return image_HWC[:, ::-1]


@ops(p=0.5)
def vertical_flip(image_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Top for bottom: for things seen from above."""
    return image_HWC[::-1]
