"""Names: cards, embedded, timm's; a slip offers the near one."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.backbones import describe, open_backbone
from medalist.errors import BackboneError


def test_an_unknown_name_offers_the_near_one(card_folder: Path) -> None:
    with pytest.raises(BackboneError, match="did you mean 'test_efficientnet'"):
        open_backbone("test_eficientnet", cards=card_folder)
    with pytest.raises(BackboneError, match="did you mean 'embedded'"):
        open_backbone("embeded")
    with pytest.raises(BackboneError, match=r"did you mean 'resnet50\.tv_in1k'"):
        open_backbone("resnet50.tv_in1")


def test_a_card_is_no_folder_of_cards(card_folder: Path) -> None:
    card = card_folder / "test_resnet.json"
    with pytest.raises(BackboneError) as raised:
        open_backbone("test_resnet", cards=card)
    assert f"type --cards {card_folder}, or that card alone: --backbone {card}" in str(raised.value)


def test_a_description_is_json(card_folder: Path) -> None:
    import json

    facts = describe("test_resnet", cards=card_folder)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["permissive"]
    assert "build" not in facts
