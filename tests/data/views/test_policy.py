"""Policies applied: the same draw the same pixels, chances as written, fitting in its place."""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest

from medalist.data.decode import Preprocessing, prepare
from medalist.data.views import Draw, Policy, optional
from medalist.data.views.draws import generator
from medalist.errors import MissingExtraError

TARGET = Preprocessing(height=32, width=32, mean=(0.5,) * 3, std=(0.2,) * 3)
RICH = (
    "random_resized_crop | flip | shift_scale_rotate(limit=15) | one_of(gauss_noise, clahe, jpeg, gamma, blur, p=0.9)"
    " | random_order(brightness, hue, contrast) | random_erasing"
)


def image(seed: int = 0, height: int = 50, width: int = 70) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def shown(number: int) -> bytes:
    """What one worker makes of one image."""
    return Policy.parse(RICH)(image(number), Draw(3, 1, f"cat.{number}"), TARGET).tobytes()


def test_workers_and_order_do_not_matter() -> None:
    expected = [shown(number) for number in range(12)]
    assert [shown(number) for number in reversed(range(12))] == expected[::-1]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(shown, range(12), chunksize=1) == expected


def test_draws_differ_by_seed_epoch_image_and_place() -> None:
    draws = (Draw(0, 0, "a"), Draw(1, 0, "a"), Draw(0, 1, "a"), Draw(0, 0, "b"), Draw(0, 0, "0\0a"), Draw(0, 0, ""))
    lots = {draw.lot(place) for draw in draws for place in ("0:flip", "1:flip", "0:blur", "0:one_of/0:flip")}
    assert len(lots) == len(draws) * 4


def test_ids_of_odd_bytes_have_draws() -> None:
    assert 0 <= Draw(0, 0, "\udcff").lot("0:flip")[0] < 1


def test_coins_are_even_and_independent_of_each_other() -> None:
    coin_NP = np.array([[Draw(0, n, "a").lot(f"{p}:flip")[0] for p in range(4)] for n in range(4000)])
    assert coin_NP.min() >= 0
    assert coin_NP.max() < 1
    # Means of 4000 even numbers have an error of 0.0046, their correlations of 0.016.
    assert np.abs(coin_NP.mean(axis=0) - 0.5).max() < 0.02
    assert np.abs(np.corrcoef(coin_NP.T) - np.eye(4)).max() < 0.07
    assert generator(5).random() != generator(6).random()


@pytest.mark.parametrize(("strength", "share"), [(1.0, 0.4), (0.5, 0.2), (0.0, 0.0)])
def test_strength_multiplies_the_chance(strength: float, share: float) -> None:
    policy, pixels = Policy.parse("flip(p=0.4)"), image(0, 32, 32)
    plain = policy(pixels, Draw(0, 0, ""), TARGET, 0.0)
    flipped = [
        not np.array_equal(policy(pixels, Draw(0, epoch, "a"), TARGET, strength), plain) for epoch in range(2000)
    ]
    assert np.mean(flipped) == pytest.approx(share, abs=0.035)


def test_a_step_that_happens_at_less_strength_is_the_same_step() -> None:
    policy, pixels = Policy.parse("rotation(limit=30)"), image()
    plain = prepare(pixels, TARGET).tobytes()
    for epoch in range(30):
        full, half = (policy(pixels, Draw(0, epoch, "a"), TARGET, strength).tobytes() for strength in (1.0, 0.5))
        assert half in (full, plain)


def test_no_policy_and_no_strength_are_the_backbones_own_resize() -> None:
    expected = prepare(image(), TARGET)
    np.testing.assert_array_equal(Policy.parse("")(image(), Draw(0, 0, "a"), TARGET), expected)
    np.testing.assert_array_equal(Policy.parse(RICH)(image(), Draw(0, 0, "a"), TARGET, 0.0), expected)


def test_without_a_fitting_step_the_own_resize_comes_first() -> None:
    expected = prepare(image(), TARGET)[:, ::-1]
    np.testing.assert_array_equal(Policy.parse("flip(p=1)")(image(), Draw(0, 0, "a"), TARGET), expected)


def test_a_fitting_step_stands_where_it_is_written() -> None:
    before = Policy.parse("posterize(bits=1, p=1) | squash")(image(), Draw(0, 0, "a"), TARGET)
    after = Policy.parse("squash | posterize(bits=1, p=1)")(image(), Draw(0, 0, "a"), TARGET)
    assert set(np.unique(after)) == {0, 128}
    assert len(np.unique(before)) > 2


@pytest.mark.parametrize("text", ["random_resized_crop(p=0.5)", "sometimes(squash)", "one_of(squash, letterbox)"])
def test_a_fitting_step_that_does_not_happen_gives_way_to_the_own_resize(text: str) -> None:
    own = prepare(image(), TARGET).tobytes()
    shown = [Policy.parse(text)(image(), Draw(0, epoch, "a"), TARGET).tobytes() for epoch in range(200)]
    assert np.mean([pixels == own for pixels in shown]) == pytest.approx(0.5, abs=0.12)


def test_one_of_chooses_by_weight_and_applies_for_certain() -> None:
    policy = Policy.parse("one_of(flip(p=0.75), vertical_flip(p=0.25), p=1)")
    pixels = image(0, 32, 32)
    plain = prepare(pixels, TARGET)
    shown = [policy(pixels, Draw(0, epoch, "a"), TARGET) for epoch in range(1500)]
    across = np.mean([np.array_equal(one, plain[:, ::-1]) for one in shown])
    down = np.mean([np.array_equal(one, plain[::-1]) for one in shown])
    assert across + down == 1
    assert across == pytest.approx(0.75, abs=0.04)


def test_random_order_applies_all_in_either_order() -> None:
    policy = Policy.parse("random_order(posterize(bits=1, p=1), gamma(exponent=(0.5, 0.5), p=1))")
    grey = np.full((32, 32, 3), 100, np.uint8)
    values = [int(policy(grey, Draw(0, epoch, "a"), TARGET)[0, 0, 0]) for epoch in range(400)]
    # 100 posterized to 0 stays 0; 100 brightened to 160 is posterized to 128.
    assert set(values) == {0, 128}
    assert np.mean(np.array(values) == 0) == pytest.approx(0.5, abs=0.1)


def test_the_place_of_a_child_counts_not_its_turn() -> None:
    # Both orders give noise the same numbers: it is drawn by the place that is written.
    policy = Policy.parse("random_order(gauss_noise(p=1), flip(p=0))")
    alone = Policy.parse("random_order(gauss_noise(p=1))")
    for epoch in range(6):
        draw = Draw(0, epoch, "a")
        np.testing.assert_array_equal(policy(image(), draw, TARGET), alone(image(), draw, TARGET))


def test_the_result_is_contiguous_and_the_input_untouched() -> None:
    pixels = image()
    before = pixels.tobytes()
    for epoch in range(20):
        assert Policy.parse(RICH)(pixels, Draw(0, epoch, "a"), TARGET).flags.c_contiguous
    assert pixels.tobytes() == before


def test_a_policy_travels_to_workers() -> None:
    policy = Policy.parse(RICH)
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301


def loaded_by(text: str) -> set[str]:
    """Which heavy packages a fresh interpreter has imported after a policy was parsed and applied."""
    code = f"""
import sys
import numpy as np
from medalist.data.decode import Preprocessing
from medalist.data.views import Draw, Policy
target = Preprocessing(height=8, width=8, mean=(0.5,) * 3, std=(0.5,) * 3)
Policy.parse({text!r})(np.zeros((9, 9, 3), np.uint8), Draw(0, 0, "a"), target)
print(*[name for name in ("cv2", "albumentations", "albumentations.pytorch", "torch") if name in sys.modules])
"""
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_only_policies_that_need_a_package_import_it() -> None:
    simple = (
        "random_resized_crop | flip | brightness | contrast | gamma | posterize | gauss_noise | jpeg | trivial_augment"
    )
    assert loaded_by(f"{simple} | random_erasing") == set()
    assert loaded_by("rotation | blur") == {"cv2"}
    assert loaded_by("clahe") == {"cv2", "albumentations"}


def test_a_missing_package_is_told_when_the_policy_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    optional.pixel_functions.cache_clear()
    monkeypatch.setitem(sys.modules, "albumentations.augmentations.pixel.functional", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'medalist\[augment\]'"):
        Policy.parse("flip | clahe")
    optional.pixel_functions.cache_clear()


def test_opencv_runs_on_one_thread() -> None:
    Policy.parse("rotation")
    assert optional.opencv().getNumThreads() == 1


def test_what_happens_is_told_without_pixels() -> None:
    policy = Policy.parse("flip(p=1) | sometimes(one_of(jpeg, p=1), p=1) | random_order(blur(p=1), gamma(p=0))")
    told = [step.bound.name if step else "own resize" for step, _ in policy.drawn(Draw(0, 0, "a"))]
    assert told == ["own resize", "flip", "jpeg", "blur"]
    assert [step for step, _ in policy.drawn(Draw(0, 0, "a"), 0.0)] == [None]
    fitting = Policy.parse("random_resized_crop(p=1) | flip(p=0)")
    assert [step.text for step, _ in fitting.drawn(Draw(0, 0, "a")) if step] == ["random_resized_crop"]
