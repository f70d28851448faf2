"""The command line: what a person types, and what is printed where something is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def medalist(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medalist.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_an_error_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    process = medalist("check", tmp_path / "nowhere")
    assert process.returncode == 1
    assert process.stderr.startswith("error: ")
    assert "Traceback" not in process.stderr


def test_check_says_what_the_folder_is(shared: object, tmp_path: Path) -> None:
    process = medalist("check", shared("data/flowers102"), "--cache", tmp_path)  # type: ignore[operator]
    assert process.returncode == 0, process.stderr
    for said in ("layout coco", "585 train", "306 test", "102 classes", "JPEG"):
        assert said in process.stdout


def test_stats_gives_three_channels_and_the_backbones_own(shared: object, tmp_path: Path) -> None:
    data = shared("data/cats-dogs")  # type: ignore[operator]
    process = medalist("stats", data, "--sample", 40, "--seed", 3, "--backbone", "embedded", "--cache", tmp_path)
    assert process.returncode == 0, process.stderr
    for said in ("red", "a sample of 40 of 1050 labelled images", "embedded wants", "keep it"):
        assert said in process.stdout


def test_help_says_each_verbs_whole_sentence_without_rich(tmp_path: Path) -> None:
    code = "import sys; from medalist.cli import main; sys.argv = ['medalist', '--help']; main()"
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    assert "recommended set a compute tier, and the cards at hand." in " ".join(process.stdout.split())
    assert " rich" not in process.stderr


def test_lint_exits_with_1_and_names_the_fault(tmp_path: Path) -> None:
    (tmp_path / "sample.csv").write_text("id,label\n1,cat\n2,dog\n", encoding="utf-8")
    (tmp_path / "mine.csv").write_text("id,label\n1,cat\n", encoding="utf-8")
    process = medalist("lint", tmp_path / "mine.csv", "--sample", tmp_path / "sample.csv")
    assert process.returncode == 1
    assert "'2'" in process.stdout
    assert medalist("lint", tmp_path / "sample.csv", "--sample", tmp_path / "sample.csv").returncode == 0


def test_backbones_lists_the_write_ups_eight_and_flags_licences() -> None:
    text = medalist("backbones").stdout
    for name in ("inception_v3.tf_in1k", "legacy_xception.tf_in1k", "resnext101_32x8d", "embedded"):
        assert name in text
    assert "NON-COMMERCIAL" not in medalist("backbones", "--license", "permissive").stdout


@pytest.mark.parametrize("command", ["folds", "import", "blend", "average", "submit", "board", "diagnose"])
def test_every_verb_after_the_run_explains_itself(command: str) -> None:
    assert "Usage" in medalist(command, "--help").stdout


@pytest.mark.parametrize("command", ["check", "stats", "run", "predict", "lint", "backbones", "bank", "demo"])
def test_every_command_explains_itself(command: str) -> None:
    process = medalist(command, "--help")
    assert process.returncode == 0
    assert "Usage" in process.stdout
