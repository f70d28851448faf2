"""Losses against torch, timm and formulas by hand; class weights by their definition; extreme logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.loss import AsymmetricLossMultiLabel, BinaryCrossEntropy
from torch import Tensor
from torch.nn import functional

from medalist.errors import RecipeError
from medalist.training.losses import asymmetric, bce, binary_focal, class_weights, cross_entropy, focal, losses, missing

COUNT = torch.tensor([60.0, 30.0, 10.0, 100.0])


def batch(seed: int = 0, *, tags: bool = False) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(3 * rng.normal(size=(7, 4))).float()
    soft = rng.random((7, 4)) if tags else rng.dirichlet(np.ones(4), size=7)
    return logits, torch.from_numpy(soft).float()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs_on_soft_targets(smoothing: float) -> None:
    logits, soft = batch()
    expected = functional.cross_entropy(logits, soft, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, soft, count_C=COUNT, smoothing=smoothing), expected)


def test_balanced_cross_entropy_is_torchs_with_its_weights() -> None:
    logits, soft = batch()
    expected = functional.cross_entropy(logits, soft, weight=class_weights(COUNT))
    torch.testing.assert_close(cross_entropy(logits, soft, count_C=COUNT, balanced=True), expected)


def test_a_balanced_row_weighs_by_its_own_class_also_when_smoothed() -> None:
    logits, _ = batch()
    for c in range(4):
        hot = functional.one_hot(torch.full((7,), c), 4).float()
        plain = cross_entropy(logits, hot, count_C=COUNT, smoothing=0.2)
        weighted = cross_entropy(logits, hot, count_C=COUNT, smoothing=0.2, balanced=True)
        torch.testing.assert_close(weighted, plain * class_weights(COUNT)[c])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_bce_is_timms(smoothing: float) -> None:
    logits, soft = batch(tags=True)
    expected = BinaryCrossEntropy(smoothing=smoothing, smooth_dense=True)(logits, soft)
    torch.testing.assert_close(bce(logits, soft, count_C=COUNT, smoothing=smoothing), expected)


def test_balanced_bce_is_torchs_with_positive_weights() -> None:
    logits, soft = batch(tags=True)
    expected = functional.binary_cross_entropy_with_logits(logits, soft, pos_weight=class_weights(COUNT))
    torch.testing.assert_close(bce(logits, soft, count_C=COUNT, balanced=True), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_its_formula_on_the_true_class(gamma: float) -> None:
    logits, _ = batch()
    hot = functional.one_hot(torch.arange(7) % 4, 4).float()
    p = logits.double().softmax(dim=1)[torch.arange(7), torch.arange(7) % 4]
    expected = (-((1 - p) ** gamma) * p.log()).mean().float()
    torch.testing.assert_close(focal(logits, hot, count_C=COUNT, gamma=gamma), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_binary_focal_is_its_formula(gamma: float) -> None:
    logits, soft = batch(tags=True)
    hot = (soft > 0.5).float()
    p = torch.where(hot > 0, logits.double().sigmoid(), 1 - logits.double().sigmoid())
    expected = (-((1 - p) ** gamma) * p.log()).mean().float()
    torch.testing.assert_close(binary_focal(logits, hot, count_C=COUNT, gamma=gamma), expected)


@pytest.mark.parametrize(("gamma_pos", "gamma_neg", "clip"), [(0.0, 4.0, 0.05), (1.0, 4.0, 0.05), (1.0, 2.0, 0.0)])
def test_asymmetric_is_timms(gamma_pos: float, gamma_neg: float, clip: float) -> None:
    logits, soft = batch(tags=True)
    hot = (soft > 0.5).float()
    arguments = {"gamma_pos": gamma_pos, "gamma_neg": gamma_neg, "clip": clip}
    expected = AsymmetricLossMultiLabel(**arguments, reduction="mean")(logits, hot)
    torch.testing.assert_close(asymmetric(logits, hot, count_C=COUNT, **arguments), expected)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_missing_is_the_likelihood_of_tags_that_are_set(share: float) -> None:
    logits, soft = batch(tags=True)
    prob = (1 - share) * torch.sigmoid(logits.double())
    # A set tag has the probability (1 - share) p; its constant log(1 - share) pulls at nothing and is left out.
    expected = -(soft * (prob / (1 - share)).log() + (1 - soft) * torch.log1p(-prob)).mean()
    torch.testing.assert_close(missing(logits, soft, count_C=COUNT, share=share), expected.float())
    if not share:
        torch.testing.assert_close(missing(logits, soft, count_C=COUNT, share=0.0), bce(logits, soft, count_C=COUNT))


def test_missing_finds_the_probability_of_the_complete_tags() -> None:
    rng = np.random.default_rng(0)
    true = rng.random(20_000) < 0.6
    target = torch.from_numpy(true & (rng.random(20_000) >= 0.3)).float()[:, None]
    logit = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([logit], line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        loss = missing(logit.expand(20_000)[:, None], target, count_C=COUNT, share=0.3)
        torch.autograd.backward(loss)
        return loss.item()

    optimiser.step(closure)
    assert torch.sigmoid(logit).item() == pytest.approx(target.mean().item() / 0.7, abs=1e-3)
    assert torch.sigmoid(logit).item() == pytest.approx(0.6, abs=0.02)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=9).filter(any))
def test_class_weights_are_one_on_average_over_rows_and_even_out_the_classes(counts: list[int]) -> None:
    count_C = torch.tensor(counts).float()
    weight_C = class_weights(count_C)
    assert float((weight_C * count_C).sum() / count_C.sum()) == pytest.approx(1, rel=1e-5)
    assert np.ptp((weight_C * count_C)[count_C > 0].numpy()) < 1e-4 * sum(counts)
    assert (weight_C[count_C == 0] == 0).all()


def test_class_weights_are_scikit_learns() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    y = np.repeat([0, 1, 2, 3], COUNT.int().numpy())
    expected = compute_class_weight("balanced", classes=np.arange(4), y=y)
    np.testing.assert_allclose(class_weights(COUNT).numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("call", [*losses, "focal(gamma=0.5)", "binary_focal(gamma=0.5)", "asymmetric(gamma_neg=0.5)"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_logits_give_finite_numbers_and_slopes(call: str, dtype: torch.dtype, size: float) -> None:
    logits = torch.tensor([[size, -size, 0.0], [-size, size, size]], dtype=dtype, requires_grad=True)
    for target in (torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])):
        loss = losses.bind(call)(logits, target, count_C=torch.tensor([5.0, 1.0, 0.0]))
        assert loss.dtype == torch.float32
        assert loss.isfinite() and loss >= 0
        (slope,) = torch.autograd.grad(loss, logits)
        assert slope.isfinite().all()


@pytest.mark.parametrize(
    "call",
    [
        "cross_entropy(smoothing=1.0)",
        "bce(smoothing=-0.1)",
        "focal(gamma=-1)",
        "binary_focal(gamma=-1)",
        "asymmetric(clip=1.0)",
        "asymmetric(gamma_pos=-1)",
        "missing(share=1.0)",
    ],
)
def test_an_argument_out_of_range_says_what_to_type(call: str) -> None:
    logits, soft = batch()
    with pytest.raises(RecipeError, match=r"out of range; it must be .* such as"):
        losses.bind(call)(logits, soft, count_C=COUNT)
