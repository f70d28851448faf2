"""Which keys of two recipes differ; a section that only one of them has is one key, told by what is not its default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from medalist.recipe import FinetuneSection

SECTIONS: dict[str, type[BaseModel]] = {"finetune": FinetuneSection}  # those that may be null
NULL = "null"


@dataclass(frozen=True)
class Difference:
    """A key and its values as JSON text; None: it is not there."""

    key: str
    before: str | None
    after: str | None


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """What differs between two flat recipes, in the order of the first, then of the second.

    Args:
        before, after: see `Entry.keys`.

    >>> differences({"finetune": "null"}, {"finetune.batch": "8", "finetune.seed": "1", "seed": "0"})[0].after
    '{batch: 8, seed: 1}'
    """
    before, after = _folded(before, after), _folded(after, before)
    keys = [*before, *(key for key in after if key not in before)]
    return [Difference(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]


def _folded(mine: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Keys below one that is null on the other side, as that one key."""
    found: dict[str, str] = {}
    inner: dict[str, dict[str, str]] = {}
    for key, value in mine.items():
        top = key.partition(".")[0].partition("[")[0]
        if top != key and other.get(top) == NULL:
            inner.setdefault(top, {})[key.removeprefix(top).removeprefix(".")] = value
            found.setdefault(top, "")
        else:
            found[key] = value
    return found | {top: _told(top, values) for top, values in inner.items()}


def _told(section: str, values: Mapping[str, str]) -> str:
    """A section as an override would say it, without what are its defaults: `{phases: [{lr: 0.01}]}`."""
    tree = _tree(values)
    if section in SECTIONS:
        try:
            found = SECTIONS[section].model_validate(tree)
            tree = found.model_dump(mode="json", exclude_defaults=True)
        except ValidationError:  # of another version
            pass
    return _flow(tree)


def _tree(values: Mapping[str, str]) -> dict[str, Any]:
    """`{"phases[0].lr": "0.1"}` -> `{"phases": [{"lr": 0.1}]}`."""
    tree: dict[str, Any] = {}
    for key, text in values.items():
        at: Any = tree
        *way, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", key)]
        for part, following in zip(way, [*way, last][1:], strict=True):
            empty: Any = [] if isinstance(following, int) else {}
            if isinstance(at, list):
                at += [empty] * (part == len(at))
                at = at[part]
            else:
                at = at.setdefault(part, empty)
        at[last] = json.loads(text)
    return tree


def _flow(value: Any) -> str:
    """YAML on one line, names without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
