"""A question as text, `KEY=a,b,c`, laid over a recipe: a recipe a value, and what cannot be asked this way.

The recipe as it stands is the baseline of every question; its own value need not be among those that are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from medalist.errors import RecipeError
from medalist.recipe import Recipe, load_recipe

CLOSING = {"(": ")", "[": "]", "{": "}"}

# Keys whose values cannot be told apart by the scores of runs, and why; a name stands for all keys below it.
UNASKABLE = {
    "metric": "scores of two metrics are in different units; ask once with each --metric",
    "data": "it says which rows and labels there are, and scores on different rows cannot be paired",
    "seed": "what a seed moves is noise, and the best of many is luck; --seeds 3 counts that noise in the errors",
    "folds": "folds are how a score is measured, not what is handed in; type it as an override, folds.k=10",
    "final": "it moves the answers to the test images alone; no labelled row shows the difference",
    "test_prior": "it moves the answers to the test images alone; no labelled row shows the difference",
    "counts": "they move the answers to the test images alone; no labelled row shows the difference",
    "leaks": "it moves the answers to the test images alone; no labelled row shows the difference",
    "cards": "name the cards as backbones instead: --vary backbones=A,B",
    "finetune.holdout": "the values are scored on different rows; type it as an override, for all of them",
}

# Keys below those that say what is learnt from alone: scores stay those of the same rows.
ASKABLE = ("data.quarantine",)

BLENDED = (
    "scores are of trained networks and frozen heads, blended: where the heads get all the weight, no key of finetune"
    " moves them; heads=[] asks about the networks alone"
)

# What keeps a network from learning its images by heart slows it too: what loses in few epochs may win in more.
SLOW = ("augment", "ramp", "mix", "mix_last", "sam", "sam_adaptive", "ema", "loss")


@dataclass(frozen=True)
class Value:
    """A value of a key.

    Args:
        text: as it was typed.
        recipe: with it.
    """

    text: str
    recipe: Recipe


@dataclass(frozen=True)
class Question:
    """Which value of a key?

    Args:
        key: of the recipe, with dots: `finetune.sam`.
        baseline: the recipe's own value.
        values: the others, in the order typed.
    """

    key: str
    baseline: Value
    values: tuple[Value, ...]

    @property
    def slow(self) -> bool:
        """Whether its answer may turn with more epochs."""
        section, _, key = self.key.partition(".")
        return section == "finetune" and re.split(r"[.\[]", key)[0] in SLOW


def ask(recipe: Recipe, vary: str) -> Question:
    """Parse `KEY=a,b,c`; each value as an override would be, commas inside brackets and quotes kept.

    Args:
        recipe: the baseline.
        vary: `normalise=none,l2`, or `finetune.phases[0].train=last 30 %,all`.

    Raises:
        RecipeError: not of that form, a key that cannot be asked, a value that is refused or there twice.

    >>> question = ask(load_recipe(metric="accuracy"), "normalise=none,l2")
    >>> question.baseline.text, [value.text for value in question.values]
    ('none', ['l2'])
    """
    key, texts = _parse(vary)
    _refuse(key, recipe)
    values = [Value(text, _laid_over(recipe, key, text)) for text in texts]
    for place, value in enumerate(values):
        twin = next((other.text for other in values[:place] if other.recipe == value.recipe), None)
        if twin is not None:
            raise RecipeError(f"--vary {key}: {twin} and {value.text} are the same value; leave one out")
    own = next((value for value in values if value.recipe == recipe), None)
    others = tuple(value for value in values if value is not own)
    if not others:
        raise RecipeError(f"--vary {key}: {own and own.text} is the recipe's own value; name others to compare with it")
    every = [one.finetune for one in (recipe, *(value.recipe for value in values))]
    if any(settings is not None and settings.steer == "fold" for settings in every):
        raise RecipeError(
            f"--vary {key}: with finetune.steer=fold the scores are of rows that chose the epoch, too good to compare;"
            " take none or inner"
        )
    if len({settings is not None and settings.holdout for settings in every}) > 1:
        raise RecipeError(f"--vary {key} is no question: {UNASKABLE['finetune.holdout']}")
    return Question(key, own or Value(own_value(recipe, key), recipe), others)


def _parse(vary: str) -> tuple[str, list[str]]:
    key, sign, text = vary.partition("=")
    if not sign or not key.strip():
        raise RecipeError(f"--vary {vary!r} is not a question; type KEY=VALUE,VALUE such as normalise=none,l2")
    texts = split_values(text)
    if not all(texts):
        raise RecipeError(f"--vary {vary!r}: a value is empty; type null for none, or leave out a comma")
    return key.strip(), texts


def split_values(text: str) -> list[str]:
    """Split at commas that stand outside of parentheses, brackets, braces and quotes.

    Raises:
        RecipeError: a bracket or quote that is never closed, or closed before it is opened.

    >>> split_values('flip | crop(scale=(0.5, 1.0)), "flip", [a, b]')
    ['flip | crop(scale=(0.5, 1.0))', '"flip"', '[a, b]']
    """
    parts, awaited, quote = [""], list[str](), ""
    for sign in text:
        if sign == "," and not awaited and not quote:
            parts.append("")
            continue
        # A quote opens where a value begins, so that don't stays a word.
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"" and parts[-1].rstrip()[-1:] in ("", *",([{=:"):
            quote = sign
        elif sign in CLOSING:
            awaited.append(CLOSING[sign])
        elif sign in CLOSING.values() and (not awaited or awaited.pop() != sign):
            raise RecipeError(f"{text!r}: {sign!r} closes nothing; quote a value that holds single brackets")
        parts[-1] += sign
    if awaited or quote:
        raise RecipeError(f"{text!r}: {(awaited or [quote])[-1]!r} is missing")
    return [part.strip() for part in parts]


def _refuse(key: str, recipe: Recipe) -> None:
    for name, reason in UNASKABLE.items():
        if key not in ASKABLE and re.match(rf"{re.escape(name)}($|[.\[])", key):
            raise RecipeError(f"--vary {key} is no question: {reason}")
    if key.startswith("finetune.") and recipe.finetune is None:
        raise RecipeError(f"--vary {key}: the recipe does not fine-tune; add finetune={{}} as an override")


def _laid_over(recipe: Recipe, key: str, text: str) -> Recipe:
    return load_recipe(None, [f"{key}={text}"], **recipe.model_dump(mode="json"))


def own_value(recipe: Recipe, key: str) -> str:
    """What the recipe says of a key, as an override would spell it.

    >>> own_value(load_recipe(metric="accuracy"), "heads")
    '[ridge, logistic]'
    """
    value: Any = recipe.model_dump(mode="json")
    for part in re.findall(r"[^.\[\]]+", key):
        value = value[int(part)] if isinstance(value, list) else value[part]
    if isinstance(value, str) and value:
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).replace("\n...", "").strip()


def lengthened(recipe: Recipe, times: int) -> Recipe:
    """The recipe with so many times the epochs in each phase of its fine-tuning.

    Raises:
        RecipeError: a phase cannot be that long.
    """
    if recipe.finetune is None or times == 1:
        return recipe
    tree = recipe.model_dump(mode="json")
    for phase in tree["finetune"]["phases"]:
        phase["epochs"] *= times
    return load_recipe(None, (), **tree)


def hidden_by_blend(recipe: Recipe, keys: Iterable[str]) -> list[str]:
    """A sentence where frozen heads may hide what keys of fine-tuning do."""
    return [BLENDED] if recipe.heads and any(key.startswith("finetune.") for key in keys) else []


def num_epochs(recipe: Recipe) -> int:
    """Epochs of its fine-tuning; 0 without."""
    return sum(phase.epochs for phase in recipe.finetune.phases) if recipe.finetune is not None else 0


def ask_all(recipe: Recipe, varied: Sequence[str]) -> list[Question]:
    """Each question, or all their faults at once.

    Raises:
        RecipeError: a line a fault.
    """
    questions, faults = [], []
    for vary in varied:
        try:
            questions.append(ask(recipe, vary))
        except RecipeError as error:
            faults.append(str(error))
    twice = sorted({one.key for one in questions if sum(other.key == one.key for other in questions) > 1})
    faults += [f"--vary {key} is asked twice; name all its values once" for key in twice]
    if faults:
        raise RecipeError("\n".join(["nothing can be compared:", *(f"  {fault}" for fault in faults)]))
    return questions
