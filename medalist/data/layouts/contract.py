"""What a layout is: `layout(tree, options) -> Claim`, or it raises `DeclinedError` with a reason. Registry `layouts`.

A claim says what speaks for the layout and reads the rows when asked; rows are plain text, and `assemble` makes the
ImageTable of them, so that test ids, classes and the sample submission are treated alike everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from medalist.data.layouts.tree import Tree
from medalist.data.table import Rejected
from medalist.errors import MedalistError, RecipeError, near
from medalist.registry import Registry

WRITTEN, IMPLIED = 2, 1
EXPECTED = {bool: "true or false", str: "text", tuple: "a tuple of names"}


class DeclinedError(MedalistError):
    """A layout does not fit; the message is the reason."""


@dataclass(frozen=True)
class Options:
    """The recipe's `data.*` keys; each overrides one inference.

    Args:
        layout: name of the layout.
        sample: sample submission, a file below the root or elsewhere.
        labels: the file that holds the labels (CSV or JSON).
        id_column, label_column, group_column, weight_column: columns of the labels file (for JSON, fields of an image).
        delimiter: text between tags.
        vocabulary: file with the classes or tags, one a line, in order.
        path_template: where an image lies, such as `train/{category_id + 1}/{image_id}.jpg`.
        positive: the class whose probability the sample submission asks for.
        pattern: how a file name holds its class, such as `{label}.{number}`.
        auxiliary: further columns of the labels file to keep, the keys of the recipe's `finetune.auxiliary`.
        allow_outside: whether links and paths may lead out of the root.
    """

    layout: str | None = None
    sample: str | None = None
    labels: str | None = None
    id_column: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    weight_column: str | None = None
    delimiter: str | None = None
    vocabulary: str | None = None
    path_template: str | None = None
    positive: str | None = None
    pattern: str | None = None
    auxiliary: tuple[str, ...] = ()
    allow_outside: bool = False

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Options:
        """Check keys and types; None counts as not given.

        Raises:
            RecipeError: an unknown key or a value of the wrong type.
        """
        given = {key: value for key, value in mapping.items() if value is not None}
        known = [entry.name for entry in fields(cls)]
        for key, value in given.items():
            if key not in known:
                raise RecipeError(f"data.{key} is no option{near(key, known)}; there are: {', '.join(known)}")
            wanted = {"allow_outside": bool, "auxiliary": tuple}.get(key, str)
            if not isinstance(value, wanted) or value == "":
                raise RecipeError(f"data.{key}={value!r}: expected {EXPECTED[wanted]}")
        return cls(**given)

    def given(self) -> set[str]:
        """Names of the options that differ from their defaults."""
        return {entry.name for entry in fields(self) if getattr(self, entry.name) != entry.default}


@dataclass
class Rows:
    """The labelled rows that a layout found, columns side by side, N long; all text.

    Args:
        ids: N ids; empty text takes the path as id.
        paths: N files relative to the root.
        split: N of TRAIN and VALID.
        labels: N tuples: one class, or any number of tags.
        tags: whether rows have tags.
        classes: the class list in order where the layout knows it, else None (sorted, or from a class list file).
        class_names: names for people, where `classes` are codes.
        groups, weights: N values each, or None.
        targets: N cells of each auxiliary column.
        test: id -> file (empty for none) where the layout itself lists test images, else None.
        joiner: text between tags, as found.
        notes, rejected: what was inferred; what was left out.
    """

    ids: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    labels: list[tuple[str, ...]] = field(default_factory=list)
    tags: bool = False
    classes: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    groups: list[str] | None = None
    weights: list[float] | None = None
    targets: dict[str, list[str]] = field(default_factory=dict)
    test: dict[str, str] | None = None
    joiner: str = ","
    notes: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def drop(self, reasons: Mapping[int, Rejected]) -> None:
        """Leave rows out: position -> what to record of it."""
        if not reasons:
            return
        self.rejected += reasons.values()
        keep = [i for i in range(len(self.paths)) if i not in reasons]
        for name in ("ids", "paths", "split", "labels", "groups", "weights"):
            column = getattr(self, name)
            if column is not None:
                setattr(self, name, [column[i] for i in keep])
        self.targets = {name: [cells[i] for i in keep] for name, cells in self.targets.items()}


@dataclass(frozen=True)
class Claim:
    """A layout fits.

    Args:
        evidence: what speaks for it, a phrase.
        read: gives the rows.
        strength: WRITTEN where a file holds the labels, IMPLIED where names of folders or files do; WRITTEN wins.
    """

    evidence: str
    read: Callable[[], Rows]
    strength: int


Layout = Callable[[Tree, Options], Claim]
COMMON_OPTIONS = frozenset({"layout", "sample", "positive", "allow_outside", "auxiliary"})
# Registered with `takes`: the options it understands beside the common ones; with others given, it declines.
layouts: Registry[Layout] = Registry("layout")
