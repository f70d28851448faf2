"""What answers for a policy: a training of its own, or a head on frozen features of augmented views.

Both have the rows that they answer (`truth`), `play(policies, draw)`, the image passes of a play, and a sentence on
what their answers hold for. Another `draw` draws everything anew. Axes: N images, V views of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medalist.experiments.arms import Arm, Done, carry_out_all
from medalist.experiments.augmenting.copies import Copies, Showing
from medalist.pipeline.decide import Truth
from medalist.progress import Sink
from medalist.recipe import Recipe
from medalist.store import hash_json

EPOCHS = 1000  # of each draw its own


@dataclass(frozen=True)
class Frozen:
    """A head on frozen features of V views an image."""

    copies: Copies
    num_views: int

    @property
    def truth(self) -> Truth:
        """The N rows that are answered."""
        return self.copies.truth

    @property
    def passes(self) -> int:
        """Images through the network for one policy."""
        return self.num_views * len(self.copies.ids)

    @property
    def holds_for(self) -> str:
        """What a verdict is about."""
        return (
            f"{self.copies.head.text} on frozen features of {self.copies.backbone.name}, {len(self.copies.ids)} images"
            f" in {self.num_views} views each"
        )

    def play(self, policies: Sequence[str], draw: int) -> list[np.ndarray]:
        """Answers to the N rows by a head a policy; without a policy nothing is drawn, nor passed."""
        copies, answers = self.copies, [np.empty(0)] * len(policies)
        drawn = [place for place, policy in enumerate(policies) if policy]
        epochs = range(EPOCHS * (1 + draw), EPOCHS * (2 + draw))
        showings = [Showing(policies[p], epochs[p * self.num_views + v]) for p in drawn for v in range(self.num_views)]
        features = copies.features(showings)
        for place in range(len(policies)):
            x_VND = [next(features) if place in drawn else copies.plain for _ in range(self.num_views)]
            answers[place] = copies.learn(x_VND).plain_N
        return answers


@dataclass(frozen=True)
class Tuned:
    """A fine-tuning a policy, as an ordinary run; `longer` times the recipe's epochs."""

    recipe: Recipe
    root: Path
    out: Path
    cache: Path
    sink: Sink
    longer: int = 1
    done: list[Done] = field(default_factory=list)

    @property
    def truth(self) -> Truth:
        """The rows that are answered; known after the first play."""
        return self.done[0].truth

    @property
    def epochs(self) -> int:
        """Of one training."""
        return self.longer * int(sum(phase.epochs for phase in self._section.phases))

    @property
    def passes(self) -> int:
        """Images through the network for one policy: K trainings on K - 1 folds each, and the refit on all.

        Of one held-out fold only its rows are known: a training on K - 1 folds, and the refit, count as one on K.
        """
        return self.epochs * self.recipe.folds.k * len(self.truth.fold_N)

    @property
    def holds_for(self) -> str:
        """What a verdict is about."""
        judged = "one held-out fold" if self._section.holdout else f"{self.recipe.folds.k} folds"
        return f"fine-tuning for {self.epochs} epoch{'s' * (self.epochs > 1)}, scored on {judged}"

    def play(self, policies: Sequence[str], draw: int) -> list[np.ndarray]:
        """Answers to the N rows by a training a policy; finished ones are not trained again."""
        arms = []
        for policy in policies:
            name = f"{policy or 'none'} x{self.longer} draw {draw}"
            # A folder's name is cut, so that the hash tells policies apart.
            arms.append(Arm(f"{name[:60]} {hash_json(name)[:8]}", self._with(policy, draw)))
        found = carry_out_all(arms, self.root, self.out, cache=self.cache, sink=self.sink)
        self.done.extend(found)
        return [one.answers_N for one in found]

    @property
    def _section(self) -> Any:
        return self.recipe.finetune

    def _with(self, policy: str, draw: int) -> Recipe:
        """Only the seed of the training moves with the draw; folds stay, so that rows are paired."""
        phases = tuple(p.model_copy(update={"epochs": p.epochs * self.longer}) for p in self._section.phases)
        section = self._section.model_copy(update={"augment": policy, "phases": phases})
        return self.recipe.model_copy(update={"finetune": section, "heads": (), "seed": self.recipe.seed + draw})


Player = Frozen | Tuned
