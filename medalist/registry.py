"""Names in recipes -> functions: `heads.bind("mlp(hidden=1024)")` gives the function with its arguments bound."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from medalist.errors import RecipeError, near

F = TypeVar("F", bound=Callable[..., Any])
MAX_CALL_LENGTH = 500


@dataclass(frozen=True)
class Bound(Generic[F]):
    """A registered function with the arguments that a recipe gave it; `text` is its canonical spelling."""

    name: str
    function: F
    arguments: dict[str, Any]
    facts: dict[str, Any]

    @property
    def text(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in sorted(self.arguments.items()))
        return f"{self.name}({inside})" if inside else self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **{**self.arguments, **kwargs})


class Registry(Generic[F]):
    """Functions under their own names, with facts beside them.

    >>> metrics = Registry("metric")
    >>> @metrics(better="higher")
    ... def accuracy(y, p): ...
    >>> metrics.bind("accuracy").facts
    {'better': 'higher'}
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._entries: dict[str, tuple[F, dict[str, Any]]] = {}

    def __call__(self, **facts: Any) -> Callable[[F], F]:
        def register(function: F) -> F:
            name = function.__name__
            if name in self._entries:
                raise RecipeError(f"{self.noun} {name!r} is registered twice")
            self._entries[name] = (function, facts)
            return function

        return register

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def bind(self, call: str) -> Bound[F]:
        """Look up `name` or `name(key=literal, ...)`.

        Raises:
            RecipeError: unknown name (with the near one and the list), not a call of literals, or an argument that
                the function does not take.
        """
        try:
            name, arguments = parse_call(call)
        except RecipeError as slip:
            raise RecipeError(f"{self.noun} {slip}{near(call, self)}") from slip
        if name not in self._entries:
            raise RecipeError(f"unknown {self.noun} {name!r}{near(name, self)} (known: {', '.join(self)})")
        function, facts = self._entries[name]
        takes = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        ]
        for key in arguments:
            if key not in takes:
                known = ", ".join(takes) or "nothing"
                raise RecipeError(f"{self.noun} {name!r} takes no {key!r}{near(key, takes)} (it takes: {known})")
        return Bound(name, function, arguments, facts)

    def adopt(self, reference: str) -> Bound[F]:
        """Import `module:function`, code of the user's own that registers itself, and bind it.

        It runs what the module holds: for the Python API and `--allow-code`, never for a name that a recipe gives.

        Raises:
            RecipeError: no such module or function, or one that is not decorated.
        """
        module, _, name = reference.partition(":")
        expected = f"a {self.noun} of your own is module:function"
        try:
            function = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise RecipeError(
                f"cannot import {reference!r}: {error}; {expected}, and the module on sys.path"
            ) from error
        if name not in self._entries or self._entries[name][0] is not function:
            raise RecipeError(f"{reference!r} is not registered; {expected}, decorated as medalist's own are")
        return self.bind(name)


def parse_call(call: str) -> tuple[str, dict[str, Any]]:
    """`"greedy(rounds=50)"` -> `("greedy", {"rounds": 50})`; only literals, nothing is evaluated."""
    cut = "; YAML cuts a list at each comma: quote the call, [\"name(key=1, other='text')\"]"
    hint = cut if call.count("(") != call.count(")") else ""
    slip = RecipeError(f"{call[:80]!r} is not a name or a call such as name(key=1, other='text'){hint}")
    if len(call) > MAX_CALL_LENGTH:
        raise slip
    try:
        tree = ast.parse(call.strip(), mode="eval").body
        if isinstance(tree, ast.Name):
            return tree.id, {}
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.args:
            raise slip
        keys = [keyword.arg for keyword in tree.keywords]
        if None in keys or len(set(keys)) < len(keys):
            raise slip
        return tree.func.id, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise slip from error
