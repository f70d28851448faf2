"""`torchrun` around a run: rank 0 alone writes it, and it is the run of one process within rounding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medalist.data.drawn import draw_competition
from medalist.predictions import Predictions

KEYS = ["folds.k=3", "heads=ridge", "views=center", "finetune.size=32", "finetune.precision=fp32"]
KEYS += ["finetune.workers=0", "finetune.batch=16", "finetune.prefix=off", "finetune.optimiser=momentum"]
KEYS += ["finetune.phases=[{train: 'last 30 %', epochs: 1, lr: 0.001}, {train: all, epochs: 1, lr: 0.001}]"]

SCRIPT = """
import sys
from pathlib import Path
from medalist.pipeline import run
from medalist.pipeline.tuning.serving import run_as_rank
from medalist.recipe import load_recipe

if __name__ == "__main__":
    root, out, cache, *keys = sys.argv[1:]
    recipe = load_recipe(None, keys, metric="log_loss", backbones=("embedded",))
    summary = run_as_rank(lambda: run(recipe, Path(root), Path(out), cache=Path(cache)))
    sys.stdout.write("finished " if summary else "helped ")  # one write each: they end in the same moment
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("more", [[], ["finetune.holdout=true"]])
def test_a_run_by_two_processes_is_the_run_of_one(tmp_path: Path, more: list[str]) -> None:
    draw_competition(tmp_path / "data", seed=3, num_train=44, num_test=8)
    (tmp_path / "script.py").write_text(SCRIPT)
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    torchrun += ["--rdzv-endpoint", "localhost:0"]
    said = {}
    for name, before in (("one", []), ("two", torchrun)):
        command = [sys.executable, *before, str(tmp_path / "script.py")]
        command += [str(tmp_path / place) for place in ("data", name, f"cache-{name}")]
        ended = subprocess.run(
            [*command, *KEYS, *more], capture_output=True, text=True, check=False, env={**os.environ}
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        said[name] = sorted(ended.stdout.split())

    assert said == {"one": ["finished"], "two": ["finished", "helped"]}
    one, two = (Predictions.load(tmp_path / name / "predictions" / "tuned-embedded") for name in ("one", "two"))
    np.testing.assert_allclose(one.oof_NC, two.oof_NC, atol=1e-3)
    np.testing.assert_allclose(one.test_KMC, two.test_KMC, atol=1e-3)
    assert json.loads((tmp_path / "two" / "summary.json").read_text())["submission"] == "submission.csv"
    assert not list((tmp_path / "two").rglob("*.tmp"))
