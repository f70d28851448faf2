"""Seconds that a step will take, from the speeds measured so far; how wrong earlier forecasts were widens later ones.

A run is a start (imports), passes of images through networks, heads, and the steps of fine-tuning. Before a backbone
was measured it is taken to be as fast as the others in the proportion of parameters times pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medalist.recipe import Recipe

FIRST_PASS_S = 0.03  # an image through the cheapest network, before anything was measured
DEAR = 5.0  # a head other than ridge, in ridges
TRAINING = 5.0  # an image in training, in passes: forward, backward, augmentation
MARGIN, LEAST, MOST = 1.25, 1.1, 3.0
LATEST = 3  # forecasts that are remembered
TAIL = 1 << 14


@dataclass
class Pace:
    """Speeds, as far as they are known.

    Args:
        cost: of each backbone, parameters times pixels; only their proportions count.
        images: of the dataset, training and test; 0: not known yet.
        rows: labelled ones.
        columns: of one backbone in one view; 0: not known yet.
        start_s: from spawning a run to its first stage.
        open_s: from there to the first image that came out of a network, where one goes in that did not before: its
            runtime may have to be measured, its network converted.
        again_s: the same where all of them were seen before.
        pass_s: seconds an image and view, by backbone.
        unit_s: seconds of ridge on one backbone and view, with deciding and writing.
        training: an image in training, in passes.
        blend_s: a blend of two runs.
        seen: backbones and views that are in the bank.
        off: seconds taken, relative to forecast, of steps that were no guess.
        judged: kinds of steps that were met.
    """

    cost: Mapping[str, float]
    images: int = 0
    rows: int = 0
    columns: int = 0
    start_s: float = 4.0
    open_s: float = 4.0
    again_s: float = 4.0
    pass_s: dict[str, float] = field(default_factory=dict)
    unit_s: float = 1.0
    training: float = TRAINING
    blend_s: float = 4.0
    seen: set[tuple[str, str]] = field(default_factory=set)
    off: list[float] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)

    @property
    def margin(self) -> float:
        """What a forecast is multiplied with, so that steps end in time: the worst of the last ones."""
        return min(max(LEAST, *self.off[-LATEST:]), MOST) if self.off else MARGIN

    def one_pass(self, name: str) -> float:
        """Seconds of an image through a backbone."""
        if name in self.pass_s:
            return self.pass_s[name]
        known = [seconds / self.cost[other] for other, seconds in self.pass_s.items()]
        return max(known) * self.cost[name] if known else FIRST_PASS_S * self.cost[name] / min(self.cost.values())

    def run(self, recipe: Recipe) -> float:
        """Seconds of a run, without margin."""
        lacking = self.lacking(recipe)
        passes = sum(self.images * self.one_pass(name) for name, _ in lacking)
        return self.start_s + self._open(lacking) + passes + self.unit_s * self._units(recipe) + self.tuning(recipe)

    def _open(self, lacking: Sequence[tuple[str, str]]) -> float:
        """Seconds until the first image comes out."""
        new = {name for name, _ in lacking} - {name for name, _ in self.seen}
        return self.open_s * len(new) if new else self.again_s * bool(lacking)

    def _units(self, recipe: Recipe) -> float:
        """What heads cost. With more columns than rows they work on as many axes as there are rows; up to there those
        of more columns cost in proportion.
        """
        heads = sum(1.0 if head.startswith("ridge") else DEAR for head in recipe.heads)
        parts = len(recipe.backbones) * len(recipe.views)
        if not self.columns:
            return heads * parts
        return heads * min(parts * self.columns, self.rows) / min(self.columns, self.rows)

    def tuning(self, recipe: Recipe) -> float:
        """Seconds of training and of the trained networks' answers."""
        if recipe.finetune is None:
            return 0.0
        trainings = 1 if recipe.finetune.holdout else recipe.folds.k
        answered = self.rows * trainings / recipe.folds.k + (self.images - self.rows) * trainings
        each = self.one_pass(recipe.backbones[0])
        return each * (self.training * self.shown(recipe) + answered)

    def shown(self, recipe: Recipe) -> float:
        """Images that fine-tuning shows, over all its trainings; their answers and the refit not counted."""
        if recipe.finetune is None:
            return 0.0
        trainings = 1 if recipe.finetune.holdout else recipe.folds.k
        epochs = sum(phase.epochs for phase in recipe.finetune.phases)
        return trainings * epochs * self.rows * (1 - 1 / recipe.folds.k)

    def lacking(self, recipe: Recipe) -> list[tuple[str, str]]:
        """Backbones and views that are not in the bank."""
        return [(name, view) for name in recipe.backbones for view in recipe.views if (name, view) not in self.seen]

    def judge(self, kind: str, foreseen: float, seconds: float) -> None:
        """Remember how wrong a forecast was, unless it was a guess: the first step's, and the first training's."""
        if self.judged and (kind != "tune" or kind in self.judged):
            self.off.append(max(seconds, 0.1) / max(foreseen, 0.1))
        self.judged.add(kind)

    def learn(self, recipe: Recipe, seconds: float, folder: Path) -> None:
        """Take in a finished run: the seconds of its stages, and whether its images went through networks at all."""
        summary = json.loads((folder / "summary.json").read_bytes())
        stages = summary["seconds"]
        read = [one["images"] for one in summary.get("paces", ()) if one["stage"] == "read"]  # extra ones too
        self.images = read[0] if read else summary["images"]
        self.rows = self.rows or len(json.loads((folder / "table.json").read_bytes())["ids"])
        self.start_s = max(seconds - stages["total"], 0.5)
        lacking = self.lacking(recipe)
        each_s = _extraction(folder / "events.jsonl") if lacking else None
        if each_s is not None:
            opening_s = max(stages["embed"] - each_s * self.images, 0.0)
            if new := len({name for name, _ in lacking} - {name for name, _ in self.seen}):
                self.open_s = opening_s / new
            else:
                self.again_s = opening_s
            times = each_s / sum(self.one_pass(name) for name, _ in lacking)
            self.pass_s |= {name: self.one_pass(name) * times for name in dict(lacking)}
        self.seen |= set(lacking)
        if recipe.heads:
            self.columns = self.columns or _columns(folder) // (len(recipe.backbones) * len(recipe.views))
            self.unit_s = (stages["fit"] + stages["decide"] + stages.get("submit", 0.0)) / self._units(recipe)
        if recipe.finetune is not None and stages.get("tune"):
            self.training *= stages["tune"] / max(self.tuning(recipe), 1e-9)


def _columns(folder: Path) -> int:
    """Features that a run's linear head saw; 0 where it has none."""
    from safetensors import safe_open

    for file in sorted((folder / "fitted").glob("*/refit.safetensors")):
        with safe_open(file, "numpy") as state:
            if "weight_DC" in state.keys():  # noqa: SIM118  (it is no dict)
                return int(state.get_slice("weight_DC").get_shape()[0])
    return 0


def _extraction(events: Path) -> float | None:
    """Seconds an image once images come out of networks; None where most were in the bank."""
    found = list(map(json.loads, events.read_text(encoding="utf-8").splitlines()))
    known = next((event["note"]["known"] for event in found if "known" in event["note"]), 0)
    steps = [event for event in found if event["stage"] == "embed" and event["done"] and event["total"] > known]
    first, last = (steps[0], steps[-2]) if len(steps) > 2 else (None, None)  # the last one closes the stage
    if first is None or last is None or last["done"] <= first["done"]:
        return None
    return float((last["seconds"] - first["seconds"]) / (last["done"] - first["done"]))


def foreseen_end(events: Path, shown: float) -> tuple[float, float] | None:
    """Wall-clock times at which extraction or training began and, at its speed so far, will end; None: not known.

    Args:
        events: `events.jsonl` of a run.
        shown: images that all its trainings show; 0: it trains nothing.
    """
    if not events.is_file():
        return None
    with events.open("rb") as file:
        file.seek(max(0, events.stat().st_size - TAIL))
        lines = file.read().split(b"\n")[:-1]
    if not lines or not lines[-1].startswith(b"{"):
        return None
    last = json.loads(lines[-1])
    began = last["time"] - last["seconds"]
    if last["stage"] == "embed" and 0 < last["done"] < last["total"]:
        return began, began + last["seconds"] * last["total"] / last["done"]
    if not shown or "images_s" not in last["note"]:
        return None
    first = _first_step(events) or began
    return first, first + shown / last["note"]["images_s"]


def _first_step(events: Path) -> float | None:
    """When training began: fold after fold are events of their own."""
    with events.open("rb") as file:
        for line in file:
            if b'"images_s"' in line and line.endswith(b"\n"):
                event = json.loads(line)
                return float(event["time"] - event["seconds"])
    return None
