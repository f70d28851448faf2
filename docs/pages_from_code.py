"""A Sphinx extension: reference pages written from the code, and `docs/NAME.md` in running text made a link.

A line `<!-- from code: KIND MODULE:NAME -->` in a page becomes Markdown, KIND being one of WRITERS. The words are those
of docstrings, descriptions and helps, so that nothing is written twice.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Literal, get_args, get_origin

import typer
from docstrings import cell, docstring, plain, signature
from docutils import nodes
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

MARK = re.compile(r"<!-- from code: (\w+) ([\w.]+):?(\w*) -->")
PAGE = re.compile(r"\bdocs/([\w/-]+)\.md\b")
KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}
WORDS = {None: "null", True: "true", False: "false", "": "''"}


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("source-read", lambda app, page, source: source.append(filled(source.pop())))
    app.add_transform(Linked)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Linked(SphinxTransform):
    """`docs/CARDS.md` in running text is a link to that page; in a terminal it stays what it is."""

    default_priority = 500

    def apply(self, **options: Any) -> None:
        """Put a link in the place of each such name."""
        for text in list(self.document.findall(nodes.Text)):
            if PAGE.search(text) and not isinstance(text.parent, nodes.literal | nodes.literal_block | nodes.reference):
                pieces = enumerate(PAGE.split(str(text)))
                text.parent.replace(text, [self._link(one) if i % 2 else nodes.Text(one) for i, one in pieces])

    def _link(self, page: str) -> nodes.Node:
        keys = {"refdomain": "std", "reftype": "doc", "reftarget": f"/{page}", "refdoc": self.env.docname}
        return pending_xref("", nodes.inline("", f"docs/{page}.md"), refexplicit=True, refwarn=True, **keys)


def filled(page: str) -> str:
    """A page's Markdown with each mark replaced by what it stands for."""

    def written(found: re.Match[str]) -> str:
        kind, module, name = found.groups()
        home = import_module(module)
        return "\n\n".join(WRITERS[kind](getattr(home, name) if name else home))

    return MARK.sub(written, page)


def registry(entries: Any) -> Iterator[str]:
    """A section a registered function: its call with the defaults, its facts, its docstring."""
    for bound in map(entries.bind, entries):
        options = [one for one in inspect.signature(bound.function).parameters.values() if one.kind is one.KEYWORD_ONLY]
        # What has no default is handed over by medalist, and so is the seed.
        given = [
            f"{one.name}={one.default!r}" for one in options if one.default is not one.empty and one.name != "seed"
        ]
        facts = {key: value if isinstance(value, tuple) else (value,) for key, value in bound.facts.items()}
        shown = [
            f"{key}: {', '.join(map(str, value))}"
            for key, value in facts.items()
            if all(isinstance(one, str | int | float) for one in value)
        ]
        yield f"## {bound.name}"
        if given:
            yield f"```python\n{bound.name}({', '.join(given)})\n```"
        yield plain("; ".join(shown))
        yield docstring(bound.function)


def model(section: type[BaseModel], path: str = "") -> Iterator[str]:
    """A table of a pydantic model's keys as they are typed, then one for each model in it."""
    yield f"## {path.rstrip('.') or 'The recipe itself'}\n\n{docstring(section)}"
    rows, inner = ["| key | default | values | |", "|---|---|---|---|"], []
    for name, field in section.model_fields.items():
        parts = [one for one in _parts(field.annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
        place = f"{path}{name}" + ("[0]" if parts and get_origin(field.annotation) is tuple else "")
        inner += [(one, f"{place}.") for one in parts]
        value = f"keys of their own, `{place}.KEY`" if parts else _values(field.annotation)
        default = "required" if field.is_required() else "" if parts else f"`{_yaml(field.get_default())}`"
        rows.append(f"| `{path}{name}` | {cell(default)} | {cell(value)} | {cell(plain(field.description or ''))} |")
    yield "\n".join(rows)
    for one, below in inner:
        yield from model(one, below)


def _parts(annotation: Any) -> list[Any]:
    """A type and all types inside it."""
    return [annotation, *(part for one in get_args(annotation) for part in _parts(one))]


def _values(annotation: Any) -> str:
    """The choices of a key, or the kind of its value."""
    parts = _parts(annotation)
    choices = [get_args(part) for part in parts if get_origin(part) is Literal]
    if choices:
        return ", ".join(map(str, choices[0]))
    kinds = ": ".join(dict.fromkeys(KINDS[one] for one in parts if isinstance(one, type) and one in KINDS))
    return f"{kinds}, or a list" if tuple in [get_origin(part) for part in parts] else kinds


def _yaml(value: Any) -> str:
    """A default as a recipe spells it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return WORDS[value] if value is None or value == "" or isinstance(value, bool) else str(value)


def api(module: Any) -> Iterator[str]:
    """A section a public function or class, methods below it."""
    for name in (one for one in module.__all__ if not one.startswith("_")):
        found = getattr(module, name)
        yield f"## {name}\n\n{signature(found)}\n\n{docstring(found)}"
        for method in vars(found).values() if isinstance(found, type) else ():
            function = getattr(method, "__func__", method)
            if inspect.isfunction(function) and function.__doc__ and not function.__name__.startswith("_"):
                yield f"### {name}.{function.__name__}\n\n{signature(function)}\n\n{docstring(function)}"


def verbs(app: typer.Typer) -> Iterator[str]:
    """A section a verb: how it is typed, what it does, arguments and options."""
    yield from _verbs(typer.main.get_group(app), "medalist")


def _verbs(group: Any, path: str) -> Iterator[str]:
    for name, verb in sorted(group.commands.items()):
        if hasattr(verb, "commands"):
            yield from _verbs(verb, f"{path} {name}")
            continue
        context = typer.Context(verb, info_name=f"{path} {name}")
        places = [_place(one) for one in verb.params if one.param_type_name == "argument"]
        yield f"## {path} {name}\n\n```sh\n{' '.join([path, name, *places])} [OPTIONS]\n```\n\n{plain(verb.help)}"
        rows = [one.get_help_record(context) for one in verb.params]
        yield "\n".join(["| | |", "|---|---|", *(f"| `{cell(name)}` | {cell(plain(text))} |" for name, text in rows)])


def _place(argument: Any) -> str:
    """An argument as usage lines write it: `DATA`, `[NAME]`."""
    name: str = argument.display_name_raw
    return name if argument.required or name.startswith("[") else f"[{name.upper()}]"


WRITERS: dict[str, Callable[[Any], Iterator[str]]] = {"registry": registry, "model": model, "api": api, "verbs": verbs}
