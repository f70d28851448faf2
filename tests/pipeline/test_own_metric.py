"""A metric of the user's own: by name once its code is allowed, part of the run's key, not needed to predict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = '''
import numpy as np
from medalist.metrics import metrics


@metrics(eats="labels", better="higher")
def worst_class(y_N, label_N):
    """Accuracy of the class that is answered worst."""
    return float(min((label_N[y_N == c] == c).mean() for c in np.unique(y_N)))
'''


@pytest.fixture(scope="module")
def medalist(competition: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("own")

    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "medalist.cli", *words]
        command += ["--cache", str(cache)] if words[0] in ("run", "predict") else []
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)

    def change(code: str) -> None:
        (folder / "own_scores.py").write_text(code, encoding="utf-8")

    change(CODE)
    return typed, change


def test_it_runs_predicts_and_is_told_from_another(medalist: object, competition: Path) -> None:
    typed, change = medalist  # type: ignore[misc]
    command = [
        "run",
        str(competition),
        "--metric",
        "worst_class",
        "--backbone",
        "embedded",
        "--out",
        "out",
        "folds.k=3",
    ]
    refused = typed(*command)
    assert refused.returncode == 1
    assert "unknown metric 'worst_class'" in refused.stderr
    allowed = [*command, "heads=ridge", "--allow-code", "own_scores:worst_class"]
    assert "worst_class 0." in typed(*allowed).stdout
    assert typed("predict", "out", str(next((competition / "test").iterdir()))).returncode == 0
    blended = typed("blend", "out", "--out", "blended", "--allow-code", "own_scores:worst_class")
    assert "worst_class 0." in blended.stdout
    change(CODE.replace("min(", "max("))
    again = typed(*allowed)
    assert again.returncode == 1
    assert "code" in again.stderr
