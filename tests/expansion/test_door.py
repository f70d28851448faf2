"""One question to one server: what is let in, what is refused and how it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from medalist.data.decode import sniff
from medalist.errors import RecipeError, WebError
from medalist.expansion.door import REDIRECTS, checked_url, get
from medalist.expansion.web import Web

PUBLIC = "93.184.215.14"


def fetch(web: Web, url: str) -> bytes:
    answer = get(web, url, accept="image/*", begins=sniff)
    assert answer.status == 200
    return answer.body


def test_an_image_comes_in_and_the_server_hears_whom_to_write_to(server: Any, web: Web, draw: Any) -> None:
    assert fetch(web, server.url("ok/1.png")) == draw(1)
    assert fetch(web, server.url("ok/1.png?again")) == draw(1)
    for _, headers in server.requests:
        assert "me@example.org" in headers["User-Agent"]
        assert headers["Accept-Encoding"] == "identity"
        assert headers["Host"] == f"127.0.0.1:{server.server_port}"
        assert not {"Cookie", "Authorization", "Referer"} & set(headers)


def test_proxies_of_the_environment_are_not_asked(server: Any, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(web, server.url("ok/1.png"))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("slow", "took more than 0.4 s"),
        ("slow_headers", "took more than 0.4 s"),
        ("silent", "was silent for 0.2 s"),
        ("hundreds", "more than the 50,000 bytes"),
        ("many_headers", "no proper answer"),
        ("endless", "more than the 50,000 bytes"),
        ("tiny_chunks", "more than the 50,000 bytes"),
        ("large", "more than the 50,000 bytes"),
        ("huge", "more than the 50,000 bytes"),
        ("claims_more", "no proper answer: peer closed connection without sending complete message body"),
        ("gzip", r"is compressed \(gzip\), which was not asked for"),
        ("garbage", "no proper answer"),
        ("hangs_up", "no proper answer: Server disconnected"),
        ("nowhere", "without saying where to"),
        ("loop/1", "sends on from place to place more than 5 times"),
        ("to/?file:///etc/passwd", "redirects to a URL of scheme 'file', where only http and https are asked"),
        ("to/?ftp://a.example/", "redirects to a URL of scheme 'ftp', where"),
        ("to/?" + quote("http://user:secret@127.0.0.1/"), "redirects to a URL with a user name or password inside"),
        ("far", "redirects to a URL of 2,001 characters"),
    ],
)
def test_a_bad_server_is_refused(server: Any, web: Web, path: str, reason: str) -> None:
    hasty = {"slow": {"seconds": 0.4}, "slow_headers": {"seconds": 0.4}, "silent": {"silence": 0.2}}
    web = replace(web, limits=replace(web.limits, **hasty.get(path, {})))
    with pytest.raises(WebError, match=reason):
        fetch(web, server.url(path))


def test_a_length_that_is_too_short_cuts_the_file(server: Any, web: Web, draw: Any) -> None:
    assert fetch(web, server.url("claims_less")) == draw(1)[:40]


def test_what_is_no_image_is_not_read_on(server: Any, web: Web) -> None:
    with pytest.raises(Exception, match="not an image of a known format: it begins with b'<!DOCTYPE"):
        fetch(web, server.url("html/cat.jpg"))


def test_redirects_are_followed_up_to_a_number(server: Any, web: Web, draw: Any) -> None:
    path = "ok/3.png"
    for _ in range(REDIRECTS):
        path = f"to/?/{quote(path)}"
    assert fetch(web, server.url(path)) == draw(3)
    with pytest.raises(WebError, match="more than 5 times"):
        fetch(web, server.url(f"to/?/{quote(path)}"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/ok/1.png",
        "http://localhost:{port}/ok/1.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:{port}/ok/1.png",
        "//10.0.0.1/",
        "http://metadata.internal/",
        "http://2130706433/",
    ],
)
def test_a_public_server_cannot_lead_inside(server: Any, web: Web, url: str) -> None:
    inner = {"metadata.internal": [["10.1.2.3"]], "localhost": [["127.0.0.1"]], "2130706433": [["127.0.0.1"]]}
    outside = server.as_public({"images.example": [[PUBLIC]], **inner})
    guarded = replace(web, outside=outside, allow_loopback=False)
    with pytest.raises(WebError, match="not a public one"):
        fetch(guarded, f"http://images.example/to/?{quote(url.format(port=server.server_port))}")
    assert len(server.requests) == 1


def test_a_name_is_looked_up_once_a_request(server: Any, web: Web, draw: Any) -> None:
    """A second look-up would answer loopback (DNS rebinding); the connection goes to what the first one said."""
    guarded = replace(
        web, outside=server.as_public({"images.example": [[PUBLIC], ["127.0.0.1"]]}), allow_loopback=False
    )
    assert fetch(guarded, "http://images.example/ok/1.png") == draw(1)
    with pytest.raises(WebError, match=r"images\.example is at 127\.0\.0\.1, not a public one"):
        fetch(guarded, "http://images.example/ok/1.png")


def test_a_redirect_is_looked_up_anew(server: Any, web: Web) -> None:
    guarded = replace(
        web, outside=server.as_public({"images.example": [[PUBLIC], ["127.0.0.1"]]}), allow_loopback=False
    )
    with pytest.raises(WebError, match="not a public one"):
        fetch(guarded, "http://images.example/to/?/ok/1.png")


def test_loopback_is_open_only_where_it_was_asked_for(server: Any, web: Web) -> None:
    with pytest.raises(WebError, match=r"127\.0\.0\.1 is at 127\.0\.0\.1, not a public one"):
        fetch(replace(web, allow_loopback=False), server.url("ok/1.png"))
    assert not server.requests


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "scheme 'file', where only http and https are asked"),
        ("/etc/passwd", "scheme '', where only"),
        ("data:image/png;base64,AAAA", "scheme 'data'"),
        ("gopher://a.example/", "scheme 'gopher'"),
        ("http://user:secret@a.example/", "user name or password"),
        ("http://user@a.example/", "user name or password"),
        ("http:///a.jpg", "without a host"),
        ("http://a.example/" + "x" * 2000, "2,017 characters, longer than 2,000"),
        ("http://a.example/\r\nX-Evil: 1", "no URL"),
        ("http://a.example:99999/", "no URL|port 99999"),
        ("http://[::1", "no URL"),
        ("http://a\x00b/", "no URL"),
    ],
)
def test_a_bad_url_is_refused_unasked(web: Web, url: str, reason: str) -> None:
    with pytest.raises(WebError, match=reason):
        get(replace(web, outside=replace(web.outside, look_up=lambda host, port: ["8.8.8.8"])), url, accept="image/*")


def test_a_url_is_one_line_of_ascii() -> None:
    assert checked_url("HTTPS://exämple.com/ü x").raw_path == b"/%C3%BC%20x"


@pytest.mark.parametrize("contact", ["", "me", "me@b\r\nX-Evil: 1", "ü@example.org", "http://", "a@b@c.org"])
def test_without_a_contact_nothing_is_asked(server: Any, web: Web, contact: str) -> None:
    with pytest.raises(RecipeError, match="type --contact with your mail address or a URL"):
        fetch(replace(web, contact=contact), server.url("ok/1.png"))
    assert not server.requests


def test_tls_names_the_host_and_checks_its_certificate(service: Any, clock: Any, said: Callable[..., bytes]) -> None:
    spoken = service([said({}), said({})])
    get(spoken.web(clock), "https://images.example/a.jpg?b", accept="image/*")
    assert spoken.names == ["images.example"]
    assert spoken.requests[0].startswith("GET /a.jpg?b HTTP/1.1\r\nHost: images.example\r\n")


def test_no_step_may_outlast_the_whole(service: Any, clock: Any, said: Callable[..., bytes]) -> None:
    spoken = service([said({})])
    web = spoken.web(clock)
    get(replace(web, limits=replace(web.limits, seconds=3, silence=50)), "https://images.example/", accept="image/*")
    assert len(spoken.timeouts) > 3 and max(spoken.timeouts) <= 3


def test_https_does_not_lead_to_http(service: Any, clock: Any, said: Callable[..., bytes]) -> None:
    spoken = service([said({}, 302, Location="http://images.example/a.jpg")])
    with pytest.raises(WebError, match="redirects from https to http"):
        get(spoken.web(clock), "https://images.example/a.jpg", accept="image/*")
