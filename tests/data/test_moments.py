"""A dataset's moments: equal to numpy's on all pixels, by hand on tiny ones, with intervals that cover as they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from medalist.data.decode import Picture, decode
from medalist.data.facts import Facts
from medalist.data.ingest import facts_of
from medalist.data.moments import dataset_moments, picture_moments, sample_rows, swap_share
from medalist.errors import DataError


def facts_from(image_HWC: np.ndarray) -> Facts:
    mean, mean_square = picture_moments(Image.fromarray(image_HWC))
    height, width = image_HWC.shape[:2]
    return Facts(True, width=width, height=height, mean=mean, mean_square=mean_square)


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_a_picture_is_as_numpy_says(image_HWC: np.ndarray) -> None:
    value_PC = image_HWC.reshape(-1, 3) / 255
    mean, mean_square = picture_moments(Image.fromarray(image_HWC))
    np.testing.assert_allclose(mean, value_PC.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mean_square, (value_PC**2).mean(axis=0), rtol=1e-12)


def test_by_hand() -> None:
    """A white pixel, and two pixels black and white in red alone.

    Red: the images' means are 1 and 1/2, so 3/4 for images and (1 + 1) / 3 for pixels; E[x^2] = E[x] as values are 0
    or 1; std sqrt(3/4 - 9/16) = sqrt(3) / 4 and sqrt(2/3 - 4/9) = sqrt(2) / 3; the images' own are 0 and 1/2.
    """
    white = np.full((1, 1, 3), 255, np.uint8)
    pair = np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8)
    found = dataset_moments([facts_from(white), facts_from(pair)])
    assert found.num_images == 2
    np.testing.assert_allclose(found.mean, [3 / 4, 1 / 2, 1 / 2])
    np.testing.assert_allclose(found.std, [3**0.5 / 4, 1 / 2, 1 / 2])
    np.testing.assert_allclose(found.pixel_mean, [2 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(found.pixel_std, [2**0.5 / 3] * 3)
    np.testing.assert_allclose(found.image_std, [1 / 4, 0, 0])
    assert found.mean_error == found.std_error == (0, 0, 0)


@given(st.integers(0, 255), st.integers(1, 40))
def test_flat_pictures_have_no_spread(level: int, num_images: int) -> None:
    found = dataset_moments([facts_from(np.full((3, 5, 3), level, np.uint8))] * num_images)
    np.testing.assert_allclose(found.mean, [level / 255] * 3, rtol=1e-12)
    np.testing.assert_allclose([*found.std, *found.image_std, *found.pixel_std], 0, atol=1e-7)


@given(st.lists(npst.arrays(np.uint8, st.just((4, 6, 3))), min_size=1, max_size=6))
def test_with_equal_sizes_images_and_pixels_are_the_same(images: list[np.ndarray]) -> None:
    found = dataset_moments([facts_from(image) for image in images])
    value_PC = np.concatenate([image.reshape(-1, 3) for image in images]) / 255
    for mean, std in ((found.mean, found.std), (found.pixel_mean, found.pixel_std)):
        np.testing.assert_allclose(mean, value_PC.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(std, value_PC.std(axis=0), atol=1e-7)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "LA", "P", "1", "I;16"])
def test_any_kind_of_file_is_measured_as_it_is_displayed(mode: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    drawn = Image.fromarray(noise)  # RGBA: transparent in places
    kind = "tif" if mode == "CMYK" else "png"
    if mode == "I;16":
        drawn = Image.fromarray(noise[..., :2].copy().view(np.uint16)[..., 0])
    (drawn if drawn.mode == mode else drawn.convert("RGB").convert(mode)).save(tmp_path / f"a.{kind}")
    (fact,) = facts_of(tmp_path, [f"a.{kind}"], cache=tmp_path / "cache")
    value_PC = decode((tmp_path / f"a.{kind}").read_bytes()).reshape(-1, 3) / 255
    assert fact.mode == mode
    np.testing.assert_allclose(fact.mean, value_PC.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fact.mean_square, (value_PC**2).mean(axis=0), rtol=1e-12)


def test_transparency_counts_as_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    (fact,) = facts_of(tmp_path, ["a.png"], cache=tmp_path / "cache")
    assert (fact.mean, fact.mean_square) == ((1.0,) * 3, (1.0,) * 3)


def test_a_large_jpeg_keeps_its_means_and_loses_little_spread(tmp_path: Path) -> None:
    """Facts come from 1/2 of its size: the DCT keeps the mean of each block and drops its finest detail."""
    coarse = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((900, 600), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=90)
    (fact,) = facts_of(tmp_path, ["a.jpg"], cache=tmp_path / "cache")
    value_PC = decode((tmp_path / "a.jpg").read_bytes()).reshape(-1, 3) / 255
    np.testing.assert_allclose(fact.mean, value_PC.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(dataset_moments([fact]).std, value_PC.std(axis=0), rtol=0.03)


def test_real_images_are_as_numpy_says(shared: Callable[[str], Path], tmp_path: Path) -> None:
    root = shared("data/mushrooms8/train")
    names = [str(path.relative_to(root)) for path in sorted(root.rglob("*.*"))[::60]]
    facts = facts_of(root, names, cache=tmp_path)
    mean_NC, square_NC = [], []
    for name in names:
        picture = Picture((root / name).read_bytes())
        value_PC = np.asarray(picture.pixels(picture.divisor(256, 256))).reshape(-1, 3) / 255
        mean_NC.append(value_PC.mean(axis=0))
        square_NC.append((value_PC**2).mean(axis=0))
    found = dataset_moments(facts)
    np.testing.assert_allclose(found.mean, np.mean(mean_NC, axis=0), rtol=1e-9)
    np.testing.assert_allclose(
        found.std, np.sqrt(np.mean(square_NC, axis=0) - np.mean(mean_NC, axis=0) ** 2), rtol=1e-9
    )


def skewed_facts(num_images: int) -> list[Facts]:
    """Dark photographs and some bright drawings: means and spreads that go together, far from normal."""
    rng = np.random.default_rng(5)
    mean_NC = np.where(rng.random((num_images, 1)) < 0.2, 0.9, rng.beta(2, 6, (num_images, 3)))
    square_NC = mean_NC**2 + (rng.beta(2, 8, (num_images, 1)) * mean_NC * (1 - mean_NC))
    return [
        Facts(True, width=10, height=10, mean=tuple(mean_C), mean_square=tuple(square_C))
        for mean_C, square_C in zip(mean_NC.tolist(), square_NC.tolist(), strict=True)
    ]


@pytest.mark.parametrize("size", [100, 600])
def test_a_samples_intervals_cover_the_truth_as_often_as_they_say(size: int) -> None:
    facts = skewed_facts(1000)
    truth = dataset_moments(facts)
    draws = 400
    hits_SC = np.zeros((2, 3))
    for seed in range(draws):
        found = dataset_moments([facts[i] for i in sample_rows(1000, size, seed=seed)], sampled=size / 1000)
        for s, name in enumerate(("mean", "std")):
            off_C = np.abs(np.subtract(getattr(found, name), getattr(truth, name)))
            hits_SC[s] += off_C <= getattr(found, f"{name}_error")
    # 95 % of 400 draws, give or take 4 standard errors of 1.1 % each.
    assert (np.abs(hits_SC / draws - 0.95) < 0.044).all()


def test_without_a_rest_nothing_is_uncertain_and_a_sample_is_the_same_for_a_seed() -> None:
    facts = skewed_facts(50)
    assert dataset_moments(facts).mean_error == (0, 0, 0)
    assert np.array_equal(sample_rows(50, 80), np.arange(50))
    first, again, other = (sample_rows(1000, 30, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first)) == 30


def test_what_cannot_be_decoded_is_left_out() -> None:
    facts = skewed_facts(20)
    assert dataset_moments([*facts, Facts(False, "the file is empty")]) == dataset_moments(facts)
    with pytest.raises(DataError, match="0 of 1 images"):
        dataset_moments([Facts(False)])
    with pytest.raises(DataError, match="1 of 2 images"):
        dataset_moments([facts[0], Facts(False)], sampled=0.5)
    with pytest.raises(DataError, match="at least 2"):
        sample_rows(10, 1)


def test_swapping_the_moments_moves_the_inputs_by_what_it_says() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(low, 256, (6, 5, 3), dtype=np.uint8) for low in (0, 100, 200)]
    found = dataset_moments([facts_from(image) for image in images])
    value_PC = np.concatenate([image.reshape(-1, 3) for image in images]) / 255
    own_PC = (value_PC - [0.5, 0.4, 0.3]) / [0.5, 0.25, 0.2]
    new_PC = (value_PC - value_PC.mean(axis=0)) / value_PC.std(axis=0)
    expected = np.sqrt(((new_PC - own_PC) ** 2).mean() / (own_PC**2).mean())
    own = ((0.5, 0.4, 0.3), (0.5, 0.25, 0.2))
    assert swap_share(found, own, (found.mean, found.std)) == pytest.approx(expected, rel=1e-9)
    assert swap_share(found, own, own) == pytest.approx(0, abs=1e-12)
