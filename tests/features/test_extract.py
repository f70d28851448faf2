"""One pass fills the bank; only what is missing is computed; a kill changes no byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.backbones import Backbone
from medalist.backbones.runtimes import Runtime, open_runtime
from medalist.data.decode import Preprocessing, decode, prepare
from medalist.errors import RecipeError
from medalist.features import column
from medalist.features.bank import FeatureBank
from medalist.features.column import Look
from medalist.features.extract import embed
from medalist.progress import Event

PATHS = [f"{i:02}.png" for i in range(22)]


def looks(backbones: Sequence[Backbone], **how: Any) -> list[Look]:
    return [Look(backbone, "torch_f32", **how) for backbone in backbones]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the backbones of every forward pass."""
    seen: list[str] = []

    def spy(backbone: Backbone, **options: object) -> Runtime:
        runtime = open_runtime(backbone, **options)  # type: ignore[arg-type]
        inner = runtime.forward

        def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
            seen.append(backbone.name)
            return inner(pixels_BHWC)

        return Runtime(runtime.key, runtime.batch, runtime.lanes, forward)

    monkeypatch.setattr(column, "open_runtime", spy)
    return seen


def test_rows_are_those_of_each_image_alone(images: Path, backbones: list[Backbone], tmp_path: Path) -> None:
    cache, events = tmp_path / "cache", list[Event]()
    views = ("center", "flip")
    facts, spaces = embed(images, PATHS, looks(backbones, views=views), cache=cache, shard_rows=9, sink=events.append)
    assert [fact.ok for fact in facts] == [True] * 21 + [False]
    assert [(space.key["name"], space.key["view"]) for space in spaces] == [
        (b.name, v) for b in backbones for v in views
    ]
    assert (events[-1].stage, events[-1].done, events[-1].total) == ("embed", 22, 22)
    for space, backbone in zip(spaces, np.repeat(np.array(backbones, dtype=object), 2), strict=True):
        runtime = open_runtime(backbone, runtime="torch_f32")
        pixels = [
            prepare(decode((images / p).read_bytes()), Preprocessing.from_dict(backbone.preprocessing))
            for p in PATHS[:21]
        ]
        mirrored = [image[:, ::-1] for image in pixels] if space.key["view"] == "flip" else pixels
        want = np.stack([runtime(image[None])[0] for image in mirrored])
        got = FeatureBank(cache).read(space, [fact.hash for fact in facts[:21]])
        assert np.array_equal(got, want.astype(np.float16).astype(np.float32))


def test_only_what_is_missing_is_computed(
    images: Path, backbones: list[Backbone], tmp_path: Path, passes: list[str]
) -> None:
    first, second = backbones
    cache = tmp_path / "cache"
    embed(images, PATHS[:8], looks([first], batch=4), cache=cache)
    assert passes == [first.name] * 2
    passes.clear()
    embed(images, PATHS[:8], looks([first], batch=4), cache=cache)
    assert passes == []
    embed(images, [*PATHS[:8], "08.png"], looks([first], batch=4), cache=cache)
    assert passes == [first.name]
    passes.clear()
    embed(images, PATHS[:9], looks([first, second], batch=4), cache=cache)
    assert passes == [second.name] * 3
    passes.clear()
    (images / "renamed").mkdir()
    for path in PATHS[:9]:
        (images / path).rename(images / "renamed" / path)
    embed(images / "renamed", PATHS[:9], looks(backbones, batch=4), cache=cache)
    assert passes == []


def test_a_damaged_shard_is_reported_and_computed_again(
    images: Path, backbones: list[Backbone], tmp_path: Path, passes: list[str]
) -> None:
    cache = tmp_path / "cache"
    facts, spaces = embed(images, PATHS[:8], looks(backbones[:1], batch=4), cache=cache, shard_rows=4)
    hashes = [fact.hash for fact in facts]
    before = FeatureBank(cache).read(spaces[0], hashes)
    shard = sorted((cache / "bank").glob("*/*.npy"))[0]
    good = shard.read_bytes()
    shard.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    passes.clear()
    events = list[Event]()
    embed(images, PATHS[:8], looks(backbones[:1], batch=4), cache=cache, shard_rows=4, sink=events.append)
    assert passes == [backbones[0].name]
    assert events[0].note["damaged"] == [str(shard.with_suffix(".json"))]
    assert shard.read_bytes() == good
    assert np.array_equal(FeatureBank(cache).read(spaces[0], hashes), before)


@pytest.mark.parametrize("failpoint", ["before-rename:4", "after-shard:2", "after-sidecar:3"])
def test_a_kill_ends_in_the_same_bytes(
    images: Path, cards: Path, backbones: list[Backbone], tmp_path: Path, failpoint: str
) -> None:
    code = (
        "import sys; from pathlib import Path; from medalist.backbones import open_backbone as b;"
        "from medalist.features.extract import embed; from medalist.features.column import Look as L;"
        "root, cards, cache, *paths = sys.argv[1:]; backbones = ('test_resnet', 'test_efficientnet');"
        "looks = [L(b(n, cards=Path(cards)), 'torch_f32') for n in backbones];"
        "embed(Path(root), paths, looks, cache=Path(cache), shard_rows=6)"
    )
    killed, plain = tmp_path / "killed", tmp_path / "plain"
    command = [sys.executable, "-c", code, str(images), str(cards), str(killed), *PATHS]
    environment = {**os.environ, "MEDALIST_FAILPOINT": failpoint}
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL
    finished = len(list(killed.glob("bank/*/[!.s]*.json")))
    assert finished < 8
    for cache in (killed, plain):
        embed(images, PATHS, looks(backbones), cache=cache, shard_rows=6)
    assert _files(killed) == _files(plain)
    assert len(list(killed.glob("bank/*/[!.s]*.json"))) == 8


def _files(cache: Path) -> dict[str, bytes]:
    """What the bank holds; a temporary file of the killed process is garbage, which `collect` removes."""
    files = [file for file in (cache / "bank").rglob("*") if file.is_file() and file.suffix != ".tmp"]
    return {str(file.relative_to(cache)): file.read_bytes() for file in files}


def test_an_unknown_view_offers_the_near_one(backbones: list[Backbone], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'center'"):
        embed(tmp_path, [], looks(backbones, views=("centre",)), cache=tmp_path)


def test_no_images_and_no_files(images: Path, backbones: list[Backbone], tmp_path: Path) -> None:
    assert embed(images, [], looks(backbones), cache=tmp_path / "cache")[0] == []
    facts, spaces = embed(images, ["", "gone.png"], looks(backbones), cache=tmp_path / "cache")
    assert [fact.ok for fact in facts] == [False, False]
    assert len(spaces) == 2
