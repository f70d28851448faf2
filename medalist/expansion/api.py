"""A service's address and parameters -> its JSON, asked one at a time, at the pace that the service wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from medalist.errors import WebError
from medalist.expansion.patience import pause_after, refused_by
from medalist.expansion.web import Web

# Looks at an answer that came with status 200 and tells the error that it is, if any.
Fault = Callable[[dict[str, Any], Mapping[str, str]], WebError | None]


def ask(web: Web, url: str, parameters: Mapping[str, str | int], *, every_s: float, fault: Fault) -> dict[str, Any]:
    """GET JSON; a busy service is asked again after the time that it names.

    Args:
        web: who asks.
        url: without parameters.
        parameters: of the query.
        every_s: seconds that pass before each request.
        fault: errors that the service tells with status 200.

    Raises:
        WebError: names the service and what it said.
    """
    failures = 0
    pause = every_s
    while True:
        web.outside.sleep(pause)
        try:
            return _once(web, f"{url}?{urlencode(parameters)}", fault)
        except WebError as error:
            failures += 1
            again = pause_after(error, failures, web.limits.patience)
            if again is None:
                raise WebError(f"{url} {error}; asked {failures} times", again=error.again) from error
            pause = max(again, every_s)


def _once(web: Web, url: str, fault: Fault) -> dict[str, Any]:
    from medalist.expansion.door import get

    answer = get(web, url, accept="application/json")
    if answer.status != 200:
        raise refused_by(answer.status, answer.headers, answer.body)
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise WebError("answered something that is no JSON") from error
    if not isinstance(value, dict):
        raise WebError(f"answered JSON that is a {type(value).__name__}, not an object")
    if told := fault(value, answer.headers):
        raise told
    return value


def entries(value: Any) -> list[dict[str, Any]]:
    """The objects in what should be a list of objects."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text_at(value: Any, *keys: str) -> object:
    """What lies below the keys, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
