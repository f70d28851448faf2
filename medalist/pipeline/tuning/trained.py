"""Trained networks of a run folder as backbones: their features of any images, and answers from those.

Axes: N training images, L readable test images, n images, D features, C classes, K folds, V members' groups of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalist.backbones.cards import open_card
from medalist.data.facts import Facts
from medalist.features.bank import FeatureBank
from medalist.features.column import Look
from medalist.features.extract import embed
from medalist.features.rows import Rows
from medalist.fitted import State
from medalist.pipeline.extraction import Features
from medalist.progress import Sink

REFIT = "refit"
Place = int | str
Answer = Callable[[State, Rows], np.ndarray]


def card_of(folder: Path, place: Place) -> Path:
    """The card of a fold's trained weights, or of the refit's."""
    return folder / (f"{place}.json" if place == REFIT else f"fold{place}.json")


@dataclass(frozen=True)
class Trained:
    """Networks trained on the same folds, one a backbone, and how a learner looks through them.

    Args:
        folders: of each network's cards.
        runtimes: by which each answers.
        views: of an image.
        groups: which columns are answered together: pairs of network and view.
        mean: the groups' answers are averaged to one member; else each is a member.
        answer: `(state, rows of a group) -> prob_nC`.
        cache: of the bank.
        sink: takes progress events.
    """

    folders: tuple[Path, ...]
    runtimes: tuple[str, ...]
    views: tuple[str, ...]
    groups: tuple[tuple[tuple[int, int], ...], ...]
    mean: bool
    answer: Answer
    cache: Path
    sink: Sink

    def rows(self, place: Place, root: Path, paths: Sequence[str]) -> tuple[list[Facts], list[Rows]]:
        """Facts of n files, and a group's features of them (n, D); of unreadable ones zeros."""
        backbones = [open_card(card_of(folder, place)) for folder in self.folders]
        looks = [
            Look(backbone, runtime, self.views) for backbone, runtime in zip(backbones, self.runtimes, strict=True)
        ]
        facts, spaces = embed(root, paths, looks, cache=self.cache, sink=self.sink)
        hashes = [fact.hash if fact.ok else "" for fact in facts]
        every = FeatureBank(self.cache).rows(spaces, hashes)
        columns = [[network * len(self.views) + view for network, view in group] for group in self.groups]
        return facts, [every.only(some) for some in columns]

    def answers(self, state: State, rows: Sequence[Rows]) -> np.ndarray:
        """(V, n, C) probabilities, a slice a member."""
        prob_VnC = np.stack([self.answer(state, group_nD) for group_nD in rows])
        return prob_VnC.mean(axis=0, keepdims=True, dtype=np.float32) if self.mean else prob_VnC

    def told(self, place: Place, state: State, root: Path, paths: Sequence[str]) -> np.ndarray:
        """(V, n, C) of files that can be read."""
        return self.answers(state, self.rows(place, root, paths)[1])

    def out_of_fold(
        self, states: Sequence[State], features: Features, fold_N: np.ndarray, *, with_test: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """(V, n, C) of the rows of those folds that have a state, by networks that never saw them; (K, V, L, C) of the
        test rows, if wanted.
        """
        test = test_paths(features) if with_test else []
        fold_rows = [np.flatnonzero(fold_N == k) for k in range(len(states))]
        oof_KVnC, test_KVLC = list[np.ndarray](), list[np.ndarray]()
        for k, (rows, state) in enumerate(zip(fold_rows, states, strict=True)):
            prob_VnC = self.told(k, state, features.train.root, [*features.train.paths[rows], *test])
            oof_KVnC.append(prob_VnC[:, : len(rows)])
            test_KVLC.append(prob_VnC[:, len(rows) :])
        place_N = np.argsort(np.concatenate(fold_rows))
        return np.concatenate(oof_KVnC, axis=1)[:, place_N], np.stack(test_KVLC)

    def refitted(self, state: State, features: Features, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(V, n, C) of some of the rows that the networks of all rows learnt from, and (V, L, C) of the test rows."""
        paths = [*features.train.paths[rows], *test_paths(features)]
        prob_VnC = self.told(REFIT, state, features.train.root, paths)
        return prob_VnC[:, : len(rows)], prob_VnC[:, len(rows) :]


def test_paths(features: Features) -> list[str]:
    """Those of the test files that can be read."""
    return list(features.test.paths[features.readable_M])
