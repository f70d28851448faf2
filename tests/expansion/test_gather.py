"""Finds of several sources in turn; searches that came to their end are not asked again, those that broke are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medalist.errors import WebError
from medalist.expansion import gather as gather_module
from medalist.expansion.found import Fetched, Found
from medalist.expansion.gather import FOUND, gather
from medalist.expansion.web import Limits, Web
from medalist.progress import Event

WEB = Web(limits=Limits(free=0))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two flat folders of three images."""
    for place, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (60, 60), (place * 90, number * 50, 7)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def names(outcomes: Any) -> list[str]:
    return ["/".join(Path(one.found.url).parts[-2:]) for one in outcomes]


def calls(images: Path) -> list[str]:
    return [f"folder(path={str(images / name)!r}, label='a')" for name in ("one", "two")]


def test_sources_take_turns_and_each_file_comes_once(images: Path, tmp_path: Path) -> None:
    found = gather([*calls(images), calls(images)[0]], {"a": "", "b": ""}, {"a": 5, "b": 5}, tmp_path / "out", web=WEB)
    assert names(found.outcomes) == ["one/0.png", "two/0.png", "one/1.png", "two/1.png", "one/2.png"]
    assert all(isinstance(one, Fetched) for one in found.outcomes)
    assert found.notes == ()


def test_logs_get_a_line_a_class(images: Path, tmp_path: Path) -> None:
    (images / "one" / "1.png").write_bytes(b"<html>")
    told: list[Event] = []
    gather(calls(images)[:1], {"a": ""}, {"a": 3}, tmp_path / "out", web=WEB, sink=told.append)
    assert [event.note["line"] for event in told if "line" in event.note] == ["a: 2 of 3 fetched"]


def test_a_finished_search_is_kept_and_another_request_is_another(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gather(calls(images), {"a": ""}, {"a": 4}, tmp_path / "out", web=WEB)
    with monkeypatch.context() as patched:
        patched.setattr(gather_module, "search", lambda *_: pytest.fail("asked again"))
        assert gather(calls(images), {"a": ""}, {"a": 4}, tmp_path / "out", web=WEB) == first
    more = gather(calls(images), {"a": ""}, {"a": 6}, tmp_path / "out", web=WEB)
    assert len(more.outcomes) == 6 and more.outcomes[:4] == first.outcomes
    trial = gather(calls(images), {"a": ""}, {"a": 1}, tmp_path / "out", web=WEB, keep=False)
    assert len(trial.outcomes) == 1
    assert len((tmp_path / "out" / FOUND).read_bytes().splitlines()) == 7


def test_a_search_that_breaks_keeps_what_it_found_and_is_asked_again(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bound: Any, queries: Mapping[str, str], web: Web) -> dict[str, Iterator[Found]]:
        def stream() -> Iterator[Found]:
            yield Found(str(images / "one" / "0.png"), "a", "folder", queries["a"])
            raise WebError("https://example.org answered 503")

        return {"a": stream()}

    monkeypatch.setattr(gather_module, "search", broken)
    found = gather(calls(images)[:1], {"a": "an a"}, {"a": 4}, tmp_path / "out", web=WEB)
    assert names(found.outcomes) == ["one/0.png"]
    assert "answered 503; the same command asks again" in found.notes[0]
    assert not (tmp_path / "out" / FOUND).exists()


def test_a_list_may_join_tags_that_no_class_is_named_for(images: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def joined(bound: Any, queries: Mapping[str, str], web: Web) -> dict[str, Iterator[Found]]:
        files = [str(images / "one" / f"{number}.png") for number in range(3)]
        return {"a|b": iter([Found(file, "a|b", "folder") for file in files])}

    monkeypatch.setattr(gather_module, "search", joined)
    found = gather(calls(images)[:1], {"a": "", "b": ""}, {"a": 2, "b": 2}, tmp_path / "out", web=WEB)
    assert [one.found.label for one in found.outcomes] == ["a|b", "a|b"]
