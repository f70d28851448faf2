"""What the package brings stays small, fast, free of photographs, and says what it is."""

from __future__ import annotations

from medalist.backbones import EMBEDDED, EMBEDDED_FOLDER, describe, open_backbone

MEGABYTE = 1_000_000


def test_the_card_says_that_it_is_a_stand_in() -> None:
    provenance = describe(EMBEDDED)["provenance"]
    assert "stand-in for real weights" in provenance["note"]
    assert "no photograph was used" in provenance["origin"]
    assert "scripts/pretrain_embedded.py" in provenance["origin"]


def test_it_adds_at_most_four_megabytes_to_the_package() -> None:
    assert sum(file.stat().st_size for file in EMBEDDED_FOLDER.iterdir()) <= 4 * MEGABYTE


def test_an_image_costs_at_most_160_million_multiplications() -> None:
    import torch

    backbone = open_backbone(EMBEDDED)
    network, multiplications = backbone.build(), 0

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal multiplications
        multiplications += output[0, 0].numel() * sum(kernel.numel() for kernel in layer.parameters())

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 3, backbone.preprocessing["height"], backbone.preprocessing["width"]))
    assert 0 < multiplications < 160e6
