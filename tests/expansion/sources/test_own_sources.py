"""Folders of this machine, and lists of URLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from medalist.errors import DataError, RecipeError
from medalist.expansion.found import Found
from medalist.expansion.sources import passed_over, search, source_of, sources
from medalist.expansion.web import Web

QUERIES = {"cat": "felis", "dog": "canis", "..": "up"}


def ask(call: str, web: Web, queries: Mapping[str, str] = QUERIES) -> dict[str, list[Found]]:
    return {label: list(stream) for label, stream in search(sources.bind(call), queries, web).items()}


def test_a_folder_or_a_list_that_is_there_may_be_named_as_it_is(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources.bind(source_of(str(mine))).arguments == {"path": str(mine)}
    (mine.parent / "urls.csv").touch()
    assert source_of(str(mine.parent / "urls.csv")) == f"csv(path={str(mine.parent / 'urls.csv')!r})"
    monkeypatch.chdir(mine.parent)
    (mine.parent / "openverse").mkdir()
    assert source_of("openverse") == "openverse"  # a source's own name comes first
    with pytest.raises(
        RecipeError, match=r"unknown source 'mein'.*no folder or list that exists.*folder\(path='more'\)"
    ):
        source_of("mein")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    for name in ("dog/2.jpg", "dog/1.jpg", "cat/deep/3.png", "cat/notes.txt", "bird/4.jpg", "5.jpg", "dog/.hidden.jpg"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(b"")
    (tmp_path / "outside.jpg").write_bytes(b"")
    (tmp_path / "mine/dog/link.jpg").symlink_to(tmp_path / "outside.jpg")
    return tmp_path / "mine"


def test_class_folders(mine: Path, web: Web) -> None:
    found = ask(f"folder(path={str(mine)!r}, licence='CC0 1.0', author='me')", replace(web, contact=""))
    paths = {label: [image.url for image in images] for label, images in found.items()}
    assert paths == {"cat": [str(mine / "cat/deep/3.png")], "dog": [str(mine / "dog/1.jpg"), str(mine / "dog/2.jpg")]}
    assert found["cat"][0] == Found(paths["cat"][0], "cat", "folder", licence="CC0 1.0", author="me")
    assert all(image.local for images in found.values() for image in images)


def test_a_flat_folder_has_one_class(mine: Path, web: Web) -> None:
    found = ask(f"folder(path={str(mine / 'dog')!r}, label='cat')", web)
    assert [Path(image.url).name for image in found["cat"]] == ["1.jpg", "2.jpg"]


def test_what_is_wrong_with_a_folder_is_told(mine: Path, web: Web) -> None:
    with pytest.raises(DataError, match=r"it has 1\.jpg, 2\.jpg; the classes are .*cat, dog; for a flat folder type"):
        ask(f"folder(path={str(mine / 'dog')!r})", web)
    with pytest.raises(DataError, match="is not a folder"):
        ask(f"folder(path={str(mine / 'none')!r})", web)
    with pytest.raises(RecipeError, match=r"label='cta'\) is no class; did you mean 'cat'\?"):
        ask(f"folder(path={str(mine)!r}, label='cta')", web)
    with pytest.raises(RecipeError, match="source folder: missing a required argument: 'path'"):
        ask("folder", web)
    with pytest.raises(RecipeError, match="takes no 'pth'; did you mean 'path'"):
        ask("folder(pth='x')", web)
    with pytest.raises(RecipeError, match="unknown source 'openvers'; did you mean 'openverse'"):
        ask("openvers", web)


def listed(folder: Path, text: str) -> str:
    (folder / "urls.csv").write_text(text, encoding="utf-8")
    return f"csv(path={str(folder / 'urls.csv')!r})"


def test_a_list(tmp_path: Path, web: Web) -> None:
    text = (
        "label,url,licence,author,more\n"
        "cat,https://a.example/1.jpg,CC BY 4.0,Ann,x\n"
        'dog, https://a.example/2.jpg ,,"Bob\nB",x\n'
        "cat,,CC0,nobody,x\n"
        "bird,https://a.example/3.jpg,,,x\n"
        "cat|dog,https://a.example/4.jpg,,,x\n"
        "cat|bird,https://a.example/5.jpg,,,x\n"
        "cat,/etc/passwd,,,x\n"
    )
    found = ask(listed(tmp_path, text), web)
    assert found == {
        "cat": [
            Found("https://a.example/1.jpg", "cat", "csv", licence="CC BY 4.0", author="Ann"),
            Found("/etc/passwd", "cat", "csv"),
        ],
        "dog": [Found("https://a.example/2.jpg", "dog", "csv", author="Bob B")],
        "cat|dog": [Found("https://a.example/4.jpg", "cat|dog", "csv")],
    }
    assert not any(image.local for images in found.values() for image in images)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("link,label\nhttps://a.example/,cat\n", "has no column 'url'.*; it has link, label"),
        ("url,lable\nhttps://a.example/,cat\n", "has no column 'label'; did you mean 'lable'"),
        ("url,label\nhttps://a.example/,Cat\n", "its labels are Cat, the classes .*, cat, dog"),
        ("url,label\n", "its labels are none"),
        ('url,label\n"https://a.example/,cat\n', "is a quote not closed"),
        ("url,label\nhttps://a.example/,\x1b[31mred\n", r"its labels are \[31mred, the"),
        ("url,\x1b[31mlabel\nhttps://a.example/,cat\n", r"it has url, \[31mlabel"),
    ],
)
def test_what_is_wrong_with_a_list_is_told(tmp_path: Path, web: Web, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ask(listed(tmp_path, text), web)
    with pytest.raises(DataError, match="is not a file"):
        ask("csv(path='none.csv')", web)


def test_folders_of_strangers_are_told_in_plain_text(mine: Path, web: Web) -> None:
    (mine / "odd" / "\x1b[31mred").mkdir(parents=True)
    (mine / "odd" / "\x1b[31mred" / "1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"it has \[31mred;"):
        ask(f"folder(path={str(mine / 'odd')!r})", web)


def test_rows_of_no_class_are_told(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        "url,label\nhttps://a.org/1,cat\nhttps://a.org/2,cart\nhttps://a.org/3,cart\nhttps://a.org/4,cat|dog\n"
    )
    (sentence,) = passed_over([sources.bind(f"csv(path={str(file)!r})")], {"cat": "", "dog": ""})
    assert sentence.endswith("has the name of: cart (2 images; did you mean 'cat'?)")
    assert passed_over([sources.bind(f"csv(path={str(file)!r})")], {"cat": "", "dog": "", "cart": ""}) == ()


def test_a_url_that_cannot_be_printed_is_skipped(tmp_path: Path, web: Web) -> None:
    found = ask(listed(tmp_path, "label,url\ncat,https://a.example/\x1b[31m\ncat,https://a.example/1.jpg\n"), web)
    assert [image.url for image in found["cat"]] == ["https://a.example/1.jpg"]
