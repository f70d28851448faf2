"""ddgs: what web search engines find. Nobody says under which licence: `licence` stays empty, and rules see that.

The search itself is the package's: it speaks to the engines over a stack of its own, as a browser would, and may be
against their terms. Only the addresses it finds are used; the images come through our own door. Only recorded answers
have been read by the tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from medalist.errors import MissingExtraError, WebError
from medalist.expansion.api import entries
from medalist.expansion.found import Found
from medalist.expansion.plain import plain, printable
from medalist.expansion.sources.contract import Streams, sources
from medalist.expansion.web import Web

EVERY_S = 2.0
NOTHING = "No results found"  # how the package ends a search


@sources()
def ddgs(queries: Mapping[str, str], web: Web, *, region: str = "us-en", pages: int = 5) -> Streams:
    """Images that web search engines find for each query.

    Args:
        queries: class -> what to ask.
        web: who fetches what is found; must have a contact.
        region: of the search.
        pages: of results, at most.

    Raises:
        RecipeError: no contact. MissingExtraError: ddgs is not installed.
    """
    _ = web.agent
    engine = _engine()
    return {label: _images(label, query, web, engine, (region, pages)) for label, query in queries.items()}


def _engine() -> Any:
    try:
        from ddgs import DDGS
    except ImportError as error:
        raise MissingExtraError("this source needs ddgs: pip install 'medalist[ddgs]'") from error
    return DDGS()


def _images(label: str, query: str, web: Web, engine: Any, asked: tuple[str, int]) -> Iterator[Found]:
    region, pages = asked
    seen: set[str] = set()
    for page in range(1, pages + 1):
        web.outside.sleep(EVERY_S)
        urls = [_image(result, label, query) for result in _page(engine, query, region, page)]
        fresh = [image for image in urls if image.url and image.url not in seen]
        if not fresh:
            return
        seen.update(image.url for image in fresh)
        yield from fresh


def _page(engine: Any, query: str, region: str, page: int) -> list[dict[str, Any]]:
    try:
        return entries(engine.images(query, region=region, page=page, max_results=None))
    except Exception as error:  # the package passes on whatever its engines raise
        if NOTHING in str(error):
            return []
        raise WebError(
            f"ddgs: {plain(str(error)) or type(error).__name__}; wait a while, or take another source"
        ) from error


def _image(result: Mapping[str, Any], label: str, query: str) -> Found:
    return Found(
        printable(result.get("image")),
        label,
        "ddgs",
        query,
        page=plain(result.get("url")),
        title=plain(result.get("title")),
    )
