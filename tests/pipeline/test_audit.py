"""`medalist check`: what is wrong is told, the gravest first, and written without harm."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medalist.errors import RecipeError
from medalist.pipeline import audit as audit_module
from medalist.pipeline import page as page_module
from medalist.pipeline.audit import COLUMNS, Row, _csv, audit
from medalist.recipe import load_recipe

RECIPE = load_recipe(metric="accuracy")


@pytest.fixture
def data(competition: Path, tmp_path: Path) -> Path:
    root = tmp_path / "data"
    shutil.copytree(competition, root)
    return root


def test_conflicts_and_leaks_are_told_with_labels_and_paths(data: Path, tmp_path: Path) -> None:
    image, other = sorted((data / "train" / "fish").glob("00*.jpg"))[-2:]
    shutil.copy(image, data / "train" / "boat" / "fish_too.jpg")
    leaked = next(path for path in sorted((data / "test").iterdir()) if path.stat().st_size > 1000)
    shutil.copy(other, leaked)
    lines = audit(RECIPE, data, cache=tmp_path / "cache").splitlines()
    conflict = next(number for number, line in enumerate(lines) if line.startswith("  conflict: 2 in 1 clusters"))
    assert lines[conflict + 1] == f"    train/boat/fish_too.jpg (boat) = train/fish/{image.name} (fish)"
    leak = next(number for number, line in enumerate(lines) if line.startswith("  leak: 2 in 1 clusters"))
    assert lines[leak + 1] == f"    train/fish/{other.name} = test/{leaked.name}"
    assert conflict < leak


def test_broken_files_are_named_with_their_reason(competition: Path, tmp_path: Path) -> None:
    text = audit(RECIPE, competition, cache=tmp_path)
    assert "the file is empty" in text and "files that end too soon" in text


def test_findings_are_written_and_the_dataset_is_as_it_was(data: Path, tmp_path: Path) -> None:
    Image.new("RGB", (100, 100)).save(data / "train" / "boat" / "=cmd.png")
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    text = audit(RECIPE, data, cache=tmp_path / "cache", out=tmp_path / "found")
    assert text.splitlines()[-2].startswith("written: ")
    assert text.endswith(f"--metric METRIC data.quarantine={tmp_path / 'found' / 'quarantine.csv'}")
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before
    with (tmp_path / "found" / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    told = json.loads((tmp_path / "found" / "findings.json").read_text(encoding="utf-8"))
    assert set(told["kinds"]) >= {row["kind"] for row in rows}
    assert [{name: str(one[name]) for name in COLUMNS} for one in told["findings"]] == rows
    (blank,) = (row for row in rows if row["kind"] == "blank")
    assert (blank["path"], blank["split"], blank["label"]) == ("train/boat/=cmd.png", "train", "boat")
    with Image.open(tmp_path / "found" / "findings.png") as sheet:
        assert np.asarray(sheet).std() > 5


def test_what_a_spreadsheet_would_run_is_text() -> None:
    hostile = Row("blank", "=a.png", "+1", "train", "-boat()", 0, '@SUM(1, "2")', True)
    (_, row) = csv.reader(_csv([hostile]).decode().splitlines())
    assert row == ["blank", "'=a.png", "'+1", "train", "'-boat()", "0", '\'@SUM(1, "2")']


def test_findings_are_never_written_into_the_dataset(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="lies inside the dataset"):
        audit(RECIPE, data, cache=tmp_path / "cache", out=data / "found")


def test_a_sheet_of_faults_that_were_mended_goes(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = tmp_path / "found" / "findings.png"
    Image.new("RGB", (100, 100)).save(data / "train" / "boat" / "blank.png")
    audit(RECIPE, data, cache=tmp_path / "cache", out=tmp_path / "found")
    assert sheet.exists()
    monkeypatch.setattr(audit_module, "findings", lambda *_: [])
    text = audit(RECIPE, data, cache=tmp_path / "cache", out=tmp_path / "found")
    assert "findings: none" in text and not sheet.exists()


def test_files_that_their_decoder_refused_are_not_decoded_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "train" / "boat" / "no_image.jpg").write_bytes(b"\xff\xd8\xff damaged")
    tried = []

    def spied(content: bytes) -> np.ndarray:
        tried.append(content)
        return np.zeros((8, 8, 3), np.uint8)

    monkeypatch.setattr(page_module, "decode", spied)
    audit(RECIPE, data, cache=tmp_path / "cache", out=tmp_path / "found")
    assert b"\xff\xd8\xff damaged" not in tried


def test_a_strip_leaves_a_line_on_its_paper(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2000), "black").save(tmp_path / "strip.png")
    cell = audit_module._cell(tmp_path, Row("extreme_aspect", "strip.png", "1", "train", "boat", 0, "", True))
    assert cell is not None and cell.pixels_HWC.min() < 100
