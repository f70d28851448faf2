"""The average of weights: its recursion by hand, swapping, what it tracks, and resuming to the bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from medalist.training.optim.ema import Ema


def network() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    with torch.no_grad():
        net[0].weight.fill_(1.0)  # type: ignore[union-attr, operator]
    return net


def move(net: nn.Module, steps: range) -> list[float]:
    """Change all that may train or run, as a step would; the path of one weight."""
    path = []
    for i in steps:
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(i)))
        net(torch.randn(6, 4, generator=torch.Generator().manual_seed(100 + i)))
        path.append(next(net.parameters())[0, 0].item())
    return path


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_the_recursion_by_hand(decay: float) -> None:
    net = network()
    ema, expected = Ema(net, decay), 1.0
    for t in range(20):
        (weight,) = move(net, range(t, t + 1))
        ema.update(net)
        keep = min(decay, (1 + t) / (10 + t))
        expected = keep * expected + (1 - keep) * weight
        assert ema.shadow["0.weight"][0, 0].item() == pytest.approx(expected, rel=1e-5)


def test_a_first_update_keeps_a_tenth() -> None:
    net = network()
    ema = Ema(net, 0.999)
    with torch.no_grad():
        net[0].weight.fill_(2.0)  # type: ignore[union-attr, operator]
    ema.update(net)
    np.testing.assert_allclose(ema.shadow["0.weight"], 1.9, rtol=1e-6)


def test_swapped_in_and_back_to_the_bit_also_after_an_error() -> None:
    net = network()
    ema = Ema(net, 0.9)
    move(net, range(3))
    ema.update(net)
    raw = {name: value.clone() for name, value in net.state_dict().items()}
    with ema.swapped(net):
        assert torch.equal(net.state_dict()["0.weight"], ema.shadow["0.weight"])
        assert torch.equal(net.state_dict()["1.running_var"], ema.shadow["1.running_var"])
        assert not torch.equal(net.state_dict()["0.weight"], raw["0.weight"])
    with pytest.raises(ZeroDivisionError), ema.swapped(net):
        raise ZeroDivisionError
    assert all(torch.equal(value, raw[name]) for name, value in net.state_dict().items())


def test_what_is_frozen_has_no_shadow_until_a_phase_trains_it_and_still_buffers_keep_their_bits() -> None:
    net = network().eval()
    net[0].requires_grad_(False)  # type: ignore[index]
    ema = Ema(net, 0.9)
    assert set(ema.shadow) == {"1.weight", "1.bias", "1.running_mean", "1.running_var"}
    move(net, range(4))
    ema.update(net)
    assert torch.equal(ema.shadow["1.running_var"], net.state_dict()["1.running_var"])
    net[0].requires_grad_(True)  # type: ignore[index]
    move(net, range(4, 5))
    ema.update(net)
    assert torch.equal(ema.shadow["0.weight"], net.state_dict()["0.weight"])


def test_half_precision_weights_have_float32_shadows() -> None:
    net = nn.Linear(2, 2).bfloat16()
    ema = Ema(net, 0.999)
    for _ in range(3):
        ema.update(net)
    assert ema.shadow["weight"].dtype == torch.float32
    with ema.swapped(net):
        assert net.weight.dtype == torch.bfloat16


def test_resumed_it_goes_on_to_the_same_bits() -> None:
    whole, first = network(), network()
    first.load_state_dict(whole.state_dict())
    through, stopped = Ema(whole, 0.9), Ema(first, 0.9)
    for t in range(9):
        move(whole, range(t, t + 1))
        through.update(whole)
        if t < 5:
            move(first, range(t, t + 1))
            stopped.update(first)
    arrays, facts = stopped.state()
    resumed = Ema(first, 0.9)
    resumed.load(arrays, json.loads(json.dumps(facts)), first)
    for t in range(5, 9):
        move(first, range(t, t + 1))
        resumed.update(first)
    assert all(torch.equal(resumed.shadow[name], through.shadow[name]) for name in through.shadow)
    assert resumed.updates == through.updates == 9
