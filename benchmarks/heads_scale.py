"""Heads on more rows than fit in memory several times: wall time, peak memory and score, against scikit-learn.

Three sizes, each measured in a process of its own, of features drawn from a Gaussian mixture (float16, memory-mapped):

    binary   25,000 x 4,096, two classes        ridge, lda, logistic
    classes  100,000 x 4,096, 1,000 classes     ridge, lda, logistic
    tags     35,000 x 4,096, 6,941 tags         ridge

Ours is all of `crossval`: penalties and temperatures chosen on other folds, K = 5 models, the refit, out-of-fold and
training probabilities. scikit-learn's is one fit on the rows outside fold 0 at the penalty that we chose, scored on
fold 0, under the same limits of time and memory; where it cannot, how it failed.

    python benchmarks/heads_scale.py [--scale 0.1] [--case classes/logistic ...] [--limit-s 3600] [--limit-gb 6]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, load_npz, save_npz
from table import ratio

SIZES = {"binary": (25_000, 4_096, 2), "classes": (100_000, 4_096, 1_000), "tags": (35_000, 4_096, 6_941)}
HEADS = {"binary": ("ridge", "lda", "logistic"), "classes": ("ridge", "lda", "logistic"), "tags": ("ridge",)}
LATENT, NOISE, TAGS_A_ROW, NUM_FOLDS = 512, 0.7, 6, 5
SIGNAL = {"binary": 0.5, "classes": 1.5, "tags": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of rows, features and classes")
    parser.add_argument("--case", nargs="*", help="such as classes/logistic; all by default")
    parser.add_argument("--limit-s", type=float, default=3600, help="seconds scikit-learn may take")
    parser.add_argument("--limit-gb", type=float, default=6, help="what scikit-learn may use, in GB")
    parser.add_argument("--ours-only", action="store_true")
    arguments = parser.parse_args()
    cases = arguments.case or [f"{size}/{head}" for size, names in HEADS.items() for head in names]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {NUM_FOLDS} folds; scale {arguments.scale}")
    print(f"{'case':18s}{'who':14s}{'wall s':>8s}{'cpu s':>8s}{'GB':>6s}  score")
    with tempfile.TemporaryDirectory() as folder:
        for size in dict.fromkeys(case.partition("/")[0] for case in cases):
            make(size, arguments.scale, Path(folder))
            for head in [case.partition("/")[2] for case in cases if case.startswith(f"{size}/")]:
                compare(size, head, Path(folder), arguments)
            (Path(folder) / "x.npy").unlink()


def compare(size: str, head: str, folder: Path, arguments: argparse.Namespace) -> None:
    """One line for us, one for scikit-learn at the penalty that we chose."""
    ours = measured("ours", size, head, folder, arguments.scale)
    line(f"{size}/{head}", "medalist", ours)
    if "penalty" in ours and not arguments.ours_only:
        job = f"{head}:{ours['penalty']}"
        limits = arguments.limit_s, arguments.limit_gb
        theirs = measured("theirs", size, job, folder, arguments.scale, *limits)
        line("", "scikit-learn", theirs)
        if "failed" not in theirs:
            ratio(
                f"{size}/{head}, all of crossval, times as fast", theirs["wall"] / ours["wall"], "one scikit-learn fit"
            )


def line(case: str, who: str, result: dict[str, Any]) -> None:
    """Print a row of the table."""
    if "failed" in result:
        print(f"{case:18s}{who:14s}{result['failed']}", flush=True)
        return
    numbers = f"{result['wall']:8.1f}{result['cpu']:8.1f}{result['gb']:6.2f}"
    print(f"{case:18s}{who:14s}{numbers}  {result['score']}", flush=True)


def measured(
    who: str, size: str, job: str, folder: Path, scale: float, limit_s: float | None = None, limit_gb: float = 0
) -> dict[str, Any]:
    """Run one side in a process of its own; its numbers, or how it failed."""
    command = [sys.executable, __file__, "--child", who, size, job, str(folder), str(scale), str(limit_gb)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit_s:.0f} s"}
    if run.returncode:
        last = (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
        return {"failed": f"failed within {limit_gb} GB: {last[:120]}" if limit_gb else f"failed: {last[:120]}"}
    return dict(json.loads(run.stdout.splitlines()[-1]))


def make(size: str, scale: float, folder: Path) -> None:
    """Rows around class centres (the sum of their tags'), mixed from directions of falling variance, float16.

    As in a network's features, the directions that vary most also tell most.
    """
    num_rows, num_features, num_classes = (max(2, int(scale * number)) for number in SIZES[size])
    rng = np.random.default_rng(0)
    latent = min(LATENT, num_features)
    mix_LD = rng.normal(size=(latent, num_features)).astype(np.float32)
    falling_L = (1 + np.arange(latent, dtype=np.float32)) ** -0.5
    mix_LD *= falling_L[:, None]
    centre_CL = SIGNAL[size] * rng.normal(size=(num_classes, latent)).astype(np.float32) * falling_L
    truth_NC = _labels(size, num_rows, num_classes, rng)
    x_ND = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float16, (num_rows, num_features))
    for start in range(0, num_rows, 4096):
        latent_BL = truth_NC[start : start + 4096] @ centre_CL
        latent_BL = latent_BL + rng.standard_normal(latent_BL.shape, dtype=np.float32)
        noise_BD = NOISE * rng.standard_normal((len(latent_BL), num_features), dtype=np.float32)
        x_ND[start : start + 4096] = latent_BL @ mix_LD + noise_BD
    x_ND.flush()
    save_npz(folder / "y.npz", truth_NC)


def _labels(size: str, num_rows: int, num_classes: int, rng: np.random.Generator) -> Any:
    """Sparse (N, C): one class a row, evenly; or some tags a row, the first ones far more often."""
    many = TAGS_A_ROW if size == "tags" else 1
    column = rng.integers(0, num_classes, num_rows * many)
    if many > 1:
        column = np.minimum(num_classes * rng.random(num_rows * many) ** 3, num_classes - 1).astype(int)
    ones = np.ones(len(column), np.float32)
    truth_NC = csr_array((ones, (np.repeat(np.arange(num_rows), many), column)), shape=(num_rows, num_classes))
    truth_NC.data[:] = 1
    return truth_NC


def child(who: str, size: str, job: str, folder: Path, scale: float, limit_gb: float) -> None:
    """One side of one case, its numbers as JSON; what counts as large shrinks with the rows."""
    from medalist.training import rows

    rows.LARGE = int(rows.LARGE * scale**2)
    x_ND = np.load(folder / "x.npy", mmap_mode="r")
    truth_NC = load_npz(folder / "y.npz")
    fold_N = np.random.default_rng(1).integers(0, NUM_FOLDS, len(x_ND))
    y = truth_NC.astype(bool) if size == "tags" else truth_NC.argmax(axis=1).astype(np.int32)
    if limit_gb:
        limit = int(limit_gb * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    start, cpu = time.perf_counter(), time.process_time()
    result = (ours if who == "ours" else theirs)(x_ND, y, fold_N, truth_NC.shape[1], job)
    seconds = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({**result, **seconds, "gb": peak}))


def ours(x_ND: np.ndarray, y: Any, fold_N: np.ndarray, num_classes: int, head: str) -> dict[str, Any]:
    """The head as a run fits it."""
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    _, result = crossval(heads.bind(head), x_ND, y, fold_N, x_ND[:0], num_classes=num_classes)
    held = fold_N == 0
    told = f"{score(result.oof_NC[held], y[held])} on fold 0; all folds {score(result.oof_NC, y)}"
    return {"score": told, "penalty": result.meta["penalties"][0]}


def theirs(x_ND: np.ndarray, y: Any, fold_N: np.ndarray, num_classes: int, job: str) -> dict[str, Any]:
    """One fit of scikit-learn on the rows outside fold 0, standardised, and its probabilities of fold 0."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    head, _, penalty = job.partition(":")
    train, held = np.flatnonzero(fold_N != 0), np.flatnonzero(fold_N == 0)
    scaler = StandardScaler(copy=False)
    x, x_held = x_ND[train].astype(np.float32), x_ND[held].astype(np.float32)
    x, x_held = scaler.fit_transform(x), scaler.transform(x_held)
    strength = float(penalty) * x_ND.shape[1]
    if head == "ridge":
        target = y.toarray().astype(np.float32) if len(y.shape) == 2 else np.eye(num_classes, dtype=np.float32)[y]
        return {"score": score(Ridge(alpha=strength).fit(x, target[train]).predict(x_held), y[held], scores=True)}
    if head == "lda":
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=float(penalty)).fit(x, y[train])
    else:
        model = LogisticRegression(C=1 / strength, max_iter=1000).fit(x, y[train])
    return {"score": score(model.predict_proba(x_held), y[held])}


def score(prob_NC: np.ndarray, y: Any, *, scores: bool = False) -> str:
    """Accuracy and log-loss of classes; of tags the share of rows whose likeliest tag is right. `scores`: no loss."""
    top_N = prob_NC.argmax(axis=1)
    if len(y.shape) == 2:
        return f"first tag right {np.mean(np.asarray(y[np.arange(len(top_N)), top_N])):.4f}"
    text = f"accuracy {(top_N == y).mean():.4f}"
    return text if scores else f"{text} log-loss {-np.log(np.maximum(prob_NC[np.arange(len(y)), y], 1e-15)).mean():.4f}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:5], Path(sys.argv[5]), *map(float, sys.argv[6:8]))
    else:
        main()
