"""What feeds a training: the same pixels however many workers, nothing left out in silence, no process left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medalist.data.decode import Picture, Preprocessing, prepare
from medalist.data.loader import Glance, bottleneck, originals, show, stream
from medalist.data.pixels import Pixels
from medalist.data.views.policy import Draw, Policy
from medalist.errors import DataError, RecipeError
from medalist.store import hash_bytes

NAMES = [f"{i}.png" for i in range(6)]
IDS = [f"img{i}" for i in range(6)]
TARGET = Preprocessing(32, 32, (0.5,) * 3, (0.5,) * 3)
POLICY = "random_resized_crop(scale=(0.5, 1.0)) | flip"
WORK = [Glance(i, epoch, 24 + 8 * epoch, 32) for epoch in range(3) for i in (4, 0, 2, 5, 1, 3)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i, name in enumerate(NAMES):
        noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((90, 70), Image.Resampling.BICUBIC).save(folder / name)
    return folder


@pytest.fixture
def pixels(root: Path) -> Pixels:
    return build(root)


def build(root: Path, **options: Any) -> Pixels:
    hashes = [hash_bytes((root / name).read_bytes()) for name in NAMES]
    return Pixels.build(root, NAMES, hashes, **{"side": 48, "cache": root.parent / "cache", "workers": 1, **options})


def run(pixels: Pixels, work: list[Glance] = WORK, **options: Any) -> list[np.ndarray]:
    given = {"policy": POLICY, "target": asdict(TARGET), "seed": 0, "workers": 0, **options}
    with stream(pixels, IDS, work, **given) as images:
        return list(images)


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(one, other, strict=True)]


def test_workers_change_no_pixel(pixels: Pixels) -> None:
    alone = run(pixels)
    assert all(equal(alone, run(pixels, workers=1)))
    assert all(equal(alone, run(pixels, workers=4)))


def test_each_image_is_what_the_policy_makes_of_it(pixels: Pixels) -> None:
    policy = Policy.parse(POLICY)
    for glance, image_HWC in zip(WORK, run(pixels, seed=7), strict=True):
        size = Preprocessing(glance.height, glance.width, TARGET.mean, TARGET.std)
        expected = policy(pixels.read(glance.index), Draw(7, glance.epoch, IDS[glance.index]), size)
        assert image_HWC.dtype == np.uint8 and np.array_equal(image_HWC, expected)


def test_epochs_and_seeds_differ_and_order_does_not_matter(pixels: Pixels) -> None:
    epochs = [Glance(i, epoch, 32, 32) for epoch in range(2) for i in range(6)]
    shown = run(pixels, epochs)
    assert not any(equal(shown[:6], shown[6:]))
    assert not any(equal(shown, run(pixels, epochs, seed=1)))
    assert all(equal(shown[::-1], run(pixels, epochs[::-1])))


def test_without_strength_or_policy_the_network_s_own_resize_is_left(pixels: Pixels) -> None:
    plain = [prepare(pixels.read(i), TARGET) for i in range(6)]
    assert all(equal(plain, run(pixels, [Glance(i, 0, 32, 32) for i in range(6)], policy="")))
    weak = [Glance(i, 0, 32, 32, strength=0.0) for i in range(6)]
    assert all(equal(plain, run(pixels, weak, policy="flip | rotation")))


def test_images_past_the_cache_s_bound_are_the_same(pixels: Pixels, root: Path) -> None:
    bare = build(root, cache=root.parent / "bare", max_bytes=0)
    assert bare.num_cached == 0
    assert all(equal(run(pixels), run(bare)))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_made_ends_the_training_by_name(root: Path, workers: int) -> None:
    bare = build(root, cache=root.parent / "bare", max_bytes=0)
    (root / "2.png").write_bytes(b"other bytes")
    given: dict[str, Any] = {"policy": POLICY, "target": asdict(TARGET), "seed": 0, "workers": workers}
    with stream(bare, IDS, WORK, **given) as images:
        assert len(list(islice(images, 2))) == 2
        with pytest.raises(DataError, match=r"image 'img2' \(.*2\.png\) could not be shown in epoch 0: .*has changed"):
            next(images)


def test_a_wrong_policy_is_told_at_once(pixels: Pixels) -> None:
    with pytest.raises(RecipeError, match="flip"):
        stream(pixels, IDS, WORK, policy="flipp", target=asdict(TARGET), seed=0, workers=1)


def test_closing_ends_the_workers_and_an_endless_plan(pixels: Pixels) -> None:
    def endless() -> Iterator[Glance]:
        while True:
            yield from WORK

    images = stream(pixels, IDS, endless(), policy="", target=asdict(TARGET), seed=0, workers=2)
    assert len(list(islice(images, 30))) == 30
    children = set(_children())
    assert len(children) == 2
    images.close()
    assert not children & set(_children())
    with pytest.raises(StopIteration):
        next(images)


def _children() -> list[str]:
    folder = f"/proc/{os.getpid()}/task"
    if not Path(folder).is_dir():
        pytest.skip("needs Linux's /proc to see child processes")
    return [child for task in Path(folder).iterdir() for child in (task / "children").read_text().split()]


@pytest.mark.parametrize("workers", [0, 1])
def test_the_clock_counts_what_the_consumer_waited(pixels: Pixels, workers: int) -> None:
    start = time.perf_counter()
    with stream(pixels, IDS, WORK, policy=POLICY, target=asdict(TARGET), seed=0, workers=workers) as images:
        assert len(list(images)) == images.shown == len(WORK)
    assert 0 < images.start_s + images.waited_s <= time.perf_counter() - start
    assert images.start_s > 0 and images.work_s > 0


def test_bottleneck_is_the_loader_where_a_tenth_is_waiting() -> None:
    assert [bottleneck(waited, 10.0) for waited in (0.0, 0.9, 1.0, 10.0)] == ["network", "network", "loader", "loader"]


def test_originals_are_what_prediction_sees(root: Path, tmp_path: Path) -> None:
    large = Preprocessing(64, 64, (0.5,) * 3, (0.5,) * 3, "bicubic")
    seen = list(originals(root, NAMES, large, cache=tmp_path / "cache", workers=2))
    assert [i for i, _ in seen] == list(range(6))
    for i, image_HWC in seen:
        assert np.array_equal(image_HWC, Picture((root / NAMES[i]).read_bytes()).prepare(large))
    (root / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png cannot be evaluated: the file is empty"):
        list(originals(root, NAMES, large, cache=tmp_path / "cache", workers=1))


def test_a_stage_needs_nothing_but_its_item(pixels: Pixels) -> None:
    item = (pixels.places[0], "img0", Glance(0, 0, 32, 32))
    shown = show(item, policy=POLICY, target=asdict(TARGET), side=48, seed=0)
    assert np.array_equal(shown, run(pixels, [Glance(0, 0, 32, 32)])[0])
