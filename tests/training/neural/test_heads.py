"""Neural heads: shapes of the write-ups, ArcFace's formulas, dropout that a seed alone decides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from medalist.errors import RecipeError
from medalist.training.neural.heads import AngularMargin, Dropout, Layers, draws, neural, scale_of, set_draws


def rows(num_rows: int = 6, num_features: int = 10, seed: int = 1) -> torch.Tensor:
    return torch.randn(num_rows, num_features, generator=torch.Generator().manual_seed(seed))


def angular(**arguments: float) -> AngularMargin:
    module = neural.bind("arcface")(10, 4, seed=0, **arguments)
    assert isinstance(module, AngularMargin)
    return module.train()


def hot(num_rows: int = 6) -> torch.Tensor:
    return functional.one_hot(torch.arange(num_rows) % 4, 4).float()


def test_dense_is_the_write_ups_stack() -> None:
    module = neural.bind("dense(units=2048, dropout_in=0.5)")(1536, 251, seed=0)
    assert [tuple(layer.weight.shape) for layer in module.layers] == [(2048, 1536), (251, 2048)]
    assert [dropout.share for dropout in module.dropouts] == [0.5, 0.5]
    module = neural.bind("dense(units=1024, layers=2, dropout=0.0)")(12, 5, seed=0).eval()
    first, second, last = module.layers
    x = rows(3, 12)
    expected = last(functional.relu(second(functional.relu(first(x)))))
    torch.testing.assert_close(module(x), expected)


def test_first_weights_spread_as_torchs() -> None:
    module = neural.bind("linear")(4000, 100, seed=0)
    weight = module.layers[0].weight.detach()
    assert weight.abs().max() <= 1 / 4000**0.5
    assert weight.std().item() == pytest.approx(nn.Linear(4000, 100).weight.std().item(), rel=0.02)


@pytest.mark.parametrize(("num_classes", "probability"), [(2, 0.999), (17, 0.999), (1000, 0.9)])
def test_scale_lets_a_perfect_row_reach_its_probability(num_classes: int, probability: float) -> None:
    # C directions as far apart as can be: a simplex, whose cosines are -1 / (C - 1).
    cosine = np.full(num_classes, -1 / (num_classes - 1))
    cosine[0] = 1.0
    weight = np.exp(scale_of(num_classes, probability) * cosine)
    assert weight[0] / weight.sum() == pytest.approx(probability, rel=1e-9)


def test_margin_by_its_formula() -> None:
    module, x, target = angular(margin=0.3), rows(), hot()
    weight = module.weight_CD.detach().double()
    cosine = functional.normalize(x.double(), dim=1) @ functional.normalize(weight, dim=1).T
    expected = scale_of(4, 0.999) * torch.where(target > 0, (cosine.arccos() + 0.3).cos(), cosine)
    torch.testing.assert_close(module(x, target).double(), expected, atol=1e-5, rtol=1e-5)


def test_no_margin_at_inference_nor_without_a_target() -> None:
    module, x, target = angular(), rows(), hot()
    plain = module(x)
    assert not torch.allclose(module(x, target), plain)
    assert torch.equal(module.eval()(x, target), plain)
    assert plain.abs().max() <= module.scale * (1 + 1e-6)


def test_margin_grows_with_progress() -> None:
    module, x, target = angular(margin=0.4, warmup=0.2), rows(), hot()
    whole = module(x, target)
    module.progress = 0.0
    torch.testing.assert_close(module(x, target), module(x), atol=1e-5, rtol=0)
    module.progress = 0.1
    torch.testing.assert_close(module(x, target), angular(margin=0.2)(x, target))
    for progress in (0.2, 0.9):
        module.progress = progress
        torch.testing.assert_close(module(x, target), whole)


@pytest.mark.parametrize("margin", [0.1, 0.3, 1.0, 1.5])
def test_the_nearer_a_row_the_larger_its_logit_over_the_whole_circle(margin: float) -> None:
    module = neural.bind(f"arcface(margin={margin})")(2, 2, seed=0).train()
    with torch.no_grad():
        module.weight_CD.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    angle = torch.linspace(0, math.pi, 400)
    x = torch.stack([angle.cos(), angle.sin()], dim=1).requires_grad_()
    logit = module(x, torch.tensor([[1.0, 0.0]]).expand(400, 2))[:, 0]
    assert (logit.diff() <= 1e-5).all()
    (slope,) = torch.autograd.grad(logit.sum(), x)
    assert slope.isfinite().all()


@pytest.mark.parametrize("target", [[[0.7, 0.3, 0, 0]], [[1.0, 1.0, 0, 0]], [[0.0, 0, 0, 0]]])
def test_soft_targets_and_tags_are_refused(target: list[list[float]]) -> None:
    assert neural.bind("arcface").facts["hard_targets"] and "tags" not in neural.bind("arcface").facts["tasks"]
    with pytest.raises(RecipeError, match="mixed or tags; drop `mix`, or type `head: linear`"):
        angular()(rows(1), torch.tensor(target))


def test_bfloat16_features_get_angles_in_float32() -> None:
    module, x = angular(), rows()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = module(x.bfloat16(), hot())
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, module(x.bfloat16().float(), hot()))


@given(st.integers(0, 2**31), st.floats(0.05, 0.9))
def test_dropout_keeps_the_mean_and_drops_its_share(seed: int, share: float) -> None:
    dropout = Dropout(share, seed).train()
    out = dropout(torch.ones(100, 100))
    np.testing.assert_allclose(out.unique(), [0, 1 / (1 - share)], rtol=1e-5)
    assert (out == 0).float().mean().item() == pytest.approx(share, abs=0.03)
    assert torch.equal(dropout.eval()(out), out)


def test_a_generator_put_back_repeats_the_pass_and_halves_draw_as_the_whole() -> None:
    module, x = neural.bind("dense(units=32, layers=2, dropout_in=0.3)")(10, 4, seed=3).train(), rows(16)
    stood = draws(module)
    assert len(stood) == 3 and all(array.dtype == np.uint8 for array in stood.values())
    whole = module(x)
    assert not torch.equal(module(x), whole)
    set_draws(module, stood)
    assert torch.equal(module(x), whole)
    set_draws(module, stood)
    torch.testing.assert_close(torch.cat([module(x[:8]), module(x[8:])]), whole)


def test_the_layers_of_one_head_drop_by_different_seeds() -> None:
    module = neural.bind("dense(units=10, layers=2, dropout_in=0.5)")(10, 4, seed=0)
    assert isinstance(module, Layers)
    assert len({dropout.generator.initial_seed() for dropout in module.dropouts}) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "call",
    ["dense(dropout=1.0)", "dense(units=0)", "dense(layers=0)", "dense(dropout_in=-0.1)"],
)
def test_an_argument_out_of_range_is_told(call: str) -> None:
    with pytest.raises(RecipeError, match="out of range; it must be"):
        neural.bind(call)(4, 3, seed=0)


@pytest.mark.parametrize("call", ["arcface(margin=2.0)", "arcface(probability=0.2)", "arcface(warmup=1.1)"])
def test_an_angle_or_share_out_of_range_is_told(call: str) -> None:
    with pytest.raises(RecipeError, match="out of range; it must be"):
        neural.bind(call)(4, 3, seed=0)
