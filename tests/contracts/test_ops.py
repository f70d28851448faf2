"""What every operation of augmentation keeps to, whoever adds it: run over the registry."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.data.decode import Preprocessing
from medalist.data.views import Draw, Policy, ops
from medalist.data.views.draws import generator

SIZES = ((1, 1), (1, 9), (7, 500), (64, 48), (33, 33))
TARGET = Preprocessing(height=40, width=56, mean=(0.5, 0.4, 0.3), std=(0.2,) * 3, crop_pct=0.9)
FIXED = ("crop", "squash", "letterbox", "flip", "vertical_flip", "posterize")
"""Operations that do the same each time that they happen."""


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Colours that change smoothly, with some noise: a photograph's rough likeness."""
    y, x = np.mgrid[0:height, 0:width]
    wave_HWC = np.stack([x * 3 + y, y * 2 - x, x + y * y // 9], axis=2) % 256
    noise_HWC = np.random.default_rng(seed).integers(0, 40, (height, width, 3))
    return np.clip(wave_HWC * 0.8 + noise_HWC, 0, 255).astype(np.uint8)


@pytest.fixture(params=list(ops))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def applied(name: str, image_HWC: np.ndarray, key: int, target: Preprocessing = TARGET) -> np.ndarray:
    bound: Any = ops.bind(name)
    more = {"target": target} if bound.facts.get("fits") else {}
    pixels_HWC: np.ndarray = bound(image_HWC, generator(key), **more)
    return pixels_HWC


def test_it_says_its_chance_and_what_it_is(name: str) -> None:
    bound = ops.bind(name)
    assert 0 < bound.facts["p"] <= 1
    assert bound.function.__doc__


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", range(6))
def test_shape_and_type_at_any_size(name: str, size: tuple[int, int], key: int) -> None:
    image_HWC = picture(*size)
    before = image_HWC.tobytes()
    image_HWC.setflags(write=False)
    pixels_HWC = applied(name, image_HWC, key)
    fits = ops.bind(name).facts.get("fits")
    assert pixels_HWC.shape == ((40, 56, 3) if fits else image_HWC.shape)
    assert pixels_HWC.dtype == np.uint8
    assert image_HWC.tobytes() == before


@pytest.mark.parametrize("shape", [(8, 8), (31, 17), (1, 1), (5, 90)])
def test_fitting_ones_take_any_target(name: str, shape: tuple[int, int]) -> None:
    target = Preprocessing(height=shape[0], width=shape[1], mean=(0.5,) * 3, std=(0.5,) * 3)
    policy = Policy.parse(f"{name}(p=1)")
    for size in SIZES:
        assert policy(picture(*size), Draw(0, 0, "a"), target).shape == (*shape, 3)


@given(key=st.integers(0, 2**128 - 1))
def test_the_same_key_gives_the_same_pixels(key: int) -> None:
    for name in ops:
        image_HWC = picture(24, 30)
        np.testing.assert_array_equal(applied(name, image_HWC, key), applied(name, image_HWC.copy(), key))


def test_a_mirrored_view_is_taken_like_any_array(name: str) -> None:
    image_HWC = picture(24, 30)
    turned_HWC = image_HWC[::-1, ::-1]
    np.testing.assert_array_equal(applied(name, turned_HWC, 3), applied(name, turned_HWC.copy(), 3))


def test_another_epoch_image_or_seed_is_another_draw(name: str) -> None:
    policy, image_HWC = Policy.parse(f"{name}(p=1)"), picture(150, 200)
    target = Preprocessing(height=128, width=128, mean=(0.5,) * 3, std=(0.2,) * 3)
    draws = [Draw(0, epoch, "a") for epoch in range(8)] + [Draw(0, 0, "b"), Draw(1, 0, "a")]
    shown = {hashlib.sha256(policy(image_HWC, draw, target)).hexdigest() for draw in draws}
    assert (len(shown) == 1) == (name in FIXED)


def test_grey_stays_grey_where_only_light_changes(name: str) -> None:
    if name in ("gauss_noise", "additive_gaussian_noise", "random_erasing"):
        pytest.skip("colours its noise")
    grey_HWC = np.repeat(picture(40, 56)[:, :, :1], 3, axis=2)
    target = Preprocessing(height=40, width=56, mean=(0.5,) * 3, std=(0.5,) * 3)
    for key in range(5):
        spread_HW = np.ptp(applied(name, grey_HWC, key, target).astype(int), axis=2)
        assert spread_HW.max() <= 3


def test_numpys_global_state_is_left_alone(name: str) -> None:
    before = str(np.random.get_state())
    applied(name, picture(24, 30), 1)
    assert str(np.random.get_state()) == before
