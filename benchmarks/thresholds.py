"""Macro-F thresholds of many tags: `medalist.decisions.macro` against a loop of scikit-learn's precision_recall_curve.

Drawn probabilities lie in a float32 memory map, the truth in a CSR array. Both sides must find the same best F of each
tag of a sample; the loop is timed on that sample only and its time extrapolated to all tags. Peak memory is the
process's own (resident, pages of the map included), read before scikit-learn starts.

    python benchmarks/thresholds.py [--images 35000 --tags 6941 --sample 300]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from table import ratio

from medalist.decisions.macro import best_tag_thresholds, tags_by_column
from medalist.decisions.micro import best_micro_threshold


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=35_000)
    parser.add_argument("--tags", type=int, default=6_941)
    parser.add_argument("--sample", type=int, default=300, help="tags that scikit-learn's loop is timed on")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, y_NC = draw(Path(folder) / "prob.npy", arguments.images, arguments.tags)
        prob_NC = np.load(path, mmap_mode="r")
        print(f"{arguments.images} x {arguments.tags}, {y_NC.nnz / arguments.images:.1f} true tags an image")
        own_s, (own_C, _, _) = timed(lambda: best_tag_thresholds(prob_NC, y_NC, shrink=0))
        shrunk_s, (_, common, weight) = timed(lambda: best_tag_thresholds(prob_NC, y_NC))
        micro_s, (value, score) = timed(lambda: best_micro_threshold(prob_NC, y_NC))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        sample = np.random.default_rng(1).choice(arguments.tags, min(arguments.sample, arguments.tags), replace=False)
        loop_s, best_C = timed(lambda: loop(prob_NC, y_NC, sample))
        loop_s *= arguments.tags / len(sample)
        gap = np.abs(best_C - reached(prob_NC, y_NC, sample, own_C)).max()
    print(f"each tag's own {own_s:.1f} s, shrunk {shrunk_s:.1f} s (common {common:.3f}, worth {weight:.1f} true rows)")
    print(f"one for all (micro) {micro_s:.1f} s: {value:.4f}, half of F is {score / 2:.4f}")
    print(f"scikit-learn's loop {loop_s:.0f} s, extrapolated from {len(sample)} tags")
    print(f"largest difference of a tag's best F {gap:.1e} (at most 1e-12: {'yes' if gap <= 1e-12 else 'NO'})")
    print(f"peak memory {peak:.2f} GiB (below 6: {'yes' if peak < 6 else 'NO'})")
    ratio("a threshold a tag, times as fast", loop_s / own_s, "precision_recall_curve loop")
    ratio("a shrunk threshold a tag, times as fast", loop_s / shrunk_s, "precision_recall_curve loop")


def draw(path: Path, num_images: int, num_tags: int) -> tuple[Path, csr_array]:
    """Calibrated probabilities of tags of very different frequency, written a block of rows at a time."""
    rng = np.random.default_rng(0)
    base_C = rng.normal(-8, 2, num_tags).astype(np.float32)
    out_NC = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(num_images, num_tags))
    rows, tags = [], []
    for start in range(0, num_images, 1000):
        part = rng.standard_normal((min(1000, num_images - start), num_tags), np.float32) * 2 + base_C
        part = 1 / (1 + np.exp(-part))
        row, tag = np.nonzero(rng.random(part.shape, np.float32) < part)
        out_NC[start : start + len(part)] = part
        rows.append(row + start)
        tags.append(tag)
    out_NC.flush()
    row_P, tag_P = np.concatenate(rows), np.concatenate(tags)
    return path, csr_array((np.ones(len(row_P), bool), (row_P, tag_P)), shape=out_NC.shape)


def timed(work):
    """Wall seconds of `work()`, and what it returned."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def truth(y_NC: csr_array, sample: np.ndarray):
    """Each sampled tag with its column of the truth."""
    columns = tags_by_column(y_NC)
    for tag in sample:
        y_N = np.zeros(y_NC.shape[0], bool)
        y_N[columns[tag]] = True
        yield tag, y_N


def loop(prob_NC: np.ndarray, y_NC: csr_array, sample: np.ndarray) -> np.ndarray:
    """The best F1 of each sampled tag, as a user would find it."""
    from sklearn.metrics import precision_recall_curve

    best = []
    for tag, y_N in truth(y_NC, sample):
        if not y_N.any():
            best.append(0.0)
            continue
        precision, recall, _ = precision_recall_curve(y_N, prob_NC[:, tag])
        best.append(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300)))
    return np.array(best)


def reached(prob_NC: np.ndarray, y_NC: csr_array, sample: np.ndarray, threshold_C: np.ndarray) -> np.ndarray:
    """F1 of each sampled tag at its threshold."""
    scores = []
    for tag, y_N in truth(y_NC, sample):
        set_N = prob_NC[:, tag] >= threshold_C[tag]
        scores.append(2 * np.count_nonzero(set_N & y_N) / max(set_N.sum() + y_N.sum(), 1))
    return np.array(scores)


if __name__ == "__main__":
    main()
