"""Views: the same shape, and by hand the pixels that they should hold."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.features.views import VIEWS


@pytest.fixture
def ramps_BHWC() -> np.ndarray:
    """Two images whose red grows to the right and whose green grows downwards, two levels a pixel."""
    pixels_BHWC = np.zeros((2, 100, 100, 3), np.uint8)
    pixels_BHWC[..., 0] = 2 * np.arange(100)
    pixels_BHWC[..., 1] = 2 * np.arange(100)[:, None]
    return pixels_BHWC


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_keeps_shape_and_type(ramps_BHWC: np.ndarray, view: str) -> None:
    seen_BHWC = VIEWS[view](ramps_BHWC)
    assert seen_BHWC.shape == ramps_BHWC.shape
    assert seen_BHWC.dtype == np.uint8


@pytest.mark.parametrize(
    ("view", "left", "top"),
    [
        ("center", None, None),
        ("zoom", 20, 20),
        ("top_left", 0, 0),
        ("top_right", 40, 0),
        ("bottom_left", 0, 40),
        ("bottom_right", 40, 40),
    ],
)
def test_a_window_begins_where_it_should(ramps_BHWC: np.ndarray, view: str, left: int | None, top: int | None) -> None:
    """A ramp of slope 2 seen through 0.8 of its width has slope 1.6."""
    seen_BHWC = VIEWS[view](ramps_BHWC).astype(float)
    slope, start_x, start_y = (2.0, 0, 0) if left is None or top is None else (1.6, left, top)
    middle = slice(10, 90)  # away from the edges, where the resampling filter has nothing to lean on
    step = np.arange(100)[middle] * slope - (0.2 if slope < 2 else 0)
    np.testing.assert_allclose(seen_BHWC[0, 50, middle, 0], start_x + step, atol=1.01)
    np.testing.assert_allclose(seen_BHWC[1, middle, 50, 1], start_y + step, atol=1.01)


def test_mirrors(ramps_BHWC: np.ndarray) -> None:
    np.testing.assert_array_equal(VIEWS["flip"](ramps_BHWC)[:, :, 0], ramps_BHWC[:, :, -1])
    np.testing.assert_array_equal(VIEWS["zoom_flip"](ramps_BHWC), np.flip(VIEWS["zoom"](ramps_BHWC), axis=2))
