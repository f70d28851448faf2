"""Findings: each fault of a file under its own name and nothing else, each odd file of the shared cases."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps
from scipy.sparse import csr_array

from medalist.data.ingest import facts_of
from medalist.data.table import TEST, TRAIN, ImageTable
from medalist.quality.findings import KINDS, findings


def photograph(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Coarse colours with grain, as sharp as a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 226, (6, 8, 3), dtype=np.uint8))
    grain = rng.normal(0, 12, (height, width, 3))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), float)
    return Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))


def table_of(root: Path, paths: list[str], labels: list[int] | None = None, test: tuple[str, ...] = ()) -> ImageTable:
    label_N = np.array([-1 if path in test else 0 for path in paths] if labels is None else labels, np.int32)
    return ImageTable(
        root=root,
        ids=np.array(paths),
        paths=np.array(paths),
        split=np.where(np.isin(paths, test), TEST, TRAIN).astype(np.uint8),
        classes=("a", "b", "c"),
        labels=label_N,
    )


def found(table: ImageTable, cache: Path) -> dict[str, set[str]]:
    """Kinds by path."""
    kinds: dict[str, set[str]] = {}
    for one in findings(table, facts_of(table.root, list(table.paths), cache=cache)):
        kinds.setdefault(str(table.paths[one.row]), set()).add(one.kind)
    return kinds


def test_each_fault_has_its_name_and_a_photograph_has_none(tmp_path: Path) -> None:
    def save(name: str, image: Image.Image, **options: object) -> None:
        image.save(tmp_path / name, **options)  # type: ignore[arg-type]

    save("good.jpg", photograph(0), quality=90)
    save("good.png", photograph(1))
    save("small_but_good.webp", photograph(2, 64, 64))
    save("background.jpg", portrait(photograph(3)), quality=90)
    save("dark.jpg", photograph(4).point(lambda value: value // 5), quality=90)
    save("blurred.jpg", photograph(5).filter(ImageFilter.GaussianBlur(4)), quality=90)
    save("large_blurred.png", photograph(6).resize((1600, 1200), Image.Resampling.BICUBIC).filter(blur(16)))
    save("blank.png", Image.new("RGB", (200, 200), (250, 251, 250)))
    save("tiny.png", photograph(7, 60, 40))
    save("strip.png", photograph(8, 400, 120))
    save("png.jpg", photograph(9), format="PNG")
    save("jpeg", photograph(10), format="JPEG")
    save("palette.png", photograph(11).quantize(200))
    save("see_through.png", photograph(12).convert("RGBA"))
    save("print.jpg", photograph(13).convert("CMYK"))
    save("grey.jpg", photograph(14).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.jpg", photograph(15), exif=exif)
    frames = [photograph(seed).quantize(250) for seed in (16, 17)]
    save("film.gif", frames[0], save_all=True, append_images=frames[1:])
    save("whole.jpg", photograph(18))
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:6000])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>404</html>", encoding="utf-8")
    save("image-not-found.png", photograph(19))

    names = sorted(path.name for path in tmp_path.iterdir())
    table = table_of(tmp_path, [*names, "gone.jpg", ""])
    assert found(table, tmp_path / "cache") == {
        "dark.jpg": {"dark"},
        "blurred.jpg": {"blurred"},
        "large_blurred.png": {"blurred"},
        "blank.png": {"blank"},
        "tiny.png": {"tiny"},
        "strip.png": {"extreme_aspect"},
        "png.jpg": {"wrong_extension"},
        "jpeg": {"wrong_extension"},
        "palette.png": {"odd_mode"},
        "see_through.png": {"odd_mode"},
        "print.jpg": {"odd_mode"},
        "grey.jpg": {"odd_mode"},
        "turned.jpg": {"rotated"},
        "film.gif": {"animated", "odd_mode"},
        "half.jpg": {"truncated"},
        "empty.jpg": {"truncated"},
        "page.jpg": {"unreadable"},
        "image-not-found.png": {"placeholder"},
        "gone.jpg": {"missing"},
        "": {"missing"},
    }


def blur(radius: float) -> ImageFilter.GaussianBlur:
    return ImageFilter.GaussianBlur(radius)


def portrait(image: Image.Image) -> Image.Image:
    """Sharp in the middle alone."""
    blurred = image.filter(blur(5))
    blurred.paste(image.crop((110, 60, 210, 180)), (110, 60))
    return blurred


def test_grey_is_odd_among_colours_alone(tmp_path: Path) -> None:
    names = [f"{seed}.png" for seed in range(5)]
    for seed, name in enumerate(names):
        photograph(seed).convert("L" if seed else "RGB").save(tmp_path / name)
    assert found(table_of(tmp_path, names), tmp_path / "cache") == {}


def test_duplicates_are_what_their_labels_and_splits_make_them(tmp_path: Path) -> None:
    pairs = {"same": [0, 0], "torn": [0, 1], "leaked": [1, -1], "asked": [-1, -1], "everywhere": [0, 1, 2, -1]}
    names, labels = [], []
    for seed, (name, members) in enumerate(pairs.items()):
        for number, label in enumerate(members):
            names.append(f"{name}{number}.jpg")
            labels.append(label)
            quality = 90 if name == "everywhere" else 90 - number
            photograph(seed).save(tmp_path / names[-1], quality=quality)
    test = tuple(name for name, label in zip(names, labels, strict=True) if label < 0)
    table = table_of(tmp_path, names, labels, test)
    kinds = found(table, tmp_path / "cache")
    expected = {
        "same": "duplicate",
        "torn": "conflict",
        "leaked": "leak",
        "asked": "duplicate",
        "everywhere": "placeholder",
    }
    assert kinds == {name: {expected[name.rstrip("0123.jpg")]} for name in names}
    ordered = [one.kind for one in findings(table, facts_of(tmp_path, names, cache=tmp_path / "cache"))]
    assert ordered == sorted(ordered, key=list(KINDS).index)


def test_tags_that_differ_are_a_conflict_and_no_placeholder(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(4)]
    for name in names:
        photograph(1).save(tmp_path / name)
    table = table_of(tmp_path, names)
    tagged = ImageTable(**{**vars(table), "labels": csr_array(np.eye(4, 3, dtype=bool))})
    assert found(tagged, tmp_path / "cache") == {name: {"conflict"} for name in names}


def test_files_that_cannot_be_opened_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    assert found(table_of(tmp_path, ["a.jpg", "b.jpg"]), tmp_path / "cache") == {
        "a.jpg": {"truncated"},
        "b.jpg": {"truncated"},
    }


@pytest.mark.parametrize(
    ("name", "placeholder"),
    [
        ("imageNotFound", True),
        ("no_image_available", True),
        ("photo-unavailable", True),
        ("placeholder (3)", True),
        ("coming_soon", True),
        ("piano_image", False),
        ("casino-photos", False),
        ("not_a_cat", False),
    ],
)
def test_names_of_placeholders(name: str, placeholder: bool, tmp_path: Path) -> None:
    photograph(2).save(tmp_path / f"{name}.png")
    assert found(table_of(tmp_path, [f"{name}.png"]), tmp_path / "cache") == (
        {f"{name}.png": {"placeholder"}} if placeholder else {}
    )


EXPECTED = {
    "WEBP bytes in a .jpg name": "wrong_extension",
    "PNG bytes in a .jpg name": "wrong_extension",
    "palette PNG bytes in a .jpg name": "wrong_extension",
    "PNG with alpha": "odd_mode",
    "palette PNG": "odd_mode",
    "grayscale JPEG in a colour set": "odd_mode",
    "grayscale JPEG": "odd_mode",
    "SVG in an image folder: PIL cannot open it": "unreadable",
    "image with a strange or no extension": "wrong_extension",
    "very small image (short side < 45 px)": "tiny",
    "extreme aspect ratio": "extreme_aspect",
    'GIF placeholder "image not found" labelled as class ants': "placeholder",
    ".DS_Store file inside the class tree (not an image)": "unreadable",
    "same bytes under two labels (conflicting exact duplicate)": "conflict",
    "near-duplicate pair (phash distance <= 4)": "duplicate",
    "exact-duplicate pair across train/validation of the source": "duplicate",
    "SYNTHETIC: first half of cat.4126.jpg": "truncated",
    "SYNTHETIC: zero bytes": "truncated",
}


def test_the_odd_files(shared: Callable[[str], Path], tmp_path: Path) -> None:
    root = shared("data/cases")
    with (root / "cases.csv").open(encoding="utf-8", newline="") as file:
        cases = list(csv.DictReader(file))
    names = [case["file"] for case in cases]
    labels = [1 if "erythropus" in name else 0 for name in names]  # the one pair that has two labels
    kinds = found(table_of(root, names, labels), tmp_path)
    assert EXPECTED.keys() <= {case["why"] for case in cases}
    for case in cases:
        if case["why"] in EXPECTED:
            assert EXPECTED[case["why"]] in kinds[case["file"]], case
    assert "conflict" not in kinds["00000099.png"]  # the blue shirt: grey hashes alone would take it for the red one


def test_flat_pictures_of_all_greys_are_blank(tmp_path: Path) -> None:
    names = [f"{level}.png" for level in range(256)]
    for level, name in enumerate(names):
        Image.new("RGB", (60, 60), (level,) * 3).save(tmp_path / name)
    kinds = found(table_of(tmp_path, names), tmp_path / "cache")
    assert all("blank" in kinds[name] for name in names)


def test_pictures_too_small_to_tell_are_tiny_and_not_blurred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, shape in (("dots.png", (8, 8, 3)), ("thread.png", (2000, 3, 3))):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / name)
    kinds = found(table_of(tmp_path, ["dots.png", "thread.png"]), tmp_path / "cache")
    assert kinds == {"dots.png": {"tiny"}, "thread.png": {"tiny", "extreme_aspect"}}


def test_mirrored_twins_under_three_labels_are_a_conflict_and_no_placeholder(tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg", "c.jpg"]
    for name, image in zip(names, (photograph(1), ImageOps.mirror(photograph(1)), photograph(1)), strict=True):
        image.save(tmp_path / name, quality=90 if name < "c" else 70)
    kinds = found(table_of(tmp_path, names, [0, 1, 2]), tmp_path / "cache")
    assert kinds == {name: {"conflict"} for name in names}
