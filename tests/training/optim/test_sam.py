"""A sharpness-aware step worked in closed form on quadratics; accumulation, restoring."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from medalist.training.optim.sam import climb, descend


def parameters(*values: list[float]) -> list[Tensor]:
    return [nn.Parameter(torch.tensor(value)) for value in values]


def slope(weights: list[Tensor], curvature: list[list[float]]) -> None:
    """Gradient of sum_i a_i w_i^2 / 2, into `.grad`."""
    for weight in weights:
        weight.grad = None
    loss = sum((torch.tensor(a) * w**2).sum() / 2 for a, w in zip(curvature, weights, strict=True))
    torch.autograd.backward(loss)  # type: ignore[arg-type]


def test_a_step_on_a_quadratic_in_closed_form() -> None:
    # f = sum a w^2 / 2, g = a w; e = rho g / |g|; the step is -lr a (w + e).
    start, a, rho, lr = np.array([3.0, -1.0, 2.0]), np.array([1.0, 4.0, 0.5]), 0.5, 0.1
    weights = parameters([3.0, -1.0], [2.0])
    stepper = torch.optim.SGD(weights, lr=lr)
    slope(weights, [[1.0, 4.0], [0.5]])
    undo = climb(weights, rho)
    e = rho * a * start / np.linalg.norm(a * start)
    np.testing.assert_allclose(torch.cat(weights).detach(), start + e, rtol=1e-6)
    slope(weights, [[1.0, 4.0], [0.5]])
    descend(undo)
    stepper.step()
    np.testing.assert_allclose(torch.cat(weights).detach(), start - lr * a * (start + e), rtol=1e-6)


def test_adaptive_climbs_by_the_size_of_each_weight() -> None:
    # One matrix (T = |w| + 0.01) and one bias (T = 1): e = rho T^2 g / |T g|.
    weights = [nn.Parameter(torch.tensor([[3.0, -1.0]])), nn.Parameter(torch.tensor([2.0]))]
    slope(weights, [[1.0, 4.0], [0.5]])
    w, g, t = np.array([3.0, -1.0, 2.0]), np.array([3.0, -4.0, 1.0]), np.array([3.01, 1.01, 1.0])
    climb(weights, 0.5, adaptive=True)
    expected = w + 0.5 * t**2 * g / np.linalg.norm(t * g)
    np.testing.assert_allclose(torch.cat([weight.ravel() for weight in weights]).detach(), expected, rtol=1e-6)


def test_micro_batches_climb_to_the_same_point_as_the_whole_batch() -> None:
    x, y = torch.randn(12, 5, generator=torch.Generator().manual_seed(1)), torch.arange(12) % 2
    points = []
    for size in (12, 4):
        weight = nn.Parameter(torch.ones(5, 2) * torch.arange(2))
        for rows in torch.arange(12).split(size):
            torch.autograd.backward(nn.functional.cross_entropy(x[rows] @ weight, y[rows], reduction="sum") / 12)
        climb([weight], 0.05)
        points.append(weight.detach())
    torch.testing.assert_close(points[0], points[1])


def test_descending_is_exact_whatever_happened() -> None:
    weights = parameters([0.1, 1e-8, 3e7], [0.3])
    before = [weight.detach().clone() for weight in weights]
    for gradient in (1.0, 0.0, float("inf")):
        for weight in weights:
            weight.grad = torch.full_like(weight, gradient)
        undo = climb(weights, 0.05)
        assert (gradient == 0) == all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))
        descend(undo)
        assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))


def test_what_has_no_gradient_stays() -> None:
    trained, frozen = parameters([1.0], [2.0])
    trained.grad = torch.ones(1)
    climb([trained, frozen], 0.5)
    assert (trained.item(), frozen.item()) == (1.5, 2.0)
    assert climb([frozen], 0.5) == []


def test_half_precision_weights_take_a_norm_that_would_overflow() -> None:
    weight = nn.Parameter(torch.ones(100, dtype=torch.float16))
    weight.grad = torch.full((100,), 30000.0, dtype=torch.float16)
    climb([weight], 1.0)
    np.testing.assert_allclose(weight.detach().float(), 1.1, atol=1e-3)
