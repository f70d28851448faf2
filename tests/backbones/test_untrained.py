"""Weights drawn at random: the architecture is the pretrained one, the numbers are others, and always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medalist.backbones import describe, open_backbone
from medalist.backbones.catalogue import imagenet_top1
from medalist.backbones.outline import outline
from medalist.backbones.trained import write_trained
from medalist.errors import BackboneError


def arrays(name: str, cards: Path) -> dict[str, Any]:
    return dict(open_backbone(name, cards=cards).build(("pooled",)).state_dict())


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "embedded"])
def test_a_cards_architecture_with_other_weights(name: str, card_folder: Path) -> None:
    pretrained, untrained = (open_backbone(n, cards=card_folder) for n in (name, f"{name}(pretrained=false)"))
    assert untrained.weights_hash != pretrained.weights_hash
    assert untrained.name == f"{name}(pretrained=false)" or name == "embedded"
    assert untrained.preprocessing == pretrained.preprocessing
    assert untrained.num_classes == 0 and untrained.source == "untrained" and untrained.permissive
    old, new = arrays(name, card_folder), arrays(f"{name}(pretrained=false)", card_folder)
    assert {key: array.shape for key, array in old.items()} == {key: array.shape for key, array in new.items()}
    kernels = [key for key, array in new.items() if array.ndim == 4]
    assert kernels and not any(torch.equal(old[key], new[key]) for key in kernels)


def test_drawing_is_repeatable_and_leaves_the_processes_random_numbers_alone(card_folder: Path) -> None:
    torch.manual_seed(5)
    first = arrays("test_resnet(pretrained=false)", card_folder)
    drawn_after = torch.rand(3)
    torch.manual_seed(6)
    again = arrays("test_resnet(pretrained=false)", card_folder)
    torch.manual_seed(5)
    assert torch.equal(drawn_after, torch.rand(3))
    assert all(torch.equal(first[key], again[key]) for key in first)


def test_a_timm_name_needs_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from medalist.backbones import hub

    monkeypatch.setattr(hub, "open_hub", lambda name: pytest.fail("the hub was asked"))
    backbone = open_backbone("test_resnet.r160_in1k(pretrained=false)")
    assert backbone.preprocessing["height"] == 160
    image = torch.zeros(1, 3, 160, 160)
    assert backbone.build(("pooled",))(image).shape == (1, backbone.num_features)
    assert sum(p.numel() for p in outline("test_resnet(pretrained=false)").parameters()) < backbone.num_params


def test_slips_say_what_to_type(card_folder: Path) -> None:
    with pytest.raises(BackboneError, match=r"nothing in parentheses but test_resnet\(pretrained=false\)"):
        open_backbone("test_resnet(pretrained=true)", cards=card_folder)
    with pytest.raises(BackboneError, match=r"unknown architecture 'resnt18'; did you mean 'resnet18'"):
        open_backbone("resnt18(pretrained=false)")
    with pytest.raises(BackboneError, match="leave the tag out"):
        open_backbone("resnet18.nonsense(pretrained=false)")


def test_it_can_be_trained_from_there(card_folder: Path, tmp_path: Path) -> None:
    parent = open_backbone("test_resnet(pretrained=false)", cards=card_folder)
    state = {name: array.numpy() for name, array in parent.build(("pooled",)).state_dict().items()}
    card = open_backbone(str(write_trained(parent, state, tmp_path / "refit.json")))
    assert card.provenance["fine_tuned_from"]["sha256"] == parent.weights_hash


def test_imagenets_accuracy_is_the_cards_or_the_catalogues(card_writer: Any, tmp_path: Path) -> None:
    for told, expected in ((71.5, 71.5), (None, None), (True, None), ("70", None), (700, None)):
        card = open_backbone(str(card_writer(tmp_path, "test_resnet", published_top1=told)))
        assert imagenet_top1(card) == expected
    assert imagenet_top1(open_backbone(f"{tmp_path}/test_resnet.json(pretrained=false)")) is None
    assert "build" not in describe("test_resnet(pretrained=false)")
