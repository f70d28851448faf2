"""The cache of decoded images: the right pixels, paid for once, bounded, and whole after a kill or damage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medalist.data import pixels as pixels_module
from medalist.data.decode import decode
from medalist.data.pixels import Pixels, Place, read_place, shrink, shrunk_size
from medalist.errors import DataError
from medalist.progress import Event
from medalist.store import hash_bytes

SIZES = [(90, 70), (300, 200), (200, 300), (64, 64), (700, 520), (900, 60)]
NAMES = [f"{i}.{'jpg' if i % 2 else 'png'}" for i in range(len(SIZES))]
SIDE = 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i, (name, size) in enumerate(zip(NAMES, SIZES, strict=True)):
        noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(folder / name, quality=95)
    return folder


def hashes(root: Path, names: list[str] = NAMES) -> list[str]:
    return [hash_bytes((root / name).read_bytes()) for name in names]


def build(root: Path, names: list[str] = NAMES, **options: Any) -> Pixels:
    given = {"side": SIDE, "cache": root.parent / "cache", "workers": 1, **options}
    return Pixels.build(root, names, hashes(root, names), **given)


def same(one: Pixels, other: Pixels) -> bool:
    return all(np.array_equal(one.read(i), other.read(i)) for i in range(len(one)))


def shards(root: Path) -> list[Path]:
    return sorted((root.parent / "cache" / "pixels").glob("*/*.npy"))


@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000), side=st.integers(16, 1024))
def test_sizes_are_bounded_and_keep_the_aspect(width: int, height: int, side: int) -> None:
    w, h = shrunk_size(width, height, side)
    assert 1 <= w <= width and 1 <= h <= height
    assert min(w, h) <= side and max(w, h) <= 4 * side
    assert (w, h) == (width, height) or min(w, h) == side or max(w, h) == 4 * side
    scale = max(w, h) / max(width, height)
    assert abs(min(w, h) - max(1.0, scale * min(width, height))) <= 1


def test_small_images_stay_as_they_are_and_large_ones_look_the_same(root: Path) -> None:
    pixels = build(root)
    assert [pixels.read(i).shape[:2] for i in range(6)] == [(64, 82), (64, 96), (96, 64), (64, 64), (64, 86), (17, 256)]
    assert np.array_equal(pixels.read(3), decode((root / NAMES[3]).read_bytes()))
    for i, name in enumerate(NAMES):  # the reference: all pixels, then Pillow's box filter, which knows no DCT
        height, width = pixels.read(i).shape[:2]
        whole = Image.fromarray(decode((root / name).read_bytes()))
        reference = np.asarray(whole.resize((width, height), Image.Resampling.BOX), float)
        assert np.abs(pixels.read(i) - reference).mean() < 3, name


def test_a_second_build_decodes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(root)
    before = {file: file.read_bytes() for file in shards(root)}
    monkeypatch.setattr(pixels_module, "map", None)
    second = build(root)
    assert second == first
    assert {file: file.read_bytes() for file in shards(root)} == before


def test_only_new_images_are_decoded_and_equal_bytes_once(root: Path) -> None:
    build(root, NAMES[:2])
    (root / "copy.png").write_bytes((root / NAMES[2]).read_bytes())
    events: list[Event] = []
    pixels = build(root, [*NAMES, "copy.png"], sink=events.append)
    assert events[-1].total == len(NAMES) - 2
    assert np.array_equal(pixels.read(2), pixels.read(len(NAMES)))
    assert len(shards(root)) == 2


def test_another_side_is_another_place(root: Path) -> None:
    build(root)
    assert build(root, side=32).read(1).shape == (32, 48, 3)
    assert build(root).read(1).shape == (64, 96, 3)


def test_shards_are_of_bounded_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build(root)
    monkeypatch.setattr(pixels_module, "SHARD_BYTES", 20_000)
    parts = build(root, cache=root.parent / "parts")
    assert len(list((root.parent / "parts").rglob("*.npy"))) == 3
    assert same(whole, parts)


def test_past_the_bound_images_come_from_their_files_with_the_same_pixels(root: Path) -> None:
    whole = build(root)
    largest = 3 * 4 * SIDE**2
    few = build(root, cache=root.parent / "few", max_bytes=largest + 30_000)
    assert 0 < few.num_cached < len(NAMES)
    assert sum(file.stat().st_size for file in (root.parent / "few").rglob("*.npy")) <= largest + 30_000
    assert same(whole, few)
    none = build(root, cache=root.parent / "none", max_bytes=0)
    assert none.num_cached == 0
    assert same(whole, none)


def test_what_nobody_used_for_an_hour_makes_room(root: Path) -> None:
    build(root, NAMES[:3])
    build(root, NAMES[4:5])
    old, kept = sorted(shards(root), key=lambda file: -file.stat().st_size)
    long_ago = time.time() - 7200
    for file in (old, kept):
        os.utime(file, (long_ago, long_ago))
    room = sum(file.stat().st_size for file in (root.parent / "cache" / "pixels").glob("*/*"))
    pixels = build(root, NAMES[4:6], max_bytes=room)
    assert pixels.num_cached == 2
    assert kept.exists() and not old.exists() and not old.with_suffix(".json").exists()


def test_what_is_in_use_is_not_removed(root: Path) -> None:
    build(root, NAMES[:3])
    assert build(root, NAMES[3:], max_bytes=1).num_cached == 0
    assert build(root, NAMES[:3]).num_cached == 3


def test_a_cache_may_be_deleted_while_it_is_read(root: Path) -> None:
    pixels, other = build(root), build(root, cache=root.parent / "other")
    for file in shards(root):
        file.unlink()
    assert same(pixels, other)


@pytest.mark.parametrize("part", [".npy", ".json"])
def test_a_damaged_shard_is_set_aside_and_made_anew(root: Path, part: str) -> None:
    before = [build(root).read(i) for i in range(len(NAMES))]
    file = shards(root)[0].with_suffix(part)
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    events: list[Event] = []
    pixels = build(root, sink=events.append)
    assert len(pixels.damaged) == 1 and events[-1].done == len(NAMES)
    assert file.with_name(file.name + ".damaged").exists()
    assert all(np.array_equal(pixels.read(i), image) for i, image in enumerate(before))


def test_places_travel_as_json(root: Path) -> None:
    for i, place in enumerate((pixels := build(root)).places):
        arrived = Place(**json.loads(json.dumps(asdict(place))))
        assert len(json.dumps(asdict(place))) < 1000
        assert np.array_equal(read_place(arrived, SIDE), pixels.read(i))


def test_what_is_read_may_be_changed(root: Path) -> None:
    pixels = build(root)
    pixels.read(0)[:] = 0
    assert pixels.read(0).any()


def test_workers_change_no_byte(root: Path) -> None:
    build(root)
    build(root, cache=root.parent / "two", workers=2)
    there = sorted((root.parent / "two").rglob("*.npy"))
    assert [(file.name, file.read_bytes()) for file in there] == [(f.name, f.read_bytes()) for f in shards(root)]


@pytest.mark.parametrize("point", ["before-rename", "after-shard", "after-sidecar", "before-rename:3"])
def test_a_kill_costs_only_what_was_under_way(root: Path, point: str) -> None:
    code = (
        "import sys; from pathlib import Path; from medalist.data import pixels as p;"
        "from medalist.store import hash_bytes; p.SHARD_BYTES = 20_000; root = Path(sys.argv[1]); names = sys.argv[2:];"
        "p.Pixels.build(root, names, [hash_bytes((root / n).read_bytes()) for n in names],"
        f" side={SIDE}, cache=root.parent / 'cache', workers=1)"
    )
    command = [sys.executable, "-c", code, str(root), *NAMES]
    killed = subprocess.run(command, env={**os.environ, "MEDALIST_FAILPOINT": point}, check=False)
    assert killed.returncode == -signal.SIGKILL
    kept = len([file for file in shards(root) if file.with_suffix(".json").exists()])
    assert kept == {"after-sidecar": 1, "before-rename:3": 1}.get(point, 0)
    subprocess.run(command, check=True)
    there = [(file.name, file.read_bytes()) for file in shards(root)]
    assert same(build(root), build(root, cache=root.parent / "other"))
    subprocess.run([*command], check=True)
    assert [(file.name, file.read_bytes()) for file in shards(root)] == there


def test_two_processes_may_build_at_once(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from medalist.data.pixels import Pixels;"
        "from medalist.store import hash_bytes; root = Path(sys.argv[1]); names = sys.argv[2:];"
        "Pixels.build(root, names, [hash_bytes((root / n).read_bytes()) for n in names],"
        f" side={SIDE}, cache=root.parent / 'cache', workers=1)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(root), *NAMES]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(shards(root)) == 1
    assert same(build(root), build(root, cache=root.parent / "other"))


def test_files_that_are_gone_changed_or_broken_are_named(root: Path) -> None:
    key = hash_bytes((root / "0.png").read_bytes())
    with pytest.raises(DataError, match=r"0\.png has changed since it was first read; run again"):
        shrink((str(root / "0.png"), "0" * 64), SIDE)
    with pytest.raises(DataError, match=r"gone\.png cannot be read any more: No such file"):
        shrink((str(root / "gone.png"), key), SIDE)
    (root / "broken.jpg").write_bytes((root / "1.jpg").read_bytes()[:-500])
    with pytest.raises(DataError, match=r"broken\.jpg could not be decoded for training: .*truncated"):
        build(root, ["broken.jpg"])


def test_no_images(root: Path) -> None:
    assert len(build(root, [])) == 0
