"""The contract of layouts: a random table written in a layout is read back equal, and no layout takes another's.

`WRITERS` has a writer for each registered layout; a layout without one fails `test_every_layout_has_a_writer`.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medalist.data.layouts import layouts, read
from medalist.data.layouts.contract import WRITTEN, DeclinedError, Options
from medalist.data.layouts.tree import list_tree
from medalist.data.table import TEST, TRAIN, VALID, ImageTable

NASTY_IDS = ["007", "7", "1e5", "0079ba6b38a5b84d", "NA", "None", "null", "no", "true", "-1", "1.0", "é", "日本", "a b"]
NASTY_CLASSES = ["NA", "None", "null", "no", "yes", "1e5", "007", "Köln", "a, b", "it's", "x=y", "Golden Retriever"]


@dataclass(frozen=True)
class Drawn:
    """What a writer has to put down: rows of (id, split, labels), in order, and test ids."""

    rows: tuple[tuple[str, int, tuple[str, ...]], ...]
    test: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """What reading must give: (path, split, labels) of labelled rows, and test id -> path."""

    rows: set[tuple[str, int, tuple[str, ...]]]
    test: dict[str, str]
    ids: set[str] | None = None


def touch(root: Path, path: str, text: str = "") -> str:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")
    return path


def write_csv(path: Path, rows: list[list[str]], *, bom: bool = True, end: str = "\r\n") -> None:
    with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
        csv.writer(file, lineterminator=end).writerows(rows)


def write_test(root: Path, drawn: Drawn, answer: str) -> dict[str, str]:
    """Test files and a sample submission with extension-less ids, in the drawn order."""
    paths = {name: touch(root, f"test/{name}.jpg") for name in drawn.test}
    if drawn.test:
        write_csv(root / "sample_submission.csv", [["id", "answer"], *([name, answer] for name in drawn.test)])
    return paths


def folder_of(split: int) -> str:
    return {TRAIN: "train", VALID: "valid"}[split]


def write_class_folders(root: Path, drawn: Drawn) -> Written:
    rows = {(touch(root, f"{folder_of(s)}/{ls[0]}/{name}.jpg"), s, ls) for name, s, ls in drawn.rows}
    return Written(rows, write_test(root, drawn, drawn.classes[0]))


def write_flat_names(root: Path, drawn: Drawn) -> Written:
    numbered = enumerate(drawn.rows)
    rows = {(touch(root, f"{folder_of(s)}/{ls[0]}.{i}.jpg"), s, ls) for i, (_, s, ls) in numbered}
    return Written(rows, write_test(root, drawn, drawn.classes[0]))


def write_csv_labels(root: Path, drawn: Drawn) -> Written:
    for split in (TRAIN, VALID):
        lines = [[name, labels[0]] for name, s, labels in drawn.rows if s == split]
        if lines:
            write_csv(root / f"{folder_of(split)}.csv", [["id", "label"], *lines])
    rows = {(touch(root, f"{folder_of(s)}/{name}.png"), s, ls) for name, s, ls in drawn.rows}
    return Written(rows, write_test(root, drawn, drawn.classes[0]), {name for name, _, _ in drawn.rows})


def write_csv_tags(root: Path, drawn: Drawn) -> Written:
    paths = [touch(root, f"{folder_of(s)}/{name}.jpg") for name, s, _ in drawn.rows]
    lines = [[path, "|".join(labels)] for path, (_, _, labels) in zip(paths, drawn.rows, strict=True)]
    write_csv(root / "train.csv", [["img_path", "tags"], *lines], bom=False, end="\n")
    (root / "valid_tags.txt").write_text("\r\n".join(drawn.classes), encoding="utf-8")
    rows = {(path, s, tuple(sorted(ls))) for path, (_, s, ls) in zip(paths, drawn.rows, strict=True)}
    return Written(rows, write_test(root, drawn, drawn.classes[0]), set(paths))


def write_coco(root: Path, drawn: Drawn) -> Written:
    codes = {name: code for code, name in enumerate(drawn.classes)}
    rows = set()
    for split, stem in ((TRAIN, "train"), (VALID, "val")):
        images, annotations = [], []
        for name, s, labels in drawn.rows:
            if s == split:
                path = touch(root, f"{folder_of(s)}/{codes[labels[0]]}/{name}.jpg")
                images.append({"id": name, "file_name": path})
                annotations.append({"image_id": name, "category_id": codes[labels[0]]})
                rows.add((path, s, (str(codes[labels[0]]),)))
        categories = [{"id": code, "name": name} for name, code in codes.items()]
        document = {"images": images, "annotations": annotations, "categories": categories}
        touch(root, f"{stem}.json", json.dumps(document))
    test = write_test(root, drawn, "0")
    touch(root, "test.json", json.dumps({"images": [{"id": i, "file_name": p} for i, p in test.items()]}))
    return Written(rows, test, {name for name, _, _ in drawn.rows})


WRITERS: dict[str, Callable[[Path, Drawn], Written]] = {
    "class_folders": write_class_folders,
    "flat_names": write_flat_names,
    "csv_labels": write_csv_labels,
    "csv_tags": write_csv_tags,
    "coco": write_coco,
}

names = st.one_of(st.sampled_from(NASTY_IDS), st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True))
class_names = st.one_of(
    st.sampled_from(NASTY_CLASSES), st.from_regex(r"[A-Za-z][A-Za-z0-9_ ]{0,8}[A-Za-z]", fullmatch=True)
)


@st.composite
def drawn_tables(draw: st.DrawFn, layout: str) -> Drawn:
    """Two to five classes with at least two training rows each, some validation rows, some test rows."""
    tags = layout == "csv_tags"
    # A class that stands in a file name needs a letter: `2019.07.jpg` says nothing.
    allowed = class_names.filter(lambda name: not name.isdigit()) if layout == "flat_names" else class_names
    classes = draw(st.lists(allowed, min_size=2, max_size=5, unique_by=str.casefold))
    extra = draw(st.integers(0, 6))
    num_rows = 2 * len(classes) + extra
    ids = draw(st.lists(names, min_size=num_rows, max_size=num_rows, unique_by=str.casefold))
    test = draw(st.lists(names, max_size=6, unique_by=str.casefold))
    rows = []
    for i, name in enumerate(ids):
        split = TRAIN if i < 2 * len(classes) else draw(st.sampled_from([TRAIN, VALID]))
        more = draw(st.lists(st.sampled_from(classes), max_size=3)) if tags else []
        rows.append((name, split, tuple(dict.fromkeys([classes[i % len(classes)], *more]))))
    return Drawn(tuple(rows), tuple(test), tuple(classes))


def rows_of(table: ImageTable) -> set[tuple[str, int, tuple[str, ...]]]:
    """(path, split, labels) of the labelled rows; tags sorted."""
    labelled = table.labelled()
    if isinstance(labelled.labels, np.ndarray):
        labels = [(table.classes[i],) for i in labelled.labels]
    else:
        dense_NC = labelled.labels.toarray()
        labels = [tuple(sorted(table.classes[i] for i in np.flatnonzero(row_C))) for row_C in dense_NC]
    return set(zip(labelled.paths.tolist(), labelled.split.tolist(), labels, strict=True))


def test_every_layout_has_a_writer() -> None:
    assert set(layouts) == set(WRITERS)


@pytest.mark.parametrize("name", sorted(WRITERS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_written_is_read_back_equal(name: str, data: st.DataObject) -> None:
    drawn = data.draw(drawn_tables(name))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        written = WRITERS[name](root, drawn)
        table = read(root)
    assert table.layout == name
    assert rows_of(table) == written.rows
    assert len(table.labelled()) == len(drawn.rows)
    if written.ids is not None:
        assert set(table.labelled().ids) == written.ids
    test = table.test()
    assert test.ids.tolist() == list(drawn.test)
    assert dict(zip(test.ids.tolist(), test.paths.tolist(), strict=True)) == written.test
    assert table.rejected == ()


@pytest.mark.parametrize("name", sorted(WRITERS))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_no_other_layout_takes_it(name: str, data: st.DataObject) -> None:
    """No other claims it with equal evidence, and where nothing but names tells, no other claims it at all."""
    drawn = data.draw(drawn_tables(name))
    with tempfile.TemporaryDirectory() as folder:
        WRITERS[name](Path(folder), drawn)
        tree = list_tree(Path(folder))
        strengths = {}
        for other in layouts:
            try:
                strengths[other] = layouts.bind(other)(tree, Options()).strength
            except DeclinedError:
                continue
    rivals = {other for other, strength in strengths.items() if strength >= strengths[name]}
    assert rivals == {name}
    if strengths[name] < WRITTEN:
        assert set(strengths) == {name}


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_reading_twice_gives_equal_tables(name: str, tmp_path: Path) -> None:
    rows = tuple((f"i{i}", TRAIN, ("cat" if i % 2 else "dog",)) for i in range(9))
    WRITERS[name](tmp_path, Drawn(rows, ("1", "2"), ("cat", "dog")))
    first, second = read(tmp_path), read(str(tmp_path))
    assert first.ids.tolist() == second.ids.tolist()
    assert first.notes == second.notes
    assert first.class_hash == second.class_hash
    assert first.split.dtype == np.uint8 and (first.split == TEST).sum() == 2


@pytest.mark.parametrize(
    ("name", "layout", "task", "counts", "kind"),
    [
        ("cats-dogs", "flat_names", "binary", (1050, 0, 450), "probability"),
        ("mushrooms8", "class_folders", "multiclass", (1227, 0, 525), "class"),
        ("grocery81", "class_folders", "multiclass", (1005, 0, 432), "class"),
        ("flowers102", "coco", "multiclass", (585, 0, 306), "class"),
        ("movie-posters", "csv_tags", "tags", (700, 0, 301), "tags"),
    ],
)
def test_shared_sets_need_no_option(
    shared: Callable[[str], Path], name: str, layout: str, task: str, counts: tuple[int, ...], kind: str
) -> None:
    root = shared(f"data/{name}")
    table = read(root)
    assert (table.layout, table.task) == (layout, task)
    assert tuple((table.split == split).sum() for split in (TRAIN, VALID, TEST)) == counts
    assert table.sample is not None and table.sample.kind == kind
    assert table.rejected == ()
    assert all((root / path).is_file() for path in table.paths)
    assert table.test().ids.tolist() == list(table.sample.ids)


def test_details_of_the_shared_sets(shared: Callable[[str], Path]) -> None:
    cats = read(shared("data/cats-dogs"))
    assert cats.sample is not None and cats.sample.positive == "dog"
    root = shared("data/flowers102")
    flowers = read(root)
    assert flowers.classes == tuple(str(i) for i in range(102))
    assert flowers.class_names[:2] == ("pink primrose", "hard-leaved pocket orchid")
    test = {str(i["id"]): i["file_name"] for i in json.loads((root / "test.json").read_text())["images"]}
    assert dict(zip(flowers.test().ids.tolist(), flowers.test().paths.tolist(), strict=True)) == test
    posters = read(shared("data/movie-posters"))
    assert posters.classes == tuple((shared("data/movie-posters") / "valid_tags.txt").read_text().split())
    with (shared("data/movie-posters") / "train.csv").open(newline="") as file:
        truth = {row["img_path"]: set(row["tags"].split(",")) for row in csv.DictReader(file)}
    assert {path: set(tags) for path, _, tags in rows_of(posters)} == truth
