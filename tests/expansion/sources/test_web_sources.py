"""Openverse, Wikimedia Commons and ddgs, read from answers that were written down in their shape; none was asked."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

import pytest

from medalist.errors import MissingExtraError, RecipeError, WebError
from medalist.expansion.found import Found
from medalist.expansion.sources import search, sources

QUERIES = {"fly agaric": "amanita muscaria", "cat": "felis"}


def ask(call: str, web: Any, label: str = "fly agaric") -> list[Found]:
    return list(search(sources.bind(call), QUERIES, web)[label])


def test_openverse_is_read_to_its_last_page(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    spoken = service([said(recorded("openverse_1")), said(recorded("openverse_2"))])
    found = ask("openverse(licence='cc0,by-sa', licence_type='commercial')", spoken.web(clock))
    assert found == [
        Found(
            "https://live.photos.example/1_b.jpg",
            "fly agaric",
            "openverse",
            "amanita muscaria",
            "https://photos.example/ann/1",
            "CC BY-SA 2.0",
            "https://creativecommons.org/licenses/by-sa/2.0/",
            "Ann",
            "Fly agaric & moss",
        ),
        Found(
            "https://museum.example/2.png",
            "fly agaric",
            "openverse",
            "amanita muscaria",
            "https://museum.example/2",
            "CC0 1.0",
            "https://creativecommons.org/publicdomain/zero/1.0/",
        ),
        Found(
            "https://museum.example/4.jpg",
            "fly agaric",
            "openverse",
            "amanita muscaria",
            "https://museum.example/4",
            "Public Domain Mark 1.0",
            "https://creativecommons.org/publicdomain/mark/1.0/",
            "Unknown [31m hand",
            "Old drawing",
        ),
    ]
    asked = {"q": "amanita muscaria", "license": "cc0,by-sa", "license_type": "commercial", "mature": "false"}
    assert spoken.queries == [{**asked, "page": str(page), "page_size": "20"} for page in (1, 2)]
    assert spoken.names == ["api.openverse.org"] * 2
    assert all("User-Agent: medalist/" in head and "(me@example.org)" in head for head in spoken.requests)
    assert clock.slept == [1.0, 1.0]


def test_a_page_that_nobody_draws_is_not_asked_for(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    spoken = service([said(recorded("openverse_1"))])
    streams = search(sources.bind("openverse"), QUERIES, spoken.web(clock))
    assert list(streams) == ["fly agaric", "cat"] and not spoken.requests
    assert len(list(islice(streams["cat"], 2))) == 2
    assert [query["q"] for query in spoken.queries] == ["felis"]


def test_pages_end_where_they_are_empty(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    promises = {**recorded("openverse_1"), "page_count": 10**9}
    spoken = service([said(promises), said({**promises, "results": []})])
    assert len(ask("openverse", spoken.web(clock))) == 2


@pytest.mark.parametrize(("status", "after"), [(429, "30"), (503, "30")])
def test_a_busy_service_is_left_alone(
    service: Any, clock: Any, said: Any, recorded: Any, status: int, after: str
) -> None:
    busy = said({"detail": "Request was throttled."}, status, Retry_After=after)
    spoken = service([busy, said({}, 500), said({**recorded("openverse_2"), "page_count": 1})])
    assert len(ask("openverse", spoken.web(clock))) == 1
    assert clock.slept == [1.0, 30.0, 2.0]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([{"detail": "page_size <must> be 20 or less"}], r"images/ answered 401: .*be 20 or less.*; asked 1 times"),
        ([[1, 2]], "answered JSON that is a list, not an object"),
        ([{"detail": "odd"}], "answered without results: .*odd"),
        ([{"results": {}}], "answered without results"),
    ],
)
def test_what_openverse_says_instead_is_told(service: Any, clock: Any, said: Any, answers: Any, message: str) -> None:
    status = 401 if "401" in message else 200
    with pytest.raises(WebError, match=message):
        ask("openverse", service([said(answer, status) for answer in answers]).web(clock))


def test_a_service_that_stays_busy_is_given_up(service: Any, clock: Any, said: Any) -> None:
    with pytest.raises(WebError, match=r"https://api\.openverse\.org/v1/images/ answered 429: \{\}; asked 4 times"):
        ask("openverse", service([said({}, 429)] * 4).web(clock))
    with pytest.raises(WebError, match=r"answered 429.*; asked 1 times"):
        ask("openverse", service([said({}, 429, Retry_After="86400")]).web(clock))


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"\xff", b""])
def test_what_is_no_json_is_told(service: Any, clock: Any, body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with pytest.raises(WebError, match=r"no JSON|more than the 50,000 bytes"):
        ask("commons", service([answer]).web(clock))


def test_commons_is_read_in_its_order_and_onward(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    spoken = service([said(recorded("commons_1")), said(recorded("commons_2"))])
    found = ask("commons", spoken.web(clock))
    assert [image.title for image in found] == ["Amanita muscaria.tif", "Amanita in autumn.jpg", "Last.png"]
    first, second, third = found
    assert first == Found(
        "https://upload.wikimedia.org/wikipedia/commons/thumb/2/22/Amanita_muscaria.tif/"
        "lossy-page1-1280px-Amanita_muscaria.tif.jpg",
        "fly agaric",
        "commons",
        "amanita muscaria",
        "https://commons.wikimedia.org/wiki/File:Amanita_muscaria.tif",
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0",
        "Ann & Bob",
        "Amanita muscaria.tif",
    )
    assert (second.licence, second.author) == ("Public domain", "")
    assert second.url.endswith("/1/11/Amanita_in_autumn.jpg")
    assert (third.licence, third.licence_url) == ("", "")
    assert [query.get("gsroffset") for query in spoken.queries] == [None, "50"]
    assert spoken.queries[1]["continue"] == "gsroffset||"
    for query in spoken.queries:
        assert query["gsrsearch"] == "amanita muscaria filetype:bitmap"
        assert (query["generator"], query["gsrnamespace"], query["maxlag"]) == ("search", "6", "5")
    assert spoken.names == ["commons.wikimedia.org"] * 2


def test_commons_waits_while_its_servers_are_behind(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    lagged = said(recorded("commons_lagged"), Retry_After="5")
    spoken = service([lagged, said(recorded("commons_2"))])
    assert len(ask("commons", spoken.web(clock))) == 1
    assert clock.slept == [0.5, 5.0]


def test_an_error_of_commons_is_told(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    spoken = service([said(recorded("commons_refused"))])
    with pytest.raises(WebError, match=r"the error 'cirrussearch-too-busy-error': Search is currently too busy"):
        ask("commons", spoken.web(clock))


def test_commons_that_does_not_go_on_is_not_asked_for_ever(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    spoken = service([said(recorded("commons_1"))] * 3)
    assert len(ask("commons", spoken.web(clock))) == 2
    assert len(spoken.requests) == 2


def test_the_same_results_again_end_a_search(service: Any, clock: Any, said: Any, recorded: Any) -> None:
    spoken = service([said({**recorded("openverse_1"), "page_count": 10**9})] * 9)
    assert len(ask("openverse", spoken.web(clock))) == 2
    assert len(spoken.requests) == 2
    onward = [{**recorded("commons_1"), "continue": {"gsroffset": number}} for number in range(9)]
    spoken = service([said(answer) for answer in onward])
    assert len(ask("commons", spoken.web(clock))) == 2
    assert len(spoken.requests) == 4


def test_a_url_of_half_a_character_is_skipped(
    service: Any, clock: Any, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, good = "https://a.example/\ud800.jpg", "https://a.example/1.jpg"
    pages = [{"imageinfo": [{"url": url}]} for url in (odd, good)]
    answers = {"openverse": {"results": [{"url": odd}, {"url": good}]}, "commons": {"query": {"pages": pages}}}
    found = {call: ask(call, service([said(answer)]).web(clock)) for call, answer in answers.items()}
    engine = Engine([[{"image": odd}, {"image": good}]])
    monkeypatch.setattr("medalist.expansion.sources.ddgs_search._engine", lambda: engine)
    found["ddgs"] = ask("ddgs(pages=1)", service([]).web(clock))
    assert [[image.url for image in images] for images in found.values()] == [[good]] * 3


@pytest.mark.parametrize("odd", [{"query": 3}, {"query": {"pages": [3, {"imageinfo": 4}, {"imageinfo": [5]}]}}, {}])
def test_odd_answers_hold_no_images(service: Any, clock: Any, said: Any, odd: Any) -> None:
    assert ask("commons", service([said(odd)]).web(clock)) == []


@pytest.mark.parametrize("call", ["openverse", "commons", "ddgs", "csv(path='urls.csv')"])
def test_who_gives_no_contact_is_told_why(service: Any, clock: Any, call: str) -> None:
    with pytest.raises(RecipeError, match=r"say whom to write to .*; type --contact"):
        search(sources.bind(call), QUERIES, service([]).web(clock, contact=""))


class Engine:
    """ddgs' search, as written down."""

    def __init__(self, pages: list[Any]) -> None:
        self.pages = pages
        self.asked: list[tuple[str, str, int]] = []

    def images(self, query: str, *, region: str, page: int, max_results: None) -> Any:
        self.asked.append((query, region, page))
        answer = self.pages.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_ddgs_knows_no_licence(service: Any, clock: Any, recorded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine([recorded("ddgs_1"), [*recorded("ddgs_1"), {"image": 3}], []])
    monkeypatch.setattr("medalist.expansion.sources.ddgs_search._engine", lambda: engine)
    found = ask("ddgs(region='de-de')", service([]).web(clock))
    assert [image.url for image in found] == ["https://shop.example/a.jpg", "https://shop.example/b.jpg"]
    assert {image.licence for image in found} == {""}
    assert (found[0].page, found[0].title, found[0].query) == (
        "https://shop.example/a",
        "Fly agaric",
        "amanita muscaria",
    )
    assert engine.asked == [("amanita muscaria", "de-de", 1), ("amanita muscaria", "de-de", 2)]


def test_ddgs_ends_or_says_why(service: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine([RuntimeError("No results found."), RuntimeError("Ratelimit\x1b[0m")])
    monkeypatch.setattr("medalist.expansion.sources.ddgs_search._engine", lambda: engine)
    assert ask("ddgs", service([]).web(clock)) == []
    with pytest.raises(WebError, match=r"ddgs: Ratelimit \[0m; wait a while, or take another source"):
        ask("ddgs", service([]).web(clock))


def test_without_the_package_ddgs_says_what_to_install(
    service: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ddgs", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'medalist\[ddgs\]'"):
        ask("ddgs", service([]).web(clock))


def test_ddgs_takes_what_it_is_given() -> None:
    """The real package's search still has the arguments that are used."""
    import inspect

    package = pytest.importorskip("ddgs")
    assert {"region", "page", "max_results"} <= set(inspect.signature(package.DDGS._search_sync).parameters)
