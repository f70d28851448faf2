"""What a decoded picture looks like, in a few numbers: hashes for its likes, colours, sharpness, brightness.

Axes: H W pixels of the grey picture, W V windows along its sides, S samples of a side, F frequencies.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

HASH_SIDE, HASH_LOW = 32, 8
CROP_SIDE, CROPPED = 64, 0.05  # pixels a side of the picture whose crops are hashed, and the share left out
CELLS = 4
SHARP_SIDE = 256  # short side, in pixels, at which sharpness is measured; smaller pictures as they are
TILES, SHARPEST = 8, 4  # tiles along a side, and which of the sharpest counts: a background may be blurred
MEASURABLE = TILES + 2  # pixels a side: a tile of one pixel has neighbours
BRIGHT_SHARE = 0.99  # of pixels that are at most as bright


def both_hashes(small: Image.Image) -> tuple[str, str]:
    """Perceptual hashes of a 32 x 32 picture and of its mirror image (left is right); 16 hex digits each.

    64-bit DCT hash (Zauner 2010, section 3.2.1): which of the 8 x 8 lowest frequencies of its grey lie above their
    median. Blind to colour, robust to scale and compression.
    """
    low = _DCT @ np.asarray(small.convert("L"), np.float64) @ _DCT.T
    both = _hashed(np.stack([low, low * _MIRROR]))  # mirroring turns the sign of each odd frequency along a row
    return both[:16], both[16:]


def crop_hashes(larger: Image.Image) -> str:
    """Perceptual hashes of the nine crops that leave out a twentieth of each side; 144 hex digits.

    One cut anywhere within that twentieth is near one of them.

    Args:
        larger: the whole picture, 64 x 64.
    """
    grey = np.asarray(larger.convert("L"), np.float64)
    low_WFVF = (_WINDOWS @ grey @ _WINDOWS.T).reshape(len(_SHARES), HASH_LOW, len(_SHARES), HASH_LOW)
    return _hashed(low_WFVF.swapaxes(1, 2).reshape(-1, HASH_LOW, HASH_LOW))


def colour_cells(small: Image.Image) -> str:
    """Mean colour of a 4 x 4 grid of cells, row by row, RGB; 96 hex digits."""
    return small.resize((CELLS, CELLS), Image.Resampling.BOX).tobytes().hex()


def mirrored_cells(colour_NC: np.ndarray) -> np.ndarray:
    """Colour cells (N, 48) of the mirror images."""
    return colour_NC.reshape(-1, CELLS, CELLS, 3)[:, :, ::-1].reshape(colour_NC.shape)


def sharpness(grey: Image.Image) -> float:
    """Root mean square of the Laplacian (levels of 255) in the fourth sharpest of 8 x 8 tiles, at 256 pixels.

    The variance of the Laplacian is the usual measure of focus (Pech-Pacheco et al. 2000, Diatom autofocusing); here
    at the scale that networks see, and where the picture is sharpest, so that a blurred background is no fault.
    Pictures of fewer than MEASURABLE pixels a side are 0.
    """
    value_HW = np.asarray(_shrunk(grey)).astype(np.int16)  # at most 4 x 255 either way: four times as fast as float32
    high, wide = ((side - 2) // TILES * TILES for side in value_HW.shape)
    if high < TILES or wide < TILES:
        return 0.0
    bend_HW = value_HW[1 : high + 1, 1 : wide + 1] * np.int16(-4)
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        bend_HW += value_HW[down : down + high, right : right + wide]
    bend_THW = bend_HW.astype(np.float32).reshape(TILES, -1, wide)
    rows_TW = np.einsum("thw,thw->tw", bend_THW, bend_THW)
    square_TT = rows_TW.reshape(TILES, TILES, -1).sum(axis=2) * (TILES**2 / (high * wide))
    return round(math.sqrt(np.sort(square_TT, axis=None)[-SHARPEST]), 3)


def brightness(grey: Image.Image) -> float:
    """The 99th percentile of its pixels, in [0, 1]: how bright the bright parts are."""
    count_L = np.array(grey.histogram())
    return int(np.searchsorted(np.cumsum(count_L), BRIGHT_SHARE * count_L.sum())) / 255


def _shrunk(grey: Image.Image) -> Image.Image:
    ratio = SHARP_SIDE / min(grey.size)
    if ratio >= 1:
        return grey
    width, height = (max(1, round(side * ratio)) for side in grey.size)
    return grey.resize((width, height), Image.Resampling.BOX)


def _hashed(low_W88: np.ndarray) -> str:
    """Hex digits of one hash after the other."""
    flat_W64 = low_W88.reshape(len(low_W88), -1)
    middle_W2 = np.partition(flat_W64, (31, 32), axis=1)[:, 31:33]  # their mean is the median
    return np.packbits(flat_W64 > middle_W2.mean(axis=1, keepdims=True), axis=1).tobytes().hex()


def _cosines(num_samples: int, start: float, length: float) -> np.ndarray:
    """Rows of the DCT-II matrix over [start, start + length) of so many samples; the edge samples count in part.

    Frequency f at sample n is cos(pi f (n + 1/2 - start) / length).
    """
    sample_S = np.arange(num_samples)
    part_S = np.clip(np.minimum(sample_S + 1, start + length) - np.maximum(sample_S, start), 0, 1)
    cosine_FS = np.cos(math.pi * np.arange(HASH_LOW)[:, None] * (sample_S + 0.5 - start) / length)
    return np.asarray(part_S * cosine_FS)


_DCT = _cosines(HASH_SIDE, 0, HASH_SIDE)
_MIRROR = (-1.0) ** np.arange(HASH_LOW)
_LEFT = CROP_SIDE * CROPPED
_SHARES = (0.0, 0.5, 1.0)  # of what is left out, that lies before a window
_WINDOWS = np.concatenate([_cosines(CROP_SIDE, share * _LEFT, CROP_SIDE - _LEFT) for share in _SHARES])
