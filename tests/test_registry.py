"""Names in recipes -> functions: what is parsed, what is refused, what a slip is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.registry import MAX_CALL_LENGTH, Registry, parse_call

literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def heads() -> Registry[Any]:
    heads: Registry[Any] = Registry("head")

    @heads(tasks=("binary",))
    def ridge(x: int, y: int, *, penalty: float = 1.0, kind: str = "a") -> tuple[int, int, float, str]:
        return x, y, penalty, kind

    @heads()
    def knn(x: int, y: int) -> int:
        return x + y

    return heads


def test_a_name_and_a_call_are_bound(heads: Registry[Any]) -> None:
    assert heads.bind("ridge")(1, 2) == (1, 2, 1.0, "a")
    bound = heads.bind(" ridge(penalty=3, kind='b') ")
    assert bound(1, 2) == (1, 2, 3, "b")
    assert bound(1, 2, penalty=4) == (1, 2, 4, "b")
    assert bound.facts == {"tasks": ("binary",)}
    assert bound.text == "ridge(kind='b', penalty=3)"
    assert heads.bind("knn").text == "knn"


def test_names_are_listed_in_order(heads: Registry[Any]) -> None:
    assert list(heads) == ["knn", "ridge"]
    assert "knn" in heads
    assert "mlp" not in heads


def test_a_second_function_of_the_name_is_refused(heads: Registry[Any]) -> None:
    def knn() -> None: ...

    with pytest.raises(RecipeError, match="head 'knn' is registered twice"):
        heads()(knn)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("rigde", r"unknown head 'rigde'; did you mean 'ridge'\? \(known: knn, ridge\)"),
        ("zzz", r"unknown head 'zzz' \(known: knn, ridge\)"),
        ("ri-dge", r"is not a name or a call .*; did you mean 'ridge'\?"),
        ("ridge(penalti=1)", r"takes no 'penalti'; did you mean 'penalty'\? \(it takes: penalty, kind\)"),
        ("ridge(x=1)", r"takes no 'x' \(it takes: penalty, kind\)"),
        ("knn(k=1)", r"takes no 'k' \(it takes: nothing\)"),
    ],
)
def test_a_slip_is_told_the_near_name_and_the_list(heads: Registry[Any], call: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        heads.bind(call)


@pytest.mark.parametrize(
    "call",
    [
        "",
        "f(1)",
        "f(*[1])",
        "f(**{'a': 1})",
        "f(a=1, a=2)",
        "f(a=b)",
        "f(a=1 + 2)",
        "f(a=__import__('os').getcwd())",
        "f(a={[]: 1})",
        "f(a={{}})",
        "a.f(b=1)",
        "f()()",
        "f(a=1); g",
        "f(a=1)\ng",
        "f\x00",
        "f(" + "(" * 400,
        "f(a='" + "x" * MAX_CALL_LENGTH + "')",
        "lambda: 0",
    ],
)
def test_only_calls_of_literals_are_parsed(call: str) -> None:
    with pytest.raises(RecipeError, match="is not a name or a call"):
        parse_call(call)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}_", fullmatch=True), literals, max_size=3))
def test_what_is_written_is_read_back(arguments: dict[str, Any]) -> None:
    call = f"f({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    if len(call) <= MAX_CALL_LENGTH:
        assert parse_call(call) == ("f", arguments)


@pytest.mark.parametrize("part", ["mlp(epochs=1", "batch=64)"])
def test_a_call_that_a_list_cut_in_two_is_to_be_quoted(part: str) -> None:
    with pytest.raises(RecipeError, match=r"YAML cuts a list at each comma: quote the call, \[\"name\("):
        parse_call(part)
