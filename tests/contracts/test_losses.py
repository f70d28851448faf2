"""Every loss: a finite scalar with a slope, falls when one batch is learnt by heart, unmoved by the order of rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from medalist.training.losses import losses


def batch(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Features, targets and counts of a task that the loss is for."""
    draw = torch.Generator().manual_seed(1)
    x_BD, y_B = torch.randn(12, 20, generator=draw), torch.arange(12) % 3
    target_BC = torch.nn.functional.one_hot(y_B, 3).float()
    if "tags" in losses.bind(name).facts["tasks"]:
        target_BC = target_BC.maximum((torch.rand(12, 3, generator=draw) < 0.3).float())
    return x_BD, target_BC, target_BC.sum(dim=0)


@pytest.mark.parametrize("name", list(losses))
def test_one_batch_is_learnt_by_heart(name: str) -> None:
    x_BD, target_BC, count_C = batch(name)
    weight_DC = torch.zeros(20, 3, requires_grad=True)
    optimiser = torch.optim.Adam([weight_DC], lr=0.1)
    curve = []
    for _ in range(60):
        loss = losses.bind(name)(x_BD @ weight_DC, target_BC, count_C=count_C)
        assert loss.shape == () and loss.dtype == torch.float32 and loss.isfinite()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        curve.append(loss.item())
    assert curve[-1] < 0.2 * curve[0]
    logits_BC = (x_BD @ weight_DC).detach()
    if "tags" in losses.bind(name).facts["tasks"]:
        # A loss with a margin is content below one half: tags that are set stand above those that are not.
        assert logits_BC[target_BC > 0].min() > logits_BC[target_BC == 0].max()
    else:
        assert (logits_BC.argmax(dim=1) == target_BC.argmax(dim=1)).all()


@pytest.mark.parametrize("name", list(losses))
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    x_BD, target_BC, count_C = batch(name)
    loss = losses.bind(name)(x_BD[:, :3], target_BC, count_C=count_C)
    turned = losses.bind(name)(x_BD.flip(0)[:, :3], target_BC.flip(0), count_C=count_C)
    torch.testing.assert_close(loss, turned)


@pytest.mark.parametrize("name", list(losses))
def test_it_says_its_tasks(name: str) -> None:
    assert set(losses.bind(name).facts["tasks"]) <= {"binary", "multiclass", "tags"}
