"""Files to facts and pixels: bad files leave a record, nothing known is read again, facts depend on the bytes alone."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medalist import engines
from medalist.data import ingest as ingest_module
from medalist.data.decode import Picture, Preprocessing
from medalist.data.facts import Facts, known_facts
from medalist.data.ingest import facts_of, ingest
from medalist.progress import Event
from medalist.store import hash_bytes

SMALL = Preprocessing(32, 32, (0.5,) * 3, (0.5,) * 3)
LARGE = Preprocessing(300, 280, (0.5,) * 3, (0.5,) * 3, "bicubic")


def draw(path: Path, seed: int, size: tuple[int, int] = (90, 70)) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(5):
        draw(folder / f"{seed}.jpg", seed, (700, 600) if seed == 0 else (90, 70))
    return folder


def test_each_file_gives_facts_and_a_picture_a_preparation(root: Path, tmp_path: Path) -> None:
    names = [f"{seed}.jpg" for seed in range(5)]
    stream = list(ingest(root, names, preparations=[SMALL, LARGE], cache=tmp_path / "cache", workers=2))
    assert [entry.index for entry in stream] == list(range(5))
    for name, entry in zip(names, stream, strict=True):
        data = (root / name).read_bytes()
        picture = Picture(data)
        assert (entry.facts.ok, entry.facts.hash, entry.facts.bytes) == (True, hash_bytes(data), len(data))
        assert (entry.facts.width, entry.facts.height) == (picture.width, picture.height)
        for image, preparation in zip(entry.images, [SMALL, LARGE], strict=True):
            assert np.array_equal(image, picture.prepare(preparation))


def test_facts_do_not_depend_on_preparations_or_workers(root: Path, tmp_path: Path) -> None:
    names = [f"{seed}.jpg" for seed in range(5)]
    first = [entry.facts for entry in ingest(root, names, cache=tmp_path / "a", workers=1)]
    second = [e.facts for e in ingest(root, names, preparations=[SMALL, LARGE], cache=tmp_path / "b", workers=3)]
    assert first == second == facts_of(root, names, cache=tmp_path / "c")


def test_bad_files_leave_a_record_and_stop_nothing(root: Path, tmp_path: Path) -> None:
    (root / "half.jpg").write_bytes((root / "0.jpg").read_bytes()[:-2000])
    (root / "empty.jpg").touch()
    (root / "text.jpg").write_text("no image", encoding="utf-8")
    (root / "folder.jpg").mkdir()
    (root / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(root / "pipe.jpg")
    os.truncate(draw(root / "huge.png", 1), (1 << 30) + 1)
    reasons = {
        "1.jpg": "",
        "half.jpg": "truncated",
        "empty.jpg": "empty",
        "text.jpg": "not an image",
        "folder.jpg": "directory",
        "loop.jpg": "symbolic links",
        "pipe.jpg": "not a regular file",
        "missing.jpg": "No such file",
        "": "no file for this id",
        "huge.png": "bytes are more than",
        "2.jpg": "",
    }
    facts = facts_of(root, list(reasons), cache=tmp_path / "cache")
    for fact, (name, reason) in zip(facts, reasons.items(), strict=True):
        assert fact.ok == (not reason), name
        assert reason in fact.reason, name
    again = facts_of(root, list(reasons), cache=tmp_path / "cache")
    assert again == facts


def test_a_socket_is_refused(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # a socket's path may be 107 bytes long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
        (fact,) = facts_of(root, ["socket.jpg"], cache=tmp_path / "cache")
    assert not fact.ok


KILLER = """
import os, signal, time
from medalist.data.ingest import look
def wild(path, preparations):
    if path.endswith("1.jpg"): os.kill(os.getpid(), signal.SIGSEGV)
    if path.endswith("2.jpg"): time.sleep(60)
    if path.endswith("3.jpg"): os.kill(os.getpid(), signal.SIGKILL)
    return look(path, preparations)
"""


def test_a_file_that_kills_or_hangs_its_decoder_is_known_from_then_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "killer.py").write_text(KILLER, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    def stage(function: str, arguments: dict[str, object]) -> engines.Stage:
        return engines.Stage(function.replace("medalist.data.ingest:look", "killer:wild"), arguments)

    monkeypatch.setattr(ingest_module, "Stage", lambda function, arguments=None: stage(function, arguments or {}))
    names = [f"{seed}.jpg" for seed in range(5)]
    facts = [entry.facts for entry in ingest(root, names, cache=tmp_path / "c", workers=2, timeout_s=3.0)]
    assert [fact.ok for fact in facts] == [True, False, False, False, True]
    assert ["signal 11" in facts[1].reason, "longer than 3 s" in facts[2].reason, "signal 9" in facts[3].reason] == [
        True
    ] * 3
    known = known_facts(root, names, cache=tmp_path / "c")
    assert known[:3] == facts[:3]
    assert known[1] is not None
    assert known[1].hash == hash_bytes((root / "1.jpg").read_bytes())
    assert known[3] is None  # killed from outside: tried again


def test_only_new_and_changed_files_are_opened(root: Path, tmp_path: Path) -> None:
    names = [f"{seed}.jpg" for seed in range(5)]
    first = facts_of(root, names, cache=tmp_path / "cache")
    draw(root / "2.jpg", 77)
    (root / "copy.jpg").write_bytes((root / "3.jpg").read_bytes())
    known = known_facts(root, [*names, "copy.jpg"], cache=tmp_path / "cache")
    assert [fact is None for fact in known] == [False, False, True, False, False, True]
    events: list[Event] = []
    second = facts_of(root, [*names, "copy.jpg"], cache=tmp_path / "cache", sink=events.append)
    assert events[-1].total == 2
    assert second[2] != first[2]
    assert second[5] == second[3] == first[3]


def test_a_relative_root_is_the_same_file(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts_of(root, ["1.jpg"], cache=tmp_path / "cache")
    monkeypatch.chdir(root.parent)
    assert known_facts(Path("images"), ["1.jpg"], cache=tmp_path / "cache") != [None]
    assert known_facts(Path("/"), [str(root / "1.jpg")], cache=tmp_path / "cache") != [None]


def test_facts_of_another_decoder_are_not_taken(root: Path, tmp_path: Path) -> None:
    facts_of(root, ["1.jpg"], cache=tmp_path / "cache")
    with sqlite3.connect(tmp_path / "cache" / "facts.sqlite") as database:
        database.execute("UPDATE facts SET maker = 'pillow of old'")
    database.close()
    assert known_facts(root, ["1.jpg"], cache=tmp_path / "cache") == [None]


WRITER = """
import sys
from pathlib import Path
from medalist.data.ingest import facts_of
facts = facts_of(Path(sys.argv[1]), [f"{seed}.jpg" for seed in range(5)], cache=Path(sys.argv[2]), workers=1)
print(sum(fact.ok for fact in facts))
"""


def test_several_processes_share_a_cache(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(root), str(tmp_path / "cache")]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [writer.communicate()[0].strip() for writer in writers] == ["5"] * 3
    assert None not in known_facts(root, [f"{seed}.jpg" for seed in range(5)], cache=tmp_path / "cache")


def test_workers_start_light() -> None:
    heavy = "{'torch', 'sklearn', 'scipy', 'pandas'}"
    code = f"import sys, medalist.data.ingest, medalist.engines.worker; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_recompressed_copy_is_near_and_a_recoloured_one_is_not(tmp_path: Path) -> None:
    image = Image.open(draw(tmp_path / "a.png", 5, (400, 300)))
    image.resize((300, 225)).save(tmp_path / "b.jpg", quality=60)
    image.save(tmp_path / "c.png", optimize=True, compress_level=1)
    Image.merge("RGB", image.split()[::-1]).save(tmp_path / "d.png")
    a, b, c, d = facts_of(tmp_path, ["a.png", "b.jpg", "c.png", "d.png"], cache=tmp_path / "cache")
    assert (int(a.phash, 16) ^ int(b.phash, 16)).bit_count() <= 4
    assert (a.hash == c.hash, a.pixel_hash == c.pixel_hash) == (False, True)
    assert np.mean([abs(x - y) for x, y in zip(*map(bytes.fromhex, (a.colour, d.colour)), strict=True)]) > 12


def test_the_odd_files(shared: Callable[[str], Path], tmp_path: Path) -> None:
    root = shared("data/cases")
    names = sorted(path.name for path in root.iterdir())
    stream = list(ingest(root, names, preparations=[SMALL], cache=tmp_path, workers=2))
    bad = {names[entry.index] for entry in stream if not entry.facts.ok}
    assert {name for name in bad if not name.endswith(".svg")} == {
        ".DS_Store",
        "cases.csv",
        "empty.jpg",
        "truncated_half.jpg",
    }
    assert all(entry.facts.reason and entry.facts.hash for entry in stream if not entry.facts.ok)
    assert all([image.shape for image in entry.images] == [(32, 32, 3)] * entry.facts.ok for entry in stream)
    assert facts_of(root, names, cache=tmp_path) == [entry.facts for entry in stream]
    assert replace(stream[0].facts, reason="") == Facts(False, hash=stream[0].facts.hash, bytes=6148)


def test_moments_are_remembered_to_the_bit(root: Path, tmp_path: Path) -> None:
    (entry,) = ingest(root, ["0.jpg"], cache=tmp_path / "cache", workers=1)
    picture = Picture((root / "0.jpg").read_bytes())
    image = np.asarray(picture.pixels(picture.divisor(256, 256)), np.int64).reshape(-1, 3)
    assert entry.facts.mean == tuple((image.sum(axis=0) / (255 * len(image))).tolist())
    assert entry.facts.mean_square == tuple(((image**2).sum(axis=0) / (255**2 * len(image))).tolist())
    assert known_facts(root, ["0.jpg"], cache=tmp_path / "cache") == [entry.facts]
