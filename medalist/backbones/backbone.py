"""The Backbone: what is known of pretrained weights (hash, preprocessing, licence); it builds its network on demand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medalist.backbones.taps import tap
from medalist.errors import BackboneError, near
from medalist.store import hash_bytes, hash_json

if TYPE_CHECKING:
    from torch import Tensor, nn

RESIZES = ("crop", "squash", "letterbox")
PERMISSIVE = re.compile(r"(apache|mit\b|bsd|cc0|cc-by-\d|isc\b|unlicense|none needed)", re.IGNORECASE)
NON_COMMERCIAL = re.compile(r"(\bnc\b|non-?commercial|apple-amlr|seer|research.only)", re.IGNORECASE)


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its classifier.

    Args:
        name: the card's, or timm's with the pretrained tag.
        weights_hash: SHA-256 of the weights file, which is verified when the network is built; where its channels are
            turned, of that and the order.
        preprocessing: JSON: the fields of `data.decode.Preprocessing`; from the weights, never a default.
        num_features: D, length of a feature vector.
        num_classes: outputs of the classifier that the weights hold; 0: none.
        num_params: parameters of the network, with its classifier.
        licence: of the weights, as their publisher states it.
        source: `card`, `hub`, `embedded` or `untrained`.
        provenance: JSON facts of where the weights come from.
        build: makes the network: normalised float (B, 3, H, W) -> (B, D), the features pooled before the classifier, or
            the given `taps` side by side; in eval mode, weights loaded.
    """

    name: str
    weights_hash: str
    preprocessing: dict[str, Any]
    num_features: int
    num_classes: int
    num_params: int
    licence: str
    source: str
    provenance: dict[str, Any] = field(repr=False)
    build: Callable[..., nn.Module] = field(repr=False, compare=False)

    @property
    def file_hash(self) -> str:
        """SHA-256 of the weights' file, whatever the order of channels."""
        source: Timm = self.build.keywords["source"]  # type: ignore[attr-defined]  # a partial of build_timm
        return source.sha256

    @property
    def permissive(self) -> bool:
        """The licence allows commercial use without conditions beyond naming the authors."""
        return is_permissive(self.licence)

    @property
    def non_commercial(self) -> bool:
        """The licence forbids commercial use; said wherever the backbone is used."""
        return is_non_commercial(self.licence)


def is_non_commercial(licence: str) -> bool:
    """Whether a licence, as text or tag (`cc-by-nc-4.0`), forbids commercial use."""
    return NON_COMMERCIAL.search(licence) is not None


def is_permissive(licence: str) -> bool:
    """Whether a licence is one of Apache, MIT, BSD, CC0, CC-BY; unknown ones are not."""
    return PERMISSIVE.match(licence) is not None and not is_non_commercial(licence)


@dataclass(frozen=True)
class Timm:
    """A network of timm's and its weights.

    Args:
        model: timm's name.
        kwargs: keyword arguments of `create_model`.
        file: with the weights; None: they are drawn at random.
        sha256: of the file; of drawn ones: of all that they depend on.
        seed: of drawn ones.
        channels: the order in which the weights want them; networks are built for `rgb` whatever it is.
    """

    model: str
    kwargs: dict[str, Any]
    file: Path | None
    sha256: str
    seed: int = 0
    channels: str = "rgb"


def override(
    backbone: Backbone,
    *,
    size: int | None = None,
    resize: str | None = None,
    channels: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Backbone:
    """The same weights on images prepared otherwise, such as write-up 2's 299 pixels, squashed.

    Args:
        backbone: any; its network must accept the size (convolutional ones do).
        size: height and width of the input, in pixels.
        resize: `crop` (keep the aspect, cut the centre), `squash` or `letterbox`.
        channels: `rgb` or `bgr`, the order in which the weights want them; see `in_order`.
        mean, std: of red, green and blue in [0, 1], subtracted and divided by.

    Raises:
        BackboneError: a size below 32, or an unknown way to resize.
    """
    if channels is not None:
        backbone = in_order(backbone, channels)
    changed = dict(backbone.preprocessing)
    changed |= {name: list(value) for name, value in (("mean", mean), ("std", std)) if value is not None}
    if size is not None:
        if size < 32:
            raise BackboneError(f"{backbone.name}: an input of {size} pixels is too small; expected 32 or more")
        changed |= {"height": size, "width": size}
    if resize is not None:
        if resize not in RESIZES:
            raise BackboneError(f"unknown resize {resize!r}{near(resize, RESIZES)}; expected {', '.join(RESIZES)}")
        # A squashed or letterboxed image is wanted whole.
        changed |= {"resize": resize} if resize == "crop" else {"resize": resize, "crop_pct": 1.0}
    return replace(backbone, preprocessing=changed)


def in_order(backbone: Backbone, channels: str) -> Backbone:
    """The same weights, fed blue first (`bgr`, as OpenCV reads and Caffe trained) or red first (`rgb`).

    Images stay red, green, blue all the way: the first layer's kernels and the weights' own mean and deviation are
    turned instead, which is the same and costs nothing.
    """
    source: Timm = backbone.build.keywords["source"]  # type: ignore[attr-defined]  # a partial of build_timm
    if channels == source.channels:
        return backbone
    how = backbone.preprocessing
    return replace(
        backbone,
        weights_hash=source.sha256 if channels == "rgb" else hash_json([source.sha256, channels]),
        preprocessing={**how, "mean": how["mean"][::-1], "std": how["std"][::-1]},
        build=partial(backbone.build, source=replace(source, channels=channels)),
    )


def read_weights(file: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a weights file; the bytes that are hashed are the bytes that are loaded.

    Args:
        file: `.safetensors`, or a torch checkpoint, which is read with `weights_only` after the hash.
        sha256: expected, 64 hex digits.

    Raises:
        BackboneError: the file is missing, has another hash, or holds something else.
    """
    if not file.is_file():
        raise BackboneError(f"the weights {file} are missing; put the file back or choose another backbone")
    data = file.read_bytes()
    if (got := hash_bytes(data)) != sha256:
        raise BackboneError(
            f"{file} has SHA-256 {got}, expected {sha256}; the file is damaged or was exchanged: fetch it again"
        )
    return _parse(data, file)


def _parse(data: bytes, file: Path) -> dict[str, Tensor]:
    import io
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        if file.suffix == ".safetensors":
            return load(data)
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        return dict(state.get("state_dict", state))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, AttributeError, ValueError) as error:
        raise BackboneError(f"{file} holds no weights that can be read safely: {error}") from error


def build_timm(
    taps: tuple[str, ...] = ("pooled",), *, name: str, source: Timm, num_classes: int, num_features: int
) -> nn.Module:
    """timm's network with its weights, in eval mode, its classifier cut off or tapped.

    Args:
        taps: what a row holds; see `backbones.taps`.
        name: of the backbone, for errors.
        source: which network of timm's, and the weights.
        num_classes: outputs of the weights' classifier.
        num_features: expected length of the pooled features.

    Raises:
        BackboneError: see `read_weights`, `taps.tap`; or the weights do not fit the model, or its features are not
            `num_features`.
    """
    network = _timm_network(name, source, num_classes)
    if source.channels == "bgr":
        _turn(network, name)
    plain = taps == ("pooled",)
    got = cut_classifier(network) if plain else _pooled_width(network)
    if got != num_features:
        raise BackboneError(
            f"{name}: {source.model!r} gives {got} features, its description says {num_features}; correct it"
        )
    network = network.eval().requires_grad_(False)
    return network if plain else tap(network, taps, name)


def _timm_network(name: str, source: Timm, num_classes: int) -> Any:
    import timm

    if source.file is None:
        return _draw(source, num_classes)
    # timm adapts the state dict of older checkpoints (renamed keys, background class) only on this path. A name
    # without a tag is a card's: its weights know nothing of the offset of timm's own default weights.
    state = read_weights(source.file, source.sha256)
    overlay: dict[str, Any] = {"state_dict": state, "num_classes": num_classes, "custom_load": False}
    if "." not in source.model:
        overlay["label_offset"] = 0
    try:
        return timm.create_model(
            source.model, pretrained=True, num_classes=num_classes, pretrained_cfg_overlay=overlay, **source.kwargs
        )
    except (RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise BackboneError(
            f"{name}: the weights do not fit timm's {source.model!r} with {source.kwargs}: {error}"
        ) from error


def _turn(network: Any, name: str) -> None:
    """Turn the kernels of whatever sees the image, so that red first gives what blue first gave."""
    import torch

    network.eval()
    image_B3HW = torch.rand(1, *network.pretrained_cfg["input_size"], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        want = network(image_B3HW.flip(1))
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d) and module.in_channels == 3 and module.groups == 1:
                module.weight.copy_(module.weight.flip(1))
        off = (network(image_B3HW) - want).abs().max()
    if off > 1e-3 * want.abs().max():
        raise BackboneError(f"{name}: its first layer cannot be turned for channels=bgr; leave that key out")


def _draw(source: Timm, num_classes: int) -> Any:
    """Weights as timm draws them, from the seed; the process's own random numbers go on as if nothing was drawn."""
    import timm
    import torch

    state = torch.default_generator.get_state()
    try:
        torch.default_generator.manual_seed(source.seed)
        return timm.create_model(source.model, pretrained=False, num_classes=num_classes, **source.kwargs)
    finally:
        torch.default_generator.set_state(state)


def cut_classifier(network: Any) -> int:
    """Leave a timm network with its pooled features as output; their length."""
    network.reset_classifier(0)
    return _pooled_width(network)


def _pooled_width(network: Any) -> int:
    # Some networks have a layer between pooling and classifier; timm tells its width since 1.0.
    return int(getattr(network, "head_hidden_size", network.num_features))
