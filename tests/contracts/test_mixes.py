"""Every mix: keeps shapes and each class's mass in the batch, repeats itself, changes no input and no global seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medalist.training.mixing import mixes


@pytest.mark.parametrize("name", list(mixes))
@given(seed=st.integers(0, 2**31), num_images=st.integers(1, 9), tags=st.booleans())
def test_target_mass_is_kept(name: str, seed: int, num_images: int, tags: bool) -> None:
    rng = np.random.default_rng(seed)
    image = torch.from_numpy(rng.normal(size=(num_images, 3, 8, 11))).float()
    hot = rng.random((num_images, 5)) < 0.4 if tags else np.eye(5)[rng.integers(5, size=num_images)]
    target = torch.from_numpy(np.asarray(hot)).float()
    before = image.clone(), target.clone()
    mixed, soft = mixes.bind(name)(image, target, rng)
    assert mixed.shape == image.shape and soft.shape == target.shape
    assert mixed.dtype == soft.dtype == torch.float32
    assert soft.min() >= 0 and soft.max() <= 1 + 1e-6
    torch.testing.assert_close(soft.sum(dim=0), target.sum(dim=0), atol=1e-5, rtol=0)
    if not tags:
        torch.testing.assert_close(soft.sum(dim=1), torch.ones(num_images))
    assert mixed.min() >= image.min() - 1e-5 and mixed.max() <= image.max() + 1e-5
    assert torch.equal(image, before[0]) and torch.equal(target, before[1])


@pytest.mark.parametrize("name", list(mixes))
def test_the_same_generator_the_same_bits(name: str) -> None:
    image, target = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.eye(6)
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # type: ignore[union-attr]
    first, again, other = (mixes.bind(name)(image, target, np.random.default_rng(seed)) for seed in (3, 3, 5))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])
    assert (np.random.get_state()[1] == numpy_before).all()  # type: ignore[union-attr]
    assert torch.equal(torch.get_rng_state(), torch_before)
