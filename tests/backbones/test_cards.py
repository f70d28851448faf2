"""Cards are checked before anything is loaded, and load what timm itself would."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.backbones import open_backbone
from medalist.backbones.cards import open_card, read_card
from medalist.errors import BackboneError
from medalist.store import hash_bytes


def test_a_card_says_what_its_file_says(card_folder: Path) -> None:
    backbone = open_card(card_folder / "test_resnet.json")
    assert backbone.preprocessing == {
        "height": 64,
        "width": 64,
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.25, 0.3],
        "interpolation": "bilinear",
        "crop_pct": 0.9,
        "resize": "crop",
    }
    assert backbone.weights_hash == hash_bytes((card_folder / "test_resnet.safetensors").read_bytes())
    assert backbone.provenance["origin"] == "random"
    assert backbone.source == "card"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("weights", "../test_resnet.safetensors"),
        ("weights", "/etc/test.safetensors"),
        ("weights", "a\\b.safetensors"),
        ("weights", "test_resnet.bin"),
        ("weights", None),
        ("sha256", "A" * 64),
        ("sha256", None),
        ("timm_model", ""),
        ("input_size", [1, 64, 64]),
        ("input_size", [3, 0, 64]),
        ("mean", [0.5]),
        ("std", [0.5, 0.0, 0.5]),
        ("interpolation", "random"),
        ("crop_pct", 1.5),
        ("resize", "stretch"),
        ("num_features", 0),
        ("licence", None),
        ("published", "soon"),
        ("published", "2023-02-30"),
    ],
)
def test_a_faulty_card_names_its_key(card_writer: Callable[..., Path], tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(BackboneError, match=key):
        read_card(card_writer(tmp_path, "test_resnet", **{key: value}))


def test_the_day_of_publication_is_kept(card_writer: Callable[..., Path], tmp_path: Path) -> None:
    assert (
        open_card(card_writer(tmp_path, "test_resnet", published="2023-04-17")).provenance["published"] == "2023-04-17"
    )


def test_a_card_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(BackboneError, match=r"docs/CARDS\.md"):
        read_card(tmp_path / "a.json")
    with pytest.raises(BackboneError, match="cannot be read"):
        read_card(tmp_path / "b.json")


def test_weights_stay_in_the_cards_folder(card_writer: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    card = card_writer(tmp_path / "in", "test_resnet")
    weights = tmp_path / "in" / "test_resnet.safetensors"
    weights.rename(tmp_path / "out.safetensors")
    with pytest.raises(BackboneError, match="in its own folder"):
        open_card(card)
    weights.symlink_to(tmp_path / "out.safetensors")
    with pytest.raises(BackboneError, match="in its own folder"):
        open_card(card)


def test_other_bytes_are_refused(card_writer: Callable[..., Path], tmp_path: Path) -> None:
    backbone = open_card(card_writer(tmp_path, "test_resnet"))
    weights = tmp_path / "test_resnet.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BackboneError, match="expected " + backbone.weights_hash):
        backbone.build()


def test_a_pickle_under_a_safetensors_name_is_never_run(card_writer: Callable[..., Path], tmp_path: Path) -> None:
    data = pickle.dumps({"a": 1})
    card = card_writer(tmp_path, "test_resnet", sha256=hash_bytes(data))
    (tmp_path / "test_resnet.safetensors").write_bytes(data)
    with pytest.raises(BackboneError, match="no weights that can be read safely"):
        open_card(card).build()


@pytest.mark.parametrize("changes", [{"timm_model": "test_efficientnet"}, {"num_features": 7}, {"num_classes": 11}])
def test_a_card_that_does_not_fit_its_weights(
    card_writer: Callable[..., Path], tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(BackboneError, match=r"do not fit|features"):
        open_card(card_writer(tmp_path, "test_resnet", **changes)).build()


def test_the_folder_comes_from_option_or_environment(card_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_option = open_backbone("test_resnet", cards=card_folder)
    monkeypatch.setenv("MEDALIST_CARDS", str(card_folder))
    assert open_backbone("test_resnet") == by_option == open_backbone(str(card_folder / "test_resnet.json"))
    monkeypatch.setenv("MEDALIST_CARDS", str(card_folder / "absent"))
    with pytest.raises(BackboneError, match="does not exist"):
        open_backbone("test_resnet")


def test_describing_a_card_loads_no_torch(card_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from medalist.backbones import describe, recommended;"
        "from medalist.backbones.runtimes import describe_runtime;"
        f"describe('test_resnet', cards=Path({str(card_folder)!r})); recommended(); describe_runtime();"
        "sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["mobilenetv2_100_coral", "mobilenetv1_100_coral", "mobilenet_edgetpu_075_coral"])
def test_a_real_card_gives_what_timm_gives(shared: Callable[[str], Path], name: str) -> None:
    """timm's own loading of the same file, its own transform, its own pooled features, in float32."""
    import timm
    import torch
    from PIL import Image

    from medalist.backbones.runtimes import open_runtime

    folder, photo = shared("weights"), shared("data/cats-dogs/train/cat.1.jpg")
    card = json.loads((folder / f"{name}.json").read_text())
    keys = ("num_classes", "input_size", "mean", "std", "interpolation", "crop_pct")
    overlay = {"file": str(folder / card["weights"]), **{key: card[key] for key in keys}}
    reference = timm.create_model(
        card["timm_model"], pretrained=True, pretrained_cfg_overlay=overlay, **card["timm_kwargs"]
    ).eval()
    config = timm.data.resolve_model_data_config(reference)
    tensor = timm.data.create_transform(**config, is_training=False)(Image.open(photo).convert("RGB"))[None]
    with torch.inference_mode():
        want = reference.forward_head(reference.forward_features(tensor), pre_logits=True).numpy()

    backbone = open_backbone(name, cards=folder)
    pixels = timm.data.create_transform(**config, is_training=False, normalize=False)(Image.open(photo).convert("RGB"))
    got = open_runtime(backbone, runtime="torch_f32", batch=2)(pixels.permute(1, 2, 0).numpy()[None])
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)
    assert backbone.num_params == sum(parameter.numel() for parameter in reference.parameters())
    assert backbone.permissive
    assert not backbone.non_commercial
