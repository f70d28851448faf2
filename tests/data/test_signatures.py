"""Numbers of a picture against their definitions: hashes by SciPy's DCT, sharpness by its Laplacian."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps
from scipy.fft import dctn
from scipy.ndimage import laplace

from medalist.data.signatures import (
    both_hashes,
    brightness,
    colour_cells,
    crop_hashes,
    mirrored_cells,
    sharpness,
)


def noise(seed: int, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def by_definition(grey: np.ndarray) -> str:
    """Which of the lowest frequencies lie above their median; SciPy's type 2 is twice the sum: the same order."""
    low = dctn(grey, type=2)[:8, :8]
    bits = "".join("01"[int(value)] for value in (low > np.median(low)).ravel())
    return f"{int(bits, 2):016x}"


def test_the_perceptual_hash_is_which_of_the_lowest_frequencies_are_high() -> None:
    image = noise(0, 32, 32)
    assert both_hashes(image)[0] == by_definition(np.asarray(image.convert("L"), float))


@pytest.mark.parametrize("seed", range(5))
def test_the_mirrored_hash_is_that_of_the_mirror_image(seed: int) -> None:
    image = noise(seed, 32, 32)
    assert both_hashes(image) == both_hashes(ImageOps.mirror(image))[::-1]


def test_mirrored_cells_are_those_of_the_mirror_image() -> None:
    image = noise(2, 32, 32)
    cells, mirrored = (
        np.frombuffer(bytes.fromhex(colour_cells(one)), np.uint8)[None] for one in (image, ImageOps.mirror(image))
    )
    assert mirrored_cells(cells).tolist() == mirrored.tolist()


def test_crops_leave_out_a_twentieth_here_and_there() -> None:
    """Of blocks of 20 x 20 pixels the crops' edges cut whole rows: repeated 16 x 16 times, they are crops of pixels."""
    image = Image.fromarray(np.random.default_rng(4).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    larger = image.resize((64, 64), Image.Resampling.BICUBIC)
    grey = np.kron(np.asarray(larger.convert("L"), float), np.ones((20, 20)))  # 1,280 pixels a side, 64 left out
    found = crop_hashes(larger)
    for place, (top, left) in enumerate((top, left) for top in (0, 32, 64) for left in (0, 32, 64)):
        expected = by_definition(grey[top : top + 1216, left : left + 1216])
        apart = int(found[16 * place : 16 * place + 16], 16) ^ int(expected, 16)
        assert apart.bit_count() <= 2  # a sum over 61 samples is not one over 1,216


def test_sharpness_is_the_laplacian_where_it_is_largest() -> None:
    grey = noise(5, 66, 50).convert("L")
    square = laplace(np.asarray(grey, float))[1:-1, 1:-1] ** 2
    tiles = square[:48, :64].reshape(8, 6, 8, 8).mean(axis=(1, 3))
    assert sharpness(grey) == pytest.approx(np.sqrt(np.sort(tiles, axis=None)[60]), abs=1e-3)


def test_blur_takes_sharpness_and_a_blurred_background_does_not() -> None:
    image = noise(6, 400, 300).convert("L")
    blurred = image.filter(ImageFilter.GaussianBlur(4))
    portrait = blurred.copy()
    portrait.paste(image.crop((100, 60, 260, 240)), (100, 60))
    assert sharpness(blurred) < 0.1 * sharpness(portrait)
    assert sharpness(portrait) > 0.9 * sharpness(image)
    assert sharpness(Image.new("L", (300, 300), 90)) == sharpness(Image.new("L", (8, 300), 90)) == 0


def test_sharpness_is_of_the_size_that_networks_see() -> None:
    image = noise(7, 64, 64).resize((256, 256), Image.Resampling.BICUBIC).convert("L")
    larger = image.resize((1024, 1024), Image.Resampling.BICUBIC)
    assert sharpness(larger) == pytest.approx(sharpness(image), rel=0.1)


def test_brightness_is_the_99th_percentile() -> None:
    grey = Image.fromarray(np.repeat(np.arange(100, dtype=np.uint8), 100).reshape(100, 100))
    assert brightness(grey) == 98 / 255
    assert brightness(Image.new("L", (10, 10), 255)) == 1
