"""The index says what the folders say, whatever it held before, and whoever writes in it meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from medalist.evidence import compare
from medalist.pipeline.outcome import unseen_answers
from medalist.pipeline.records.entries import read
from medalist.pipeline.records.index import FILE, Index

Import = Callable[..., Path]


def test_it_remembers_what_the_folders_say(bring: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [bring("one", seed=1), bring("two", seed=2)]
    entries, faults = Index(tmp_path / "cache").entries(folders)
    assert {entry.folder: entry for entry in entries} == {folder: read(folder) for folder in folders} and not faults
    with monkeypatch.context() as patched:
        patched.delattr("medalist.pipeline.records.index.read")  # nothing is read a second time
        assert Index(tmp_path / "cache").entries(folders) == (entries, [])
    (tmp_path / "cache" / FILE).unlink()
    assert Index(tmp_path / "cache").entries(folders) == (entries, [])


def test_a_run_done_anew_is_read_anew(bring: Import, tmp_path: Path) -> None:
    folder = bring("one", seed=1)
    index = Index(tmp_path / "cache")
    before = index.entries([folder])[0][0]
    summary = json.loads((folder / "summary.json").read_bytes())
    (folder / "summary.json").write_text(json.dumps({**summary, "score": 0.125}))
    assert index.entries([folder])[0][0].score == 0.125 != before.score


def test_a_pair_is_what_evidence_says(bring: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (read(bring(name, seed=seed)) for name, seed in (("one", 1), ("two", 2)))
    index = Index(tmp_path / "cache")
    found = index.compare(one, two)
    (field, one_N), (_, two_N) = unseen_answers(one.folder), unseen_answers(two.folder)
    assert found == compare("log_loss", field.truth.labels, one_N, two_N, groups=field.truth.group_N)
    monkeypatch.delattr("medalist.pipeline.records.index.pair")
    assert index.compare(one, two) == found


def test_a_folder_that_cannot_be_read_is_told_and_left_out(bring: Import, tmp_path: Path) -> None:
    one, two = bring("one", seed=1), bring("two", seed=2)
    (two / "table.json").unlink()
    entries, faults = Index(tmp_path / "cache").entries([one, two])
    assert [entry.folder for entry in entries] == [one]
    assert len(faults) == 1 and "two is damaged" in faults[0]


def test_several_processes_write_at_once(bring: Import, tmp_path: Path) -> None:
    folders = [str(bring(f"run{seed}", seed=seed)) for seed in range(4)]
    script = (
        "import sys; from pathlib import Path; from medalist.pipeline.records.index import Index\n"
        "for _ in range(5):\n"
        "    index = Index(Path(sys.argv[1])); entries, faults = index.entries([Path(p) for p in sys.argv[2:]])\n"
        "    assert not faults and len(entries) == 4\n"
        "    [index.compare(one, two) for one in entries for two in entries]\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "cache"), *folders]
    processes = [subprocess.Popen(words, env=os.environ, stderr=subprocess.PIPE) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 3
