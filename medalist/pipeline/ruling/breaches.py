"""What a run used, against the rules -> breaches, each a line that names its rule; and what nobody can know.

A breach is what is known to be forbidden. Licences are a list of what is allowed, so one that is not stated is a breach
too; weights without a day of publication, and members that scripts made, are told as notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from medalist.backbones.backbone import is_permissive
from medalist.errors import MedalistError, RecipeError
from medalist.pipeline.ruling.used import Used, used_by
from medalist.recipe import Recipe, RulesSection

ANY = "any"
PERMISSIVE = "permissive"
WORDS = ("license", "licence", "the")


def check_rules(recipe: Recipe) -> None:
    """Refuse a recipe that breaks its own rules.

    Raises:
        RecipeError: one line a breach.
    """
    if found := rule_faults(recipe):
        raise RecipeError("\n".join(["this run would break the rules:", *(f"  {fault}" for fault in found)]))


def rule_faults(recipe: Recipe) -> list[str]:
    """Breaches of a recipe; none where it names a backbone that cannot be opened, which is a fault of its own."""
    if recipe.rules == RulesSection():
        return []
    try:
        return breaches(recipe.rules, used_by(recipe))
    except MedalistError:
        return []


def breaches(rules: RulesSection, used: Used) -> list[str]:
    """A line a breach: the rule, what breaks it, what to do."""
    return [*_images(rules, used), *_test_set(rules, used), *_late(rules, used), *_licences(rules, used)]


def unknowns(rules: RulesSection, used: Used) -> list[str]:
    """A sentence on each thing that the rules ask for and nobody can know."""
    found = []
    undated = [one.name for one in used.weights if not one.published]
    if rules.weights_before is not None and undated:
        found.append(
            f"rules.weights_before: nothing says when {', '.join(undated)} came out; find out, and write it into the"
            " card as published (docs/RULES.md)"
        )
    if used.unknown and rules != RulesSection():
        found.append(f"rules: what {', '.join(used.unknown)} used is known to the script's author alone")
    return found


def is_allowed(licence: str, allowed: tuple[str, ...]) -> bool:
    """Whether a licence is on the list; upper case, blanks and what stands in parentheses do not matter.

    >>> is_allowed("CC BY 4.0", ("cc-by-4.0",)), is_allowed("CC BY-NC 4.0", ("cc-by-4.0",))
    (True, False)
    >>> is_allowed("MIT License (c) someone", ("permissive",))
    True
    """
    name = _spdx(licence)
    return any(
        rule == ANY or (rule == PERMISSIVE and is_permissive(name)) or (name != "" and rule == name)
        for rule in map(_spdx, allowed)
    )


def _spdx(licence: str) -> str:
    """`CC BY 4.0 (see LICENSE)` -> `cc-by-4.0`."""
    words = re.findall(r"[a-z0-9.+]+", re.sub(r"\(.*?\)", " ", licence.lower()))
    return "-".join(word for word in words if word not in WORDS)


def _images(rules: RulesSection, used: Used) -> Iterator[str]:
    count = sum(one.count for one in used.images)
    if rules.external_data is False and count:
        yield f"rules.external_data: false, but {count} images from outside are learnt from; leave extra out"


def _test_set(rules: RulesSection, used: Used) -> Iterator[str]:
    if rules.pseudo_labels is False and used.pseudo_labels:
        yield "rules.pseudo_labels: false, but test images are learnt from; leave pseudo out"
    if rules.leaks is False and used.leaks:
        yield "rules.leaks: false, but test images are answered by labelled copies of them; leave leaks out"


def _late(rules: RulesSection, used: Used) -> Iterator[str]:
    if rules.weights_before is None:
        return
    last = rules.weights_before.isoformat()
    for one in used.weights:
        if one.published and one.published >= last:
            yield f"rules.weights_before: {last}, but {one.name} came out on {one.published}; take older weights"


def _licences(rules: RulesSection, used: Used) -> Iterator[str]:
    if not rules.licences:
        return
    names = ", ".join(rules.licences)
    for one in used.weights:
        if not is_allowed(one.licence, rules.licences):
            yield f"rules.licences: {names}, but {one.name} {_has(one.licence)}; take other weights"
    for images in used.images:
        if not is_allowed(images.licence, rules.licences):
            yield (
                f"rules.licences: {names}, but {images.count} images of {images.source or 'no known source'}"
                f" {_has(images.licence)}; take them out of extra.csv"
            )


def _has(licence: str) -> str:
    return f"has {licence!r}" if licence else "states no licence"
