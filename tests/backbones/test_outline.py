"""An outline has the names and shapes of the network that is built, and none of its values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medalist.backbones import open_backbone
from medalist.backbones.outline import outline
from medalist.errors import BackboneError


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "embedded"])
def test_it_has_the_parameters_of_the_network(name: str, card_folder: Path) -> None:
    backbone = open_backbone(name, cards=card_folder)
    want = {key: tuple(tensor.shape) for key, tensor in backbone.build(("pooled",)).state_dict().items()}
    for found in (outline(backbone), outline(name, cards=card_folder)):
        assert {key: tuple(tensor.shape) for key, tensor in found.state_dict().items()} == want
        assert all(tensor.is_meta for tensor in found.parameters())


def test_a_card_s_arguments_that_timm_does_not_take_are_told(card_folder: Path, tmp_path: Path) -> None:
    card, weights = tmp_path / "strange.json", "test_resnet.safetensors"
    facts = json.loads((card_folder / "test_resnet.json").read_text(encoding="utf-8"))
    card.write_text(json.dumps({**facts, "timm_kwargs": {"wings": 2}}), encoding="utf-8")
    (tmp_path / weights).write_bytes((card_folder / weights).read_bytes())
    with pytest.raises(BackboneError, match=r"'test_resnet' cannot be built with \{'wings': 2\}.*; correct the card"):
        outline(str(card))
