"""Two processes on one training end where one alone does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from medalist.errors import RecipeError
from medalist.training import ranks
from medalist.training.auxiliary import Auxiliary
from medalist.training.finetune import finetune
from medalist.training.plan import Phase, Plan, steps

WATCHED = np.arange(24, 40)
CELLS = np.array([f"kind {row % 5}" if row % 3 else "" for row in range(40)])

# Each process of `torchrun`: makes the training anew from what the test wrote down.
SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from medalist.backbones import open_backbone
from medalist.backbones.backbone import override
from medalist.data.pixels import Pixels
from medalist.store import hash_bytes
from medalist.training import ranks
from medalist.training.auxiliary import Auxiliary
from medalist.training.feeds import Images
from medalist.training.finetune import finetune
from medalist.training.network import Network
from medalist.training.neural.heads import neural
from medalist.training.plan import Phase, Plan
from medalist.training.underway import Training

if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    ranks.join()
    root, paths = Path(told["root"]), tuple(told["paths"])
    hashes = [hash_bytes((root / path).read_bytes()) for path in paths]
    cache, labels = Path(told["cache"]), np.array(told["labels"])
    columns = Auxiliary.of({"kind": np.array(told["cells"])}, told["columns"])
    images = Images(
        backbone=override(open_backbone("embedded"), size=32), root=root, paths=paths, ids=paths, labels=labels,
        num_classes=4, pixels=Pixels.build(root, list(paths), hashes, side=40, cache=cache), cache=cache, workers=0,
        auxiliary=columns,
    )
    phases = tuple(Phase(**{**phase, "size": tuple(phase["size"])}) for phase in told["plan"].pop("phases"))
    ramp = tuple(told["plan"].pop("ramp"))
    plan = Plan(phases, ramp=ramp, **told["plan"])
    head = neural.bind(plan.head)(320, 4, seed=plan.seed)
    net = Network(images.backbone.build(("pooled",)), head, columns.layer(320) if columns else None)
    def score(rows, prob): return float((prob.argmax(axis=1) == labels[rows]).mean())
    training = Training(
        plan=plan, net=net.to(memory_format=torch.channels_last), images=images, rows=np.arange(24), score=score,
        better="higher", folder=Path(told["folder"]),
    )
    curves = finetune(training, watched=np.arange(24, 40), until=told["until"])
    ends = Path(told["folder"]) / f"rank{ranks.rank()}.json"
    sums = {name: float(value.double().sum()) for name, value in net.state_dict().items()}
    ends.write_text(json.dumps({"world": ranks.world(), "curves": curves, "sums": sums}))
    ranks.leave()
"""


def together(workshop: Any, plan: Plan, folder: Path, until: int | None = None) -> list[dict[str, Any]]:
    """What two processes found."""

    images = workshop.images
    facts = {"root": str(images.root), "paths": images.paths, "cache": str(images.cache), "folder": str(folder)}
    facts |= {"labels": images.labels.tolist(), "plan": asdict(plan), "until": until}
    facts |= {"cells": CELLS.tolist(), "columns": {"kind": 0.5} if images.auxiliary else {}}
    (workshop.folder / "told.json").write_text(json.dumps(facts))
    (workshop.folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command += [str(workshop.folder / "script.py"), str(workshop.folder / "told.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("changes", "columns"),
    [
        ({}, {}),
        ({}, {"kind": 0.5}),
        ({"sam": 0.05, "clip": 1.0, "ema": 0.9, "schedule": "plateau(patience=0)"}, {}),
    ],
)
def test_two_processes_end_where_one_does(workshop: Any, changes: dict[str, Any], columns: dict[str, float]) -> None:
    """Twenty-one steps, frozen norms, float32; of an auxiliary column a third is unknown."""
    workshop.images.auxiliary = Auxiliary.of({"kind": CELLS}, columns)
    plan = workshop.plan(("last 30 %", 3), ("all", 4), **{"optimiser": "momentum", **changes})
    alone = workshop.tuned(plan, "alone")
    found = together(workshop, plan, workshop.folder / "two")

    assert [one["world"] for one in found] == [2, 2]
    assert found[0]["curves"] == found[1]["curves"]
    assert found[0]["sums"] == found[1]["sums"]  # the ranks' weights never part
    for one, two in zip(alone.curves, found[0]["curves"], strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], abs=1e-4)
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-4)
        assert two["lr"] == one["lr"]
    for epoch in range(plan.epochs):
        name = f"weights-{epoch}.safetensors"
        one, two = (load_file(workshop.folder / folder / name) for folder in ("alone", "two"))
        for key in one:
            np.testing.assert_allclose(two[key], one[key], atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_go_on_from_their_checkpoint(workshop: Any) -> None:
    plan = workshop.plan(("all", 3), head="dense(units=8, dropout=0.5)", mix="mixup(alpha=0.4)", ema=0.9)
    together(workshop, plan, workshop.folder / "parts", until=2)
    for folder in ("parts", "whole"):
        together(workshop, plan, workshop.folder / folder)
    for epoch in range(3):
        name = f"weights-{epoch}.safetensors"
        parts, whole = ((workshop.folder / folder / name).read_bytes() for folder in ("parts", "whole"))
        assert parts == whole


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_row_of_a_batch_has_one_rank(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    plan = Plan((Phase("all", 2, 0.1, 0.1, 1.0, "constant", (32, 32)),), batch=8)
    rows = np.arange(29)
    monkeypatch.setattr(ranks, "world", lambda: size)
    found = []
    for rank in range(size):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        found.append(list(ranks.shared(lambda: steps(plan, rows, 0))))
    for whole, *parts in zip(steps(plan, rows, 0), *found, strict=True):
        np.testing.assert_array_equal(np.concatenate([part.rows for part in parts]), whole.rows)
        assert all(part.progress == whole.progress for part in parts)


def test_what_a_world_cannot_do_is_refused(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "world", lambda: 2)
    with pytest.raises(
        RecipeError, match=r"finetune\.batchnorm=train needs the whole batch in one process, there are 2"
    ):
        finetune(workshop.training(workshop.plan(("all", 1), batchnorm="train")))
    with pytest.raises(RecipeError, match="a batch of 1 rows cannot be shared by 2 processes"):
        finetune(workshop.training(workshop.plan(("all", 1), batch=1)))


def test_a_process_alone_is_a_world_of_one() -> None:
    ranks.join()
    assert (ranks.world(), ranks.rank()) == (1, 0)
    assert ranks.told({"a": [1]}) == {"a": [1]}
