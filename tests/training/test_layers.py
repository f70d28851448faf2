"""Layers of a network, where training starts, and layer-wise learning rates."""

from __future__ import annotations

import itertools

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.training.layers import Layer, depth, layers, part_rates

NUMBERS = {
    "inception_v3": 13,
    "legacy_xception": 14,
    "inception_resnet_v2": 45,
    "resnet50": 17,
    "vgg16": 14,
    "densenet201": 100,
    "tf_efficientnet_b6": 46,
    "resnext101_32x8d": 34,
    "mobilenetv2_100": 18,
    "vit_tiny_patch16_224": 13,
    "convnext_tiny": 20,
    "swin_tiny_patch4_window7_224": 13,
}
FIVE = [Layer(name, (f"{name}.weight",)) for name in ("stem", "a.0", "a.1", "b.0", "b.10")]


def outline(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return timm.create_model(name, num_classes=0)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_parameter_and_buffer_is_in_exactly_one_layer(name: str) -> None:
    network = outline(name)

    found = layers(network)

    assert len(found) == NUMBERS[name]
    assert sorted(p for layer in found for p in layer.params) == sorted(p for p, _ in network.named_parameters())
    assert sorted(b for layer in found for b in layer.buffers) == sorted(b for b, _ in network.named_buffers())
    assert len({layer.name for layer in found}) == len(found)


@pytest.mark.parametrize("name", NUMBERS)
def test_statistics_lie_with_their_norm(name: str) -> None:
    for layer in layers(outline(name)):
        modules = {param.rpartition(".")[0] for param in layer.params}
        statistics = [buffer for buffer in layer.buffers if buffer.endswith("running_mean")]
        assert all(buffer.rpartition(".")[0] in modules for buffer in statistics)


def test_names_are_those_that_the_write_ups_use() -> None:
    assert [layer.name for layer in layers(outline("resnet50"))][:2] == ["stem", "layer1.0"]
    assert [layer.name for layer in layers(outline("inception_v3"))][2] == "Mixed_5b"
    assert [layer.name for layer in layers(outline("legacy_xception"))][4] == "block4"
    assert [layer.name for layer in layers(outline("mobilenetv2_100"))][-2:] == ["blocks.5.2", "blocks.6"]
    assert [layer.name for layer in layers(outline("convnext_tiny"))][-1] == "head.norm"


def test_the_order_is_from_the_input_to_the_output() -> None:
    """The gradient at the input of a layer's first module reaches no later layer's parameters: by the forward pass."""
    network = timm.create_model("densenet121", num_classes=0).eval()
    order: list[str] = []
    for name, module in network.named_modules():
        module.register_forward_hook(lambda *_, name=name: order.append(name))
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))

    seen = [order.index(layer.params[0].rpartition(".")[0]) for layer in layers(network)]

    assert seen == sorted(seen)


def test_write_up_4_trains_the_last_five_blocks_of_layer3_and_layer4() -> None:
    found = layers(outline("resnext101_32x8d"))

    first = depth(found, "from: layer3.18")

    names = [layer.name for layer in found[first:]]
    assert names == [*(f"layer3.{i}" for i in range(18, 23)), "layer4.0", "layer4.1", "layer4.2"]
    assert depth(found, "from: layer4") == first + 5


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("head", 5),
        ("all", 0),
        ("last 30 %", 3),
        ("last 30%", 3),
        ("last 1 %", 4),
        ("last 50 %", 2),
        ("last 100 %", 0),
        ("from: a", 1),
        ("from:a.1", 2),
        ("from: b.10.weight", 4),
        ("from: stem", 0),
    ],
)
def test_depth(text: str, first: int) -> None:
    assert depth(FIVE, text) == first


def test_a_name_ends_at_a_dot() -> None:
    with pytest.raises(RecipeError, match=r"no layer 'b\.1'; did you mean 'b\.10'\?; `medalist backbones NAME"):
        depth(FIVE, "from: b.1")


@pytest.mark.parametrize("text", ["last 0 %", "last 101 %"])
def test_a_share_outside_its_range_is_told(text: str) -> None:
    with pytest.raises(RecipeError, match="more than 0, at most 100"):
        depth(FIVE, text)


def test_another_form_is_told_with_the_near_one() -> None:
    with pytest.raises(RecipeError, match=r"'heads'; did you mean 'head'.*last 30 %, from: NAME"):
        depth(FIVE, "heads")


@given(first=st.integers(0, 5), decay=st.floats(0.1, 1), lr=st.floats(1e-6, 1))
def test_rates_fall_towards_the_input_and_are_0_below_the_first(first: int, decay: float, lr: float) -> None:
    rates = part_rates(FIVE, first, lr, decay)

    assert rates[:first] == [0] * first
    trained = rates[first:]
    if trained:
        assert trained[-1] == lr
        assert all(before == pytest.approx(after * decay) for before, after in itertools.pairwise(trained))


@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_a_decay_outside_its_range_is_told(decay: float) -> None:
    with pytest.raises(RecipeError, match=r"outside \(0, 1\]"):
        part_rates(FIVE, 0, 1e-3, decay)
