"""Cards: a JSON beside a safetensors file, with all that loading needs -> a Backbone. See docs/CARDS.md."""

from __future__ import annotations

import os
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from medalist.backbones.backbone import Backbone, Timm, build_timm, in_order
from medalist.errors import BackboneError

CARDS = "MEDALIST_CARDS"

Channels = Annotated[tuple[float, ...], Field(min_length=3, max_length=3)]


class Card(BaseModel):
    """What a card says; keys that are not listed here are kept as provenance."""

    model_config = ConfigDict(frozen=True, extra="allow")

    weights: str = Field(description="file name of the safetensors file, in the card's own folder")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of that file")
    name: str = Field(min_length=1, description="what the backbone is called; by convention the card's file name")
    timm_model: str = Field(min_length=1, description="timm architecture, without a pretrained tag")
    timm_kwargs: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of timm.create_model")
    input_size: tuple[Literal[3], int, int] = Field(description="3, height, width in pixels")
    channels: Literal["rgb", "bgr"] = Field("rgb", description="the order in which the weights want them")
    mean: Channels = Field(description="of each channel in [0, 1], subtracted; in that order")
    std: Channels = Field(description="of each channel in [0, 1], divided by; in that order")
    interpolation: Literal["bilinear", "bicubic"] = Field(description="of the resize")
    crop_pct: float = Field(gt=0, le=1, description="share of the resized short side that the centre crop keeps")
    resize: Literal["crop", "squash", "letterbox"] = Field(
        "crop", description="how the image is brought to the input size"
    )
    num_classes: int = Field(ge=0, description="outputs of the classifier that the weights file holds; 0: none")
    num_features: int = Field(gt=0, description="length of the pooled feature vector")
    params: int = Field(gt=0, description="parameters, with the classifier")
    licence: str = Field(min_length=1, description="of the weights, as their publisher states it")
    published: date | None = Field(None, description="day on which the weights became public")

    @field_validator("weights")
    @classmethod
    def _own_folder(cls, value: str) -> str:
        if Path(value).name != value or value in ("", ".", "..") or "\\" in value:
            raise ValueError("must be a file name in the card's own folder, without a path")
        if not value.endswith(".safetensors"):
            raise ValueError("must be a .safetensors file")
        return value

    @field_validator("input_size")
    @classmethod
    def _positive(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value) < 1:
            raise ValueError("height and width must be positive")
        return value

    @field_validator("std")
    @classmethod
    def _divides(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0:
            raise ValueError("each channel's std must be positive")
        return value

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The fields of `data.decode.Preprocessing`."""
        return {
            "height": self.input_size[1],
            "width": self.input_size[2],
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
            "resize": self.resize,
        }


def read_card(path: Path) -> Card:
    """Parse and check a card.

    Raises:
        BackboneError: it cannot be read, is no JSON, or breaks the schema; each fault with its key.
    """
    try:
        return Card.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BackboneError(f"the card {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise BackboneError(f"the card {path} is not as docs/CARDS.md describes: {faults}") from error


def open_card(path: Path, *, source: str = "card") -> Backbone:
    """A card as a Backbone; the weights are read, and their hash compared, when it is built.

    Raises:
        BackboneError: see `read_card`; or its weights file is missing.
    """
    card = read_card(path)
    file = path.parent / card.weights
    # A link could lead out of the card's folder.
    if not file.is_file() or file.resolve().parent != path.parent.resolve():
        raise BackboneError(f"the card {path} wants the weights {card.weights} as a plain file in its own folder")
    build = partial(
        build_timm,
        name=card.name,
        source=Timm(card.timm_model, card.timm_kwargs, file, card.sha256),
        num_classes=card.num_classes,
        num_features=card.num_features,
    )
    provenance = {"timm_model": card.timm_model, "timm_kwargs": card.timm_kwargs, **(card.model_extra or {})}
    provenance |= {"published": card.published.isoformat()} if card.published else {}
    plain = Backbone(
        name=card.name,
        weights_hash=card.sha256,
        preprocessing=card.preprocessing,
        num_features=card.num_features,
        num_classes=card.num_classes,
        num_params=card.params,
        licence=card.licence,
        source=source,
        provenance=provenance,
        build=build,
    )
    return in_order(plain, card.channels)


def cards_folder(cards: Path | None) -> Path | None:
    """The folder of cards: the given one, else the environment's `MEDALIST_CARDS`, else None.

    Raises:
        BackboneError: the folder does not exist, or is a file.
    """
    folder = cards if cards is not None else Path(os.environ[CARDS]) if os.environ.get(CARDS) else None
    if folder is not None and not folder.is_dir():
        if folder.is_file():
            raise BackboneError(
                f"{folder} is a file, expected a folder of cards; type --cards {folder.parent}, or that card alone:"
                f" --backbone {folder}"
            )
        raise BackboneError(f"the folder of cards {folder} does not exist; correct --cards or {CARDS}")
    return folder


def list_cards(folder: Path | None) -> dict[str, Path]:
    """Cards of a folder by file name without `.json`; empty without a folder."""
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.json"))}
