"""A recipe: YAML of what differs from the defaults, plus `key=value` overrides -> one frozen, checked Recipe.

Shapes are checked here, names and signatures by `pipeline.check`. Every default lives in this file, once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from medalist.errors import RecipeError, near
from medalist.store import hash_json


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


class Section(BaseModel):
    """A part of a recipe: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(Section):
    """What `read` would otherwise infer: each key overrides one inference."""

    layout: str | None = Field(None, description="layout name, where several fit or none does")
    sample: str | None = Field(None, description="sample submission, relative to the data folder")
    labels: str | None = Field(None, description="CSV or JSON file with the training labels")
    id_column: str | None = None
    label_column: str | None = None
    group_column: str | None = Field(None, description="rows of one group share a fold")
    weight_column: str | None = None
    delimiter: str | None = Field(None, description="text between tags")
    vocabulary: str | None = Field(None, description="file with the allowed tags, one a line")
    path_template: str | None = Field(None, description="train/category_{category_id + 1}/{image_id}.jpg")
    pattern: str | None = Field(None, description="how a flat file name holds its class: {label}.{number}")
    positive: str | None = Field(None, description="class whose probability the submission asks for")
    allow_outside: bool = Field(False, description="follow paths that leave the data folder")

    @field_validator("positive", mode="before")
    @classmethod
    def _classes_are_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class FoldSection(Section):
    """How training rows are divided for out-of-fold predictions."""

    k: int = Field(5, ge=3, le=50, description="with two, no fold would be left to choose a penalty on")
    seed: int = 0
    file: str | None = Field(None, description="folds.csv of another run, or of `medalist folds`: the same folds")
    duplicates: bool = Field(True, description="equal bytes, equal pixels and near-duplicates share a fold")


class Recipe(Section):
    """Everything that decides the bytes of a run, apart from the data and the weights themselves."""

    metric: str
    data: DataSection = DataSection()
    backbones: tuple[str, ...] = Field((), description="cards, timm names, `embedded`; empty: the recommended one")
    cards: str | None = Field(None, description="folder of cards (JSON beside safetensors)")
    size: tuple[Annotated[int, Field(ge=16, le=2048)], ...] = Field(
        (), description="input side in pixels, or several; empty: the weights' own"
    )
    resize: Literal["crop", "squash", "letterbox"] | None = Field(None, description="null: the weights' own")
    views: tuple[str, ...] = ("center", "flip")
    fuse: Literal["features", "answers"] = Field(
        "features", description="views side by side as features, or each answered by itself, the answers weighed"
    )
    taps: tuple[str, ...] = Field(("pooled", "middle"), description="what is read off a forward pass")
    normalise: Literal["none", "l1", "l2"] = Field("none", description="rows of each space to a norm of 1")
    runtime: str = "auto"
    folds: FoldSection = FoldSection()
    heads: tuple[str, ...] = ("ridge", "logistic")
    members: Literal["fused", "each", "both"] = Field(
        "fused",
        description="heads on all backbones side by side, on each (in each size) alone, or both",
    )
    ensemble: str = "blend"
    decide: str | None = Field(None, description="decision rule; null: the metric's own")
    test_prior: Literal["train", "tested"] = Field(
        "train", description="tested: class frequencies of the test set are followed where they are found to differ"
    )
    counts: dict[str, Annotated[int, Field(ge=0)]] | None = Field(
        None, description="known number of test images of each class"
    )
    final: Literal["refit", "folds"] = Field("refit", description="test rows: the refit on all rows, or the fold mean")
    seed: int = 0

    @field_validator("backbones", "views", "taps", "heads", "size", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return () if value is None else (value,) if isinstance(value, str | int) else value

    @field_validator("backbones", "views", "taps", "heads", "size")
    @classmethod
    def _no_repeats(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) != len(value):
            raise ValueError("holds an entry twice")
        return value

    @field_validator("counts", mode="before")
    @classmethod
    def _classes_are_text(cls, value: Any) -> Any:
        return {str(name): count for name, count in value.items()} if isinstance(value, dict) else value

    @field_validator("views", "taps", "heads")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("needs at least one entry")
        return value

    @property
    def hash(self) -> str:
        """Hash of all keys: two recipes with the same hash ask for the same run."""
        return hash_json(self.model_dump(mode="json"))

    def to_yaml(self) -> str:
        """All keys, resolved, as YAML that `load_recipe` reads back equal."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_recipe(source: str | Path | None = None, overrides: Sequence[str] = (), **keys: Any) -> Recipe:
    """Read a recipe and lay overrides over it.

    Args:
        source: a packaged recipe's name (`cats-dogs`), a YAML file, or None for the defaults.
        overrides: `key=value` with dots for sections and YAML values: `folds.k=10`, `heads=[ridge, knn]`.
        keys: top-level keys with Python values; None is passed over.

    Raises:
        RecipeError: all faults at once, each with the key, what was got and the near name.
    """
    tree = _read(source) if source is not None else {}
    for key, value in keys.items():
        if value is not None:
            tree[key] = value
    for override in overrides:
        _override(tree, override)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError("\n".join(["the recipe has faults:", *_faults(error)])) from error


def packaged_recipes() -> list[str]:
    """Names of the recipes that the package brings."""
    folder = resources.files("medalist") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def _read(source: str | Path) -> dict[str, Any]:
    file = Path(source)
    if file.suffix in (".yaml", ".yml"):
        if not file.is_file():
            raise RecipeError(f"there is no recipe file {str(file)!r}")
        text = file.read_text(encoding="utf-8")
    elif (name := str(source)) in packaged_recipes():
        text = (resources.files("medalist") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        known = packaged_recipes()
        raise RecipeError(
            f"unknown recipe {name!r}{near(name, known)}; known: {', '.join(known)}; a file of yours must end in .yaml"
        )
    try:
        tree = _parse(text) or {}
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise RecipeError(f"{source} must hold keys and values (got {type(tree).__name__})")
    return tree


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=TextLoader)  # a SafeLoader: plain data only


def _override(tree: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"{override!r} is not an override; type key=value, such as folds.k=10")
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise RecipeError(f"{override!r}: {section!r} is not a section of the recipe")
    try:
        tree[last] = _parse(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{override!r}: {text!r} is not a YAML value") from error


def _faults(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = _known_keys(fault["loc"][:-1])
            lines.append(f"  {key}: no such key{near(str(fault['loc'][-1]), known)}; keys: {', '.join(known)}")
        elif fault["type"] == "missing":
            lines.append(f"  {key}: missing; type --{key} NAME, or {key}=NAME")
        else:
            lines.append(f"  {key}: {fault['msg']} (got {fault['input']!r})")
    return lines


def _known_keys(sections: Sequence[int | str]) -> list[str]:
    fields: Mapping[str, Any] = Recipe.model_fields
    for section in sections:
        fields = fields[str(section)].annotation.model_fields
    return list(fields)
