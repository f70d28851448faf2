"""Wikimedia Commons: https://commons.wikimedia.org/w/api.php, a search of files with licence and author of each.

One request after the other, as https://www.mediawiki.org/wiki/API:Etiquette asks; `maxlag` makes it wait while the
servers are behind. Files come 1,280 pixels wide (one of the widths that Wikimedia keeps ready), smaller ones as they
are. Only recorded answers have been read by the tests, never the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from medalist.errors import WebError
from medalist.expansion.api import ask, entries, text_at
from medalist.expansion.found import Found
from medalist.expansion.patience import retry_after
from medalist.expansion.plain import plain, printable
from medalist.expansion.sources.contract import Streams, sources
from medalist.expansion.web import Web

URL = "https://commons.wikimedia.org/w/api.php"
EVERY_S = 0.5
BARREN = 3  # answers without a new image, one after the other, that end a search: some parts hold none
WAIT = ("maxlag", "ratelimited", "readonly")
FIXED: dict[str, str | int] = {
    "action": "query",
    "format": "json",
    "formatversion": 2,
    "maxlag": 5,
    "generator": "search",
    "gsrnamespace": 6,  # files
    "gsrlimit": 50,
    "prop": "imageinfo",
    "iiprop": "url|mime|extmetadata",
    "iiextmetadatafilter": "LicenseShortName|LicenseUrl|Artist",
    "iiextmetadatalanguage": "en",
    "iiurlwidth": 1280,
}


@sources()
def commons(queries: Mapping[str, str], web: Web) -> Streams:
    """Images that a search of Wikimedia Commons finds for each query.

    Args:
        queries: class -> what to ask, in the words of its search (`incategory:` and the like too).
        web: who asks; must have a contact.

    Raises:
        RecipeError: no contact.
    """
    _ = web.agent
    return {label: _images(label, query, web) for label, query in queries.items()}


def _images(label: str, query: str, web: Web) -> Iterator[Found]:
    onward: dict[str, str | int] = {}
    seen: set[str] = set()
    barren = 0
    while True:
        parameters = {**FIXED, "gsrsearch": f"{query} filetype:bitmap", **onward}
        answer = ask(web, URL, parameters, every_s=EVERY_S, fault=_fault)
        # A long answer comes in parts: a file without `imageinfo` has it in the next one.
        pages, before = entries(text_at(answer, "query", "pages")), len(seen)
        for page in sorted(pages, key=_place):
            image = _image(page, label, query)
            if image and image.url not in seen:
                seen.add(image.url)
                yield image
        told = answer.get("continue")
        following = {key: value for key, value in told.items() if isinstance(value, str | int)} if told else {}
        barren = barren + 1 if len(seen) == before else 0
        if not following or following == onward or barren == BARREN:
            return
        onward = following


def _fault(answer: Mapping[str, Any], headers: Mapping[str, str]) -> WebError | None:
    error = answer.get("error")
    if error is None:
        told = answer.get("continue", {})
        return None if isinstance(told, dict) else WebError("answered without a way to go on")
    code, info = plain(text_at(error, "code")), plain(text_at(error, "info"))
    after = retry_after(headers.get("retry-after", ""), datetime.now(UTC))
    return WebError(f"answered the error {code or error!r}: {info}", again=code in WAIT, after_s=after)


def _place(page: Mapping[str, Any]) -> int:
    place = page.get("index")
    return place if isinstance(place, int) else 1 << 31


def _image(page: Mapping[str, Any], label: str, query: str) -> Found | None:
    info = next(iter(entries(page.get("imageinfo"))), None)
    url = printable(text_at(info, "thumburl") or text_at(info, "url"))
    if info is None or not url:
        return None
    told = info.get("extmetadata")
    return Found(
        url,
        label,
        "commons",
        query,
        page=plain(info.get("descriptionurl")),
        licence=plain(text_at(told, "LicenseShortName", "value")),
        licence_url=plain(text_at(told, "LicenseUrl", "value")),
        author=plain(text_at(told, "Artist", "value")),
        title=plain(page.get("title")).removeprefix("File:"),
    )
