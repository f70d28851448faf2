"""What every source of images keeps to."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from medalist.expansion.sources import sources

DOCS = Path(__file__).resolve().parents[2] / "docs" / "EXPANDING.md"


@pytest.mark.parametrize("name", list(sources))
def test_a_source(name: str) -> None:
    function = sources.bind(name).function
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:2] == ["queries", "web"]
    options = [key for key, value in parameters.items() if value.kind is inspect.Parameter.KEYWORD_ONLY]
    assert list(parameters)[2:] == options
    assert function.__doc__ and all(key in function.__doc__ for key in options)
    assert all(parameters[key].annotation in ("str", "int") for key in options)


@pytest.mark.parametrize("name", list(sources))
def test_the_docs_list_it_with_its_options(name: str) -> None:
    function = sources.bind(name).function
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}")]
    assert len(rows) == 1
    assert all(key in rows[0] for key in list(inspect.signature(function).parameters)[2:])
