"""Whose weights a run stands on, under which licence, and what a competition's rules were said to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from medalist.backbones import EMBEDDED, embedded_card
from medalist.backbones.backbone import is_non_commercial, is_permissive
from medalist.backbones.cards import list_cards
from medalist.backbones.catalogue import ROWS
from medalist.pipeline.ruling.disclosure import load_disclosure
from medalist.pipeline.ruling.used import ACCEPTED, Used
from medalist.report.markup import Section, cleaned, listing, name, paragraph, said, table, tag
from medalist.report.seen import Seen, read_json

UNKNOWN = "not known on this machine"
ALLOWED = {
    "external_data": "Learning from images from outside the dataset",
    "pseudo_labels": "Learning from test images (pseudo-labels)",
    "leaks": "Answering a test image by a labelled copy of it",
}


def licences(seen: Seen) -> Section | None:
    """A row a backbone; None where no recipe is at hand, as of imported scripts."""
    found = {backbone: told for recipe in recipes_of(seen) for backbone, told in licences_of(recipe).items()}
    rules = {key: value for key, value in (seen.recipe.get("rules") or {}).items() if value not in (None, [])}
    outside = used_of(seen)
    if not found and not rules and not outside.images:
        return None
    rows = [
        [name(cleaned(backbone, seen.known), most=70), tag("td", said(told), class_="text"), _verdict(told)]
        for backbone, told in found.items()
    ]
    body = (
        table(["backbone", "licence of the weights", "commercial use"], rows, caption="Pretrained weights")
        if rows
        else ""
    )
    body += _images(outside, seen)
    body += _rules(cleaned(rules, seen.known))
    lead = "As the publishers of the weights state it. The licence of the images is for whoever took them to say."
    return Section("licences", "Licences and rules", lead, body)


def used_of(seen: Seen) -> Used:
    """What the run says that it took from outside; nothing where it was written before runs said so."""
    disclosed = load_disclosure(seen.folder)
    return disclosed.used if disclosed is not None else Used()


def attributions(seen: Seen) -> str:
    """Where authors and licences of the images from outside are listed."""
    folders = [folder for recipe in recipes_of(seen) for folder in recipe.get("extra") or ()]
    named = dict.fromkeys(Path(folder).name or folder for folder in folders)
    return ", ".join(f"{folder}/{ACCEPTED}" for folder in named) or f"{ACCEPTED} in the expansion's folder"


def _images(used: Used, seen: Seen) -> str:
    """A row a source and licence of images from outside."""
    if not used.images:
        return ""
    rows = [
        [name(one.source or "not known", most=70), said(one.licence or "not stated"), f"{one.count:,}"]
        for one in used.images
    ]
    listed = table(["source", "licence", "images"], rows, caption="Images from outside")
    where = f"The list for attribution, an image a row, is {said(attributions(seen))}."
    return tag("h3", "Images from outside") + listed + paragraph(where)


def recipes_of(seen: Seen) -> Iterator[dict[str, Any]]:
    """The run's own recipe; of a blend those of the runs that it is of, as far as they are still there."""
    if seen.recipe:
        yield seen.recipe
        return
    # A source is the folder of a member's predictions, two below its run.
    runs = dict.fromkeys((seen.folder / place).resolve().parent.parent for _, place in seen.sources)
    for file in (run / "recipe.yaml" for run in runs):
        if file.is_file():
            yield yaml.safe_load(file.read_text(encoding="utf-8"))


def licences_of(recipe: dict[str, Any]) -> dict[str, str]:
    """Licence of each backbone of a recipe; from cards, else the catalogue: no hub is asked."""
    folder = Path(recipe["cards"]) if recipe.get("cards") else None
    cards = list_cards(folder) if folder is not None and folder.is_dir() else {}
    names = [*recipe.get("backbones", ()), *(recipe.get("finetune") or {}).get("backbones", ())]
    return {backbone: _licence(backbone, cards) for backbone in dict.fromkeys(map(str, names))}


def _licence(backbone: str, cards: dict[str, Path]) -> str:
    card = cards.get(backbone) or (embedded_card() if backbone == EMBEDDED else None)
    if backbone.endswith(".json") and Path(backbone).is_file():
        card = Path(backbone)
    if card is not None:
        return str(read_json(card).get("licence", UNKNOWN))
    if "pretrained=false" in backbone.replace(" ", "").lower():
        return "none: weights drawn at random"
    return next((row.licence for row in ROWS if row.name == backbone), UNKNOWN)


def _verdict(licence: str) -> str:
    if is_non_commercial(licence):
        return "<strong>forbidden</strong>"
    return "allowed" if is_permissive(licence) else "read it first"


def _rules(rules: dict[str, Any] | None) -> str:
    """What a recipe says of the competition's rules, those that it sets."""
    told = [one for key, value in (rules or {}).items() if (one := _rule(key, value))]
    if not told:
        return paragraph(
            "The recipe names no rules of the competition: whether outside data and pretrained weights are allowed is"
            " yours to check."
        )
    return tag("h3", "Rules, as the recipe tells them") + listing(list(map(said, told)))


def _rule(key: str, value: Any) -> str:
    """One rule as a sentence; empty where it is not set."""
    if value is None or value == []:
        return ""
    if key in ALLOWED:
        return f"{ALLOWED[key]}: {'allowed' if value else 'forbidden'}."
    if key == "weights_before":
        return f"Pretrained weights must have been published before {value}."
    if key == "licences":
        return f"Weights and images from outside must have one of these licences: {', '.join(map(str, value))}."
    if key == "submissions_a_day":
        return f"At most {value} hand-in{'s' if value != 1 else ''} a day."
    return f"{key}: {value}"
