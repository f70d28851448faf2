"""COCO / iNaturalist JSON: `images`, `annotations` and `categories` in train.json, val.json and test.json.

Classes are category ids as text, in numeric order; ids are image ids as text.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from medalist.data.layouts.class_list import sort_classes
from medalist.data.layouts.contract import WRITTEN, Claim, DeclinedError, Options, Rows, layouts
from medalist.data.layouts.csv_rows import weight
from medalist.data.layouts.finder import Finder, locate
from medalist.data.layouts.tree import Tree, split_in
from medalist.data.table import TEST, TRAIN, VALID, Rejected
from medalist.errors import DataError

EXPRESSION = re.compile(r"\s*(\w+)\s*(?:([+-])\s*(\d+)\s*)?")
FIELDS = ("image_id", "category_id", "file_name")
PADDING = re.compile(r"(0?\d{1,2}d?)?")
Record = dict[str, Any]


@layouts(takes=("labels", "path_template", "group_column", "weight_column"))
def coco(tree: Tree, options: Options) -> Claim:
    """JSON files list images and their categories."""
    if options.path_template:
        parse_template(options.path_template)
    files = _files(tree, options)
    if TRAIN not in files:
        raise DeclinedError("there is no JSON file with images and annotations")
    return Claim(f"{files[TRAIN]} lists images and annotations", lambda: _read(tree, files, options), WRITTEN)


@dataclass(frozen=True)
class Slot:
    """One `{name + shift:spec}` of a path template after the text before it; no name: text only."""

    text: str
    name: str = ""
    shift: int | None = None
    spec: str = ""


def parse_template(template: str) -> tuple[Slot, ...]:
    """`train/{category_id + 1}/{image_id:05}.jpg`: names, `+` and `-` of a whole number, zero padding; no more.

    Raises:
        DataError: anything else stands between the braces.
    """
    slots = []
    try:
        for text, expression, spec, _ in Formatter().parse(template):
            match = EXPRESSION.fullmatch(expression or "")
            if expression is None:
                slots.append(Slot(text))
            elif match and match[1] in FIELDS and PADDING.fullmatch(spec or ""):
                shift = int(f"{match[2]}{match[3]}") if match[2] else 0 if spec else None
                slots.append(Slot(text, match[1], shift, spec or ""))
            else:
                raise ValueError(f"{{{expression}}} is none of {', '.join(FIELDS)}")
    except ValueError as error:
        raise DataError(
            f"data.path_template={template!r}: {error}; expected names, with + or - a whole number, as in "
            "train/category_{category_id + 1}/{image_id}.jpg"
        ) from error
    return tuple(slots)


def fill(slots: Sequence[Slot], image_id: str, category_id: str, file_name: str) -> str:
    """The path that a template gives for one image.

    Raises:
        DataError: arithmetic on what is no number.
    """
    values = {"image_id": image_id, "category_id": category_id, "file_name": file_name}
    try:
        return "".join([slot.text + _value(slot, values) for slot in slots])
    except ValueError as error:
        raise DataError(f"data.path_template: arithmetic on an id that is not a number ({error})") from error


def _value(slot: Slot, values: Mapping[str, str]) -> str:
    if not slot.name:
        return ""
    value = values[slot.name]
    return value if slot.shift is None else format(int(value) + slot.shift, slot.spec)


def _files(tree: Tree, options: Options) -> dict[int, str]:
    """The JSON file of each split, by its name; one with another name counts as training where it stands alone.

    Raises:
        DataError: two files for one split.
    """
    if options.labels and not options.labels.lower().endswith(".json"):
        raise DeclinedError(f"{options.labels} is no JSON file")
    names = [name for name in tree.documents(".json") if _lists_images(tree.root / name)]
    files: dict[int, str] = {}
    for name in names:
        split = TRAIN if name == options.labels else split_in(name)
        if split == TRAIN and options.labels and name != options.labels:
            continue
        if split in files:
            raise DataError(f"{files[split]} and {name} both list images; type data.labels={files[split]}")
        files[split] = name
    if options.labels and TRAIN not in files:
        raise DataError(f"data.labels={options.labels!r} is no JSON file with images below {tree.root}")
    return files


def _lists_images(path: Path) -> bool:
    """Whether a JSON file has an `images` key somewhere, without parsing it."""
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"images"') >= 0


def _load(tree: Tree, name: str) -> Record:
    try:
        document = json.loads((tree.root / name).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{name} is not valid JSON: {error}") from error
    for part in ("images", "annotations", "categories"):
        records = document.get(part, []) if isinstance(document, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise DataError(f"{name}: expected an object whose {part!r} is a list of objects, as COCO has it")
    loaded: Record = document
    return loaded


def _read(tree: Tree, files: dict[int, str], options: Options) -> Rows:
    rows = Rows()
    rows.groups = [] if options.group_column else None
    rows.weights = [] if options.weight_column else None
    names: dict[str, str] = {}
    for split in sorted(files.keys() - {TEST}):
        document = _load(tree, files[split])
        finder = Finder(tree, tree.labelled(split, alone=VALID not in files))
        names |= {str(c.get("id")): str(c.get("name", c.get("id"))) for c in document.get("categories", [])}
        _append(rows, document, files[split], split, finder, options)
    _set_classes(rows, names)
    if TEST in files:
        rows.test = _test_images(tree, files[TEST], rows)
    return rows


def _append(rows: Rows, document: Record, name: str, split: int, finder: Finder, options: Options) -> None:
    """Add the images of one file that have a category and a file."""
    categories = _categories(document, name, rows)
    images: list[Record] = []
    for image in document.get("images", []):
        if "id" in image and str(image["id"]) in categories:
            images.append(image)
        else:
            rows.rejected.append(Rejected(f"{name}: image {image.get('id')}", "no annotation"))
    ids = [str(image["id"]) for image in images]
    references = _references(images, [categories[key][0] for key in ids], options)
    paths, missing = locate(references, lambda i: f"{name}: image {ids[i]}", finder)
    rows.rejected += [rejected for _, rejected in missing]
    for image, key, path in zip(images, ids, paths, strict=True):
        if not path:
            continue
        rows.ids.append(key)
        rows.paths.append(path)
        rows.split.append(split)
        rows.labels.append(categories[key])
        if rows.groups is not None:
            rows.groups.append(str(image.get(str(options.group_column), "")))
        if rows.weights is not None:
            rows.weights.append(weight(image.get(str(options.weight_column)), f"{name}: image {key}"))


def _categories(document: Record, name: str, rows: Rows) -> dict[str, tuple[str, ...]]:
    """Image id -> its different category ids, as text."""
    known = {str(category.get("id")) for category in document.get("categories", [])}
    labels = {key: (key,) for key in known}
    found: dict[str, tuple[str, ...]] = {}
    for annotation in document.get("annotations", []):
        if "image_id" not in annotation or "category_id" not in annotation:
            rows.rejected.append(Rejected(f"{name}: annotation {annotation.get('id')}", "no image_id or category_id"))
            continue
        image, category = str(annotation["image_id"]), str(annotation["category_id"])
        if known and category not in known:
            rows.rejected.append(Rejected(f"{name}: image {image}", f"its category is not listed: {category}"))
        elif image not in found:
            found[image] = labels.setdefault(category, (category,))
        elif category not in found[image]:
            found[image] = (*found[image], category)
    return found


def _references(images: Sequence[Record], categories: Sequence[str], options: Options) -> list[str]:
    """What names each image's file: the path template, else its `file_name`, else its id."""
    if not options.path_template:
        return [_file_name(image) for image in images]
    slots = parse_template(options.path_template)
    return [
        fill(slots, str(image["id"]), category, str(image.get("file_name", "")))
        for image, category in zip(images, categories, strict=True)
    ]


def _file_name(image: Record) -> str:
    return str(image.get("file_name") or image.get("id"))


def _set_classes(rows: Rows, names: dict[str, str]) -> None:
    """The class list from the categories, or from the annotations where no file lists categories."""
    rows.classes = tuple(sort_classes(names or {label for labels in rows.labels for label in labels}))
    rows.class_names = tuple(names.get(code, code) for code in rows.classes)
    if any(len(labels) > 1 for labels in rows.labels):
        rows.tags = True
        rows.notes.append("some images have several categories: they are read as tags")


def _test_images(tree: Tree, name: str, rows: Rows) -> dict[str, str]:
    """Image id -> file, for the test images; empty text where there is no file."""
    images = _load(tree, name).get("images", [])
    ids = [str(image.get("id")) for image in images]
    finder = Finder(tree, tree.images[TEST] or tree.images[None])
    # Test images have no category, so that a template of training paths does not apply.
    paths, _ = locate([_file_name(image) for image in images], lambda i: f"{name}: image {ids[i]}", finder)
    rows.notes.append(f"{name}: {len(ids)} test images")
    return dict(zip(ids, paths, strict=True))
