"""Decoding by bytes: every kind of the allow-list, every kind of damage; preparing as timm does."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform

from medalist.data.decode import MAX_PIXELS, Picture, Preprocessing, decode, prepare
from medalist.errors import DataError

RAMP = np.stack([*np.meshgrid(np.arange(40) * 6, np.arange(24) * 10), np.full((24, 40), 90)], axis=-1).astype(np.uint8)
PLAIN = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(RAMP).convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode", "options", "tolerance"),
    [
        ("JPEG", "RGB", {"quality": 95}, 4),
        ("JPEG", "RGB", {"quality": 95, "progressive": True}, 4),
        ("JPEG", "L", {"quality": 95}, 4),
        ("JPEG", "CMYK", {"quality": 95}, 4),
        ("MPO", "RGB", {"quality": 95, "save_all": True, "append_images": [ramp().rotate(180)]}, 4),
        ("PNG", "RGB", {}, 0),
        ("PNG", "L", {}, 0),
        ("PNG", "P", {}, 0),
        ("PNG", "1", {}, 0),
        ("WEBP", "RGB", {"lossless": True}, 0),
        ("GIF", "P", {}, 0),
        ("GIF", "P", {"save_all": True, "append_images": [ramp("P").rotate(180)]}, 0),
        ("BMP", "RGB", {}, 0),
        ("TIFF", "RGB", {}, 0),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}, 0),
        ("TIFF", "CMYK", {}, 0),
    ],
)
def test_kinds(kind: str, mode: str, options: dict[str, Any], tolerance: int) -> None:
    image = ramp(mode)
    data = encoded(image, kind, **options)
    pixels = decode(data)
    assert (pixels.shape, pixels.dtype) == ((24, 40, 3), np.uint8)
    assert np.abs(pixels.astype(int) - np.asarray(image.convert("RGB"))).mean() <= tolerance
    picture = Picture(data)
    assert (picture.format, picture.width, picture.height) == (kind, 40, 24)
    assert picture.animated == (kind == "GIF" and "save_all" in options)


def test_16_bit_grey_keeps_its_scale() -> None:
    value_HW = np.linspace(0, 65535, 24 * 40).reshape(24, 40).round().astype(np.uint16)
    for kind in ("PNG", "TIFF"):
        pixels = decode(encoded(Image.fromarray(value_HW), kind))
        assert np.array_equal(pixels, np.repeat((value_HW / 257).round().astype(np.uint8)[..., None], 3, axis=2))


def test_32_bit_grey_goes_from_its_minimum_to_its_maximum() -> None:
    value_HW = np.linspace(-3.0, 5.0, 24 * 40, dtype=np.float32).reshape(24, 40)
    pixels = decode(encoded(Image.fromarray(value_HW), "TIFF"))
    assert (pixels[0, 0].tolist(), pixels[-1, -1].tolist()) == ([0] * 3, [255] * 3)
    assert np.all(np.diff(pixels[..., 0].ravel().astype(int)) >= 0)
    assert decode(encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF")).max() == 0


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_lies_on_white(kind: str) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:, 1] = (200, 0, 0, 255)
    rgba[:, 2] = (0, 0, 0, 128)
    pixels = decode(encoded(Image.fromarray(rgba), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == [200, 0, 0]
    assert pixels[0, 2].tolist() == [127, 127, 127]


def test_a_transparent_palette_colour_lies_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        pixels = decode(encoded(image, kind, transparency=0))
        assert pixels[0].tolist() == [[255, 255, 255], [40, 50, 60]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_come_as_displayed(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(ramp(), kind, exif=exif.tobytes(), **({"lossless": True} if kind == "WEBP" else {}))
    # EXIF 2.32, table 6: where the 0th row and column of what is stored are seen.
    stored = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) if kind != "TIFF" else RAMP
    seen = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: stored[::-1].swapaxes(0, 1),
        7: stored[::-1, ::-1].swapaxes(0, 1),
        8: stored[:, ::-1].swapaxes(0, 1),
    }[orientation]
    picture = Picture(data)
    assert np.array_equal(decode(data), seen)
    assert (picture.height, picture.width) == seen.shape[:2]
    assert picture.rotated == (orientation > 1)


def test_rotated_photos_are_reduced_as_displayed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = ramp().resize((1003, 601), Image.Resampling.BICUBIC)
    data = encoded(stored, "JPEG", quality=95, exif=exif.tobytes())
    picture = Picture(data)
    preprocessing = Preprocessing(64, 64, **PLAIN)
    assert picture.divisor(73, 122) == 8
    shown = np.asarray(stored.rotate(-90, expand=True))
    assert np.abs(picture.prepare(preprocessing).astype(int) - prepare(shown, preprocessing)).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_files_are_errors(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(DataError, match="cannot be decoded"):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image of a known format"),
        (b"\0\0\0\x01Bud1" + bytes(100), "not an image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image of a known format"),  # Pillow would start Ghostscript
        (b"P6 1 1 255 abc", "not an image of a known format"),
        (b"\xff\xd8\xff" + bytes(100), "cannot be decoded"),
        (b"BMW and other cars", "cannot be decoded"),
        (b"RIFF\0\0\0\0WEBP" + bytes(20), "cannot be decoded"),
    ],
)
def test_what_is_no_image_is_an_error(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        decode(data)


def test_a_bomb_is_refused_by_its_header() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 13_500, 13_500, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    assert MAX_PIXELS < 13_500**2
    with pytest.raises(DataError, match="pixels"):
        Picture(bomb)


@given(st.integers(0, 10**9), st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO"]))
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_give_pixels_or_a_data_error(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    data = np.frombuffer(encoded(ramp(), kind), np.uint8).copy()
    places = rng.integers(12, len(data), rng.integers(1, 12))
    data[places] = rng.integers(0, 256, len(places))
    try:
        pixels = decode(data.tobytes())
    except DataError:
        return
    assert (pixels.dtype, pixels.ndim) == (np.uint8, 3)


def timm_pixels(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """What timm's evaluation transform makes of an image, in levels."""
    transform = create_transform(
        (3, preprocessing.height, preprocessing.width),
        is_training=False,
        interpolation=preprocessing.interpolation,
        crop_pct=preprocessing.crop_pct,
        crop_mode={"crop": "center", "squash": "squash", "letterbox": "border"}[preprocessing.resize],
        mean=preprocessing.mean,
        std=preprocessing.std,
        normalize=False,
    )
    return np.asarray(transform(image.convert("RGB"))).transpose(1, 2, 0)


@pytest.mark.parametrize("resize", ["crop", "squash", "letterbox"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("height", "width", "crop_pct"), [(32, 32, 0.875), (32, 32, 1.0), (48, 20, 0.9), (17, 31, 1.0)]
)
def test_geometry_is_that_of_timm(resize: str, interpolation: str, height: int, width: int, crop_pct: float) -> None:
    preprocessing = Preprocessing(height, width, **PLAIN, interpolation=interpolation, crop_pct=crop_pct, resize=resize)
    for size in [(40, 24), (24, 40), (33, 33), (500, 375), (9, 7), (200, 11)]:
        image = ramp().resize(size, Image.Resampling.BICUBIC)
        ours = prepare(np.asarray(image), preprocessing).astype(int)
        assert np.abs(ours - timm_pixels(image, preprocessing)).max() <= 2


@pytest.mark.parametrize("name", ["cats-dogs", "flowers102"])
@pytest.mark.parametrize(("size", "interpolation", "crop_pct"), [(224, "bilinear", 0.875), (96, "bicubic", 0.9)])
def test_photos_are_prepared_within_the_stated_tolerance(
    shared: Callable[[str], Path], name: str, size: int, interpolation: str, crop_pct: float
) -> None:
    preprocessing = Preprocessing(size, size, **PLAIN, interpolation=interpolation, crop_pct=crop_pct)
    whole, reduced = [], []
    for path in sorted((shared(f"data/{name}") / "train").rglob("*.jpg"))[::20]:
        picture = Picture(path.read_bytes())
        difference = np.abs(picture.prepare(preprocessing).astype(int) - timm_pixels(Image.open(path), preprocessing))
        side = int(size / crop_pct)
        (whole if picture.divisor(side, side) == 1 else reduced).append(difference.mean())
    assert max(whole, default=0) <= 0.3
    assert (size == 96) == bool(reduced)
    assert max(reduced, default=0) <= 8
    assert not reduced or np.mean(reduced) <= 3


def test_preprocessing_comes_back_from_json() -> None:
    preprocessing = Preprocessing(224, 192, (0.4, 0.5, 0.6), (0.1, 0.2, 0.3), "bicubic", 0.9, "squash")
    assert Preprocessing.from_dict({**asdict(preprocessing), "mean": [0.4, 0.5, 0.6]}) == preprocessing


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"interpolation": "bicubik"}, "did you mean 'bicubic'"),
        ({"resize": "stretch"}, "squash"),
        ({"crop_pct": 0}, "crop_pct"),
        ({"heigth": 3}, "did you mean 'height'"),
        ({"mean": None}, "needs 'mean'"),
    ],
)
def test_wrong_preprocessing_is_refused(change: dict[str, Any], reason: str) -> None:
    value = {"height": 8, "width": 8, **PLAIN, **change}
    with pytest.raises(DataError, match=reason):
        Preprocessing.from_dict({key: entry for key, entry in value.items() if entry is not None})


def test_the_odd_files(shared: Callable[[str], Path]) -> None:
    root = shared("data/cases")
    broken = {
        ".DS_Store": "not an image",
        "bb5d47bced6e4e33a77faa17e1eec906.svg": "not an image",
        "e3ecbb47e192470aa8686734b7813b43.svg": "not an image",
        "cases.csv": "not an image",
        "empty.jpg": "empty",
        "truncated_half.jpg": "truncated",
    }
    for path in sorted(root.iterdir()):
        if path.name in broken:
            with pytest.raises(DataError, match=broken[path.name]):
                decode(path.read_bytes())
            continue
        with Image.open(path) as image:
            assert decode(path.read_bytes()).shape == (image.height, image.width, 3)
    assert Picture((root / "boletus_edulis_378.jpg").read_bytes()).format == "WEBP"
    assert Picture((root / "00000006.jpg").read_bytes()).format == "PNG"
    assert Picture((root / "imageNotFound.gif").read_bytes()).format == "GIF"
    assert decode((root / "00000040.png").read_bytes())[0, 0].tolist() == [255, 255, 255]  # transparent corner
