"""What pydantic finds wrong with a recipe's values -> a line a fault: the key, what was got, what to type instead."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from medalist.errors import near
from medalist.recipe.keys import PhaseSection, Recipe

# Kinds of pydantic's -> what a value of the key must be; names in braces are facts of the fault.
EXPECTED = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "date_parsing": "a day, such as 2026-01-31",
    "date_from_datetime_parsing": "a day, such as 2026-01-31",
    "date_from_datetime_inexact": "a day, such as 2026-01-31",
    "tuple_type": "a list",
    "dict_type": "keys and values in braces",
    "model_type": "a section: keys and values in braces",
    "literal_error": "{expected}",
}
YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
LONGEST = 80  # characters of a value that are quoted


def faults_of(error: ValidationError) -> list[str]:
    """A line a fault, in the recipe's order."""
    return [f"  {typed(fault['loc'])}: {_told(fault)}".replace("  : ", "  ", 1) for fault in error.errors()]


def typed(loc: Sequence[int | str]) -> str:
    """A place in a recipe as an override names it: `finetune.phases[0].lr`.

    >>> typed(("finetune", "phases", 0, "lr"))
    'finetune.phases[0].lr'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _told(fault: ErrorDetails) -> str:
    loc, kind, facts = fault["loc"], fault["type"], fault.get("ctx", {})
    key, got = typed(loc), _quoted(fault["input"])
    if kind == "extra_forbidden":
        return _strange(loc)
    if kind == "missing":
        return f"missing; type --{key} NAME, or {key}=NAME"
    if kind == "value_error":
        return f"{facts['error']} (got {got})" if loc else str(facts["error"])
    if kind not in EXPECTED:
        return f"{fault['msg']} (got {got})"
    expected = EXPECTED[kind].format(**facts).replace("'", "")
    return f"got {got}, expected {expected}{_hint(fault)}"


def _strange(loc: Sequence[int | str]) -> str:
    """Of a key that is none."""
    known, name = list(_fields(loc[:-1])), str(loc[-1])
    if loc[0] == "finetune" and name in PhaseSection.model_fields:
        return f"it is a key of a phase; type finetune.phases=[{{{name}: ...}}]"
    return f"no such key{near(name, known)}; keys: {', '.join(known)}"


def _hint(fault: ErrorDetails) -> str:
    """The near value, the keys of a section, or the default, as it is typed."""
    loc, got = fault["loc"], fault["input"]
    if fault["type"] == "model_type":
        return f"; its keys: {', '.join(_fields(loc))}"
    if fault["type"] == "literal_error" and (told := near(str(got), re.findall(r"'(.*?)'", fault["ctx"]["expected"]))):
        return told
    field = _fields(loc[:-1]).get(str(loc[-1]))
    if fault["type"] == "literal_error" and field is not None:
        choices = re.findall(r"'(.*?)'", fault["ctx"]["expected"])
        if meant := _yes_or_no(str(got), choices, field.default):
            return f"; type {typed(loc)}={meant}"
    if field is None or field.is_required():
        return ""
    if isinstance(field.default, (str, int, float)):
        return f"; type {shlex.quote(f'{typed(loc)}={_plain(field.default)}')} (the default), or leave it out"
    return "; leave it out for the default"


def _yes_or_no(got: str, choices: Sequence[str], default: Any) -> str:
    """Of a key with names for values: the one that yes or no means; empty where that is not clear.

    >>> _yes_or_no("yes", ["list", "use"], "list"), _yes_or_no("False", ["auto", "off"], "auto")
    ('use', 'off')
    """
    never = [one for one in choices if one in ("none", "off")] or [default]
    others = [one for one in choices if one not in never]
    if got.lower() in NO and never[0] in choices:
        return str(never[0])
    return others[0] if got.lower() in YES and len(others) == 1 else ""


def _fields(sections: Sequence[int | str]) -> Mapping[str, FieldInfo]:
    """Keys of a section; a place in a list of sections is passed over, and what is no section has none."""
    fields: Mapping[str, FieldInfo] = Recipe.model_fields
    for section in sections:
        if isinstance(section, str):
            found = next(_sections(fields[section].annotation), None) if section in fields else None
            fields = found.model_fields if found else {}
    return fields


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections in an annotation such as `Section | None` or `tuple[Section, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _sections(part)


def _quoted(value: Any) -> str:
    told = _plain(value) if value is None or isinstance(value, bool) else repr(value)
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 3]}..."


def _plain(value: Any) -> str:
    """A plain value as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)
