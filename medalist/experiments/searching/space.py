"""`depth,lr,batch=[16, 32],finetune.ema=(0.9..0.999)` -> dimensions: keys of a recipe, each with a list or a range.

A value is text as an override would spell it, so that a trial is the recipe with some overrides. A name alone has the
usual values around the recipe's own; a key of the recipe, with dots, says its values.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from medalist.errors import RecipeError, near
from medalist.experiments.ablating.questions import UNASKABLE, own_value, split_values
from medalist.experiments.searching.names import NAMES, SMOOTHING, key_of, usual
from medalist.experiments.searching.rungs import rungs_of
from medalist.recipe import Recipe, load_recipe
from medalist.registry import parse_call

NUMBER = r"([-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)"
RANGE = re.compile(rf"(log)?\s*\(\s*{NUMBER}\s*\.\.\s*{NUMBER}\s*\)")
EXPECTED = "NAME, KEY=[a, b], KEY=(low..high) or KEY=log(low..high)"
DIGITS = 3  # of a number drawn from a range that is not whole


@dataclass(frozen=True)
class Dimension:
    """A key of the recipe and what it may be.

    Args:
        name: as typed.
        key: of the recipe.
        choices: texts of a list; empty: a range.
        low, high: ends of a range.
        log: whether its orders of magnitude are alike, rather than its numbers.
        whole: whether it holds whole numbers alone.
    """

    name: str
    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def text(self, number: float) -> str:
        """A number of the range as an override spells it; rounded, and never past an end."""
        if self.whole:
            return str(round(number))
        rounded = float(f"{number:.{DIGITS}g}")
        return f"{min(max(rounded, self.low), self.high):.15g}"

    def holds(self, text: str) -> bool:
        """Whether a value lies in the list or range."""
        if self.choices:
            return text in self.choices
        try:
            return self.low <= float(text) <= self.high
        except ValueError:
            return False

    def extremes(self) -> tuple[str, ...]:
        """All of a list, both ends of a range: what must be possible."""
        return self.choices or tuple(dict.fromkeys((self.text(self.low), self.text(self.high))))

    def __str__(self) -> str:
        if self.choices:
            return f"{self.key}=[{', '.join(self.choices)}]"
        return f"{self.key}={'log' if self.log else ''}({self.text(self.low)}..{self.text(self.high)})"


def parse_space(recipe: Recipe, texts: Sequence[str], *, task: str) -> tuple[Dimension, ...]:
    """The dimensions of a space.

    Args:
        recipe: the baseline, around whose values a name alone ranges.
        texts: each some entries with commas between them.
        task: of the dataset; it decides which loss `smoothing` smooths.

    Raises:
        RecipeError: all faults at once.

    >>> recipe = load_recipe(metric="accuracy", finetune={})
    >>> [str(one) for one in parse_space(recipe, ["lr,finetune.batch=[16, 32]"], task="multiclass")]
    ['finetune.phases[0].lr=log(1e-05..0.001)', 'finetune.batch=[16, 32]']
    """
    found: list[Dimension] = []
    faults: list[str] = []
    for entry in _entries(texts, faults):
        try:
            dimension = _dimension(recipe, entry, task)
            found.append(dimension)
            faults += _refused(recipe, dimension)
        except RecipeError as error:
            faults.append(str(error))
    keys = [dimension.key for dimension in found]
    faults += [f"{key} is there twice; name it once" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if not found and not faults:
        faults = [f"nothing is named; known names: {', '.join(NAMES)}"]
    if faults:
        raise RecipeError("\n".join(["--space has faults:", *(f"  {fault}" for fault in dict.fromkeys(faults))]))
    return tuple(found)


def with_values(recipe: Recipe, dimensions: Sequence[Dimension], values: Mapping[str, str]) -> Recipe:
    """The recipe with a value a dimension.

    Raises:
        RecipeError: the recipe refuses them.
    """
    tree = {key: value for key, value in recipe.model_dump(mode="json").items() if value is not None}
    return load_recipe(None, [f"{one.key}={values[one.name]}" for one in dimensions if one.name in values], **tree)


def own_values(recipe: Recipe, dimensions: Sequence[Dimension]) -> dict[str, str]:
    """What the recipe as given says of each dimension."""
    return {dimension.name: own_value(recipe, dimension.key) for dimension in dimensions}


def num_recipes(dimensions: Sequence[Dimension]) -> float:
    """How many recipes a space of lists holds; infinite with a range of more than whole numbers."""
    sizes = [
        len(one.choices) if one.choices else (one.high - one.low + 1 if one.whole else math.inf) for one in dimensions
    ]
    return math.prod(sizes)


def every(dimensions: Sequence[Dimension]) -> Iterator[dict[str, str]]:
    """All recipes of a space of lists and whole numbers, in order."""
    lists = [one.choices or tuple(map(str, range(int(one.low), int(one.high) + 1))) for one in dimensions]
    names = [dimension.name for dimension in dimensions]
    return (dict(zip(names, texts, strict=True)) for texts in itertools.product(*lists))


def _entries(texts: Iterable[str], faults: list[str]) -> Iterator[str]:
    for text in texts:
        try:
            yield from filter(None, split_values(text))
        except RecipeError as error:
            faults.append(str(error))


def _dimension(recipe: Recipe, entry: str, task: str) -> Dimension:
    """An entry by its form."""
    name, sign, text = (part.strip() for part in entry.partition("="))
    short = name.removeprefix("finetune.")
    if short != name and short in NAMES and not (sign and key_of(recipe, short) == name):
        values = f"{short}={text}" if sign else f"{short} for its usual values, or {short}=(low..high)"
        raise RecipeError(f"{name}: a space calls it {short}; type {values}")
    if not sign and name not in NAMES:
        raise RecipeError(
            f"{name!r} has no usual values{near(name, NAMES)}; known names: {', '.join(NAMES)};"
            f" any other key says its own: {name}=[a, b] or {name}=(low..high)"
        )
    key = key_of(recipe, name) if name in NAMES else name
    if key.startswith("finetune.") and recipe.finetune is None:
        raise RecipeError(f"{name}: the recipe does not fine-tune; add finetune={{}} as an override")
    text = text if sign else usual(recipe, name)
    if (span := RANGE.fullmatch(text)) and name != SMOOTHING:
        return _range(name, key, span)
    if not (text.startswith("[") and text.endswith("]")):
        expected = f"{name}=[0, 0.1]" if name == SMOOTHING else EXPECTED
        raise RecipeError(f"{name}={text}: expected {expected}")
    choices = split_values(text[1:-1])
    if not all(choices) or len(set(choices)) < len(choices):
        raise RecipeError(f"{name}={text}: a value is empty or there twice; type null for none, '' for empty text")
    if len(choices) < 2:
        raise RecipeError(f"{name}={text}: one value is no choice; type it as an override, {key}={choices[0]}")
    return Dimension(name, key, tuple(_smoothed(recipe, choices, task) if name == SMOOTHING else choices))


def _range(name: str, key: str, span: re.Match[str]) -> Dimension:
    low, high, log = float(span[2]), float(span[3]), bool(span[1])
    if not low < high:
        raise RecipeError(f"{name}: {span[0]} is empty; expected low below high")
    if log and low <= 0:
        raise RecipeError(f"{name}: {span[0]}: a logarithm needs ends above 0")
    whole = all(re.fullmatch(r"[-+]?\d+", end) for end in (span[2], span[3]))
    return Dimension(name, key, (), low, high, log, whole)


def _refused(recipe: Recipe, dimension: Dimension) -> Iterator[str]:
    """Values that no recipe can have, and keys that scores cannot tell apart."""
    for key, reason in UNASKABLE.items():
        if re.match(rf"{re.escape(key)}($|[.\[])", dimension.key):
            yield f"{dimension.name} cannot be searched: {reason}"
            return
    for text in dimension.extremes():
        try:
            tried = with_values(recipe, [dimension], {dimension.name: text})
        except RecipeError as error:
            lines = [line.strip() for line in str(error).splitlines()[1:] or [str(error)]]
            named = f"{dimension.name}: "  # a fault names its key, which may be the name
            yield from (named + line.removeprefix(named) for line in lines)
            continue
        if tried.finetune is not None and tried.finetune.steer == "fold":
            yield "finetune.steer=fold scores rows that chose the epoch, too good to be followed; take none or inner"
        if rungs_of(tried) != rungs_of(recipe):
            told = "is scored on other rows than the recipe as given while trials are halved"
            yield f"{dimension.name}: {text} {told}; type it as an override, and search twice"


def _smoothed(recipe: Recipe, shares: Sequence[str], task: str) -> list[str]:
    """The recipe's loss with each share of smoothing; with none, as the recipe spells it where it has none."""
    own = recipe.finetune.loss if recipe.finetune is not None else None
    name, arguments = parse_call(own or ("bce" if task == "tags" else "cross_entropy"))
    kept = [f"{key}={value!r}" for key, value in arguments.items() if key != SMOOTHING]
    plain = SMOOTHING not in arguments
    return [
        (own or "null") if plain and share in ("0", "0.0") else f"{name}({', '.join([*kept, f'{SMOOTHING}={share}'])})"
        for share in shares
    ]
