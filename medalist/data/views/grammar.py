"""Text -> steps: `flip | shift_scale_rotate(limit=15) | one_of(gauss_noise, clahe, jpeg) | random_erasing`.

A policy is a chain of operations, in the order in which they are applied. An operation is a name, or a call with named
literals; each takes `p`, the chance that it happens. Three words take operations, which may nest:

    one_of(OP, OP, ..., p=0.5)         with chance p one of them, their own p its weights
    random_order(OP, OP, ..., p=1)     all of them, each by its own p, shuffled
    sometimes(OP, p=0.5)               with chance p the operation, by its own p

Nothing is evaluated: the text is read by `ast`, and only names, calls and literals are known.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medalist.data.views.contract import number, ops
from medalist.errors import RecipeError, near
from medalist.registry import Bound

MAX_LENGTH = 2000
EXAMPLE = "flip | shift_scale_rotate(limit=15) | random_erasing(p=0.25)"
GROUPS = {"one_of": 0.5, "random_order": 1.0, "sometimes": 0.5}


@dataclass(frozen=True)
class Step:
    """An operation with its arguments and the chance `p` that it happens; `place` names it among the draws."""

    bound: Bound[Any]
    p: float
    place: str

    @property
    def fits(self) -> bool:
        """Whether it brings the image to the network's input."""
        return bool(self.bound.facts.get("fits", False))

    @property
    def text(self) -> str:
        """As a recipe writes it, arguments in the order of their names."""
        given = dict(self.bound.arguments)
        if self.p != self.bound.facts["p"]:
            given["p"] = self.p
        return replace(self.bound, arguments=given).text


@dataclass(frozen=True)
class Group:
    """Operations under one of the three words."""

    word: str
    steps: tuple[Step | Group, ...]
    p: float
    place: str

    @property
    def fits(self) -> bool:
        """Whether it brings the image to the network's input, whatever is drawn."""
        return any(step.fits for step in self.steps)

    @property
    def text(self) -> str:
        """As a recipe writes it."""
        chance = [] if self.p == GROUPS[self.word] else [f"p={self.p!r}"]
        return f"{self.word}({', '.join([*(step.text for step in self.steps), *chance])})"


def read_chain(text: str) -> tuple[Step | Group, ...]:
    """The steps of a policy; of an empty text none.

    Raises:
        RecipeError: not a chain, an unknown operation or argument, or two operations that fit.
    """
    line = " ".join(text.split())
    if not line:
        return ()
    slip = RecipeError(f"{line[:80]!r} is not a chain of operations such as {EXAMPLE}")
    if len(line) > MAX_LENGTH:
        raise RecipeError(f"a policy has at most {MAX_LENGTH} characters, got {len(line)}: {line[:40]!r} ...")
    try:
        tree = ast.parse(line, mode="eval").body
        steps = tuple(_node(link, f"{i}:") for i, link in enumerate(_links(tree)))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise slip from error
    _check_fitting(steps)
    return steps


def _links(tree: ast.expr) -> list[ast.expr]:
    """`a | b | c` as a list."""
    links = []
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
        links.append(tree.right)
        tree = tree.left
    return [tree, *reversed(links)]


def _node(tree: ast.expr, place: str) -> Step | Group:
    call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
    if not isinstance(call.func, ast.Name):
        raise RecipeError(f"{ast.unparse(tree)[:80]!r} is no operation; write a chain such as {EXAMPLE}")
    name, keys = call.func.id, [keyword.arg for keyword in call.keywords]
    if None in keys or len(set(keys)) < len(keys):
        raise RecipeError(f"{ast.unparse(tree)[:80]!r} gives an argument twice, or unpacks some; write each once")
    arguments = {str(keyword.arg): _literal(keyword) for keyword in call.keywords}
    if name in GROUPS:
        return _group(name, call.args, arguments, place + name)
    return _step(name, call.args, arguments, place + name)


def _literal(keyword: ast.keyword) -> object:
    try:
        return ast.literal_eval(keyword.value)
    except ValueError as error:
        raise RecipeError(
            f"{keyword.arg}={ast.unparse(keyword.value)[:80]} is no literal; arguments are numbers, texts in quotes or"
            " (low, high)"
        ) from error


def _group(word: str, inner: Sequence[ast.expr], arguments: dict[str, object], place: str) -> Group:
    if set(arguments) - {"p"} or not inner or (word == "sometimes" and len(inner) > 1):
        wanted = "one operation" if word == "sometimes" else "operations with commas between them"
        raise RecipeError(f"{word} takes {wanted} and p, such as sometimes(jpeg, p=0.1) or one_of(jpeg, blur)")
    steps = tuple(_node(tree, f"{place}/{i}:") for i, tree in enumerate(inner))
    fitting = sum(step.fits for step in steps)
    if fitting and (word == "random_order" or fitting < len(steps)):
        raise RecipeError(
            f"{word} cannot hold {next(step.text for step in steps if step.fits)!r}, which brings the image to the"
            " network's size, beside others that do not; give it a place of its own in the chain"
        )
    if word == "one_of" and not any(step.p for step in steps):
        raise RecipeError("one_of has nothing to choose: each p in it is 0; p of an alternative is its weight")
    return Group(word, steps, number("p", arguments.get("p", GROUPS[word]), 0, 1), place)


def _step(name: str, inner: Sequence[ast.expr], arguments: dict[str, Any], place: str) -> Step:
    if name not in ops:
        known = [*ops, *GROUPS]
        raise RecipeError(f"unknown operation {name!r}{near(name, known)} (known: {', '.join(known)})")
    bound = ops.bind(name)
    takes = [*_takes(bound), "p"]
    for key in arguments:
        if key not in takes:
            raise RecipeError(f"operation {name!r} takes no {key!r}{near(key, takes)} (it takes: {', '.join(takes)})")
    if inner:
        raise RecipeError(
            f"operation {name!r} takes arguments by name, got {ast.unparse(inner[0])[:80]!r};"
            f" write {name}({takes[0]}=...)"
        )
    p = number("p", arguments.pop("p", bound.facts["p"]), 0, 1)
    return Step(replace(bound, arguments=arguments), p, place)


def _takes(bound: Bound[Any]) -> list[str]:
    """Names of the arguments that a recipe may give."""
    parameters = inspect.signature(bound.function).parameters.values()
    return [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.name != "target"]


def _check_fitting(steps: Sequence[Step | Group]) -> None:
    fitting = [step.text for step in steps if step.fits]
    if len(fitting) > 1:
        raise RecipeError(
            f"{' and '.join(fitting)} each bring the image to the network's size; keep one, or one_of them"
        )


def leaves(steps: Sequence[Step | Group]) -> list[Step]:
    """All operations of a chain, those inside of groups too."""
    found = []
    for step in steps:
        found += [step] if isinstance(step, Step) else leaves(step.steps)
    return found


def order_of(group: Group, rng: np.random.Generator) -> list[tuple[Step | Group, bool]]:
    """Which operations of a group that happens come next, in which order; True: for certain, False: by their own p."""
    if group.word == "one_of":
        weights = np.cumsum([step.p for step in group.steps])
        drawn = int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))
        return [(group.steps[drawn], True)]
    if group.word == "random_order":
        return [(group.steps[i], False) for i in rng.permutation(len(group.steps))]
    return [(step, False) for step in group.steps]
