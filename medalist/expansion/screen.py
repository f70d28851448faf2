"""Fetched images -> a verdict each: let in, or refused with its kind and reason; and what became of each class.

In this order: what is wrong with the file, whose picture it is already, whether it looks like the class that it was
fetched for, whether that class's finds as a whole do. Axes: N labelled images, X new ones, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalist.data.facts import Facts
from medalist.data.ingest import facts_of
from medalist.data.table import TEST, ImageTable
from medalist.expansion.bars import Bar, Rates, rates
from medalist.expansion.copies import copies
from medalist.expansion.dataset import Dataset, labelled_fits
from medalist.expansion.found import Fetched
from medalist.expansion.likeness import Fit
from medalist.expansion.scatter import PURE, purity
from medalist.progress import Sink, ignore
from medalist.quality.findings import of_file

# Kinds of refusal, and what each says to people.
KINDS = {
    "download": "not fetched",
    "broken": "cannot be decoded",
    "tiny": "short side of less than 48 pixels",
    "blank": "hardly any variation",
    "placeholder": "its name says that it stands in for a missing one",
    "test": "shows the picture of a test image",
    "train": "shows the picture of a labelled image",
    "several": "one picture, found for several classes",
    "copy": "shows the picture of an earlier one",
    "irrelevant": "does not look like its class",
    "ambiguous": "its class as a whole is left out",
}
OF_FILES = {"missing": "broken", "truncated": "broken", "unreadable": "broken"}  # findings of another name here
OF_FILES |= {kind: kind for kind in ("tiny", "blank", "placeholder")}


@dataclass(frozen=True)
class Verdict:
    """On one fetched image: `kind` is empty where it is let in, else one of KINDS; `reason` in words."""

    fetched: Fetched
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True)
class OfClass:
    """What screening knows of a class.

    Args:
        judged: its new images that came as far as being compared with the class.
        passed: those of them that look like it.
        own, other: shares of labelled images of the class, and of all others, that pass, by bars of other folds.
        pure: share of those passed that show it, as far as can be told; None: it cannot.
        left_out: why the class is left out as a whole; empty: it is not.
    """

    judged: int
    passed: int
    own: float
    other: float
    pure: float | None
    left_out: str = ""


@dataclass(frozen=True)
class Screened:
    """Verdicts in the order of the images, and the classes that were judged."""

    verdicts: tuple[Verdict, ...]
    classes: Mapping[str, OfClass]


def screen(
    dataset: Dataset, folder: Path, fetched: Sequence[Fetched], *, looks: bool = True, cache: Path, sink: Sink = ignore
) -> Screened:
    """Judge every fetched image.

    Args:
        dataset: what they are to join.
        folder: of the expansion; paths are relative to it.
        fetched: images with the labels that they were fetched for, the best finds of each class first.
        looks: compare them with their class; without it only files and copies are looked at.
        cache: folder of facts and features.
        sink: takes progress events.
    """
    new = facts_of(folder, [one.path for one in fetched], cache=cache, sink=sink)
    refused = _not_as_fetched(fetched, new) | _of_files(fetched, new)
    left = [i for i in range(len(new)) if i not in refused]
    labels = [fetched[i].found.label for i in left]
    same = copies(dataset.table, dataset.facts, [new[i] for i in left], labels)
    refused |= {left[place]: told for place, told in same.items()}
    classes: dict[str, OfClass] = {}
    left = [i for i in left if i not in refused]
    if looks and left:
        doubts, classes = _of_looks(dataset, folder, [fetched[i] for i in left], cache=cache, sink=sink)
        refused |= {left[place]: told for place, told in doubts.items()}
    verdicts = (Verdict(one, *refused.get(i, ())) for i, one in enumerate(fetched))
    return Screened(tuple(verdicts), classes)


def codes_of(table: ImageTable, label: str) -> list[int]:
    """Class indices of a label as the organisers write it, of tags joined by `|`."""
    names = [label] if isinstance(table.labels, np.ndarray) else label.split("|")
    return [table.classes.index(name) for name in names]


def _not_as_fetched(fetched: Sequence[Fetched], facts: Sequence[Facts]) -> dict[int, tuple[str, str]]:
    """Files whose bytes were changed since, so that nothing on record is about them."""
    told = "broken", "its bytes are not those that were fetched; delete the file, and the same command fetches it again"
    return {
        i: told for i, (one, fact) in enumerate(zip(fetched, facts, strict=True)) if fact.hash not in ("", one.hash)
    }


def _of_files(fetched: Sequence[Fetched], facts: Sequence[Facts]) -> dict[int, tuple[str, str]]:
    """What is wrong with files by themselves."""
    refused: dict[int, tuple[str, str]] = {}
    for i, (one, fact) in enumerate(zip(fetched, facts, strict=True)):
        for finding in of_file(i, one.found.url, fact, commonly_grey=True):
            if finding.kind in OF_FILES:
                refused.setdefault(i, (OF_FILES[finding.kind], finding.detail))
    return refused


def _of_looks(
    dataset: Dataset, folder: Path, fetched: Sequence[Fetched], *, cache: Path, sink: Sink
) -> tuple[dict[int, tuple[str, str]], dict[str, OfClass]]:
    """What shows a known picture, changed further than hashes tell, or does not look like its class; and each class."""
    known, new, same = labelled_fits(dataset, folder, [one.path for one in fetched], cache=cache, sink=sink)
    bar, measured = Bar.of(known.fit, known.has_NC), rates(known.fit, known.has_NC, known.fold_N)
    passed_XC = bar.passes(new)
    table = dataset.table
    asked = [codes_of(table, one.found.label) for one in fetched]
    refused = {place: _of_pixels(table, row) for place, row in same.items()}
    for place, codes in enumerate(asked):
        short = [c for c in codes if not passed_XC[place, c]]
        if short and place not in same:
            refused[place] = ("irrelevant", _why(table, bar, short[0], new, place))
    classes = {}
    for label in dict.fromkeys(one.found.label for place, one in enumerate(fetched) if place not in same):
        places = [place for place, one in enumerate(fetched) if one.found.label == label and place not in same]
        classes[label] = told = _of_class(table, asked[places[0]], places, refused, new, measured)
        if told.left_out:
            refused |= {place: ("ambiguous", told.left_out) for place in places if place not in refused}
    return refused, classes


def _of_pixels(table: ImageTable, row: int) -> tuple[str, str]:
    """A picture that was found by features and pixels."""
    return "test" if table.split[row] == TEST else "train", f"cut, turned or changed, shows {table.paths[row]}"


def _why(table: ImageTable, bar: Bar, c: int, new: Fit, place: int) -> str:
    """The lower of an image's two shares in words, and what it looks like instead."""
    names = table.class_names or table.classes
    prob, near = float(new.prob_MC[place, c]), float(new.near_MC[place, c])
    by_head, by_near = (float(share) for share in bar.shares(new.prob_MC[place, c], new.near_MC[place, c]))
    if by_head <= by_near:
        told = f"probability {prob:.3f} of {names[c]}: {_percent(1 - by_head)} of labelled images have more"
    else:
        told = f"cosine {near:.2f} to the nearest of {names[c]}: {_percent(1 - by_near)} of labelled images have more"
    most = int(new.prob_MC[place].argmax())
    return told if most == c else f"rather {names[most]} ({new.prob_MC[place, most]:.2f}); {told}"


def _of_class(
    table: ImageTable,
    codes: Sequence[int],
    places: Sequence[int],
    refused: Mapping[int, tuple[str, str]],
    new: Fit,
    measured: Rates,
) -> OfClass:
    """Whether what was found for a class shows it; of several tags by the worst of their rates."""
    own, other = float(measured.own_C[codes].min()), float(measured.other_C[codes].max())
    passed = [place for place in places if place not in refused]
    pure = purity(len(passed), len(places), own=own, other=other)
    left_out = ""
    if pure is not None and pure < PURE:
        names = table.class_names or table.classes
        rather = Counter(names[new.prob_MC[place].argmax()] for place in places if place not in passed)
        most = ", ".join(f"{name} ({count})" for name, count in rather.most_common(3))
        left_out = (
            f"{len(passed)} of {len(places)} look like it, where {own * len(places):.0f} would if they showed it and"
            f" {other * len(places):.0f} of other classes' images do; the others look like {most}"
        )
    return OfClass(len(places), len(passed), own, other, pure, left_out)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
