"""The catalogue agrees with timm on every name, size, licence and parameter count."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.backbones.catalogue import TIERS, catalogue, recommended
from medalist.backbones.hub import measure
from medalist.backbones.listing import listing
from medalist.errors import RecipeError

EIGHT = {
    "inception_v3.tf_in1k",
    "legacy_xception.tf_in1k",
    "inception_resnet_v2.tf_in1k",
    "resnet50.tv_in1k",
    "vgg16.tv_in1k",
    "densenet201.tv_in1k",
    "tf_efficientnet_b6.aa_in1k",
    "resnext101_32x8d.tv_in1k",
}


@pytest.mark.parametrize("row", catalogue(), ids=lambda row: row.name)
def test_a_row_agrees_with_timm(row: object) -> None:
    import timm

    cfg = timm.get_pretrained_cfg(row.name)  # type: ignore[attr-defined]
    assert timm.is_model_pretrained(row.name)  # type: ignore[attr-defined]
    assert (cfg.license, cfg.input_size[1]) == (row.licence, row.size)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["resnet50.tv_in1k", "mobilenetv4_conv_medium.e500_r256_in1k"])
def test_parameters_are_those_of_the_network(name: str) -> None:
    row = next(row for row in catalogue() if row.name == name)
    assert round(measure(name)[0] / 1e6, 1) == row.mparams


def test_the_write_ups_eight_and_a_set_a_tier() -> None:
    assert {row.name for row in catalogue() if row.tier == "write-up"} == EIGHT
    assert {row.tier for row in catalogue()} == set(TIERS)


def test_permissive_leaves_out_the_others() -> None:
    left_out = {row.licence for row in set(catalogue()) - set(catalogue(license="permissive"))}
    assert left_out == {"cc-by-nc-4.0", "dinov3-license"}
    with pytest.raises(RecipeError, match="permissive"):
        catalogue(license="permisive")  # type: ignore[arg-type]


def test_the_recommended_one_is_permissive_and_listed() -> None:
    permissive = {row.name for row in catalogue(license="permissive")}
    assert {recommended("cpu"), recommended("cuda"), recommended()} <= permissive


def test_the_listing_shows_cards_and_marks_licences(card_folder: Path) -> None:
    text = listing(cards=card_folder)
    assert "resnext101_32x8d.fb_wsl_ig1b_ft_in1k" in text
    assert "NON-COMMERCIAL" in text
    assert "test_resnet" in text
    assert "NON-COMMERCIAL" not in listing(license="permissive", cards=card_folder)
    assert '"num_features"' in listing("test_resnet", cards=card_folder)
