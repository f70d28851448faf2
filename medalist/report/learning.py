"""Learning curves of fine-tuned networks: what they learnt from beside what they did not. Axes: K folds, E epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import MedalistError
from medalist.fitted import Fitted
from medalist.pipeline.learners import slug
from medalist.report.axes import Axis, Curve, chart
from medalist.report.markup import Section, figure, name, number, said, table, tag
from medalist.report.seen import Seen, read_json
from medalist.report.thresholds import legend

TUNED, REFIT = "tuned", "refit"
LOOKS = {"training (in sample, augmented)": "c2 dashed", "validation": "c1", "each fold": "thin"}


def learning(seen: Seen) -> Section | None:
    """A pair of charts a network; None where nothing was fine-tuned."""
    parts = [tag("h3", name(folder.name)) + _network(seen, folder) for folder in networks(seen.folder)]
    if not parts:
        return None
    finetune = seen.recipe.get("finetune") or {}
    watched = {
        "inner": "a tenth of the rows outside the fold, which may steer",
        "fold": "the fold itself, which also chose the number of epochs: too good",
    }.get(
        finetune.get("steer", "none"), "the rows of the fold, which the number of epochs of that fold is not chosen on"
    )
    lead = f"Bold lines are means over folds. Validation is on {watched}; training is in sample, on augmented images."
    return Section("learning", "Learning curves", lead, "".join(parts))


def networks(folder: Path) -> list[Path]:
    """Folders of trained networks that kept curves."""
    return sorted(part for part in (folder / TUNED).glob("*") if any(part.glob("curves-*.json")))


def curves_of(network: Path) -> dict[str, list[dict[str, Any]]]:
    """Facts an epoch of each training: of `0`, `1`, ..., and of `refit`."""
    return {
        file.stem.removeprefix("curves-"): read_json(file)["epochs"] for file in sorted(network.glob("curves-*.json"))
    }


def _network(seen: Seen, network: Path) -> str:
    trained = {place: epochs for place, epochs in curves_of(network).items() if place != REFIT and epochs}
    if not trained:
        return ""
    chosen = _chosen(seen.folder, network)
    prefix = "ema_" if any("ema_loss" in epoch for epoch in next(iter(trained.values()))) else ""
    drawn = [_drawn("Loss", trained, "train_loss", f"{prefix}loss", chosen)]
    drawn.append(_drawn(seen.metric, trained, "train_metric", f"{prefix}metric", chosen))
    return tag("div", *drawn, class_="pair")


def _chosen(folder: Path, network: Path) -> list[int]:
    """After how many epochs the weights of each fold's training answer, and last those of the refit."""
    try:
        return [int(epoch) for epoch in Fitted.load(folder / "fitted" / slug(network.name)).meta["epochs"]]
    except (MedalistError, OSError, KeyError):
        return []


def _drawn(title: str, trained: dict[str, list[dict[str, Any]]], learnt: str, unseen: str, chosen: list[int]) -> str:
    """Training and validation of one measure, each fold thin, their mean bold."""
    learnt_KE, unseen_KE = (_values(trained, key) for key in (learnt, unseen))
    epochs = np.arange(1, unseen_KE.shape[1] + 1)
    curves = [Curve(np.stack([epochs, row], axis=1), "thin") for row in unseen_KE]
    curves += [Curve(np.stack([epochs, row], axis=1), "thin dashed") for row in learnt_KE]
    at = [
        (min(epoch, len(epochs)), unseen_KE[k, min(epoch, len(epochs)) - 1])
        for k, epoch in enumerate(chosen[: len(unseen_KE)])
    ]
    known = np.array([pair for pair in at if np.isfinite(pair[1])]).reshape(-1, 2)
    curves.append(Curve(np.stack([epochs, _mean(learnt_KE)], axis=1), LOOKS["training (in sample, augmented)"]))
    curves.append(Curve(np.stack([epochs, _mean(unseen_KE)], axis=1), LOOKS["validation"], known))
    y = Axis.of(np.concatenate([learnt_KE.ravel(), unseen_KE.ravel()]), title)
    x = Axis.of([1, max(len(epochs), 2)], "epoch", whole=True)
    x = Axis(1, max(len(epochs), 2), tuple(value for value in x.ticks if value >= 1), "epoch")
    text = f"{_told(learnt_KE, unseen_KE)} Dots: the epochs whose weights answer the folds."
    looks = LOOKS if np.isfinite(learnt_KE).any() else {key: LOOKS[key] for key in ("validation", "each fold")}
    picture = chart(curves, x, y, title=title, text=text)
    rows = [
        [str(epoch), number(float(_mean(learnt_KE)[epoch - 1])), number(float(_mean(unseen_KE)[epoch - 1]))]
        for epoch in epochs.tolist()
    ]
    numbers = table(["epoch", "training", "validation"], rows, caption=f"{said(title)}, mean over folds")
    return figure(said(title), said(text), legend(looks), picture, numbers=numbers)


def _values(trained: dict[str, list[dict[str, Any]]], key: str) -> np.ndarray:
    """(K, E); NaN where a fold has no value."""
    most = max(map(len, trained.values()))
    rows = [[epoch.get(key) for epoch in epochs] + [None] * (most - len(epochs)) for epochs in trained.values()]
    return np.array(rows, dtype=float)


def _mean(value_KE: np.ndarray) -> np.ndarray:
    known_KE = np.isfinite(value_KE)
    total_E = np.where(known_KE, value_KE, 0.0).sum(axis=0)
    return np.where(known_KE.any(axis=0), total_E / np.maximum(known_KE.sum(axis=0), 1), np.nan)


def _told(learnt_KE: np.ndarray, unseen_KE: np.ndarray) -> str:
    ends = {"training": _mean(learnt_KE)[-1], "validation": _mean(unseen_KE)[-1]}
    told = ", ".join(f"{label} {value:.4f}" for label, value in ends.items() if np.isfinite(value))
    return f"After the last epoch: {told}." if told else ""
