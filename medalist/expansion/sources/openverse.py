"""Openverse: openly licensed images from Flickr, museums and others, https://api.openverse.org/v1/images/.

Asked without a key: 20 results a page, one request a second, and no deeper than the service goes. Its terms forbid
copying the catalogue, and so does courtesy. Only recorded answers have been read by the tests, never the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medalist.errors import WebError
from medalist.expansion.api import ask, entries
from medalist.expansion.found import Found
from medalist.expansion.plain import plain, printable
from medalist.expansion.sources.contract import Streams, sources
from medalist.expansion.web import Web

URL = "https://api.openverse.org/v1/images/"
PAGE = 20  # results, the most that an anonymous request may ask for
EVERY_S = 1.0
PUBLIC = {"cc0": "CC0", "pdm": "Public Domain Mark"}


@sources()
def openverse(queries: Mapping[str, str], web: Web, *, licence: str = "", licence_type: str = "") -> Streams:
    """Images that Openverse finds for each query.

    Args:
        queries: class -> what to ask.
        web: who asks; must have a contact.
        licence: Openverse's codes, such as `cc0,pdm,by`; empty: all.
        licence_type: `commercial`, `modification`, or both with a comma.

    Raises:
        RecipeError: no contact.
    """
    _ = web.agent
    narrowed = {"license": licence, "license_type": licence_type}
    asked = {key: value for key, value in narrowed.items() if value}
    return {label: _images(label, query, web, asked) for label, query in queries.items()}


def _images(label: str, query: str, web: Web, asked: Mapping[str, str]) -> Iterator[Found]:
    page, last = 1, 1
    seen: set[str] = set()
    while page <= last:
        parameters: dict[str, str | int] = {"q": query, **asked, "mature": "false", "page": page, "page_size": PAGE}
        answer = ask(web, URL, parameters, every_s=EVERY_S, fault=_fault)
        images = [_image(result, label, query) for result in entries(answer["results"])]
        fresh = {image.url: image for image in images if image and image.url not in seen}
        yield from fresh.values()
        seen.update(fresh)
        pages = answer.get("page_count")
        last = pages if isinstance(pages, int) and fresh else 0  # the same again may go on for ever
        page += 1


def _fault(answer: Mapping[str, Any], headers: Mapping[str, str]) -> WebError | None:
    if isinstance(answer.get("results"), list):
        return None
    return WebError(f"answered without results: {plain(str(answer), 200)}")


def _image(result: Mapping[str, Any], label: str, query: str) -> Found | None:
    url = printable(result.get("url"))
    if not url:
        return None
    return Found(
        url,
        label,
        "openverse",
        query,
        page=plain(result.get("foreign_landing_url")),
        licence=_licence(plain(result.get("license")).lower(), plain(result.get("license_version"))),
        licence_url=plain(result.get("license_url")),
        author=plain(result.get("creator")),
        title=plain(result.get("title")),
    )


def _licence(code: str, version: str) -> str:
    """`by-sa`, `4.0` -> `CC BY-SA 4.0`."""
    if not code:
        return ""
    return f"{PUBLIC.get(code, f'CC {code.upper()}')} {version}".strip()
