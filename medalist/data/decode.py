"""Bytes of an image file -> RGB pixels, and those pixels as a backbone wants them. Pillow and numpy only.

The format is told by the bytes, never by the name, from an allow-list. Pixels come as displayed (EXIF orientation
applied), the first frame of several, transparency laid on white. Axes: H W pixels.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import PIL

# Importing a plugin registers its format; Pillow would otherwise import all forty of them at the first WebP or TIFF.
from PIL import (  # noqa: F401
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from medalist.errors import DataError, near

T = TypeVar("T")
MAX_PIXELS = 180_000_000
ORIENTATION = 0x0112
SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
RESIZES = ("crop", "squash", "letterbox")


@dataclass(frozen=True)
class Preprocessing:
    """How a backbone wants its images; travels with its weights.

    Args:
        height, width: of the network's input, in pixels.
        mean, std: of each channel in [0, 1]; applied by the runtime. `letterbox` fills with the mean.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`, always antialiased.
        crop_pct: the image is resized to `size / crop_pct`, then its centre is cut out.
        resize: `crop` keeps the aspect and fills the input, `squash` does not keep it, `letterbox` keeps it and adds
            borders (timm's crop modes `center`, `squash`, `border`).
    """

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str = "bilinear"
    crop_pct: float = 0.875
    resize: str = "crop"

    def __post_init__(self) -> None:
        for value, choices in ((self.interpolation, tuple(FILTERS)), (self.resize, RESIZES)):
            if value not in choices:
                raise DataError(
                    f"preprocessing knows no {value!r}{near(value, choices)} choose of: {', '.join(choices)}"
                )
        if self.height < 1 or self.width < 1 or not 0 < self.crop_pct <= 1:
            raise DataError(f"preprocessing needs height and width > 0 and crop_pct in (0, 1], got {self}")

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Preprocessing:
        """From JSON; the inverse of `dataclasses.asdict`.

        Raises:
            DataError: a key is missing or unknown.
        """
        known = [field.name for field in fields(cls)]
        for key in value:
            if key not in known:
                raise DataError(f"preprocessing has no {key!r}{near(key, known)} it has: {', '.join(known)}")
        for key in ("height", "width", "mean", "std"):
            if key not in value:
                raise DataError(f"preprocessing needs {key!r}; got {', '.join(value) or 'nothing'}")
        return cls(**{**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])})


def decoder_version() -> str:
    """What the bits of a decoded pixel depend on; part of the key of everything computed from pixels."""
    return f"1 pillow {PIL.__version__} libjpeg-turbo {features.version_feature('libjpeg_turbo')}"


def decode(data: bytes) -> np.ndarray:
    """All pixels of an image file, (H, W, 3) uint8 RGB.

    Raises:
        DataError: not an image of the allow-list, empty, truncated, damaged, or of more than MAX_PIXELS.
    """
    return np.asarray(Picture(data).pixels(1))


def prepare(image_HWC: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Resize and crop as timm's evaluation transform does, (height, width, 3) uint8; `Picture.prepare` for bytes."""
    image = Image.fromarray(image_HWC)
    return _fit(image, image.size, 1, preprocessing)


class Picture:
    """An image file's bytes, opened: facts of its header at once, pixels when asked for.

    Attributes:
        format: `JPEG`, `PNG`, `WEBP`, `GIF`, `BMP`, `TIFF` or `MPO`.
        mode: Pillow's mode as stored, such as `RGB`, `L`, `P`, `CMYK`, `I;16`.
        width, height: as displayed, in pixels.
        rotated: the EXIF orientation is not the plain one.
        animated: a GIF, WebP or PNG of several frames.

    Raises:
        DataError: from the constructor and from each method that decodes, see `decode`.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._decoded: dict[int, Image.Image] = {}
        image = _open(data)
        self._image: Image.Image | None = image
        self.format, self.mode = str(image.format), image.mode
        self.animated = self.format in ("GIF", "WEBP", "PNG") and _guarded(
            lambda: bool(getattr(image, "is_animated", False))
        )
        orientation = _orientation(image)
        self.rotated = orientation in TRANSPOSITIONS
        self.width, self.height = image.size
        if orientation >= 5 and self.format != "TIFF":  # Pillow already tells the displayed size of a TIFF
            self.width, self.height = self.height, self.width

    def divisor(self, width: int, height: int) -> int:
        """The largest of 1, 2, 4, 8 that leaves `width` x `height` pixels or more; 1 for all formats but JPEG."""
        if self.format not in ("JPEG", "MPO"):
            return 1
        return next((d for d in (8, 4, 2) if self.width // d >= width and self.height // d >= height), 1)

    def pixels(self, divisor: int) -> Image.Image:
        """RGB as displayed, each side divided by `divisor` (rounded up) in the JPEG's own DCT domain; decoded once."""
        if divisor not in self._decoded:
            image, self._image = self._image or _open(self._data), None
            if divisor > 1:
                image.draft(None, (image.width // divisor, image.height // divisor))
            self._decoded[divisor] = _guarded(lambda: _displayed(image))
        return self._decoded[divisor]

    def prepare(self, preprocessing: Preprocessing) -> np.ndarray:
        """The backbone's input, (height, width, 3) uint8.

        Mean absolute difference to timm's evaluation transform, in levels of 255: at most 0.3 on an image that is
        decoded in full; about 1 where the DCT reduces it, at most 3 over a set and 8 on one image, because the DCT
        keeps more detail than the filter.
        """
        size = (self.width, self.height)
        divisor = self.divisor(*_resized(size, preprocessing))
        return _fit(self.pixels(divisor), size, divisor, preprocessing)


def _open(data: bytes) -> Image.Image:
    kind = sniff(data)
    image = _guarded(lambda: Image.open(io.BytesIO(data), formats=[kind]))
    if image.width * image.height > MAX_PIXELS:
        raise DataError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS:,} that are decoded")
    return image


def sniff(data: bytes) -> str:
    """The format that a file's first bytes (12 are enough) claim, by Pillow's name.

    Raises:
        DataError: none of the allow-list.
    """
    if not data:
        raise DataError("the file is empty")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    for signature, kind in SIGNATURES:
        if data.startswith(signature):
            return kind
    raise DataError(f"not an image of a known format: it begins with {data[:12]!r}")


def _guarded(read: Callable[[], T]) -> T:
    """Pillow meets hostile bytes here and answers with nearly any exception: each becomes a DataError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except Exception as error:
        raise DataError(f"cannot be decoded: {error or type(error).__name__}") from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; damaged EXIF counts as 1, as viewers do."""
    try:
        value = _guarded(lambda: image.getexif().get(ORIENTATION, 1))
    except DataError:
        return 1
    return value if value in TRANSPOSITIONS else 1


def _displayed(image: Image.Image) -> Image.Image:
    image.load()
    orientation = _orientation(image)  # after load(), which turns a TIFF by itself and removes its tag
    image = _rgb(image)
    return image.transpose(TRANSPOSITIONS[orientation]) if orientation in TRANSPOSITIONS else image


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode -> RGB; transparency on white, as the page it was drawn for."""
    if image.mode.startswith("I;16"):  # Pillow's convert() clips 16-bit grey to white
        return Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        return _stretched(np.asarray(image, np.float64)).convert("RGB")
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        page = Image.new("RGB", image.size, "white")
        page.paste(layer, mask=layer)
        return page
    return image if image.mode == "RGB" else image.convert("RGB")


def _stretched(value_HW: np.ndarray) -> Image.Image:
    """32-bit grey has no agreed range: its own minimum becomes black, its maximum white; not finite becomes black."""
    finite_HW = np.isfinite(value_HW)
    low, high = (value_HW[finite_HW].min(), value_HW[finite_HW].max()) if finite_HW.any() else (0.0, 0.0)
    scaled_HW = (np.where(finite_HW, value_HW, low) - low) / max(high - low, 1e-12) * 255
    return Image.fromarray(scaled_HW.round().astype(np.uint8))


def _resized(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[int, int]:
    """Width and height of the whole image after timm's resize and before its crop (timm.data.transforms_factory)."""
    width, height = size
    target_w = math.floor(preprocessing.width / preprocessing.crop_pct)
    target_h = math.floor(preprocessing.height / preprocessing.crop_pct)
    if preprocessing.resize == "squash":
        return target_w, target_h
    if preprocessing.resize == "crop" and target_w == target_h:  # torchvision's Resize(int) truncates the long side
        if width <= height:
            return target_w, int(target_w * height / width)
        return int(target_w * width / height), target_w
    choose = max if preprocessing.resize == "letterbox" else min
    ratio = choose(height / target_h, width / target_w)
    return max(1, round(width / ratio)), max(1, round(height / ratio))  # a strip keeps a pixel


def _fit(image: Image.Image, size: tuple[int, int], divisor: int, preprocessing: Preprocessing) -> np.ndarray:
    """Resize and crop `image`, which is a picture of `size` (width, height) decoded at 1 / `divisor`.

    Only what the crop shows is resized: one `resize(box=)` with the crop's corners in the coordinates of `image`.
    """
    target = (preprocessing.width, preprocessing.height)
    resized = _resized(size, preprocessing)
    offset = [round((whole - part) / 2) if whole > part else 0 for whole, part in zip(resized, target, strict=True)]
    shown = [min(whole, part) for whole, part in zip(resized, target, strict=True)]
    per_pixel = [full / whole / divisor for full, whole in zip(size, resized, strict=True)]
    left, top = (start * unit for start, unit in zip(offset, per_pixel, strict=True))
    right, bottom = (
        min((start + part) * unit, side)
        for start, part, unit, side in zip(offset, shown, per_pixel, image.size, strict=True)
    )
    image = image.resize((shown[0], shown[1]), FILTERS[preprocessing.interpolation], box=(left, top, right, bottom))
    if image.size == target:
        return np.asarray(image)
    canvas = Image.new("RGB", target, tuple(round(255 * value) for value in preprocessing.mean))
    canvas.paste(image, ((target[0] - shown[0]) // 2, (target[1] - shown[1]) // 2))
    return np.asarray(canvas)
