"""Odd datasets: junk, links, pipes, Unicode forms, references that leave the folder, ambiguity, options."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.data.describe import describe
from medalist.data.layouts import read
from medalist.data.layouts.coco import fill, parse_template
from medalist.data.layouts.csv_tags import infer_delimiter, split_tags
from medalist.data.layouts.flat_names import compile_pattern, label_in
from medalist.data.layouts.tree import list_tree, split_of
from medalist.data.table import TEST, TRAIN, VALID, ImageTable
from medalist.errors import DataError, RecipeError


def make(root: Path, *paths: str, **texts: str) -> Path:
    """Write empty files at `paths`, and texts at names (`train_csv="..."` -> train.csv)."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    for name, text in texts.items():
        stem, _, suffix = name.rpartition("_")
        (root / f"{stem}.{suffix}").write_bytes(text.encode())
    return root


def pairs(table: ImageTable) -> dict[str, str]:
    """id -> class of the labelled rows."""
    labelled = table.labelled()
    return {i: table.classes[c] for i, c in zip(labelled.ids.tolist(), labelled.labels, strict=True)}


def reasons(table: ImageTable) -> dict[str, str]:
    return {entry.path: entry.reason for entry in table.rejected}


TWO_FILES = ("train/1.jpg", "train/2.jpg")
TWO_CLASSES = ("train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "train/dog/2.jpg")


def test_junk_is_tolerated_and_listed(tmp_path: Path) -> None:
    junk = ["train/.DS_Store", ".ipynb_checkpoints/a.jpg", "train/cat/Thumbs.db", "__MACOSX/x.jpg", "train/dog/._1.jpg"]
    table = read(make(tmp_path, *TWO_CLASSES, *junk, "train/cat/notes.txt"))
    assert table.paths.tolist() == list(TWO_CLASSES)
    assert set(reasons(table)) == {
        "train/.DS_Store", ".ipynb_checkpoints", "train/cat/Thumbs.db", "__MACOSX", "train/dog/._1.jpg",
        "train/cat/notes.txt",
    }  # fmt: skip


def test_links_and_pipes(tmp_path: Path) -> None:
    outside = make(tmp_path / "elsewhere", "3.jpg")
    root = make(tmp_path / "data", *TWO_CLASSES)
    os.mkfifo(root / "train/cat/pipe.jpg")
    (root / "train/cat/loop").symlink_to(root / "train")
    (root / "train/cat/self.jpg").symlink_to(root / "train/cat/self.jpg")
    (root / "train/cat/gone.jpg").symlink_to(root / "nothing")
    (root / "train/cat/out").symlink_to(outside)
    (root / "train/cat/3.jpg").symlink_to(outside / "3.jpg")
    (root / "train/dog/3.jpg").symlink_to("2.jpg")
    table = read(root)
    assert table.paths.tolist() == [*TWO_CLASSES, "train/dog/3.jpg"]
    told = reasons(table)
    assert told["train/cat/pipe.jpg"] == "not a regular file"
    assert "listed already" in told["train/cat/loop"]
    assert "loop" in told["train/cat/self.jpg"] and "nothing" in told["train/cat/gone.jpg"]
    assert "out of the dataset" in told["train/cat/out"] and "out of the dataset" in told["train/cat/3.jpg"]
    allowed = read(root, options={"allow_outside": True})
    assert {"train/cat/3.jpg", "train/cat/out/3.jpg"} <= set(allowed.paths.tolist())


def test_outside_folders_that_link_in_circles_end(tmp_path: Path) -> None:
    outside = make(tmp_path / "a/b", "1.jpg")
    (outside / "up").symlink_to(tmp_path / "a")
    root = make(tmp_path / "data", *TWO_CLASSES)
    (root / "train/cat/out").symlink_to(outside)
    assert len(list_tree(root, allow_outside=True).files) < 20


def test_unreadable_name_is_listed(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/train/cat/\xff.jpg")).touch()
    assert "its name is not UTF-8" in reasons(read(tmp_path)).values()


def test_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        read(tmp_path / "nothing")


def test_nothing_fits_tells_what_was_seen_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)data\.layout=NAME.*a\.jpg.*class_folders: .*flat_names: "):
        read(make(tmp_path, "a.jpg", "b.jpg"))


def test_bare_class_folders_with_order(tmp_path: Path) -> None:
    make(tmp_path, "b/1.jpg", "a/1.jpg", "c/x/2.jpg", "stray.jpg", classes_txt="c\nb\na\n")
    table = read(tmp_path)
    assert table.classes == ("c", "b", "a")
    assert pairs(table) == {"b/1.jpg": "b", "a/1.jpg": "a", "c/x/2.jpg": "c"}
    assert reasons(table) == {"stray.jpg": "in no class folder"}


def test_class_outside_the_list_is_left_out(tmp_path: Path) -> None:
    table = read(make(tmp_path, *TWO_CLASSES, "train/owl/1.jpg", classes_txt="dog\ncat\nelk\n"))
    assert table.classes == ("dog", "cat", "elk")
    assert reasons(table) == {"train/owl/1.jpg": "class is not in classes.txt: owl"}


def test_a_list_of_something_else_does_not_order(tmp_path: Path) -> None:
    assert read(make(tmp_path, *TWO_CLASSES, labels_txt="x\ny\n")).classes == ("cat", "dog")


def test_valid_val_and_nested_test(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES, "val/cat/9.jpg", "val/owl/9.jpg", "test/deep/b.jpg", "test/a.jpg")
    table = read(tmp_path)
    assert table.split.tolist() == [TRAIN] * 4 + [VALID] * 2 + [TEST] * 2
    assert table.classes == ("cat", "dog", "owl")
    assert table.test().ids.tolist() == ["a.jpg", "deep/b.jpg"]
    assert table.test().labels.tolist() == [-1, -1]


def test_empty_valid_is_normal(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES)
    (tmp_path / "valid").mkdir()
    assert reasons(read(tmp_path)) == {}


def test_repeated_top_folder(tmp_path: Path) -> None:
    make(tmp_path, *(path.replace("train/", "train/train/") for path in TWO_CLASSES), "test/test/1.jpg")
    table = read(tmp_path)
    assert table.classes == ("cat", "dog")
    assert table.test().ids.tolist() == ["1.jpg"]


def test_numeric_class_folders_sort_as_numbers(tmp_path: Path) -> None:
    assert read(make(tmp_path, "10/a.jpg", "9/a.jpg", "100/a.jpg")).classes == ("9", "10", "100")


@pytest.mark.parametrize("disk", ["NFC", "NFD"])
def test_unicode_forms_meet(tmp_path: Path, disk: str) -> None:
    on_disk = unicodedata.normalize(disk, "é")
    written = unicodedata.normalize("NFD" if disk == "NFC" else "NFC", "é")
    make(tmp_path, f"train/{on_disk}1.jpg", "train/b.jpg", train_csv=f"id,label\n{written}1,ü\nb,u\n")
    table = read(tmp_path)
    assert table.ids[0] == f"{written}1"
    assert table.paths[0] == f"train/{on_disk}1.jpg"


def test_unicode_forms_of_one_class_are_one_class(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))
    make(tmp_path, f"train/{composed}/1.jpg", "train/Bar/1.jpg", f"valid/{decomposed}/1.jpg")
    (tmp_path / "sample_submission.csv").write_text(f"id,{decomposed},Bar\n1,0.5,0.5\n", encoding="utf-8")
    table = read(tmp_path)
    assert table.classes == ("Bar", decomposed)  # as the sample submission spells it
    assert table.labels.tolist() == [0, 1, 1, -1]


def test_ambiguous_ids_are_an_error(tmp_path: Path) -> None:
    make(tmp_path, "train/1.jpg", "train/1.png", "train/2.jpg", train_csv="id,label\n1,a\n2,b\n")
    with pytest.raises(DataError, match=r"'1' fits train/1\.jpg and train/1\.png.*data\.id_column"):
        read(tmp_path)


def test_ambiguous_test_ids_are_an_error(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES, "test/1.jpg", "test/1.png", sample_submission_csv="id,label\n1,cat\n")
    with pytest.raises(DataError, match="fit more than one file"):
        read(tmp_path)


def test_exact_names_go_before_guesses(tmp_path: Path) -> None:
    make(tmp_path, "train/1.jpg", "train/1.jpg.jpg", "train/2.jpg", train_csv="id,label\n1.jpg,a\n2.jpg,b\n")
    assert read(tmp_path).paths.tolist() == ["train/1.jpg", "train/2.jpg"]


def test_references_that_leave_are_refused_and_listed(tmp_path: Path) -> None:
    outside = make(tmp_path / "elsewhere", "9.jpg")
    root = tmp_path / "data"
    bad = [str(outside / "9.jpg"), "../elsewhere/9.jpg", "https://example.org/9.jpg", "C:\\9.jpg", "train/9.jpg"]
    good = [f"train/{i}.jpg" for i in range(6)]
    rows = "".join(f"{path},{'ab'[i % 2]}\n" for i, path in enumerate([*good, *bad]))
    make(root, *good, train_csv=f"path,label\n{rows}")
    table = read(root)
    assert table.paths.tolist() == good
    told = reasons(table)
    assert told["train.csv:8"].startswith("refused, an absolute path")
    assert told["train.csv:9"].startswith("refused, a path with ..")
    assert told["train.csv:10"].startswith("refused, a URL")
    assert told["train.csv:11"].startswith("refused, an absolute path")
    assert told["train.csv:12"] == "no such file: train/9.jpg"
    allowed = read(root, options={"allow_outside": True})
    assert str(outside / "9.jpg") in allowed.paths.tolist()
    assert reasons(allowed)["train.csv:10"].startswith("refused, a URL")


def test_windows_paths(tmp_path: Path) -> None:
    make(tmp_path, "train/a/1.jpg", "train/b/2.jpg", train_csv="path,label\ntrain\\a\\1.jpg,x\ntrain\\b\\2.jpg,y\n")
    assert read(tmp_path).paths.tolist() == ["train/a/1.jpg", "train/b/2.jpg"]


def test_csv_faults_are_listed(tmp_path: Path) -> None:
    text = "id,label\n1,a\n\n2\n2,b\n3,\n1,b\n4,a,b\n"
    table = read(make(tmp_path, *(f"train/{i}.jpg" for i in range(1, 6)), train_csv=text))
    assert pairs(table) == {"1": "a", "2": "b"}
    assert reasons(table) == {
        "train.csv:4": "1 cells where the header has 2",
        "train.csv:8": "3 cells where the header has 2",
        "train/3.jpg": "no label",
        "train/1.jpg": "repeats an earlier row with another label: id 1",
        "train/4.jpg": "no label names it",
        "train/5.jpg": "no label names it",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('id,label\n1,"a\n2,b\n', "is a quote not closed"),
        ("id,id\n1,a\n", "a column twice"),
        ("", "is empty"),
    ],
)
def test_broken_csv_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(make(tmp_path, "train/1.jpg", train_csv=text))


def test_csv_that_is_not_utf8(tmp_path: Path) -> None:
    make(tmp_path, "train/1.jpg")
    (tmp_path / "train.csv").write_bytes("id,label\n1,Köln\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read(tmp_path)


def test_quoted_commas_and_semicolons(tmp_path: Path) -> None:
    make(tmp_path, *TWO_FILES, train_csv='id;label\r\n1;"Horse; black"\r\n2;"Horse, ""white"""\r\n')
    assert pairs(read(tmp_path)) == {"1": "Horse; black", "2": 'Horse, "white"'}


def test_columns_by_option(tmp_path: Path) -> None:
    text = "row,file,species,farm,trust\nA,1,elk,f1,0.5\nB,2,owl,f2,2\n"
    make(tmp_path, *TWO_FILES, train_csv=text)
    options = {"id_column": "row", "label_column": "species", "group_column": "farm", "weight_column": "trust"}
    table = read(tmp_path, options=options)
    assert pairs(table) == {"A": "elk", "B": "owl"}
    assert table.groups is not None and table.groups.tolist() == ["f1", "f2"]
    assert table.weights is not None and table.weights.tolist() == [0.5, 2.0]
    with pytest.raises(DataError, match="did you mean 'farm'"):
        read(tmp_path, options=options | {"group_column": "firm"})


def test_wrong_weight(tmp_path: Path) -> None:
    make(tmp_path, *TWO_FILES, train_csv="id,label,w\n1,a,nan\n2,b,1\n")
    with pytest.raises(DataError, match=r"train\.csv:2.*weight"):
        read(tmp_path, options={"weight_column": "w"})


def test_several_label_columns_need_a_word(tmp_path: Path) -> None:
    make(tmp_path, *TWO_FILES, train_csv="id,x,y\n1,a,c\n2,b,d\n")
    with pytest.raises(DataError, match=r"data\.label_column=x"):
        read(tmp_path)


def test_two_label_files_need_a_word(tmp_path: Path) -> None:
    make(tmp_path, *TWO_FILES, a_csv="id,label\n1,a\n2,b\n", b_csv="id,label\n1,b\n2,a\n")
    with pytest.raises(DataError, match=r"data\.labels=a\.csv"):
        read(tmp_path)
    assert pairs(read(tmp_path, options={"labels": "b.csv"})) == {"1": "b", "2": "a"}


def test_json_and_csv_together_need_a_word(tmp_path: Path) -> None:
    document = {"images": [{"id": 1, "file_name": "train/1.jpg"}], "annotations": [{"image_id": 1, "category_id": 5}]}
    make(tmp_path, "train/1.jpg", train_csv="id,label\n1,a\n", train_json=json.dumps(document))
    with pytest.raises(DataError, match=r"(?s)2 layouts fit; type data.layout=NAME.*coco: .*csv_labels: "):
        read(tmp_path)
    assert read(tmp_path, layout="coco").classes == ("5",)
    assert read(tmp_path, options={"layout": "csv_labels"}).classes == ("a",)


def test_test_images_beside_training_images(tmp_path: Path) -> None:
    make(
        tmp_path, "images/Train_0.jpg", "images/Train_1.jpg", "images/Test_0.jpg", "images/Test_1.jpg",
        train_csv="image_id,label\nTrain_0,a\nTrain_1,b\n", sample_submission_csv="image_id,label\nTest_0,a\n",
    )  # fmt: skip
    table = read(tmp_path)
    assert table.test().paths.tolist() == ["images/Test_0.jpg"]
    assert reasons(table) == {"images/Test_1.jpg": "no label names it"}


def test_ids_without_file_and_files_without_id(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES, "test/1.jpg", "test/3.jpg", sample_submission_csv="id,label\n2,cat\n1.jpg,cat\n")
    table = read(tmp_path)
    assert table.test().ids.tolist() == ["2", "1.jpg"]
    assert table.test().paths.tolist() == ["", "test/1.jpg"]
    assert reasons(table) == {
        "sample_submission.csv: 2": "test id without a file (kept)",
        "test/3.jpg": "no id of the sample submission names it",
    }
    assert "2 ids, 1 of them without a file" in describe(table)


def test_a_sample_of_another_dataset_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES, "test/1.jpg", sample_submission_csv="id,label\nx,cat\n")
    with pytest.raises(DataError, match=r"none of the 1 ids.*data\.sample"):
        read(tmp_path)


def test_equal_ids_in_train_and_valid_are_told_apart(tmp_path: Path) -> None:
    labels = {"train_csv": "id,label\n1,a\n2,b\n", "valid_csv": "id,label\n1,b\n2,a\n"}
    table = read(make(tmp_path, *TWO_FILES, "valid/1.jpg", "valid/2.jpg", **labels))
    assert pairs(table) == {"1": "a", "2": "b", "valid/1": "b", "valid/2": "a"}
    assert table.split.tolist() == [TRAIN, TRAIN, VALID, VALID]


def test_tags_outside_the_vocabulary_are_listed(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "2.jpg", train_csv='f,tags\n1,"a,x"\n2,"b,x,a"\n', valid_tags_txt="b\na\nc\n")
    table = read(tmp_path)
    assert table.classes == ("b", "a", "c")
    assert isinstance(table.labels, csr_array)
    assert table.labels.toarray().tolist() == [[False, True, False], [True, True, False]]
    assert reasons(table) == {"x (2 rows)": "tag is not in valid_tags.txt"}


def test_thousands_of_tags_stay_sparse(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tags = [sorted({f"t{j}" for j in rng.integers(0, 7000, 5)}) for _ in range(3000)]
    rows = "".join(f"{i},{' '.join(row)}\n" for i, row in enumerate(tags))
    table = read(make(tmp_path, *(f"train/{i}.jpg" for i in range(3000)), train_csv=f"id,tags\n{rows}"))
    assert isinstance(table.labels, csr_array) and table.labels.dtype == bool
    assert table.labels.nnz == sum(map(len, tags))
    first = table.labels[[int(np.flatnonzero(table.ids == "17")[0])]]
    assert sorted(table.classes[i] for i in first.indices) == tags[17]


@pytest.mark.parametrize(
    ("cells", "known", "mark"),
    [
        (["a,b", "b c,a"], [], ","),
        (["a|b, c", "a"], ["a", "b, c"], "|"),
        (["clear primary", "primary", "clear"], [], " "),
        (["New York", "Los Angeles"], [], ","),
        (["New York", "Los Angeles"], ["New York", "Los Angeles"], ","),
        (["a;b", "c"], [], ";"),
    ],
)
def test_delimiter(cells: list[str], known: list[str], mark: str) -> None:
    assert infer_delimiter(cells, known) == mark


def test_split_tags() -> None:
    assert split_tags(" b, a,,b ", ",") == ("b", "a")
    assert split_tags("", ",") == ()


def test_a_row_without_tags_stays(tmp_path: Path) -> None:
    table = read(make(tmp_path, *TWO_FILES, train_csv="id,tags\n1,\n2,a b\n"), options={"delimiter": " "})
    assert table.labelled().labels.sum(axis=1).tolist() == [0, 2]


def test_plural_label_column_is_tags_only_where_parts_recur(tmp_path: Path) -> None:
    names = [f"train/{i}.jpg" for i in range(3)]
    tags = make(tmp_path / "tags", *names, train_csv="image,labels\n0,scab rust\n1,rust\n2,scab\n")
    assert read(tags).layout == "csv_tags"
    classes = make(tmp_path / "classes", *names, train_csv="image,labels\n0,red fox\n1,red deer\n2,red fox\n")
    assert read(classes).layout == "csv_labels"
    assert read(classes, layout="csv_tags", options={"delimiter": " "}).classes == ("deer", "fox", "red")


@pytest.mark.parametrize(
    ("pattern", "name", "label"),
    [
        ("{label}.{number}", "cat.0.jpg", "cat"),
        ("{label}_{number}", "american_bulldog_100.jpg", "american_bulldog"),
        ("{label} ({number})", "x/cat (12).png", "cat"),
        ("{number}-{label}", "12-cat.jpg", "cat"),
        ("{label}.{number}", "12.5.jpg", None),
        ("{label}.{number}", "cat.jpg", None),
    ],
)
def test_patterns(pattern: str, name: str, label: str | None) -> None:
    assert label_in(name, compile_pattern(pattern)) == label


@pytest.mark.parametrize("pattern", ["{number}", "{label}{label}", "{label}.{size}"])
def test_wrong_pattern(pattern: str) -> None:
    with pytest.raises(DataError, match=r"expected \{label\} once"):
        compile_pattern(pattern)


def test_flat_names_note_counts_examples_and_strangers(tmp_path: Path) -> None:
    names = [f"train/{c}_{i:03}.jpg" for c in ("american_bulldog", "beagle") for i in range(30)]
    table = read(make(tmp_path, *names, "train/cover.jpg", "valid/beagle_900.jpg"))
    assert table.classes == ("american_bulldog", "beagle")
    assert reasons(table) == {"train/cover.jpg": "its name does not follow {label}_{number}"}
    note = next(note for note in table.notes if "{label}_{number}" in note and "e.g." in note)
    assert "61 of 62 names" in note and note.count(" -> ") == 5 and "beagle (31)" in note


def test_one_prefix_is_no_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.pattern"):
        read(make(tmp_path, *(f"train/image_{i}.jpg" for i in range(9))))


def inat(root: Path, template: str = "train/category_{c}/{i}.jpg", **image: object) -> Path:
    """Six images of three categories with ids that are not in order."""
    images = [{"id": i, **image} for i in range(10, 16)]
    annotations = [{"image_id": i, "category_id": (0, 9, 11)[i % 3]} for i in range(10, 16)]
    paths = [template.format(c=a["category_id"] + 1, i=a["image_id"]) for a in annotations]
    categories = [{"id": c, "name": f"name {c}"} for c in (11, 0, 9)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    return make(root, *paths, train2019_json=json.dumps(document))


def test_path_template(tmp_path: Path) -> None:
    options = {"path_template": "train/category_{category_id + 1}/{image_id}.jpg"}
    table = read(inat(tmp_path), options=options)
    assert table.classes == ("0", "9", "11")
    assert table.class_names == ("name 0", "name 9", "name 11")
    assert table.paths[0] == "train/category_10/10.jpg" and table.ids[0] == "10"
    assert pairs(table)["12"] == "0"


def test_images_without_file_name_are_found_by_id(tmp_path: Path) -> None:
    assert read(inat(tmp_path)).paths[0] == "train/category_10/10.jpg"


def test_groups_from_an_image_field(tmp_path: Path) -> None:
    table = read(inat(tmp_path, rights_holder="me"), options={"group_column": "rights_holder"})
    assert table.groups is not None and set(table.groups) == {"me"}


def test_fill() -> None:
    slots = parse_template("{category_id - 1}/{image_id:05}_{file_name}.jpg")
    assert fill(slots, "42", "7", "x") == "6/00042_x.jpg"
    with pytest.raises(DataError, match="not a number"):
        fill(slots, "a", "7", "x")


@pytest.mark.parametrize(
    "template",
    [
        "{image_id.__class__}",
        "{image_id * 9}",
        "{__import__('os')}",
        "{image_id + category_id}",
        "{image_id!r:>999999999}",
        "{",
    ],
)
def test_template_is_no_code(template: str) -> None:
    with pytest.raises(DataError, match="path_template"):
        parse_template(template)


def test_template_that_leaves_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no labelled image is left.*refused, a path with \.\."):
        read(inat(tmp_path), options={"path_template": "../{image_id}.jpg"})


def test_coco_faults_are_listed(tmp_path: Path) -> None:
    document = {
        "images": [{"id": i, "file_name": f"train/{i}.jpg"} for i in (1, 2, 3, 4)] + [{"file_name": "train/5.jpg"}],
        "annotations": [
            {"image_id": 1, "category_id": 1}, {"image_id": 2, "category_id": 2}, {"image_id": 4, "category_id": 1},
            {"image_id": 3, "category_id": 77}, {"id": 9, "category_id": 1},
        ],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }  # fmt: skip
    make(tmp_path, *(f"train/{i}.jpg" for i in (1, 2, 3, 5)), train_json=json.dumps(document))
    table = read(tmp_path)
    assert pairs(table) == {"1": "1", "2": "2"}
    told = [f"{entry.path}: {entry.reason}" for entry in table.rejected]
    assert "train.json: image 3: its category is not listed: 77" in told
    assert "train.json: annotation 9: no image_id or category_id" in told
    assert "train.json: image 4: no such file: train/4.jpg" in told
    assert "train.json: image None: no annotation" in told


def test_json_in_each_folder(tmp_path: Path) -> None:
    """As Roboflow exports it: names repeat over the folders and are relative to them."""
    document = {"images": [{"id": 0, "file_name": "1.jpg"}], "annotations": [{"image_id": 0, "category_id": 3}]}
    for split in ("train", "valid", "test"):
        make(tmp_path, f"{split}/1.jpg")
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(document))
    table = read(tmp_path)
    assert table.paths.tolist() == ["train/1.jpg", "valid/1.jpg", "test/1.jpg"]
    assert table.ids.tolist() == ["0", "valid/0", "0"]


def test_csv_in_each_folder_and_years(tmp_path: Path) -> None:
    make(tmp_path, "train2019/1.jpg", "train2019/2.jpg", "val2019/1.jpg", "test2019/7.jpg")
    (tmp_path / "train2019/labels.csv").write_text("id,label\n1,a\n2,b\n")
    (tmp_path / "val2019/labels.csv").write_text("id,label\n1,a\n")
    table = read(tmp_path)
    assert table.paths.tolist() == ["train2019/1.jpg", "train2019/2.jpg", "val2019/1.jpg", "test2019/7.jpg"]
    assert table.split.tolist() == [TRAIN, TRAIN, VALID, TEST]


def test_csv_without_a_header(tmp_path: Path) -> None:
    assert pairs(read(make(tmp_path, *TWO_FILES, train_csv="1.jpg,a\n2.jpg,b\n"))) == {"1.jpg": "a", "2.jpg": "b"}


def test_a_csv_of_a_few_rows_or_a_broken_one_does_not_outdo_folders(tmp_path: Path) -> None:
    make(tmp_path, *(f"{c}/{c}{i}.jpg" for c in "ab" for i in range(20)), bad_csv="file,label\na1.jpg,blurred\n")
    (tmp_path / "notes.csv").write_bytes(b"\xff\xfe")
    assert read(tmp_path).layout == "class_folders"
    assert pairs(read(tmp_path, options={"labels": "bad.csv"})) == {"a1.jpg": "blurred"}


def test_sample_that_is_a_pipe(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES)
    os.mkfifo(tmp_path / "answers.csv")
    with pytest.raises(DataError, match="is not a file"):
        read(tmp_path, options={"sample": "answers.csv"})


def test_several_categories_an_image_are_tags(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
        "annotations": [{"image_id": i, "category_id": c} for i, c in ((1, 3), (1, 5), (1, 3), (2, 5))],
    }
    table = read(make(tmp_path, *TWO_FILES, instances_train_json=json.dumps(document)))
    assert table.task == "tags" and table.classes == ("3", "5")
    assert table.labels.toarray().tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize("text", ['{"images": ', '{"images": 3}', '["images"]', '{"images": ["a"]}'])
def test_broken_json_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"train\.json"):
        read(make(tmp_path, "train/1.jpg", train_json=text))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lables": "x.csv"}, "did you mean 'labels'"),
        ({"allow_outside": "yes"}, "true or false"),
        ({"sample": 3}, "expected text"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read(make(tmp_path, *TWO_CLASSES), options=options)


def test_an_option_that_the_layout_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"class_folders: it does not take data\.pattern"):
        read(make(tmp_path, *TWO_CLASSES), layout="class_folders", options={"pattern": "{label}.{number}"})


def test_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="unknown layout 'class_folder'; did you mean 'class_folders'"):
        read(make(tmp_path, *TWO_CLASSES), layout="class_folder")


def test_split_names() -> None:
    wanted = {"train": TRAIN, "Train_Images": TRAIN, "val": VALID, "validation": VALID, "valid": VALID, "TEST": TEST}
    assert {name: split_of(name) for name in wanted} == wanted
    assert split_of("trains") is None and split_of("contest") is None


def test_the_reader_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path, *TWO_CLASSES, ".DS_Store", sample_submission_csv="id,label\n1,cat\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    read(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
