"""The command line: what a person types, and what is printed where something is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from medalist.cli import main
from medalist.cli.app import epoch_line
from medalist.progress import Event


def medalist(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medalist.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_an_error_is_one_sentence_without_a_traceback(tmp_path: Path) -> None:
    process = medalist("check", tmp_path / "nowhere")
    assert process.returncode == 1
    assert process.stderr.startswith("error: ")
    assert "Traceback" not in process.stderr


def test_a_missing_metric_lists_them(tmp_path: Path) -> None:
    process = medalist("run", tmp_path)
    assert process.returncode == 1
    assert "type --metric NAME" in process.stderr and "metrics: accuracy, average_precision," in process.stderr


def test_a_preflight_of_several_processes_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # torchrun's
    monkeypatch.setattr(sys, "argv", ["medalist", "run", str(tmp_path), "--metric", "accuracy", "--preflight"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 1
    assert "type the command without torchrun" in capsys.readouterr().err


def test_an_interrupt_says_that_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medalist.pipeline.run", interrupted)
    monkeypatch.setattr(sys, "argv", ["medalist", "run", str(tmp_path), "--metric", "accuracy"])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 130
    assert capsys.readouterr().err.strip() == "stopped; the same command goes on where it was"


def test_logs_get_a_line_an_arm_and_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    epoch = {"epoch": 2, "loss": 0.5, "lr": 0.0001 / 3, "epoch_s": 4.0}
    for event in (
        Event("arms", 1, 3, 8.0, {"arm": "normalise=l2"}),
        Event("runs", 0, 0, 0.0, {"arm": "001-folds"}),
        Event("arms", 0, 0, 8.0, {"ended": "normalise=l2", "told": "accuracy 0.9000 +- 0.0100, 8 s"}),
        Event("embed", 3, 10, 1.0),
        Event("fetch", 50, 400, 1.0, {"line": "boat: 48 of 50 fetched"}),
        Event("tune fold 0", 2, 4, 8.0, epoch),
    ):
        epoch_line(event)
    assert capsys.readouterr().err.splitlines() == [
        "arms: normalise=l2, 2 of 3",
        "runs: 001-folds",
        "arms: normalise=l2 ended, accuracy 0.9000 +- 0.0100, 8 s",
        "fetch: boat: 48 of 50 fetched",
        "tune fold 0: epoch 2, loss 0.5, lr 3.33e-05, 8 s left of this training",
    ]


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


@pytest.mark.parametrize("command", ["check", "stats", "run", "predict", "lint", "backbones", "bank", "demo", "report"])
def test_every_command_explains_itself(command: str) -> None:
    process = medalist(command, "--help")
    assert process.returncode == 0
    assert "Usage" in process.stdout
