"""What trains in a phase and at which rate; arrays out and in; norms that stand still."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

from medalist.training import network
from medalist.training.layers import layers
from medalist.training.network import Network, moving, set_weights, still, trained, untouched, weights
from medalist.training.plan import Phase, Plan

LAYERS = ("stem", "layer1", "layer2", "layer3", "layer4")


def made() -> Network:
    body = timm.create_model("resnet10t", num_classes=0).eval().requires_grad_(False)
    return Network(body, nn.Linear(512, 3))


class Head(nn.Linear):
    """A head that takes a target, as all do."""

    def forward(self, x_BD: torch.Tensor, target_BC: torch.Tensor | None = None) -> torch.Tensor:
        assert x_BD.dtype == torch.float32
        return super().forward(x_BD)


def phase(train: str, decay: float = 0.5) -> Phase:
    return Phase(train, 1, 0.1, 0.3, decay, "constant", (32, 32))


def plan(*trains: str, **changes: Any) -> Plan:
    return Plan(tuple(phase(train) for train in trains), **changes)


@pytest.mark.parametrize("batchnorm", ["frozen", "affine-frozen", "train"])
@pytest.mark.parametrize(("train", "first"), [("head", 5), ("from: layer3", 3), ("all", 0)])
def test_each_parameter_trains_once_at_its_layer_s_rate(train: str, first: int, batchnorm: str) -> None:
    net = made()
    groups = network.enter(net, phase(train), batchnorm)
    rate = {id(p): group["base_lr"] for group in groups for p in group["params"]}
    assert len(rate) == sum(len(group["params"]) for group in groups)
    assert set(rate) == {id(p) for p in trained(net)}
    assert all(group["lr"] == group["base_lr"] for group in groups)
    assert all(rate[id(p)] == 0.3 for p in net.head.parameters())
    norms = {id(p) for m in net.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()}
    for place, layer in enumerate(layers(net.body)):
        own = [p for name, p in net.body.named_parameters() if name in layer.params]
        for p in own:
            trains = place >= first and (batchnorm == "train" or id(p) not in norms)
            assert (id(p) in rate) == p.requires_grad == trains
            if trains:
                assert rate[id(p)] == pytest.approx(0.1 * 0.5 ** (4 - place))


def test_a_later_phase_may_train_less() -> None:
    net = made()
    network.enter(net, phase("all"), "train")
    network.enter(net, phase("head"), "train")
    assert [id(p) for p in trained(net)] == [id(p) for p in net.head.parameters()]


def test_biases_and_norms_are_not_decayed() -> None:
    groups = network.enter(made(), phase("all"), "train")
    for group in groups:
        small = [p.ndim <= 1 for p in group["params"]]
        assert all(small) if group.get("weight_decay") == 0.0 else not any(small)


def test_what_moves_is_what_any_phase_trains() -> None:
    net = made()
    names = set(moving(net, plan("head", "from: layer4")))
    assert names == {name for name in net.body.state_dict() if name.startswith("layer4.")}
    assert moving(net, plan("head")) == []
    moved = set(moving(net, plan("head", batchnorm="affine-frozen")))
    assert moved == {name for name in net.body.state_dict() if name.rpartition(".")[2].startswith(("running", "num_"))}
    assert set(moving(net, plan("all"))) == set(net.body.state_dict())


@pytest.mark.parametrize(
    ("trains", "changes", "want"),
    [
        (("head", "from: layer4", "from: layer3"), {}, [5, 4, 3]),
        (("from: layer3", "from: layer4"), {}, [3, 0]),
        (("from: layer3", "from: layer3"), {}, [3, 3]),
        (("all",), {}, [0]),
        (("head",), {"mix": "mixup"}, [0]),
        (("head",), {"batchnorm": "train"}, [0]),
    ],
)
def test_layers_that_are_as_they_were_pretrained(trains: tuple[str, ...], changes: Any, want: list[int]) -> None:
    net, made_plan = made(), plan(*trains, **changes)
    assert [untouched(net, made_plan, number) for number in range(len(trains))] == want


def test_weights_go_out_and_in_again() -> None:
    one, other, made_plan = made(), made(), plan("from: layer4")
    names = moving(one, made_plan)
    other.body.load_state_dict(one.body.state_dict())
    with torch.no_grad():
        for parameter in [*one.body.layer4.parameters(), *one.head.parameters()]:
            parameter += 1
    arrays = weights(one, names)
    set_weights(other, arrays)
    state = other.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in one.state_dict().items())
    assert {name.partition(".")[0] for name in arrays} == {"body", "head"}
    with torch.no_grad():
        one.head.bias += 1
    assert not np.array_equal(arrays["head.bias"], one.head.bias.detach().numpy())  # copies, not views


@pytest.mark.parametrize("momentum", [0.1, None])
def test_norms_stand_still_inside_and_move_again_after(momentum: float | None) -> None:
    net = made().train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum
    image_B3HW = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in net.body.named_buffers()}
    with still(net):
        inside = net.body(image_B3HW)
    assert all(torch.equal(value, before[name]) for name, value in net.body.named_buffers())
    torch.testing.assert_close(net.body(image_B3HW), inside)
    assert all(not torch.equal(value, before[name]) for name, value in net.body.named_buffers())


def test_the_head_computes_in_float32_whatever_the_body_does() -> None:
    net = made()
    net.head = Head(512, 3)
    with torch.autocast("cpu", torch.bfloat16):
        logit_BC = net(torch.zeros(2, 3, 32, 32))
    assert logit_BC.dtype == torch.float32
    assert logit_BC.shape == (2, 3)
