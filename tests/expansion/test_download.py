"""Many images at once from a server that behaves badly: nothing let in, nothing lost, nothing asked for twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from medalist.errors import RecipeError, StoreError
from medalist.expansion.download import download
from medalist.expansion.found import Fetched, Found, Outcome, Refused
from medalist.expansion.journal import JOURNAL
from medalist.expansion.web import Web
from medalist.store import hash_bytes

BAD = {
    "endless": "more than the 50,000 bytes",
    "huge": "more than the 50,000 bytes",
    "claims_more": "peer closed connection without sending complete message body",
    "gzip": "is compressed (gzip), which was not asked for",
    "claims/5000": "5000 x 5000 are more than the 1,000,000 pixels let in",
    "claims/30000": "Image size (900000000 pixels) exceeds limit",
    "html/cat.jpg": "not an image of a known format: it begins with b'<!DOCTYPE",
    "svg/cat.png": "not an image of a known format: it begins with b'<svg",
    "empty": "the file is empty",
    "to/?http://10.0.0.1/": "10.0.0.1 is at 10.0.0.1, not a public one",
    "to/?file:///etc/passwd": "redirects to a URL of scheme 'file'",
    "loop/1": "more than 5 times",
    "garbage": "no proper answer",
    "status/404": "answered 404",
    "status/403": "answered 403",
    "fails/99": "answered 500; asked 4 times",
    "busy/99/1": "answered 429; asked 4 times",
}


def ask(server: Any, *paths: str, label: str = "cat") -> list[Found]:
    return [Found(server.url(path), label, "csv") for path in paths]


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in (folder / "images").glob("*/*")}


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


def told(outcomes: list[Outcome]) -> list[str]:
    return [outcome.reason if isinstance(outcome, Refused) else outcome.format for outcome in outcomes]


def test_good_and_bad_ones_are_told_apart_and_told_in_order(server: Any, web: Web, tmp_path: Path, draw: Any) -> None:
    paths = ["ok/1.png", *BAD, "jpeg/2", "to/?/ok/3.png", "fails/1", "busy/1/30"]
    found = ask(server, *paths)
    outcomes = list(download(found, tmp_path, web))
    assert [outcome.found for outcome in outcomes] == found
    for path, reason in BAD.items():
        outcome = outcomes[paths.index(path)]
        assert isinstance(outcome, Refused) and reason in outcome.reason, (path, outcome)
    kept = [outcome for outcome in outcomes if isinstance(outcome, Fetched)]
    wanted = [draw(1), draw(2, kind="JPEG"), draw(3), draw(8), draw(7)]
    assert [(tmp_path / outcome.path).read_bytes() for outcome in kept] == wanted
    for outcome, data in zip(kept, wanted, strict=True):
        suffix = {"PNG": "png", "JPEG": "jpg"}[outcome.format]
        assert outcome.hash == hash_bytes(data) and outcome.bytes == len(data)
        assert outcome.path == f"images/{outcome.hash[:2]}/{outcome.hash}.{suffix}"
    assert set(files(tmp_path)) == {outcome.path for outcome in kept}
    assert not [text for text in told(outcomes) if not text.isprintable()]


def test_slow_and_silent_servers_are_given_up(server: Any, web: Web, tmp_path: Path) -> None:
    for path, limit, reason in (("slow", "seconds", "took more than"), ("silent", "silence", "was silent for")):
        hasty = replace(web, limits=replace(web.limits, **{limit: 0.4}))
        assert told(list(download(ask(server, path), tmp_path, hasty))) == [f"{reason} 0.4 s; asked 4 times"]


def test_the_same_command_asks_again_only_what_may_go_better(server: Any, web: Web, tmp_path: Path) -> None:
    found = ask(server, "ok/1.png", "html/a.jpg", "status/404", "fails/4", "claims/5000")
    first = list(download(found, tmp_path, web))
    assert told(first)[3] == "answered 500; asked 4 times"
    hits = dict(server.hits)
    second = list(download(found, tmp_path, web))
    assert [first[i] == second[i] for i in range(5)] == [True, True, True, False, True]
    assert isinstance(second[3], Fetched)
    again = {path: server.hits[path] - hits[path] for path in hits}
    assert {path for path, count in again.items() if count} == {"/fails/4"}


def test_other_limits_are_a_new_question(server: Any, web: Web, tmp_path: Path) -> None:
    found = ask(server, "ok/1.png", "claims/5000")
    list(download(found, tmp_path, web))
    wider = replace(web, limits=replace(web.limits, pixels=1_000_000_000))
    assert [type(outcome) for outcome in download(found, tmp_path, wider)] == [Fetched, Fetched]
    assert server.hits["/claims/5000"] == 2 and server.hits["/ok/1.png"] == 1


def test_one_url_and_equal_bytes_are_one_file(server: Any, web: Web, tmp_path: Path) -> None:
    found = [*ask(server, "ok/1.png", "ok/1.png?copy"), *ask(server, "ok/1.png", label="dog")]
    outcomes = list(download(found, tmp_path, web))
    assert [outcome.found.label for outcome in outcomes] == ["cat", "cat", "dog"]
    assert len({outcome.path for outcome in outcomes if isinstance(outcome, Fetched)}) == 1
    assert len(files(tmp_path)) == 1
    assert server.hits == {"/ok/1.png": 1, "/ok/1.png?copy": 1}


@pytest.mark.parametrize("after", ["30", "date"])
def test_retry_after_is_obeyed_for_the_whole_host(
    server: Any, web: Web, clock: Any, tmp_path: Path, after: str
) -> None:
    if after == "date":
        after = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    alone = replace(web, limits=replace(web.limits, workers=1))
    found = ask(server, f"busy/1/{quote(after)}", "ok/1.png", "ok/2.png")
    outcomes = list(download(found, tmp_path, alone))
    assert told(outcomes) == ["PNG"] * 3
    assert [path.split("/")[1] for path, _ in server.requests] == ["busy", "busy", "ok", "ok"]
    assert 10 <= sum(clock.slept) <= 30.001  # less what passed by itself


def test_who_wants_to_be_left_alone_for_long_is(server: Any, web: Web, clock: Any, tmp_path: Path) -> None:
    alone = replace(web, limits=replace(web.limits, workers=1))
    found = ask(server, "busy/1/86400", "ok/1.png")
    assert told(list(download(found, tmp_path, alone))) == [
        "answered 429",
        "not fetched: 127.0.0.1 asked to be left alone for 86400 s",
    ]
    assert not clock.slept and len(server.requests) == 1
    assert told(list(download(found, tmp_path, alone))) == ["PNG", "PNG"]


def test_a_failure_is_left_alone_ever_longer(server: Any, web: Web, clock: Any, tmp_path: Path) -> None:
    list(download(ask(server, "fails/99"), tmp_path, web))
    one, two, four = clock.slept  # less what passed by itself
    assert 0 < one < 1.001 and 0 < two < 2.001 and 2.001 < four < 4.001


def test_a_host_gets_few_requests_at_once(server: Any, web: Web, tmp_path: Path) -> None:
    found = ask(server, *(f"held/{i}" for i in range(12)))
    assert told(list(download(found, tmp_path, web))) == ["PNG"] * 12
    assert server.most_at_once == web.limits.per_host


def test_images_are_drawn_as_needed(server: Any, web: Web, tmp_path: Path) -> None:
    drawn = []

    def endless() -> Iterator[Found]:
        for i in range(10**9):
            drawn.append(i)
            yield Found(server.url(f"ok/{i}"), "cat", "csv")

    outcomes = download(endless(), tmp_path, web)
    for _ in range(5):
        assert isinstance(next(outcomes), Fetched)
    outcomes.close()
    assert len(drawn) < 60
    assert {record["path"] for record in journal(tmp_path)} == set(files(tmp_path))
    assert set(server.hits.values()) == {1}


def test_the_folder_stays_within_its_bytes(server: Any, web: Web, tmp_path: Path, draw: Any) -> None:
    few = replace(web, limits=replace(web.limits, bytes=2_000, total=5_000, workers=3))
    found = ask(server, *(f"ok/{i}" for i in range(8)))
    outcomes = list(download(found, tmp_path, few))
    assert 3 <= told(outcomes).count("PNG") < 8
    assert sum(map(len, files(tmp_path).values())) <= 5_000
    assert told(outcomes)[-1].startswith("not fetched: ")
    assert len(server.requests) == told(outcomes).count("PNG") == len(journal(tmp_path))
    assert told(list(download(found, tmp_path, web))) == ["PNG"] * 8


def test_the_disk_is_never_filled(server: Any, web: Web, tmp_path: Path) -> None:
    full = replace(web, limits=replace(web.limits, free=10**18))
    assert "bytes free" in told(list(download(ask(server, "ok/1.png"), tmp_path, full)))[0]
    assert not server.requests


def test_local_files_are_copied_and_only_a_folder_may_name_them(web: Web, tmp_path: Path, draw: Any) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.jpg").write_bytes(draw(1))
    (mine / "b.txt").write_bytes(b"secret text")
    (mine / "c.png").write_bytes(b"\x89PNG" + bytes(60_000))
    os.mkfifo(mine / "pipe")
    names = ["a.jpg", "b.txt", "c.png", "pipe", "missing"]
    out = tmp_path / "out"
    nobody = replace(web, contact="")
    outcomes = list(download([Found(str(mine / name), "cat", "folder") for name in names], out, nobody))
    assert told(outcomes) == [
        "PNG",
        "not an image of a known format: it begins with b'secret text'",
        "more than the 50,000 bytes that are read of a file",
        "not a regular file",
        "cannot be read: No such file or directory",
    ]
    assert list(files(out).values()) == [draw(1)]
    for source in ("csv", "openverse", "commons", "ddgs"):
        (outcome,) = download([Found(str(mine / "a.jpg"), "cat", source)], out, web)
        assert isinstance(outcome, Refused) and "scheme" in outcome.reason


def test_without_a_contact_nothing_is_asked(server: Any, web: Web, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="type --contact"):
        list(download(ask(server, "ok/1.png"), tmp_path, replace(web, contact="")))
    assert not server.requests


def test_two_processes_do_not_share_a_folder(server: Any, web: Web, tmp_path: Path) -> None:
    first = download(ask(server, "ok/1.png", "ok/2.png"), tmp_path, web)
    next(first)
    with pytest.raises(StoreError, match="another medalist is downloading"):
        next(download(ask(server, "ok/1.png"), tmp_path, web))
    first.close()


def test_a_folder_that_cannot_be_written_is_told(server: Any, web: Web, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another --out"):
        next(download(ask(server, "ok/1.png"), tmp_path / "file", web))
    (tmp_path / "images").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        list(download(ask(server, "ok/1.png"), tmp_path, web))


def test_a_file_that_went_missing_is_fetched_again(server: Any, web: Web, tmp_path: Path) -> None:
    (outcome,) = download(ask(server, "ok/1.png"), tmp_path, web)
    assert isinstance(outcome, Fetched)
    for harm in (Path.unlink, lambda file: file.write_bytes(b"cut")):
        harm(tmp_path / outcome.path)
        assert list(download(ask(server, "ok/1.png"), tmp_path, web)) == [outcome]
    assert server.hits["/ok/1.png"] == 3
    assert hash_bytes((tmp_path / outcome.path).read_bytes()) == outcome.hash


def test_a_line_cut_in_two_is_taken_off(server: Any, web: Web, tmp_path: Path) -> None:
    found = ask(server, "ok/1.png", "ok/2.png")
    first = list(download(found, tmp_path, web))
    file = tmp_path / JOURNAL
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert list(download(found, tmp_path, web)) == first
    assert sorted(server.hits.values()) == [1, 2]
    assert len(journal(tmp_path)) == 2


def test_a_damaged_line_is_told(server: Any, web: Web, tmp_path: Path) -> None:
    list(download(ask(server, "ok/1.png"), tmp_path, web))
    file = tmp_path / JOURNAL
    file.write_bytes(b"{broken\n" + file.read_bytes())
    with pytest.raises(StoreError, match=r"line 1 is damaged .*; delete that line"):
        list(download(ask(server, "ok/1.png"), tmp_path, web))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ({"path": "../secret.jpg"}, "path '../secret.jpg' is not that of its hash"),
        ({"hash": "0" * 64}, "is not that of its hash"),
        ({"hash": "../../x", "path": "images/../../../x.png"}, "is not that of its hash"),
        ({"format": "EXE"}, "is not that of its hash"),
        ({"path": 3}, "path is 3, expected str"),
        ({"bytes": "7"}, "bytes is '7', expected int"),
        ({"again": 1}, "again is 1, expected bool"),
    ],
)
def test_a_line_that_points_elsewhere_is_told(
    server: Any, web: Web, tmp_path: Path, draw: Any, harm: dict[str, Any], told: str
) -> None:
    out = tmp_path / "out"
    list(download(ask(server, "ok/1.png"), out, web))
    (tmp_path / "secret.jpg").write_bytes(draw(1))
    (record,) = journal(out)
    (out / JOURNAL).write_text(json.dumps({**record, **harm}) + "\n", encoding="utf-8")
    with pytest.raises(StoreError, match=f"line 1 is damaged .*{told}.*; delete that line"):
        list(download(ask(server, "ok/1.png"), out, web))


RUN = """
import sys
from pathlib import Path
from medalist.expansion.download import download
from medalist.expansion.found import Found
from medalist.expansion.web import Limits, Web
web = Web("me@example.org", Limits(bytes=50_000, total=10_000_000, free=0), allow_loopback=True)
found = [Found(url, "cat", "csv") for url in sys.argv[2:]]
for outcome in download(found, Path(sys.argv[1]), web):
    pass
"""


@pytest.mark.parametrize("where", ["before-rename:3", "after-image:1", "after-image:4", "after-download:5"])
def test_killed_anywhere_the_same_command_goes_on(server: Any, web: Web, tmp_path: Path, draw: Any, where: str) -> None:
    urls = [server.url(f"ok/{i}.png") for i in range(10)]
    environment = {**os.environ, "MEDALIST_FAILPOINT": where}
    command = [sys.executable, "-c", RUN, str(tmp_path), *urls]
    killed = subprocess.run(command, check=False, env=environment, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    hits = dict(server.hits)
    recorded = {record["url"] for record in journal(tmp_path)}
    outcomes = list(download([Found(url, "cat", "csv") for url in urls], tmp_path, web))
    wanted = [f"images/{name[:2]}/{name}.png" for name in (hash_bytes(draw(i)) for i in range(10))]
    assert [outcome.path for outcome in outcomes if isinstance(outcome, Fetched)] == wanted
    assert files(tmp_path) == {path: draw(i) for i, path in enumerate(wanted)}
    twice = {url for url in urls if server.hits[url.removeprefix(server.url("")[:-1])] > 1}
    assert not twice & recorded
    assert len(twice) <= 8 and set(hits.values()) == {1}
    assert list(download([Found(url, "cat", "csv") for url in urls], tmp_path, web)) == outcomes
    assert sum(server.hits.values()) == 10 + len(twice)
