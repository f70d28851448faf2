"""Trained weights as a card: what is read back computes what was written, and says where it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from medalist.backbones import open_backbone
from medalist.backbones.backbone import override
from medalist.backbones.cards import open_card
from medalist.backbones.trained import write_trained


def parent_of(name: str, card_folder: Path) -> Any:
    return open_backbone("embedded") if name == "embedded" else open_card(card_folder / f"{name}.json")


def moved(parent: Any) -> tuple[Any, dict[str, Any]]:
    """The parent's network with other weights, and its arrays."""
    network = parent.build(("pooled",))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=draw)
    return network, {name: value.numpy() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("name", ["embedded", "test_resnet", "test_efficientnet", "test_vit"])
def test_a_card_computes_what_was_trained(card_folder: Path, tmp_path: Path, name: str) -> None:
    parent = parent_of(name, card_folder)
    network, state = moved(parent)
    card = write_trained(parent, state, tmp_path / "tuned" / "fold0.json")
    trained = open_card(card)
    height, width = parent.preprocessing["height"], parent.preprocessing["width"]
    image_B3HW = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(trained.build(("pooled",))(image_B3HW), network(image_B3HW))
        assert not torch.allclose(parent.build(("pooled",))(image_B3HW), network(image_B3HW), atol=1e-3)


def test_it_keeps_preprocessing_and_licence_and_names_its_parent(card_folder: Path, tmp_path: Path) -> None:
    parent = override(parent_of("test_resnet", card_folder), size=48, resize="squash")
    _, state = moved(parent)
    card = write_trained(parent, state, tmp_path / "fold0.json")
    trained = open_card(card)
    assert trained.preprocessing == parent.preprocessing
    assert (trained.licence, trained.num_features) == (parent.licence, parent.num_features)
    assert trained.weights_hash != parent.weights_hash
    facts = json.loads(card.read_text())
    assert facts["fine_tuned_from"] == {"name": parent.name, "sha256": parent.weights_hash}


def test_the_same_weights_give_the_same_bytes(card_folder: Path, tmp_path: Path) -> None:
    parent = parent_of("test_efficientnet", card_folder)
    _, state = moved(parent)
    written = []
    for folder, arrays in (("one", state), ("two", dict(reversed(state.items())))):
        card = write_trained(parent, arrays, tmp_path / folder / "fold0.json")
        written.append([card.read_bytes(), card.with_suffix(".safetensors").read_bytes()])
    assert written[0] == written[1]


def test_the_quick_network_has_the_parent_s_names(card_folder: Path, tmp_path: Path) -> None:
    """`kernels.quicken` changes how layers compute, not what a card holds."""
    from medalist.training.kernels import quicken

    parent = parent_of("test_efficientnet", card_folder)
    quick = quicken(parent.build(("pooled",)), 64, 64)
    state = {name: value.numpy() for name, value in quick.state_dict().items()}
    trained = open_card(write_trained(parent, state, tmp_path / "fold0.json"))
    image_B3HW = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(trained.build(("pooled",))(image_B3HW), parent.build(("pooled",))(image_B3HW))
