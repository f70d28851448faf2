"""Mixup and CutMix: pixels and targets by the same share, worked by hand; the law of lambda; which of the two."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from medalist.errors import RecipeError
from medalist.training.mixing import cutmix, mixes, mixup, mixup_or_cutmix


def levels(num_images: int, height: int = 9, width: int = 14) -> tuple[torch.Tensor, torch.Tensor]:
    """Image i is i everywhere and its target is class i: pixels tell what was mixed into what."""
    image = torch.arange(num_images).float()[:, None, None, None].expand(-1, 3, height, width).contiguous()
    return image, torch.eye(num_images)


def test_mixup_by_hand() -> None:
    image, target = levels(5)
    mixed, soft = mixup(image, target, np.random.default_rng(4), alpha=0.7)
    rng = np.random.default_rng(4)
    share, other = rng.beta(0.7, 0.7), rng.permutation(5)
    np.testing.assert_allclose(mixed[:, 1, 3, 2], share * np.arange(5) + (1 - share) * other, rtol=1e-6)
    np.testing.assert_allclose(soft, share * np.eye(5) + (1 - share) * np.eye(5)[other], rtol=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 30))
def test_cutmix_targets_are_the_share_of_pixels(seed: int, height: int, width: int) -> None:
    image, target = levels(4, height, width)
    mixed, soft = cutmix(image, target, np.random.default_rng(seed))
    for i in range(4):
        share_of = torch.tensor([(mixed[i] == j).float().mean() for j in range(4)])
        torch.testing.assert_close(soft[i], share_of)


def test_cutmix_pastes_one_box_of_the_right_size_where_it_fits() -> None:
    image, target = levels(3, 100, 100)
    areas = []
    for seed in range(250):
        mixed, _ = cutmix(image, target, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        share, other = rng.beta(1.0, 1.0), rng.permutation(3)
        if other[0] == 0:
            continue
        box = mixed[0, 0] != 0
        rows, columns = box.any(dim=1).nonzero().ravel(), box.any(dim=0).nonzero().ravel()
        assert box.sum() == len(rows) * len(columns)
        if len(rows) and rows[0] > 0 and rows[-1] < 99 and columns[0] > 0 and columns[-1] < 99:
            areas.append(abs(box.float().mean().item() - (1 - share)))
    assert len(areas) > 15 and max(areas) < 0.021


def test_lambda_follows_its_beta_law() -> None:
    image, target = levels(2, 1, 1)
    shares = []
    for seed in range(2000):
        _, soft = mixup(image, target, np.random.default_rng(seed), alpha=0.4)
        shares.append(soft[0, 0].item())
    mixed = [share for share in shares if share != 1]  # half of all permutations of two move nothing
    assert 900 < len(mixed) < 1100
    assert kstest(mixed, "beta", args=(0.4, 0.4)).pvalue > 0.01


def test_either_is_one_of_the_two_as_often_as_asked() -> None:
    image, target = levels(4)
    for p in (0.0, 0.3, 1.0):
        boxes = 0
        for seed in range(300):
            mixed, _ = mixup_or_cutmix(image, target, np.random.default_rng(seed), mixup=1.0, cutmix=1.0, p=p)
            boxes += int((mixed == mixed.round()).all())
        # CutMix leaves whole numbers; mixup does so only where the permutation moves nothing (1 in 24).
        assert abs(boxes / 300 - (p + (1 - p) / 24)) < 0.09


@pytest.mark.parametrize("call", ["mixup(alpha=0)", "cutmix(alpha=-1.0)", "mixup_or_cutmix(p=1.5)"])
def test_an_argument_out_of_range_is_told(call: str) -> None:
    with pytest.raises(RecipeError, match=r"^mix: .*such as"):
        mixes.bind(call)(*levels(3), np.random.default_rng(0))
