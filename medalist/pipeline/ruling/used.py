"""A recipe -> what its run takes from outside the labelled images: weights, images, the test set, seeds; as JSON."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medalist.backbones import Backbone
from medalist.data.textfiles import unguarded
from medalist.errors import DataError
from medalist.pipeline.backbones import open_backbones, tuned_backbones
from medalist.recipe import Recipe

ACCEPTED = "extra.csv"
FORMULA = ("'=", "'+", "'-", "'@")  # how a spreadsheet's formula is guarded in columns for people


@dataclass(frozen=True)
class Weights:
    """Pretrained weights; text that is not known is empty.

    Args:
        name: of the backbone.
        licence: as its publisher states it.
        published: day, ISO 8601.
        origin: where they come from.
        sha256: of the file.
    """

    name: str
    licence: str
    published: str
    origin: str
    sha256: str


@dataclass(frozen=True)
class Images:
    """Images from outside, of one source and licence; text that is not known is empty."""

    source: str
    licence: str
    count: int
    authors: tuple[str, ...]


@dataclass(frozen=True)
class Used:
    """What a run, or all members of a blend, took from outside the labelled images.

    Args:
        weights: pretrained ones; those drawn at random are none.
        images: accepted images of expansions.
        pseudo_labels: whether models learnt from test images.
        leaks: whether test images were answered by a labelled copy of them.
        seeds: of heads and of folds.
        unknown: members that scripts made: only their authors know what they used.
    """

    weights: tuple[Weights, ...] = ()
    images: tuple[Images, ...] = ()
    pseudo_labels: bool = False
    leaks: bool = False
    seeds: tuple[int, ...] = ()
    unknown: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Used:
        """Back from `dataclasses.asdict` through JSON."""
        return cls(
            tuple(Weights(**one) for one in facts["weights"]),
            tuple(Images(**{**one, "authors": tuple(one["authors"])}) for one in facts["images"]),
            facts["pseudo_labels"],
            facts["leaks"],
            tuple(facts["seeds"]),
            tuple(facts["unknown"]),
        )


def used_by(recipe: Recipe) -> Used:
    """What a run of the recipe uses; no torch, but for hub weights never met before.

    Raises:
        BackboneError: a backbone cannot be opened.
        DataError: an expansion's list cannot be read.
    """
    backbones = [*open_backbones(recipe), *tuned_backbones(recipe)]
    return Used(
        weights=_each_once(_weights(one) for one in backbones if one.source != "untrained"),
        images=images_of([Path(folder) for folder in recipe.extra]),
        pseudo_labels=recipe.pseudo is not None,
        leaks=recipe.leaks == "use",
        seeds=tuple(dict.fromkeys((recipe.seed, recipe.folds.seed))),
    )


def together(parts: Sequence[Used]) -> Used:
    """What several members used, each thing once."""
    return Used(
        _each_once(one for part in parts for one in part.weights),
        _each_once(one for part in parts for one in part.images),
        any(part.pseudo_labels for part in parts),
        any(part.leaks for part in parts),
        _each_once(one for part in parts for one in part.seeds),
        _each_once(one for part in parts for one in part.unknown),
    )


def images_of(folders: Sequence[Path]) -> tuple[Images, ...]:
    """The accepted images of expansions, by source and licence.

    Raises:
        DataError: an `extra.csv` cannot be read; a column that it lacks is not known.
    """
    authors: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in (row for folder in folders for row in _accepted(folder / ACCEPTED)):
        authors[row["source"], row["licence"]].append(row["author"])
    return tuple(
        Images(source, licence, len(found), tuple(sorted({name for name in found if name})))
        for (source, licence), found in sorted(authors.items())
    )


def _accepted(file: Path) -> list[dict[str, str]]:
    """Source, licence and author of each row."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines)
            return [{name: _plain(row.get(name)) for name in ("source", "licence", "author")} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is no list of an expansion: {error}; type: medalist expand") from error


def _weights(backbone: Backbone) -> Weights:
    facts = backbone.provenance
    origin = next((str(facts[key]) for key in ("hub", "origin", "source_repo") if facts.get(key)), "")
    licence = "" if backbone.licence == "not stated" else backbone.licence
    return Weights(backbone.name, licence, str(facts.get("published", "")), origin, backbone.file_hash)


def _plain(cell: str | None) -> str:
    """A cell without the guard against formulas; of a short row the missing ones are empty."""
    return unguarded((cell or "").strip())


def _each_once(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))
