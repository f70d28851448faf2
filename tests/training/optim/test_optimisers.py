"""Optimisers by name against torch's own; groups cover every parameter once; a resumed state steps to the same bits."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from medalist.errors import RecipeError
from medalist.training.optim.optimisers import load_state, names, optimiser, split_decay, state_arrays


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small matrices cost more to share out than to multiply."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network() -> nn.Module:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=draw))
    return layers


def train(net: nn.Module, moved_by: torch.optim.Optimizer, steps: range) -> None:
    for i in steps:
        draw = torch.Generator().manual_seed(i)
        x, y = torch.randn(8, 3, 4, 4, generator=draw), torch.arange(8) % 3
        moved_by.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(net(x), y))
        moved_by.step()


def bits(net: nn.Module) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in net.parameters()]


def stepper(name: str, net: nn.Module) -> torch.optim.Optimizer:
    return optimiser(name, [{**group, "lr": 0.01} for group in split_decay(net.named_parameters())])


HANDFUL = ("sgd", "adam", "adamw", "lamb", "nadamw", "adan", "lion", "muon", "madgrad", "mars", "novograd", "adafactor")
REST = [pytest.param(name, marks=pytest.mark.slow) for name in names() if name not in HANDFUL]


@pytest.mark.parametrize("name", [*HANDFUL, *REST])
def test_a_resumed_optimiser_steps_to_the_same_bits(name: str) -> None:
    whole, first = network(), network()
    long, short = stepper(name, whole), stepper(name, first)
    train(whole, long, range(8))
    train(first, short, range(5))
    arrays, facts = state_arrays(short)
    again = network()
    again.load_state_dict(first.state_dict())
    resumed = stepper(name, again)
    load_state(resumed, {key: array.copy() for key, array in arrays.items()}, json.loads(json.dumps(facts)))
    kept, told = state_arrays(resumed)
    assert told == facts and kept.keys() == arrays.keys()
    assert all(kept[key].tobytes() == arrays[key].tobytes() and kept[key].dtype == arrays[key].dtype for key in kept)
    train(again, resumed, range(5, 8))
    assert bits(again) == bits(whole)
    assert bits(again) != bits(first)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("sgd(momentum=0.9, nesterov=True)", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True)),
        ("momentum(weight_decay=0.1)", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1)),
        ("sgd(momentum=0.0, nesterov=False)", lambda p: torch.optim.SGD(p, lr=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.01)),
        (
            "adamw(weight_decay=0.05, betas=(0.8, 0.9))",
            lambda p: torch.optim.AdamW(p, 0.01, (0.8, 0.9), weight_decay=0.05),
        ),
    ],
)
def test_a_name_is_torchs_optimiser(text: str, reference: object) -> None:
    ours, theirs = network(), network()
    train(ours, optimiser(text, [{"params": list(ours.parameters()), "lr": 0.01}]), range(4))
    train(theirs, reference(theirs.parameters()), range(4))  # type: ignore[operator]
    assert bits(ours) == bits(theirs)


def test_a_groups_own_rate_and_decay_count_before_the_texts() -> None:
    net = network()
    groups = [{**group, "lr": 0.2} for group in split_decay(net.named_parameters())]
    made = optimiser("adamw(weight_decay=0.05, lr=0.1)", groups)
    assert [(group["lr"], group["weight_decay"]) for group in made.param_groups] == [(0.2, 0.05), (0.2, 0.0)]


def test_groups_cover_every_trained_parameter_once_and_spare_biases_and_norms() -> None:
    net = network()
    next(net.parameters()).requires_grad_(False)
    decays, spared = split_decay(net.named_parameters())
    names_of = {id(parameter): name for name, parameter in net.named_parameters()}
    assert [names_of[id(p)] for p in decays["params"]] == ["4.weight"]
    assert [names_of[id(p)] for p in spared["params"]] == ["0.bias", "1.weight", "1.bias", "4.bias"]
    assert "weight_decay" not in decays and spared["weight_decay"] == 0
    assert split_decay([("cls_token", nn.Parameter(torch.zeros(1, 1, 4)))])[0]["weight_decay"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adamww", "unknown optimiser 'adamww'; did you mean 'adamw'.*known: .*sgd"),
        ("adamw(weightdecay=0.1)", "takes no 'weightdecay'; did you mean 'weight_decay'.*it takes: .*betas"),
        ("adamw(0.1)", "optimiser 'adamw\\(0.1\\)' is not a name or a call"),
        ("adamw(weight_decay=-1.0)", "Invalid weight_decay value: -1.0; it takes"),
        ("sgd(momentum=0.0)", "Nesterov momentum requires a momentum.*it takes"),
        ("bnbadam", "unknown optimiser 'bnbadam'"),
    ],
)
def test_a_slip_is_answered(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        optimiser(text, [{"params": list(network().parameters())}])


def test_nobody_touches_the_global_seed() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    net = network()
    torch.set_rng_state(before[0])  # torch's own layers drew from it
    train(net, optimiser("adamw", split_decay(net.named_parameters())), range(2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[union-attr]
