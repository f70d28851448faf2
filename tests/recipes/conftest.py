"""Drawn competitions in the write-ups' layouts, and their recipes on a tiny network, an epoch a phase."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medalist.data.decode import Picture, Preprocessing
from medalist.recipe import Recipe, load_recipe

SIDE = 64


@pytest.fixture
def draw() -> Callable[[Path, int], None]:
    """`draw(file, kind)`: a grainy image; bits of `kind` say whether it is bright, striped, red."""
    return _draw


def _draw(file: Path, kind: int) -> None:
    # Grain of its own for each file: two that are equal would have to share a fold.
    rng = np.random.default_rng(list(file.stem.encode()))
    pixels_HWC = rng.normal(170 if kind & 1 else 80, 20, (SIDE, SIDE, 3))
    pixels_HWC[::4] -= 60 if kind & 2 else 0
    pixels_HWC[..., 1:] -= 70 if kind & 4 else 0
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels_HWC.clip(0, 255).astype(np.uint8)).save(file, quality=95)


@pytest.fixture
def answers() -> Callable[[Path], dict[str, str]]:
    """`answers(run folder)`: id -> answer, as its submission says."""
    return _answers


def _answers(out: Path) -> dict[str, str]:
    with (out / "submission.csv").open(newline="", encoding="utf-8") as lines:
        return dict(list(csv.reader(lines))[1:])


@pytest.fixture
def tiny() -> Callable[..., Recipe]:
    """`tiny(name, *overrides)`: a recipe on the embedded backbone, three folds and an epoch a phase; the rest of it as
    it stands. It runs in this process, as a few tiny images are not worth starting others or converting networks.
    """
    return _tiny


def _tiny(name: str, *overrides: str) -> Recipe:
    keys = ["folds.k=3", f"size={SIDE}", "runtime=torch_f32"]
    if settings := load_recipe(name).finetune:
        keys += ["finetune.workers=0", "finetune.prefix=off"]
        keys += [f"finetune.phases[{place}].epochs=1" for place in range(len(settings.phases))]
    return load_recipe(name, [*keys, *overrides], backbones=("embedded",))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small matrices cost more to share out than to multiply; and few files more to start workers for than to read."""
    import torch

    from medalist.training import feeds, finetune

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(finetune, "usable_cores", lambda: 1)
    monkeypatch.setattr(feeds, "originals", _prepared)
    yield
    torch.set_num_threads(before)


def _prepared(
    root: Path, paths: Sequence[str], preparation: Preprocessing, *, cache: Path
) -> Iterator[tuple[int, np.ndarray]]:
    """What `loader.originals` gives, in this process."""
    for place, path in enumerate(paths):
        yield place, Picture((root / path).read_bytes()).prepare(preparation)
