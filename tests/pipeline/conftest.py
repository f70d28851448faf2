"""A drawn competition, small enough to run in seconds."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.data.drawn import draw_competition
from medalist.pipeline.join import join


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a drawn competition with broken files and duplicates among its images."""
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=1, num_train=90, num_test=30)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature bank for all tests of a worker: images are embedded once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a drawn competition of few images, for networks that train on them."""
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=3, num_train=44, num_test=8)
    return root


@pytest.fixture(scope="module")
def one_core() -> Iterator[None]:
    """Small matrices cost more to share out than to multiply."""
    import torch

    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {sorted(cores)[os.getpid() % len(cores)]})
    torch.set_num_threads(1)
    yield
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Contest:
    """Rows that scripts compete on, drawn: no image at all.

    Args:
        folder: where its files are written.
        y: class indices (N,), or tags (N, C) as booleans.
        y_test: the same of the M test rows.
        classes: C names; ids are text such as `007`.
    """

    folder: Path
    y: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        return [f"{row:03d}" for row in range(len(self.y))]

    @property
    def test_ids(self) -> list[str]:
        return [f"t{row:03d}" for row in range(len(self.y_test))]

    def folds(self, num_folds: int = 4) -> Path:
        """A fold file as `medalist folds` writes it; every row a group of its own."""
        tags = self.y.ndim == 2
        has_NC = self.y.astype(int) if tags else np.eye(len(self.classes), dtype=int)[self.y]
        rows = [
            [name, row % num_folds, row, " ".join(c for c, has in zip(self.classes, cells, strict=True) if has), *cells]
            for row, (name, cells) in enumerate(zip(self.ids, has_NC.tolist(), strict=True))
        ]
        header = ["id", "fold", "group", "tags" if tags else "label", *self.classes]
        return write_rows(self.folder / f"folds{num_folds}.csv", [header, *rows])

    def prob(self, y: np.ndarray, skill: float, seed: int) -> np.ndarray:
        """Probabilities that know the truth the better the more skill, the rest noise."""
        rng = np.random.default_rng(seed)
        if y.ndim == 2:
            return np.asarray(1 / (1 + np.exp(-skill * (2 * y - 1) - rng.normal(size=y.shape))))
        power = np.exp(skill * np.eye(len(self.classes))[y] + rng.normal(size=(len(y), len(self.classes))))
        return np.asarray(power / power.sum(axis=1, keepdims=True))

    def script(self, name: str, skill: float = 2.0, seed: int = 0) -> tuple[Path, Path]:
        """Out-of-fold and test file of somebody's script."""
        files = []
        for part, ids, y in (("oof", self.ids, self.y), ("test", self.test_ids, self.y_test)):
            prob_NC = self.prob(y, skill, seed + (part == "test") * 1000)
            rows = [[i, *map(repr, map(float, row))] for i, row in zip(ids, prob_NC, strict=True)]
            files.append(write_rows(self.folder / f"{name}-{part}.csv", [["id", *self.classes], *rows]))
        return files[0], files[1]


def write_rows(file: Path, rows: Iterable[Iterable[object]]) -> Path:
    """A CSV of rows."""
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)
    return file


@pytest.fixture
def contest(tmp_path: Path) -> Contest:
    """Three classes, 160 labelled and 60 test rows."""
    return draw(tmp_path)


@pytest.fixture
def tag_contest(tmp_path: Path) -> Contest:
    """Four tags; each of 160 labelled and 60 test rows has one of them, and each other one with a third's chance."""
    rng = np.random.default_rng(5)
    folder = tmp_path / "tags"
    folder.mkdir()
    y, y_test = (np.eye(4, dtype=bool)[np.arange(n) % 4] | (rng.random((n, 4)) < 0.33) for n in (160, 60))
    return Contest(folder, y, y_test, ("red", "green", "blue", "grey"))


def draw(folder: Path, num_rows: int = 160, num_test: int = 60) -> Contest:
    """A contest of three classes."""
    rng = np.random.default_rng(4)
    y, y_test = rng.integers(3, size=num_rows), rng.integers(3, size=num_test)
    return Contest(folder, y, y_test, ("cat", "dog", "NA"))


@pytest.fixture
def bring(contest: Contest, tmp_path: Path) -> Callable[..., Path]:
    """`bring(name, skill, seed)`: the run folder of a script."""

    def make(name: str, skill: float = 1.0, seed: int = 0, **options: Any) -> Path:
        files = contest.script(name, skill, seed)
        folds = options.pop("folds", None) or contest.folds()
        join(*files, folds, tmp_path / name, name=name, **{"metric": "log_loss", **options})
        return tmp_path / name

    return make
