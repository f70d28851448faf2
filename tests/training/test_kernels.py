"""The quick network is the same function with the same gradients and the same names."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from medalist.training.kernels import Strided, keep_memory, quicken
from medalist.training.norms import set_norms

NETWORKS = [("mobilenetv2_100", {"pad_type": "same"}), ("resnet18", {}), ("convnext_atto", {})]


def image(size: int = 64) -> Tensor:
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


def built(name: str, **kwargs: object) -> nn.Module:
    """With statistics and norms as far from those of a fresh network as a pretrained one's."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0, **kwargs)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network


def gradients(network: nn.Module) -> tuple[Tensor, dict[str, Tensor]]:
    """Features, and the gradients of a sum of them by random weights."""
    features_BD = network(image().to(next(network.parameters()).dtype))
    weight_BD = torch.randn(features_BD.shape, generator=torch.Generator().manual_seed(2), dtype=features_BD.dtype)
    network.zero_grad()
    (features_BD * weight_BD).sum().backward()
    found = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
    return features_BD.detach(), found


@pytest.mark.parametrize(("name", "kwargs"), NETWORKS)
def test_features_and_gradients_are_the_plain_networks(name: str, kwargs: dict[str, object]) -> None:
    network = built(name, **kwargs).train()
    set_norms(network, "frozen")
    quick = quicken(copy.deepcopy(network), 64, 64)

    # In float64: in float32 a rounding of an input near 0 decides whether a ReLU passes its gradient.
    features_BD, want = gradients(network.double())
    got_BD, got = gradients(quick.double())

    torch.testing.assert_close(got_BD, features_BD, rtol=1e-9, atol=1e-9)
    assert got.keys() == want.keys()
    for parameter, grad in want.items():
        torch.testing.assert_close(got[parameter], grad, rtol=1e-6, atol=1e-9 * float(grad.abs().max()))


def test_every_norm_after_a_convolution_is_folded() -> None:
    quick = quicken(built("mobilenetv2_100", pad_type="same"), 64, 64)

    norms = [module for module in quick.modules() if isinstance(module, nn.BatchNorm2d)]

    assert len(norms) == 52 and all("forward" in norm.__dict__ for norm in norms)


@pytest.mark.parametrize("policy", ["frozen", "affine-frozen", "train"])
def test_a_step_is_the_plain_networks_under_each_norm_policy(policy: str) -> None:
    """A norm that follows the batch is not folded, whatever it was when the network was made quick."""
    network = built("resnet10t").train().double()
    quick = quicken(copy.deepcopy(network), 64, 64)
    for one in (network, quick):
        set_norms(one, policy)
        optimiser = torch.optim.SGD([p for p in one.parameters() if p.requires_grad], 1e-3)
        gradients(one)
        optimiser.step()

    want, got = network.state_dict(), quick.state_dict()
    assert list(got) == list(want)
    for name in want:
        torch.testing.assert_close(got[name], want[name], rtol=1e-9, atol=1e-9)


def test_state_loaded_later_counts() -> None:
    quick, other = quicken(built("resnet10t").eval(), 64, 64), built("resnet10t").eval()
    nn.init.uniform_(other.bn1.weight, 2, 3)

    quick.load_state_dict(other.state_dict())

    with torch.no_grad():
        torch.testing.assert_close(quick(image()), other(image()), rtol=1e-4, atol=1e-5)


def test_a_copy_stands_for_itself() -> None:
    quick = quicken(built("resnet10t").eval(), 64, 64)
    twin = copy.deepcopy(quick)
    with torch.no_grad():
        want = quick(image())
        for parameter in quick.parameters():
            parameter.zero_()
        torch.testing.assert_close(twin(image()), want)


def test_modes_are_as_they_were() -> None:
    network = built("mobilenetv2_100").train()
    network.blocks[0].eval()
    before = [module.training for module in network.modules()]

    quicken(network, 64, 64)

    assert [module.training for module in network.modules()] == before


class Crossed(nn.Module):
    """A norm that stands behind a convolution and runs before it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(self.norm(x)).mean((2, 3))


def test_a_network_that_runs_in_another_order_keeps_its_norms() -> None:
    torch.manual_seed(0)
    network = Crossed().eval()
    nn.init.uniform_(network.norm.running_mean, 0.5, 1)
    nn.init.uniform_(network.norm.running_var, 0.2, 0.5)
    want = network(image())

    quicken(network, 64, 64)

    assert torch.equal(network(image()), want)
    assert "forward" not in network.norm.__dict__


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(5, 12), st.integers(5, 12)),
    kernel=st.sampled_from([(1, 1), (3, 3), (5, 3)]),
    stride=st.sampled_from([(2, 2), (3, 2), (1, 2)]),
    dilation=st.sampled_from([(1, 1), (1, 2)]),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
)
def test_strided_is_torchs_convolution_of_the_padded_image(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pads: tuple[int, int, int, int],
) -> None:
    reach = [dilation[i] * (kernel[i] - 1) for i in range(2)]
    above, below, left, right = (min(pad, reach[i // 2]) for i, pad in enumerate(pads))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, *size, dtype=torch.float64, generator=generator).requires_grad_()
    weight = torch.randn(4, 1, *kernel, dtype=torch.float64, generator=generator).requires_grad_()
    bias = torch.randn(4, dtype=torch.float64, generator=generator).requires_grad_()

    want = functional.conv2d(functional.pad(x, (left, right, above, below)), weight, bias, stride, 0, dilation, 4)
    got = Strided.apply(x, weight, bias, (above, below, left, right), stride, dilation)

    torch.testing.assert_close(got, want)
    of_output = torch.randn(want.shape, dtype=torch.float64, generator=generator)
    for mine, theirs in zip(
        torch.autograd.grad(got, (x, weight, bias), of_output),
        torch.autograd.grad(want, (x, weight, bias), of_output),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_bfloat16_gradients_are_as_near_to_float32_as_the_plain_networks() -> None:
    network = built("mobilenetv2_100", pad_type="same").train().to(memory_format=torch.channels_last)
    set_norms(network, "frozen")
    quick = quicken(copy.deepcopy(network), 64, 64)
    _, exact = gradients(network)
    with torch.autocast("cpu", torch.bfloat16):
        _, plain = gradients(network)
        _, got = gradients(quick)

    def off(found: dict[str, Tensor]) -> float:
        return float(sum((found[name] - exact[name]).square().sum() / exact[name].square().sum() for name in exact))

    assert off(got) < 1.2 * off(plain)


def test_memory_is_kept_or_said_not_to_be() -> None:
    assert keep_memory() in (True, False)
