"""Each family of operations against a case worked by hand, or another library's function with the same numbers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from medalist.data.decode import Preprocessing, prepare
from medalist.data.views import ops, trivial
from medalist.data.views.draws import generator
from medalist.data.views.optional import opencv, pixel_functions
from medalist.data.views.warps import _turned

TARGET = Preprocessing(height=24, width=32, mean=(0.5, 0.25, 1.0), std=(0.2,) * 3, crop_pct=1.0)


class Fixed:
    """Stands in for a Generator: each number drawn evenly from [0, 1) is the next of those given, the last for ever."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def random(self) -> float:
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]

    def integers(self, low: int, high: int | None = None, **_: object) -> int:
        first, last = (0, low) if high is None else (low, high)
        return first + int(self.random() * (last - first))


def op(call: str) -> Any:
    """The operation, called as `op("flip")(image_HWC, rng)`."""
    return ops.bind(call)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def marked(height: int, width: int, y: int, x: int) -> np.ndarray:
    """Black, with one white pixel."""
    image_HWC = np.zeros((height, width, 3), np.uint8)
    image_HWC[y, x] = 255
    return image_HWC


def where(image_HWC: np.ndarray) -> tuple[int, int]:
    """Row and column of the brightest pixel."""
    y, x = np.unravel_index(image_HWC.sum(axis=2).argmax(), image_HWC.shape[:2])
    return int(y), int(x)


def test_flips() -> None:
    image_HWC = noise(5, 7)
    np.testing.assert_array_equal(op("flip")(image_HWC, Fixed(0)), np.fliplr(image_HWC))
    np.testing.assert_array_equal(op("vertical_flip")(image_HWC, Fixed(0)), np.flipud(image_HWC))


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2])
def test_a_quarter_turn_is_numpys(quarters: int) -> None:
    image_HWC = noise(9, 9)
    turned_HWC = _turned(image_HWC, 90.0 * quarters, (1, 1), (0, 0), "black")
    np.testing.assert_array_equal(turned_HWC, np.rot90(image_HWC, quarters))


def test_rotation_turns_by_what_was_drawn() -> None:
    # A draw of 1 - 2^-53 is the upper end: 90 degrees anticlockwise takes the right middle to the top middle.
    assert where(op("rotation(limit=90)")(marked(21, 21, 10, 18), Fixed(1 - 2**-53))) == (2, 10)
    assert where(op("rotation(limit=90)")(marked(21, 21, 10, 18), Fixed(0.0))) == (18, 10)
    assert where(op("rotation(limit=90)")(marked(21, 21, 10, 18), Fixed(0.5))) == (10, 18)


def test_shift_moves_right_and_down() -> None:
    moved_HWC = op("shift(limit=0.5, border='black')")(marked(20, 40, 3, 5), Fixed(0.6, 0.8))
    # 0.6 -> +0.1 of 40 columns, 0.8 -> +0.3 of 20 rows.
    assert where(moved_HWC) == (9, 9)
    assert moved_HWC.sum() == 255 * 3


def test_borders_of_a_shift() -> None:
    row_HWC = np.repeat(np.arange(0, 200, 20, dtype=np.uint8)[None, :, None], 3, axis=2).repeat(4, axis=0)
    shown = {
        border: op(f"shift(limit=0.2, border={border!r})")(row_HWC, Fixed(1 - 2**-53, 0.5))[0, :3, 0].tolist()
        for border in ("edge", "black", "reflect")
    }
    assert shown == {"edge": [0, 0, 0], "black": [0, 0, 0], "reflect": [40, 20, 0]}


def test_zoom_keeps_the_centre_and_spreads_the_rest() -> None:
    image_HWC = marked(21, 41, 10, 30)
    larger_HWC = op("zoom(limit=0.5, border='black')")(image_HWC, Fixed(1 - 2**-53, 0.5))
    # Width 1.5 times as large: 10 to the right of the centre becomes 15; height as it was.
    assert where(larger_HWC) == (10, 35)


def test_shift_scale_rotate_is_albumentations_affine() -> None:
    from albumentations.augmentations.geometric import functional

    image_HWC = noise(40, 60)
    cv2 = opencv()
    # cv2's own rotation matrix about the centre, then the move.
    matrix = cv2.getRotationMatrix2D((29.5, 19.5), 12.0, 1.08)
    matrix[:, 2] += (0.05 * 60, -0.04 * 40)
    theirs_HWC = functional.warp_affine(
        image_HWC, np.vstack([matrix, [0, 0, 1]]), cv2.INTER_LINEAR, 0, cv2.BORDER_REFLECT_101, (40, 60)
    )
    ours_HWC = _turned(image_HWC, 12.0, (1.08, 1.08), (0.05, -0.04), "reflect")
    # OpenCV works with maps of 1/32 pixel, and both ways of inverting may round to neighbours.
    difference_HWC = np.abs(ours_HWC.astype(int) - theirs_HWC)
    assert difference_HWC.mean() < 0.5


def test_crop_and_pad_by_hand() -> None:
    # Every side inwards by a quarter: the middle half of each side, enlarged to the whole.
    image_HWC = np.zeros((8, 8, 3), np.uint8)
    image_HWC[2:6, 2:6] = 255
    assert (op("crop_and_pad(percent=(-0.25, -0.25))")(image_HWC, Fixed(0.5))[1:7, 1:7] == 255).all()
    # Every side outwards by a half: the image takes the middle half, black around it.
    white_HWC = np.full((8, 8, 3), 255, np.uint8)
    padded_HWC = op("crop_and_pad(percent=(0.5, 0.5))")(white_HWC, Fixed(0.5))
    assert padded_HWC[3:5, 3:5].min() == 255
    assert padded_HWC[0].max() == padded_HWC[:, -1].max() == 0
    # Left alone outwards: what was in the middle lies to the right of it.
    assert where(op("crop_and_pad(percent=(0, 1))")(marked(9, 9, 4, 4), Fixed(1 - 2**-53, 0, 0, 0))) == (4, 6)


@pytest.mark.parametrize(
    ("call", "draws", "expected"),
    [
        ("brightness(limit=0.5)", (1 - 2**-53,), [0, 150, 255]),  # times 1.5
        ("brightness(limit=0.5)", (0.0,), [0, 50, 100]),  # times 0.5
        ("contrast_normalisation(alpha=(0.5, 0.5))", (0.3,), [64, 114, 164]),  # 127 + (v - 127) / 2
        ("brightness_contrast(brightness=0.2, contrast=0.5)", (0.0, 0.5), [0, 50, 100]),
        ("brightness_contrast(brightness=0.2, contrast=0.5)", (0.5, 1 - 2**-53), [51, 151, 251]),
        ("gamma(exponent=(2, 2))", (0.0,), [0, 39, 157]),  # 255 (v / 255)^2
        ("posterize(bits=2)", (0.0,), [0, 64, 192]),
        ("posterize(bits=8)", (0.0,), [0, 100, 200]),
    ],
)
def test_light_by_hand(call: str, draws: tuple[float, ...], expected: list[int]) -> None:
    image_HWC = np.array([0, 100, 200], np.uint8).reshape(1, 3, 1).repeat(3, axis=2)
    assert op(call)(image_HWC, Fixed(*draws))[0, :, 1].tolist() == expected


def test_contrast_is_pillows() -> None:
    image_HWC = noise(30, 50) // 2 + 60
    theirs_HWC = np.asarray(ImageEnhance.Contrast(Image.fromarray(image_HWC)).enhance(1.5))
    ours_HWC = op("contrast(limit=0.5)")(image_HWC, Fixed(1 - 2**-53))
    assert np.abs(ours_HWC.astype(int) - theirs_HWC).max() <= 1  # Pillow rounds the mean grey, and cuts


def test_saturation_is_pillows() -> None:
    image_HWC = noise(30, 50)
    theirs_HWC = np.asarray(ImageEnhance.Color(Image.fromarray(image_HWC)).enhance(0.5))
    ours_HWC = op("saturation(limit=0.5)")(image_HWC, Fixed(0.0))
    assert np.abs(ours_HWC.astype(int) - theirs_HWC).max() <= 1


def test_hue_turns_red_to_green() -> None:
    red_HWC = np.full((4, 4, 3), (200, 20, 20), np.uint8)
    # A third of the circle: drawn as 0.5 * (2 * 5/6 - 1) = 1/3.
    np.testing.assert_allclose(op("hue(limit=0.5)")(red_HWC, Fixed(5 / 6))[0, 0], (20, 200, 20), atol=3)


def test_clahe_is_albumentations_with_the_numbers_drawn() -> None:
    image_HWC = noise(64, 64)
    theirs_HWC = pixel_functions().clahe(image_HWC, 2.5, (4, 4))
    np.testing.assert_array_equal(op("clahe(clip=(2, 3), tiles=4)")(image_HWC, Fixed(0.5)), theirs_HWC)


def test_noise_has_the_deviation_that_was_drawn() -> None:
    grey_HWC = np.full((200, 200, 3), 128, np.uint8)
    noisy_HWC = op("gauss_noise(std=(0.05, 0.05))")(grey_HWC, generator(1)).astype(float) - 128
    # 120,000 values: the error of the mean is 0.04, of the deviation 0.03; rounding adds 1/24 to the variance's 162.
    assert abs(noisy_HWC.mean()) < 0.15
    assert abs(noisy_HWC.std() - 0.05 * 255) < 0.15
    correlation = np.corrcoef(noisy_HWC[..., 0].ravel(), noisy_HWC[..., 1].ravel())[0, 1]
    assert abs(correlation) < 0.02


def test_noise_of_all_channels_at_once_is_grey() -> None:
    grey_HWC = np.full((20, 20, 3), 128, np.uint8)
    assert np.ptp(op("additive_gaussian_noise(scale=0.2, colour=0)")(grey_HWC, generator(3)), axis=2).max() == 0
    assert np.ptp(op("additive_gaussian_noise(scale=0.2, colour=1)")(grey_HWC, generator(3)), axis=2).max() > 0


def test_noise_is_clipped_and_never_wraps() -> None:
    white_HWC = np.full((50, 50, 3), 250, np.uint8)
    assert op("gauss_noise(std=(0.1, 0.1))")(white_HWC, generator(2)).min() > 150


def test_jpeg_is_what_pillow_saves() -> None:
    image_HWC = noise(16, 24)
    file = io.BytesIO()
    Image.fromarray(image_HWC).save(file, "JPEG", quality=30)
    theirs_HWC = np.asarray(Image.open(file))
    np.testing.assert_array_equal(op("jpeg(quality=(30, 30))")(image_HWC, generator(0)), theirs_HWC)


def test_blur_is_a_mean_over_the_square() -> None:
    image_HWC = noise(9, 9)
    blurred_HWC = op("blur(side=(3, 3))")(image_HWC, generator(0))
    np.testing.assert_array_equal(blurred_HWC[4, 4], np.rint(image_HWC[3:6, 3:6].mean(axis=(0, 1))))


def test_blur_draws_odd_sides_alone() -> None:
    mark_HWC = marked(31, 31, 15, 15)
    lit = {int((op("blur(side=(2, 8))")(mark_HWC, generator(k))[..., 0] > 0).sum()) for k in range(40)}
    assert lit == {9, 25, 49}


def test_gaussian_blur_has_its_deviation() -> None:
    image_HWC = np.zeros((41, 41, 3), np.uint8)
    image_HWC[:, 20:] = 255
    row = op("gaussian_blur(sigma=(3, 3))")(image_HWC, generator(0))[20, :, 0] / 255
    # A step becomes the normal distribution function: half at the edge, 0.84 a deviation further.
    assert row[19] == pytest.approx(0.434, abs=0.02)
    assert row[22] == pytest.approx(0.797, abs=0.02)


def test_erasing_paints_one_rectangle_of_the_area_asked_for() -> None:
    image_HWC = np.full((60, 80, 3), 7, np.uint8)
    erased_HWC = op("random_erasing(area=(0.25, 0.25), ratio=(1, 1), fill='black')")(image_HWC, generator(4))
    y, x = np.nonzero(erased_HWC[..., 0] == 0)
    side = round((0.25 * 60 * 80) ** 0.5)
    assert (np.ptp(y) + 1, np.ptp(x) + 1, len(y)) == (side, side, side * side)


def test_erasing_fills() -> None:
    image_HWC = np.full((40, 40, 3), (10, 20, 30), np.uint8)
    assert (op("random_erasing(fill='mean')")(image_HWC, generator(1)) == image_HWC).all()
    assert np.unique(op("random_erasing(fill='noise')")(image_HWC, generator(1))).size > 50


@pytest.mark.parametrize("word", ["crop", "squash", "letterbox"])
def test_resize_words_are_the_backbones_own_policies(word: str) -> None:
    image_HWC = noise(50, 90)
    target = Preprocessing(height=24, width=32, mean=(0.5,) * 3, std=(0.2,) * 3, resize=word, crop_pct=0.9)
    plain = Preprocessing(height=24, width=32, mean=(0.5,) * 3, std=(0.2,) * 3, crop_pct=0.9)
    np.testing.assert_array_equal(op(word)(image_HWC, generator(0), target=plain), prepare(image_HWC, target))


def test_random_resized_crop_of_the_whole_is_a_resize() -> None:
    image_HWC = noise(48, 64)
    whole = op(f"random_resized_crop(scale=(1, 1), ratio=({4 / 3}, {4 / 3}))")
    theirs_HWC = np.asarray(Image.fromarray(image_HWC).resize((32, 24), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(whole(image_HWC, generator(0), target=TARGET), theirs_HWC)


def test_random_resized_crop_shows_the_share_asked_for() -> None:
    # A ramp along x: the range of values that is seen tells the window's width.
    ramp_HWC = np.linspace(0, 255, 400).astype(np.uint8)[None, :, None].repeat(300, 0).repeat(3, 2)
    call = op("random_resized_crop(scale=(0.25, 0.25), ratio=(1.3333, 1.3333))")
    for key in range(10):
        seen = np.ptp(call(ramp_HWC, generator(key), target=TARGET)[0, :, 0])
        assert seen == pytest.approx(127, abs=6)


def test_random_scale_crop_pads_with_the_mean_and_fills_when_larger() -> None:
    white_HWC = np.full((24, 32, 3), 255, np.uint8)
    padded_HWC = op("random_scale_crop(scale=(0.5, 0.5))")(white_HWC, generator(0), target=TARGET)
    assert (padded_HWC == 255).all(axis=2).sum() == 12 * 16
    assert set(map(tuple, padded_HWC.reshape(-1, 3).tolist())) == {(255, 255, 255), (128, 64, 255)}
    assert (op("random_scale_crop(scale=(2, 2))")(white_HWC, generator(0), target=TARGET) == 255).all()


def test_random_scale_crop_at_1_is_the_backbones_own_resize() -> None:
    image_HWC = noise(60, 80)
    np.testing.assert_array_equal(
        op("random_scale_crop(scale=(1, 1))")(image_HWC, generator(0), target=TARGET), prepare(image_HWC, TARGET)
    )


def test_trivial_augments_space() -> None:
    assert len(trivial.NAMES) == 14
    image = Image.fromarray(noise(20, 20))
    for name in ("shear_x", "shift_y", "rotate", "brightness", "colour", "contrast", "sharpness"):
        np.testing.assert_array_equal(np.asarray(trivial.DIRECTED[name](image, 0.0)), np.asarray(image))
    white = Image.new("RGB", (3, 3), "white")
    assert np.asarray(trivial.DIRECTED["brightness"](white, -1.0)).max() in (2, 3)  # 1 % of white is left
    assert np.asarray(trivial.PLAIN["solarize"](white, 1.0)).max() == 0
    assert np.asarray(trivial.PLAIN["posterize"](white, 1.0)).max() == 0b11000000
