"""A network in two parts is the network, and they share its modules."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import nn

from medalist.backbones import open_backbone
from medalist.errors import BackboneError
from medalist.training import prefix
from medalist.training.kernels import quicken
from medalist.training.layers import depth, layers
from medalist.training.norms import set_norms
from medalist.training.prefix import fast_bottom, split

NETWORKS = [
    ("mobilenetv2_035", {"pad_type": "same"}, 64),
    ("resnet10t", {}, 64),
    ("convnext_atto", {}, 64),
    ("vit_tiny_patch16_224", {"img_size": 32}, 32),
    ("inception_v3", {}, 96),
]


def images(size: int) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "kwargs", "size"), NETWORKS)
def test_the_parts_are_the_whole_at_several_depths(name: str, kwargs: dict[str, object], size: int) -> None:
    network = timm.create_model(name, num_classes=0, **kwargs).eval()
    found = layers(network)
    with torch.no_grad():
        want = network(images(size))

    for first in (0, 1, len(found) // 2, len(found) - 1, len(found)):
        bottom, top = split(network, first, images(size))
        with torch.no_grad():
            torch.testing.assert_close(top(*bottom(images(size))), want, rtol=1e-6, atol=1e-6)
        held = {name for name, _ in bottom.named_parameters()}
        assert not held & {param for layer in found[first:] for param in layer.params}


def test_a_step_of_the_top_is_a_step_of_the_network() -> None:
    network = timm.create_model("resnet10t", num_classes=0).eval()
    first = depth(layers(network), "from: layer4")
    bottom, top = split(network, first, images(64))
    crossing = [tensor.detach() for tensor in bottom(images(64))]
    optimiser = torch.optim.SGD(top.parameters(), 0.1)

    top(*crossing).square().sum().backward()
    optimiser.step()

    with torch.no_grad():
        torch.testing.assert_close(network(images(64)), top(*bottom(images(64))))
    own = dict(network.named_parameters())
    assert all(own[name] is parameter for name, parameter in top.named_parameters())


def test_gradients_of_the_top_are_the_networks() -> None:
    network = timm.create_model("mobilenetv2_035", num_classes=0, pad_type="same").train().double()
    set_norms(network, "frozen")
    quicken(network, 32, 32)
    found = layers(network)
    first = depth(found, "last 30 %")
    bottom, top = split(network, first, images(32).double())
    assert network.training
    params = dict(network.named_parameters())
    trained = [name for layer in found[first:] for name in layer.params if params[name].requires_grad]

    want = torch.autograd.grad(network(images(32).double()).square().sum(), [params[name] for name in trained])
    got = torch.autograd.grad(top(*bottom(images(32).double())).square().sum(), [params[name] for name in trained])

    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_stochastic_depth_of_the_top_follows_its_mode() -> None:
    network = timm.create_model("resnet10t", num_classes=0, drop_path_rate=0.9, zero_init_last=False).eval()
    bottom, top = split(network, 1, images(64))
    crossing = bottom(images(64))

    torch.manual_seed(0)
    moving = [top.train()(*crossing) for _ in range(2)]
    still = [top.eval()(*crossing) for _ in range(2)]

    assert not torch.equal(*moving)
    assert torch.equal(*still)


class Choosing(nn.Module):
    """Its way depends on its input: no graph shows both."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def group_matcher(self, coarse: bool) -> dict[str, str]:
        return {"all": "layer"}

    def forward(self, image_B3HW: torch.Tensor) -> torch.Tensor:
        cells = image_B3HW.mean((2, 3))
        return self.layer(cells) if cells.sum() > 0 else cells


def test_a_network_that_cannot_be_traced_is_told() -> None:
    with pytest.raises(BackboneError, match=r"cannot be traced .*it trains whole"):
        split(Choosing(), 0, images(8))


class Shared(nn.Module):
    """A table that all images share crosses to what trains."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.below, self.layer, self.rows = nn.Linear(3, 3), nn.Linear(3, 3), rows

    def group_matcher(self, coarse: bool) -> dict[str, str]:
        return {"below": "below", "layer": "layer"}

    def forward(self, image_B3HW: torch.Tensor) -> torch.Tensor:
        table = (image_B3HW.new_ones(self.rows, 3) * 0.5).sin()
        cells = self.below(image_B3HW.mean((2, 3)))
        return self.layer(cells) + table.mean(0)


@pytest.mark.parametrize("rows", [8, 2, 3])
def test_what_all_images_share_cannot_be_kept_image_by_image(rows: int) -> None:
    """Also where it has as many rows as one of the batches that are tried has images."""
    with pytest.raises(BackboneError, match=rf"a tensor \({rows}, 3\) of [23] images together crosses.*trains whole"):
        split(Shared(rows), 1, images(8))


def test_rotary_positions_of_a_transformer_cannot_be_kept_image_by_image() -> None:
    network = timm.create_model("vit_small_patch16_dinov3", num_classes=0, depth=2, embed_dim=96, num_heads=3)
    with pytest.raises(BackboneError, match="images together crosses"):
        split(network, len(layers(network)) - 2, images(64))


@pytest.mark.parametrize("with_openvino", [True, False])
def test_the_fast_bottom_gives_what_the_bottom_gives(with_openvino: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = open_backbone("embedded")
    network = backbone.build(("pooled",))
    height, width = backbone.preprocessing["height"], backbone.preprocessing["width"]
    pixels_BHWC = np.random.default_rng(0).integers(0, 256, (4, height, width, 3), dtype=np.uint8)
    mean, std = (255 * torch.tensor(backbone.preprocessing[part]) for part in ("mean", "std"))
    image_B3HW = ((torch.from_numpy(pixels_BHWC).float() - mean) / std).permute(0, 3, 1, 2)
    bottom, _ = split(network, 3, image_B3HW)
    if with_openvino:
        pytest.importorskip("openvino")
    else:
        monkeypatch.setattr(prefix, "find_spec", lambda name: None)

    got = fast_bottom(bottom, backbone, batch=4, threads=1, bf16=False)(pixels_BHWC)

    with torch.no_grad():
        for mine, theirs in zip(got, bottom(image_B3HW), strict=True):
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))
