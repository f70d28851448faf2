"""A recipe: YAML of what differs from the defaults, plus `key=value` overrides -> one frozen, checked Recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from medalist.errors import RecipeError, near
from medalist.recipe.faults import faults_of
from medalist.recipe.keys import Recipe


class TextLoader(yaml.SafeLoader):
    """YAML in which a class named `no`, `007` or `1_000` stays text; true, false, null and plain numbers do not."""


TextLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?", "-+0123456789"),
):
    TextLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), list(_first))


def load_recipe(source: str | Path | None = None, overrides: Sequence[str] = (), **keys: Any) -> Recipe:
    """Read a recipe and lay overrides over it.

    Args:
        source: a packaged recipe's name (`cats-dogs`), a YAML file, or None for the defaults.
        overrides: `key=value` with dots for sections and YAML values: `folds.k=10`, `heads=[ridge, knn]`; of one key
            the last counts. A whole section takes the source's place, and keys of it that were typed before stay.
            `slips=true` first lays what stands under the source's `slips` over it.
        keys: top-level keys with Python values; None is passed over.

    Raises:
        RecipeError: all faults at once, each with the key, what was got and the near name.
    """
    tree = _read(source) if source is not None else {}
    overrides = _with_slips(tree.pop("slips", {}), overrides, source)
    for key, value in keys.items():
        if value is not None:
            tree[key] = value
    _lay_over(tree, overrides)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError("\n".join(["the recipe has faults:", *faults_of(error)])) from error


def _with_slips(slips: Any, overrides: Sequence[str], source: str | Path | None) -> list[str]:
    """The overrides, `slips=true` replaced by what a write-up's code did against its words: `{key: value}`."""
    asked = [_parsed(override)[1] for override in overrides if override.partition("=")[0].strip() == "slips"]
    rest = [override for override in overrides if override.partition("=")[0].strip() != "slips"]
    if not isinstance(slips, dict) or any(value not in (True, False) for value in asked):
        raise RecipeError("slips: keys and values in a recipe's file, and slips=true to lay them over it")
    if not asked or not asked[-1]:
        return rest
    if not slips:
        raise RecipeError(f"slips=true: {source or 'the default recipe'} has none; `medalist recipes` tells which have")
    return [*(f"{key}={json.dumps(value)}" for key, value in slips.items()), *rest]


def packaged_recipes() -> list[str]:
    """Names of the recipes that the package brings."""
    folder = resources.files("medalist") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def packaged_text(name: str) -> str:
    """A packaged recipe as it is written, header and all.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in (known := packaged_recipes()):
        raise RecipeError(
            f"unknown recipe {name!r}{near(name, known)}; known: {', '.join(known)}; a file of yours must end in .yaml"
        )
    return (resources.files("medalist") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def slips_of(text: str) -> dict[str, Any]:
    """What stands under `slips` of a recipe's YAML: key -> value."""
    slips: dict[str, Any] = _parse(text).get("slips", {})
    return slips


def _read(source: str | Path) -> dict[str, Any]:
    file = Path(source)
    if file.suffix in (".yaml", ".yml"):
        if not file.is_file():
            raise RecipeError(f"there is no recipe file {str(file)!r}")
        text = file.read_text(encoding="utf-8")
    else:
        text = packaged_text(str(source))
    try:
        tree = _parse(text) or {}
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise RecipeError(f"{source} must hold keys and values (got {type(tree).__name__})")
    return tree


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=TextLoader)  # a SafeLoader: plain data only


def _lay_over(tree: dict[str, Any], overrides: Sequence[str]) -> None:
    """Each override in turn; what was typed before a whole section is laid over that again, never lost in silence."""
    typed: dict[str, str] = {}
    for override in overrides:
        key, value = _parsed(override)
        _put(tree, key, value, override)
        for earlier in [other for other in typed if other.startswith((f"{key}.", f"{key}["))]:
            name, *deeper = earlier.removeprefix(key).removeprefix(".").replace("[", ".").split(".")
            if not isinstance(value, dict) or (deeper and name in value):
                raise RecipeError(
                    f"{override!r} would throw away {typed[earlier]!r}, typed before it; leave one of them out, or type"
                    f" {earlier} after it"
                )
            if name in value:  # the same key, said again
                del typed[earlier]
            else:
                _put(tree, *_parsed(typed[earlier]), typed[earlier])
        typed.pop(key, None)
        typed[key] = override


def _parsed(override: str) -> tuple[str, Any]:
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"{override!r} is not an override; type key=value, such as folds.k=10")
    try:
        return key.strip(), _parse(text)
    except yaml.YAMLError as error:
        hint = '; a layer is quoted inside: {train: "from: NAME"}' if "from:" in text else ""
        raise RecipeError(f"{override!r}: {text!r} is not a YAML value{hint}") from error


def _put(tree: dict[str, Any], key: str, value: Any, override: str) -> None:
    """Set a key of a tree; `override` is named in what is told of a fault."""
    *sections, last = key.split(".")
    for section in sections:
        tree = _inside(tree, section)
        if not isinstance(tree, dict):
            raise RecipeError(f"{override!r}: {section!r} is not a section of the recipe")
    tree[last] = value


def _inside(tree: dict[str, Any], section: str) -> Any:
    """The section of a tree; `phases[0]` is the first of a list of them."""
    name, _, place = section.partition("[")
    inside = tree.setdefault(name, {})
    if not place:
        return inside
    if isinstance(inside, dict):
        inside = tree[name] = [inside]  # one section is a list of one, and a list's default is one of defaults
    number = place.removesuffix("]")
    known = isinstance(inside, list) and number.isdecimal() and int(number) < len(inside)
    return inside[int(number)] if known else None
