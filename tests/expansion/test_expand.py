"""`medalist expand` on a drawn competition: right images get in, wrong ones do not, the dataset is as it was."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from medalist.data.drawn import CLASSES, draw_image
from medalist.data.table import TEST
from medalist.errors import DataError, RecipeError, StoreError
from medalist.expansion.dataset import Dataset
from medalist.expansion.expand import Asked, expand
from medalist.expansion.found import Fetched, Found
from medalist.expansion.screen import screen
from medalist.expansion.sheets import SHEETS
from medalist.expansion.written import COLUMNS, EXTRA, REFUSED, SUMMARY
from medalist.pipeline.way import read
from medalist.recipe import load_recipe
from medalist.store import FAILPOINT, hash_bytes

RECIPE = load_recipe(None, ["folds.k=3", "taps=pooled", "views=center"], metric="accuracy", backbones=("embedded",))


def asked(source: Path, **given: Any) -> Asked:
    return Asked((f"folder(path={str(source)!r})",), **{"per_class": 100, **given})


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def kinds_of(out: Path) -> dict[str, str]:
    """Kind of refusal by the name of the source file, empty for what was let in."""
    told = {Path(row["url"]).name: "" for row in rows_of(out / EXTRA)}
    return told | {Path(row["url"]).name: row["kind"] for row in rows_of(out / REFUSED)}


@pytest.fixture(scope="module")
def source(drawn: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right images; and among those of boats: fish, noise, copies of test and labelled images, files at fault."""
    folder = drawn.more(tmp_path_factory.mktemp("source"), 8)
    boats, rng = folder / "boat", np.random.default_rng(0)
    table = read(RECIPE, drawn.root)
    tested = [row for row in range(len(table)) if table.split[row] == TEST]
    sizes = {row: (drawn.root / table.paths[row]).stat().st_size for row in tested}
    copied = [drawn.root / table.paths[row] for row in sorted(tested, key=lambda row: -sizes[row])[:2]]
    for number, file in enumerate(copied):
        with Image.open(file) as image:
            image.resize((image.width * 3 // 4, image.height * 3 // 4)).save(boats / f"x-test-{number}.jpg")
    shutil.copy(sorted((drawn.root / "train" / "boat").glob("00*.jpg"))[0], boats / "x-train.jpg")
    shutil.copy(sorted((folder / "fish").iterdir())[0], boats / "x-several.jpg")
    shutil.copy(boats / "boat-003.jpg", boats / "x-copy.jpg")
    (boats / "x-broken.jpg").write_bytes((boats / "boat-001.jpg").read_bytes()[:900])
    (boats / "x-page.jpg").write_bytes(b"<html>404</html>")
    Image.new("RGB", (90, 90), "grey").save(boats / "x-blank.png")
    draw_image("boat", rng).resize((40, 40)).save(boats / "x-tiny.png")
    Image.fromarray(rng.integers(0, 255, (120, 120, 3), dtype=np.uint8)).save(boats / "x-noise.png")
    return folder


@pytest.fixture(scope="module")
def expanded(drawn: Any, source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder that was screened, and what was said."""
    out = tmp_path_factory.mktemp("out") / "more"
    return out, expand(RECIPE, drawn.root, out, asked(source), cache=drawn.cache)


def test_each_fault_is_refused_by_its_name(expanded: tuple[Path, str]) -> None:
    told = kinds_of(expanded[0])
    want = {
        "x-test-0.jpg": "test",
        "x-test-1.jpg": "test",
        "x-train.jpg": "train",
        "x-several.jpg": "several",
        "x-copy.jpg": "copy",
        "x-broken.jpg": "broken",
        "x-page.jpg": "download",
        "x-blank.png": "blank",
        "x-tiny.png": "tiny",
        "x-noise.png": "irrelevant",
    }
    assert {name: told[name] for name in want} == want
    assert told["fish-000.jpg"] == "several"
    right = [kind for name, kind in told.items() if not name.startswith("x-")]
    assert right.count("") > 0.8 * len(right)


def test_the_files_are_as_run_wants_them(expanded: tuple[Path, str], source: Path) -> None:
    out, _ = expanded
    rows = rows_of(out / EXTRA)
    assert tuple(rows[0]) == COLUMNS
    for row in rows:
        assert row["id"] == row["hash"] == hash_bytes((out / row["path"]).read_bytes())
        assert row["label"] in CLASSES and row["weight"] == "1" and row["source"] == "folder"
        assert Path(row["url"]).parent == source / row["label"]
    summary = json.loads((out / SUMMARY).read_bytes())["classes"]
    assert Counter({name: one["accepted"] for name, one in summary.items()}) == Counter(row["label"] for row in rows)
    assert summary["boat"]["refused"]["test"] == 2 and summary["boat"]["found"] == 18
    assert {"own", "other", "judged", "pure"} <= summary["boat"].keys()


def test_the_report_tells_shares_with_errors_and_what_bars_are_worth(expanded: tuple[Path, str]) -> None:
    out, text = expanded
    boat = next(line for line in text.splitlines() if line.startswith("boat"))
    assert boat.split()[1] == "18" and "+-" in boat and "test 2" in boat
    assert "of labelled images, by bars that they did not set," in text
    assert f"extra={out}" in text


def test_a_sheet_a_class_shows_both(expanded: tuple[Path, str]) -> None:
    sheets = sorted((expanded[0] / SHEETS).glob("*.png"))
    assert [sheet.name for sheet in sheets] == [f"{place:03d}-{name}.png" for place, name in enumerate(CLASSES)]
    with Image.open(sheets[0]) as boats, Image.open(sheets[1]) as bottles:
        assert boats.height > bottles.height > 100  # eight kinds of refusal below what was let in


def test_again_is_the_same_bytes_and_asks_nothing(drawn: Any, expanded: tuple[Path, str], source: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    out, text = expanded
    files = (EXTRA, REFUSED, SUMMARY, "found.jsonl", "request.json")
    before = [(out / name).read_bytes() for name in files]
    monkeypatch.setattr("medalist.expansion.gather.search", lambda *_: pytest.fail("a source was asked again"))
    assert expand(RECIPE, drawn.root, out, asked(source), cache=drawn.cache) == text
    assert [(out / name).read_bytes() for name in files] == before


def test_killed_it_goes_on_to_the_same_bytes(drawn: Any, expanded: tuple[Path, str], source: Path,
                                             tmp_path: Path) -> None:  # fmt: skip
    command = [sys.executable, "-m", "medalist.cli", "expand", drawn.root, "--source", f"folder(path={str(source)!r})",
               "--per-class", "100", "--backbone", "embedded", "--out", tmp_path / "out", "--cache", drawn.cache,
               "folds.k=3", "taps=pooled", "views=center"]  # fmt: skip
    killed = subprocess.run(
        list(map(str, command)), capture_output=True, check=False, env={**os.environ, FAILPOINT: "after-image:9"}
    )
    assert killed.returncode == -signal.SIGKILL
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("look at ")
    assert (tmp_path / "out" / EXTRA).read_bytes() == (expanded[0] / EXTRA).read_bytes()


def test_other_classes_images_under_wrong_names_are_mostly_left_out_as_a_whole(drawn: Any, tmp_path: Path) -> None:
    wrong = drawn.more(tmp_path / "wrong", 8, shift=1)
    text = expand(RECIPE, drawn.root, tmp_path / "out", asked(wrong), cache=drawn.cache)
    told = Counter(kinds_of(tmp_path / "out").values())
    assert told[""] < 0.3 * told.total()  # a backbone that knows 16 images a class is no better judge
    assert told["ambiguous"] > told[""]
    assert "is left out: " in text and "of other classes' images do; the others look like" in text
    # Without a look at them, nothing tells.
    expand(RECIPE, drawn.root, tmp_path / "blind", asked(wrong, looks=False), cache=drawn.cache)
    assert set(kinds_of(tmp_path / "blind").values()) <= {"", "train"}


def test_nothing_is_written_into_the_dataset(drawn: Any, source: Path) -> None:
    with pytest.raises(RecipeError, match="inside the dataset"):
        expand(RECIPE, drawn.root, drawn.root / "more", asked(source), cache=drawn.cache)
    assert not (drawn.root / "more").exists()


def test_slips_are_told_before_anything_is_read(drawn: Any, source: Path, tmp_path: Path) -> None:
    def go(wanted: Asked) -> None:
        expand(RECIPE, drawn.root, tmp_path / "out", wanted, cache=drawn.cache)

    with pytest.raises(RecipeError, match="did you mean 'openverse'"):
        go(Asked(("openvers",), 5))
    with pytest.raises(RecipeError, match="expected --source, one or more of: commons"):
        go(Asked((), 5))
    with pytest.raises(RecipeError, match=r"--per-class 0"):
        go(asked(source, per_class=0))
    with pytest.raises(RecipeError, match=r"type one such as '\{class\} mushroom'"):
        go(asked(source, query="mushroom"))
    with pytest.raises(RecipeError, match="--skip 'boats' is no class; did you mean 'boat'"):
        go(asked(source, skip=("boats",)))


def test_a_folder_holds_one_request(drawn: Any, expanded: tuple[Path, str], source: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"another request \(different: query\)"):
        expand(RECIPE, drawn.root, expanded[0], asked(source, query="a {class}"), cache=drawn.cache)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(StoreError, match=r"mine\.txt, which no expansion wrote"):
        expand(RECIPE, drawn.root, tmp_path, asked(source), cache=drawn.cache)


def test_what_failed_is_no_hindrance_and_what_was_fetched_stays(drawn: Any, source: Path, tmp_path: Path) -> None:
    out, empty = tmp_path / "out", tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="no folder that is named for a class"):
        expand(RECIPE, drawn.root, out, asked(empty), cache=drawn.cache)
    few = ("boat", "bottle")
    wanted = asked(source, per_class=2, skip=tuple(name for name in CLASSES if name not in few))
    assert "boat" in expand(RECIPE, drawn.root, out, wanted, cache=drawn.cache)
    # Killed before its summary: another request goes on in the folder, and no image is fetched again.
    (out / SUMMARY).unlink()
    before = {file: file.stat().st_mtime_ns for file in (out / "images").rglob("*.*")}
    other = asked(source, per_class=2, skip=wanted.skip, query="a {class}")
    expand(RECIPE, drawn.root, out, other, cache=drawn.cache)
    assert (
        before and before.items() <= {file: file.stat().st_mtime_ns for file in (out / "images").rglob("*.*")}.items()
    )
    assert json.loads((out / SUMMARY).read_bytes())["query"] == "a {class}"


def test_folders_of_no_class_are_told_at_each_command(drawn: Any, source: Path, tmp_path: Path) -> None:
    more, boats = tmp_path / "more", sorted((source / "boat").glob("boat-*.jpg"))
    for name, files in (("boat", boats[:2]), ("botle", boats[2:5]), ("zebra", boats[5:6])):
        (more / name).mkdir(parents=True)
        for file in files:
            shutil.copy(file, more / name)
    for _ in range(2):  # the second reads what the first found
        text = expand(RECIPE, drawn.root, tmp_path / "out", asked(more), cache=drawn.cache)
        assert f"4 images of {more} are passed over" in text
        assert "botle (3 images; did you mean 'bottle'?), zebra (1 images)" in text


def test_skipped_classes_and_few_of_each(drawn: Any, source: Path, tmp_path: Path) -> None:
    wanted = asked(source, per_class=2, skip=tuple(CLASSES[2:]))
    text = expand(RECIPE, drawn.root, tmp_path / "out", wanted, cache=drawn.cache)
    assert "passed over" not in text
    summary = json.loads((tmp_path / "out" / SUMMARY).read_bytes())["classes"]
    assert {name: one["found"] for name, one in summary.items()} == {"boat": 2, "bottle": 2}
    assert "whether the query fits is not known" in text
    # More of the same goes into the same folder.
    expand(RECIPE, drawn.root, tmp_path / "out", asked(source, per_class=4, skip=tuple(CLASSES[2:])), cache=drawn.cache)
    summary = json.loads((tmp_path / "out" / SUMMARY).read_bytes())["classes"]
    assert {one["found"] for one in summary.values()} == {4}


def test_a_source_without_a_class_says_so(drawn: Any, tmp_path: Path) -> None:
    (tmp_path / "more" / "zebra").mkdir(parents=True)
    shutil.copy(next((drawn.root / "train" / "boat").iterdir()), tmp_path / "more" / "zebra")
    with pytest.raises(DataError, match="no folder that is named for a class"):
        expand(RECIPE, drawn.root, tmp_path / "out", asked(tmp_path / "more"), cache=drawn.cache)


def test_a_server_that_behaves_badly_gets_nothing_in(drawn: Any, server: Any, web: Any, tmp_path: Path) -> None:
    right = sorted(drawn.more(tmp_path / "right", 6, seed=9).glob("boat/*"))
    table = read(RECIPE, drawn.root)
    leak = max((drawn.root / path for path in table.paths[table.split == TEST]), key=lambda file: file.stat().st_size)
    known = sorted((drawn.root / "train" / "boat").glob("00*.jpg"))[0]
    bad = {f"file{leak}": "test", f"file{known}": "train", f"half{right[0]}": "broken", f"file{right[1]}?again": "copy"}
    bad |= dict.fromkeys(("endless", "gzip", "huge", "html/boat.jpg", "loop/1", "fails/99", "claims/30000"), "download")
    urls = [*(f"file{file}" for file in right), *bad]
    lines = ["url,label,author", *(f"{server.url(path)},boat,=cmd()" for path in urls)]
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    wanted = Asked((f"csv(path={str(tmp_path / 'list.csv')!r})",), 100)
    expand(RECIPE, drawn.root, tmp_path / "out", wanted, web=web, cache=drawn.cache)
    taken = [row["url"] for row in rows_of(tmp_path / "out" / EXTRA)]
    refused = {row["url"]: row["kind"] for row in rows_of(tmp_path / "out" / REFUSED)}
    assert {path: refused.get(server.url(path)) for path in bad} == bad
    assert len(taken) >= 4 and set(taken) <= {server.url(f"file{file}") for file in right}
    assert len(taken) + len(refused) == len(urls)
    assert {row["author"] for row in rows_of(tmp_path / "out" / EXTRA)} == {"'=cmd()"}


def test_a_file_that_was_changed_since_is_refused(drawn: Any, tmp_path: Path) -> None:
    right = sorted(drawn.more(tmp_path / "right", 2, seed=9).glob("boat/*"))
    dataset = Dataset.of(RECIPE, drawn.root, cache=drawn.cache)
    found = Found("https://example.org/1.jpg", "boat", "csv")
    fetched = [Fetched(found, str(file), hash_bytes(right[0].read_bytes()), 9, "JPEG") for file in right]
    verdicts = screen(dataset, tmp_path, fetched, looks=False, cache=drawn.cache).verdicts
    assert [one.kind for one in verdicts] == ["", "broken"]
    assert "its bytes are not those that were fetched" in verdicts[1].reason


def test_a_test_image_does_not_get_in_turned_cut_or_framed(drawn: Any, tmp_path: Path) -> None:
    folder = drawn.more(tmp_path / "more", 3, seed=11)
    table = read(RECIPE, drawn.root)
    tested = sorted(
        (drawn.root / path for path in table.paths[table.split == TEST]), key=lambda one: one.stat().st_size
    )
    for number, file in enumerate(tested[-3:]):
        with Image.open(file) as image:
            width, height = image.size
            changed = {
                "turned": image.transpose(Image.Transpose.ROTATE_90),
                "cut": image.crop((width // 10, height // 10, width, height)),
                "framed": ImageOps.expand(image, min(image.size) // 12, "white"),
            }
        for name, one in changed.items():
            one.save(folder / CLASSES[number] / f"x-{name}-{number}.jpg", quality=90)
    expand(RECIPE, drawn.root, tmp_path / "out", asked(folder), cache=drawn.cache)
    told = kinds_of(tmp_path / "out")
    assert {name: kind for name, kind in told.items() if name.startswith("x-")} == {
        f"x-{name}-{number}.jpg": "test" for name in ("turned", "cut", "framed") for number in range(3)
    }
    assert not {kind for name, kind in told.items() if not name.startswith("x-")} & {"test", "train"}


def test_judging_wants_a_metric(drawn: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "medalist.cli", "expand", drawn.root, "--judge", "--out", tmp_path / "out"]
    told = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert told.returncode == 1 and "type --metric NAME" in told.stderr


def test_comparing_queries_judges_nothing_and_says_so(drawn: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "medalist.cli", "expand", drawn.root, "--judge", "--metric", "accuracy", "--out",
               tmp_path / "out", "--try-queries", "{class}", "--try-queries", "a {class}"]  # fmt: skip
    told = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert told.returncode == 1 and "leave out --judge, or --try-queries" in told.stderr
