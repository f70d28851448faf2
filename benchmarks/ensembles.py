"""Greedy selection among many members on disk: `medalist.ensembles.greedy` against the loop that one would write.

Members are float16 memory maps with planted skill: each sees the truth through its own noise and its share of a common
one. The loop adds each member to the sum so far, takes the metric of the mean, keeps the best: one of its rounds is
timed on some members and extrapolated to all members and rounds (that both choose alike is a test). Peak memory
is the process's own (resident, mapped pages included), read before the loop starts.

    python benchmarks/ensembles.py [--members 200 --images 100000 --classes 100 --rounds 50]
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from table import ratio

from medalist.ensembles import Members, ensembles
from medalist.metrics import metrics

BLOCK = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--timed", type=int, default=5, help="members that a round of the loop is timed on")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        members, y_N = draw(Path(folder), arguments.members, arguments.images, arguments.classes)
        load = os.getloadavg()[0]
        print(f"{members.shape} in float16, {arguments.rounds} rounds, {os.cpu_count()} cores, load before {load:.1f}")
        found = {name: select(name, members, y_N, arguments.rounds) for name in ("log_loss", "accuracy")}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        total = sum(wall for wall, _, _ in found.values())
        print(f"together {total:.0f} s (at most 600: {'yes' if total <= 600 else 'NO'}), ", end="")
        print(f"peak memory {peak:.2f} GiB (at most 6: {'yes' if peak <= 6 else 'NO'})")
        for name, (wall, _, state) in found.items():
            one = loop_round(name, members, y_N, arguments.timed)
            loop = one * arguments.members * arguments.rounds
            print(f"{name}: the loop {loop:.0f} s, extrapolated from {arguments.timed} members of one round")
            ratio(f"greedy for {name}, {arguments.members} members, times as fast", loop / wall, "loop over members")
            print(f"{name}: {np.count_nonzero(state['weights'])} members kept, score {state['scores'][0]:.5f}")


def draw(folder: Path, num_members: int, num_images: int, num_classes: int) -> tuple[Members, np.ndarray]:
    """Members of differing skill, written a block of images at a time; an image is as hard for all of them."""
    rng = np.random.default_rng(0)
    y_N = rng.integers(0, num_classes, num_images)
    skill_R = rng.uniform(2.0, 4.0, num_members)
    shape = (num_images, num_classes)
    paths = [folder / f"{r:03}.npy" for r in range(num_members)]
    for path in paths:
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
    for start in range(0, num_images, BLOCK):
        y_B = y_N[start : start + BLOCK]
        common_BC = rng.standard_normal((len(y_B), num_classes), np.float32)
        for r, path in enumerate(paths):
            logit_BC = common_BC + rng.standard_normal(common_BC.shape, np.float32)
            logit_BC[np.arange(len(y_B)), y_B] += np.float32(skill_R[r])
            power_BC = np.exp(logit_BC - logit_BC.max(axis=1, keepdims=True))
            # Appended, not mapped: the drawing's pages would count in the peak.
            with path.open("ab") as file:
                (power_BC / power_BC.sum(axis=1, keepdims=True)).astype("<f2").tofile(file)
    return Members([np.load(path, mmap_mode="r") for path in paths]), y_N


def select(metric: str, members: Members, y_N: np.ndarray, rounds: int) -> tuple[float, float, dict[str, Any]]:
    """Wall seconds, processor seconds and the state."""
    start, start_cpu = time.perf_counter(), time.process_time()
    state = ensembles.bind(f"greedy(rounds={rounds}, start=1)")(members, y_N, metric=metric)
    wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    print(f"{metric}: {wall:.1f} s, {cpu:.1f} processor seconds", flush=True)
    return wall, cpu, state


def loop_round(metric: str, members: Members, y_N: np.ndarray, num_timed: int) -> float:
    """Seconds a member of a round of the loop."""
    score: Callable[..., float] = metrics.bind(metric)
    sum_NC = members.member(0)
    start = time.perf_counter()
    for r in range(1, 1 + num_timed):
        mean_NC = (sum_NC + members.member(r % members.shape[1])) / 2
        score(y_N, mean_NC.argmax(axis=1) if metric == "accuracy" else mean_NC)
    return (time.perf_counter() - start) / num_timed


if __name__ == "__main__":
    main()
