"""What BatchNorm does under each policy, to the bit, over real steps."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from timm.layers import freeze_batch_norm_2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medalist.errors import RecipeError
from medalist.training.norms import set_norms


def steps(network: nn.Module, number: int = 3) -> None:
    """Train it on noise, as a loop does."""
    network.train()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, 0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(number):
        network(torch.randn(4, 3, 32, 32, generator=generator)).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()


def moved(before: dict[str, torch.Tensor], network: nn.Module) -> set[str]:
    """Names of parameters and buffers whose bits differ."""
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def of_norms(network: nn.Module) -> tuple[set[str], set[str]]:
    """Names of the norms' weights and biases; of their statistics."""
    norms = [name for name, module in network.named_modules() if isinstance(module, _BatchNorm)]
    affine = {f"{name}.{part}" for name in norms for part in ("weight", "bias")}
    return affine, {f"{name}.{part}" for name in norms for part in ("running_mean", "running_var")}


@pytest.fixture(params=["mobilenetv2_035", "resnet10t"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    """One with timm's norms that bring their activation, one with torch's own."""
    torch.manual_seed(0)
    return timm.create_model(request.param, num_classes=0)


def test_frozen_norms_stay_to_the_bit(network: nn.Module) -> None:
    affine, statistics = of_norms(network)
    before = state(network)
    set_norms(network, "frozen")

    steps(network)

    changed = moved(before, network)
    assert changed and not changed & (affine | statistics)
    assert not any("num_batches_tracked" in name for name in changed)


def test_affine_frozen_moves_statistics_in_frozen_layers_too(network: nn.Module) -> None:
    affine, statistics = of_norms(network)
    first = next(iter(network.parameters()))
    first.requires_grad_(False)
    before = state(network)
    set_norms(network, "affine-frozen")

    steps(network)

    changed = moved(before, network)
    assert not changed & affine
    assert statistics <= changed


def test_train_moves_all(network: nn.Module) -> None:
    affine, statistics = of_norms(network)
    before = state(network)
    set_norms(network, "frozen")
    set_norms(network, "train")
    network.requires_grad_(True)

    steps(network)

    assert affine | statistics <= moved(before, network)


def test_frozen_norms_give_each_image_its_own_answer(network: nn.Module) -> None:
    set_norms(network, "frozen")
    image_B3HW = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    network.train()

    together = network(image_B3HW)
    alone = torch.cat([network(image_B3HW[i : i + 1]) for i in range(4)])

    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_a_copy_stays_frozen_by_itself(network: nn.Module) -> None:
    set_norms(network, "frozen")
    twin = copy.deepcopy(network)
    set_norms(network, "train")

    network.train()
    twin.train()

    assert all(module.training for module in network.modules())
    assert not any(module.training for module in twin.modules() if isinstance(module, _BatchNorm))


def test_the_dropout_of_a_frozen_norm_follows_the_network() -> None:
    network = nn.Sequential(timm.layers.BatchNormAct2d(3, drop_layer=nn.Dropout))
    set_norms(network, "frozen")

    network.train()

    assert not network[0].training and network[0].drop.training


def test_norms_that_timm_froze_stay_so() -> None:
    network = freeze_batch_norm_2d(timm.create_model("resnet10t", num_classes=0))
    set_norms(network, "train")
    before = state(network)

    steps(network)

    assert not [name for name in moved(before, network) if "bn" in name]


def test_layer_norms_train_under_each_policy() -> None:
    network = timm.create_model("convnext_atto", num_classes=0)
    set_norms(network, "frozen")
    before = state(network)

    steps(network, 1)

    assert "head.norm.weight" in moved(before, network)


def test_another_word_is_told() -> None:
    with pytest.raises(RecipeError, match="'freeze'; did you mean 'frozen'"):
        set_norms(nn.Identity(), "freeze")
