"""Fitted: what a learner learnt, as arrays and JSON -> a folder that loads without pickle; same state, same bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import StoreError
from medalist.store import write_atomic

State = dict[str, np.ndarray]
FORMAT = 1


@dataclass(frozen=True)
class Fitted:
    """A learner after training: one state a fold, plus the refit on all training rows.

    Args:
        name: canonical call of the learner, such as `ridge` or `mlp(hidden=1024)`.
        states: K states, the k-th fitted on the rows outside fold k; a state maps names to arrays.
        refit: the state fitted on all training rows.
        meta: JSON facts: class_hash, fold_hash, spaces (the bank keys its features come from), penalties, curves.
    """

    name: str
    states: tuple[State, ...]
    refit: State
    meta: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write `fitted.json` last, and take an older one away first, so that a folder with it is complete."""
        from safetensors.numpy import save

        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fitted.json").unlink(missing_ok=True)
        for stem, state in [*((f"fold{k}", s) for k, s in enumerate(self.states)), ("refit", self.refit)]:
            arrays = {key: np.asarray(state[key], order="C") for key in sorted(state)}
            write_atomic(folder / f"{stem}.safetensors", save(arrays))
        head = {"format": FORMAT, "name": self.name, "folds": len(self.states), "meta": self.meta}
        write_atomic(folder / "fitted.json", json.dumps(head, indent=1, sort_keys=True).encode())

    @classmethod
    def load(cls, folder: Path) -> Fitted:
        """Read what `save` wrote.

        Raises:
            StoreError: the folder is missing, unfinished, or of another format.
        """
        from safetensors.numpy import load

        head_file = folder / "fitted.json"
        if not head_file.is_file():
            raise StoreError(f"{folder} holds no finished learner (fitted.json is missing); run `medalist run` again")
        head = json.loads(head_file.read_text(encoding="utf-8"))
        if head.get("format") != FORMAT:
            raise StoreError(f"{head_file} has format {head.get('format')}, this medalist reads {FORMAT}")
        states = [load((folder / f"fold{k}.safetensors").read_bytes()) for k in range(head["folds"])]
        return cls(head["name"], tuple(states), load((folder / "refit.safetensors").read_bytes()), head["meta"])
