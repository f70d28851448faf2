"""Images as they are shown in training, and as they are answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from medalist.data.decode import Picture
from medalist.data.loader import originals
from medalist.training import feeds
from medalist.training.feeds import glance, workers_beside
from medalist.training.plan import Plan, steps


def normalised(images: Any, pixels_BHWC: np.ndarray) -> np.ndarray:
    """The formula: (x / 255 - mean) / std, channels first."""
    mean, std = (np.array(images.backbone.preprocessing[key]) for key in ("mean", "std"))
    return np.moveaxis((pixels_BHWC / 255 - mean) / std, 3, 1)


def shown(images: Any, plan: Plan, rows: np.ndarray) -> list[Any]:
    return list(images.shown(plan, lambda: steps(plan, rows, 0), "cpu"))


def test_targets_and_counts_of_classes(workshop: Any) -> None:
    rows = np.array([0, 5, 6, 2])
    want = np.eye(4, dtype=np.float32)[[0, 1, 2, 2]]
    np.testing.assert_array_equal(workshop.images.targets(rows).numpy(), want)
    np.testing.assert_array_equal(workshop.images.count(rows).numpy(), want.sum(axis=0))


@pytest.mark.parametrize("made", [np.asarray, csr_array])
def test_targets_and_counts_of_tags(workshop: Any, made: Any) -> None:
    y_NC = np.random.default_rng(0).random((40, 4)) < 0.4
    images = replace(workshop.images, labels=made(y_NC))
    rows = np.array([3, 1, 39])
    target_BC = images.targets(rows)
    assert target_BC.dtype == torch.float32
    np.testing.assert_array_equal(target_BC.numpy(), y_NC[rows])
    np.testing.assert_array_equal(images.count(rows).numpy(), y_NC[rows].sum(axis=0))


def test_each_step_gets_its_own_images_augmented_for_its_epoch(workshop: Any) -> None:
    plan, rows = workshop.plan(("all", 2)), np.arange(5, 30)
    views = [np.stack(list(workshop.images.pixels_of(plan, epoch))) for epoch in (0, 1)]
    found = shown(workshop.images, plan, rows)
    assert len(found) == 8
    for step, (image_B3HW,) in found:
        want = normalised(workshop.images, views[step.epoch][step.rows])
        np.testing.assert_allclose(image_B3HW.numpy(), want, atol=1e-5)
        assert image_B3HW.is_contiguous(memory_format=torch.channels_last)
    assert not np.array_equal(*views)


def test_any_number_of_workers_shows_the_same(workshop: Any) -> None:
    plan, rows = workshop.plan(("all", 1)), np.arange(9)
    alone, beside = (shown(replace(workshop.images, workers=n), plan, rows) for n in (0, 2))
    for (_, one), (_, other) in zip(alone, beside, strict=True):
        assert torch.equal(one[0], other[0])


def test_plain_images_are_decoded_from_their_files_as_prediction_does(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, rows = workshop.images, np.array([7, 3, 21])
    pixels = [Picture((images.root / images.paths[row]).read_bytes()).prepare(images.preparation) for row in rows]
    monkeypatch.setattr(feeds, "originals", originals)
    batches = [batch for (batch,) in images.plain(rows, 2, "cpu")]
    assert [len(batch) for batch in batches] == [2, 1]
    np.testing.assert_allclose(np.concatenate(batches), normalised(images, np.stack(pixels)), atol=1e-5)


def test_a_phase_has_its_own_size_and_an_epoch_its_strength(workshop: Any) -> None:
    plan = workshop.plan(("head", 1), ("all", 2), ramp=(1, 0, 1))
    plan = replace(plan, phases=(plan.phases[0], replace(plan.phases[1], size=(48, 48))))
    assert [glance(plan, epoch, 4).height for epoch in range(3)] == [32, 48, 48]
    assert [glance(plan, epoch, 4).strength for epoch in range(3)] == [0, 1, 0]
    assert workshop.images.sized(plan, 1).preprocessing["width"] == 48
    assert workshop.images.in_own_size(plan, 0) and not workshop.images.in_own_size(plan, 1)
    assert workshop.images.sized(plan, 1).preprocessing["mean"] == workshop.images.backbone.preprocessing["mean"]


@pytest.mark.parametrize(("cores", "cpu", "cuda"), [(1, 0, 0), (2, 1, 1), (16, 2, 15)])
def test_a_network_on_the_cpu_keeps_most_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, cpu: int, cuda: int
) -> None:
    monkeypatch.setattr(feeds, "usable_cores", lambda: cores)
    assert (workers_beside("cpu"), workers_beside("cuda")) == (cpu, cuda)
