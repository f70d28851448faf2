"""One link decides what an experiment's folder shows: all of the old or all of the new, wherever it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medalist.data.splits import Folds
from medalist.data.table import TRAIN, ImageTable
from medalist.errors import StoreError
from medalist.evidence import Comparison
from medalist.experiments.budget import incumbent
from medalist.experiments.folder import asking
from medalist.ledger import write_json
from medalist.pipeline.kept import save_folds, save_table, save_unseen
from medalist.store import FAILPOINT

FILES = ("summary.json", "submission.csv", "decision.json", "predictions/ridge/oof.npy")


def run_folder(out: Path, name: str) -> Path:
    """Files that say whose they are."""
    for file in FILES:
        path = out / "arms" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return out / "arms" / name


def shown(out: Path) -> set[str]:
    return {(out / file).read_text() for file in FILES}


def test_a_new_incumbent_replaces_every_file(tmp_path: Path) -> None:
    incumbent.show(tmp_path, run_folder(tmp_path, "old"))
    (tmp_path / "arms/old/fitted").mkdir()
    assert shown(tmp_path) == {"old"} and (tmp_path / "fitted").is_dir()
    incumbent.show(tmp_path, run_folder(tmp_path, "new"))
    assert shown(tmp_path) == {"new"}
    assert not (tmp_path / "fitted").exists() and not (tmp_path / "scored.csv").is_file()


def test_the_folder_can_be_moved(tmp_path: Path) -> None:
    incumbent.show(tmp_path / "out", run_folder(tmp_path / "out", "old"))
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert shown(tmp_path / "elsewhere") == {"old"}


@pytest.mark.parametrize(("point", "held"), [("before-incumbent", "old"), ("after-incumbent", "new")])
def test_a_kill_between_two_leaves_one_of_them(tmp_path: Path, point: str, held: str) -> None:
    incumbent.show(tmp_path, run_folder(tmp_path, "old"))
    run_folder(tmp_path, "new")
    script = "import sys; from pathlib import Path; from medalist.experiments.budget.incumbent import show;"
    script += "show(Path(sys.argv[1]), Path(sys.argv[1]) / 'arms/new')"
    environment = {**os.environ, FAILPOINT: point}
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL and shown(tmp_path) == {held}
    incumbent.show(tmp_path, tmp_path / "arms/new")
    assert shown(tmp_path) == {"new"}


def test_overwritten_it_shows_nothing(tmp_path: Path) -> None:
    with asking(tmp_path, {"seed": 0}):
        incumbent.show(tmp_path, run_folder(tmp_path, "old"))
    with asking(tmp_path, {"seed": 1}, overwrite=True):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "question.json"]


def test_a_run_of_the_users_is_not_covered(tmp_path: Path) -> None:
    (tmp_path / "submission.csv").write_text("mine")
    with pytest.raises(StoreError, match="choose another --out"):
        incumbent.check_free(tmp_path)
    incumbent.show(tmp_path / "other", run_folder(tmp_path / "other", "old"))
    incumbent.check_free(tmp_path / "other")


def scored(folder: Path, y: np.ndarray, answers_N: np.ndarray, rows: np.ndarray) -> Path:
    """A finished run's rows and answers, of some of the images."""
    folder.mkdir()
    ids = [f"{row:03d}" for row in rows]
    table = ImageTable(
        root=folder,
        ids=np.array(ids, dtype=object),
        paths=np.full(len(rows), "", dtype=object),
        split=np.full(len(rows), TRAIN, np.uint8),
        classes=("no", "yes"),
        class_names=("no", "yes"),
        labels=y[rows].astype(np.int32),
    )
    save_folds(Folds((rows % 3).astype(np.int8), tuple(ids), 3, 0), folder)
    save_table(table, np.asarray(rows, np.int64), [], folder)
    save_unseen(answers_N[rows], folder)
    write_json(folder / "summary.json", {})
    return folder


def test_challenger_and_incumbent_meet_on_the_rows_of_both(tmp_path: Path) -> None:
    y = np.arange(60) % 2
    wrong = np.where(np.arange(60) % 5 == 0, 1 - y, y)  # 12 of 60; 4 of the 20 that are held out
    every, held = np.arange(60), np.arange(40, 60)[::-1]
    old = scored(tmp_path / "old", y, wrong, every)
    new = scored(tmp_path / "new", y, y, held)
    found, rows = incumbent.against(new, old, "accuracy")
    assert rows == 20 and found.difference == pytest.approx(4 / 20)
    # The difference is 0 or 1 a row: its error is that of a share of 0.2 of 20.
    assert found.stderr == pytest.approx(np.sqrt(0.2 * 0.8 / 19), rel=0.1)
    apart = scored(tmp_path / "apart", y, y, np.arange(40))
    with pytest.raises(StoreError, match="other rows"):
        incumbent.against(apart, new, "accuracy")


@pytest.mark.parametrize(("faults", "beaten"), [(0, False), (3, False), (4, True), (12, True)])
def test_a_score_near_the_best_cannot_be_beaten(tmp_path: Path, faults: int, beaten: bool) -> None:
    # 3 faults of 100: 0.03 +- 0.0171, 1.75 standard errors; 4: 0.04 +- 0.0197, 2.03.
    y = np.arange(100) % 2
    folder = scored(tmp_path / "run", y, np.where(np.arange(100) < faults, 1 - y, y), np.arange(100))
    assert incumbent.could_be_beaten(folder, "accuracy", []) is beaten
    assert not incumbent.could_be_beaten(folder, "accuracy", [0.9] * 50) or faults > 4


def test_p_grows_with_the_number_of_challengers() -> None:
    found = Comparison(0.021, 0.01, "better", 0.0357)
    assert incumbent.verdict_among(found, []) == "better"
    assert incumbent.verdict_among(found, [0.5]) == "not distinguishable"  # Holm: 2 x 0.0357
    assert incumbent.verdict_among(found, [0.001]) == "better"  # the smallest counts twice, this one once
    assert incumbent.verdict_among(Comparison(-0.05, 0.01, "", 1e-6), [0.5]) == "worse"
