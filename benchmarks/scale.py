"""How time and memory of a whole run grow with the number of images, and what 700,000 would cost.

For each size a competition of small drawn images is written and entered with the embedded backbone and the ridge head,
in a process of its own. Printed: seconds a stage, peak memory, the exponent of each stage's growth (the slope of its
logarithm over the sizes; 1 is proportional), and a cost model: every stage is `start + images x slope`, fitted on all
sizes but the largest and checked against that one. It is then asked for the mission's largest job.

    python benchmarks/scale.py                           # 1,000, 10,000 and 100,000 images
    python benchmarks/scale.py --sizes 500 1000 2000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from table import ratio

NUM_CLASSES, SIDE = 10, 64
STAGES = ("read", "embed", "split", "fit", "decide", "submit")
JOB_IMAGES, JOB_NETWORKS = 700_000, 4


@dataclass(frozen=True)
class Point:
    """A run of one size: seconds a stage, GiB, and an image's seconds in decoder and network (all cores together)."""

    images: int
    seconds: dict[str, float]
    peak_gib: float
    decode_s: float
    forward_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--photo-decode-ms", type=float, default=2.0, help="processor time of decoding one photograph")
    parser.add_argument("--network-ms", type=float, default=6.0, help="processor time of one forward pass, CPU")
    parser.add_argument("--gpu-images", type=float, default=5000.0, help="passes a second of one network on one GPU")
    parser.add_argument("--gpu-cores", type=int, default=16, help="processors beside each GPU")
    arguments = parser.parse_args()
    points = [measured(size) for size in sorted(arguments.sizes)]
    print(
        f"{'images':>8s}"
        + "".join(f"{stage:>10s}" for stage in STAGES)
        + f"{'total s':>10s}{'GiB':>7s}{'images/s':>10s}"
    )
    for point in points:
        total = sum(point.seconds.values())
        cells = "".join(f"{point.seconds[stage]:10.2f}" for stage in STAGES)
        print(f"{point.images:8d}{cells}{total:10.1f}{point.peak_gib:7.2f}{point.images / total:10.0f}")
    ratio(
        f"growth from {points[0].images:,} to {points[-1].images:,} images, exponent", exponent(points, None), "images"
    )
    print("exponent" + "".join(f"{exponent(points, stage):10.2f}" for stage in STAGES))
    check_model(points)
    forecast(points, arguments)


def measured(size: int) -> Point:
    """Draw, run, read the run's own record."""
    with tempfile.TemporaryDirectory(prefix="medalist-scale-") as folder:
        draw(Path(folder) / "data", size)
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "medalist.cli", "run", str(Path(folder) / "data"), "--metric", "accuracy"]
        command += ["--backbone", "embedded", "--out", str(out), "--cache", str(Path(folder) / "cache")]
        process = subprocess.Popen([*command, "views=[center]", "heads=[ridge]"], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"the run of {size} images failed")
        seconds = json.loads((out / "summary.json").read_text())["seconds"]
        events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    note = next(event["note"] for event in events if "bottleneck" in event["note"])
    stages = {stage: seconds[stage] for stage in STAGES}
    return Point(size, stages, usage.ru_maxrss / 2**20, note["decode_s"] / size, note["forward_s"] / size)


def draw(root: Path, size: int) -> None:
    """`train/CLASS/*.jpg` and `test/*.jpg` (a tenth): coloured blots whose scale and hue the class decides."""
    for folder in (*(f"train/{c}" for c in range(NUM_CLASSES)), "test"):
        (root / folder).mkdir(parents=True)
    chunks = [(root, start, min(start + 1000, size), size) for start in range(0, size, 1000)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(draw_chunk, chunks))
    test = range(size - size // 10, size)
    (root / "sample_submission.csv").write_text("id,label\n" + "".join(f"{i},0\n" for i in test))


def draw_chunk(chunk: tuple[Path, int, int, int]) -> None:
    """Images `start` to `stop` of `size`."""
    root, start, stop, size = chunk
    for i in range(start, stop):
        rng = np.random.default_rng(i)
        label = i % NUM_CLASSES
        cells = 2 + label % 5
        grid = rng.normal(128, 60, (cells, cells, 3)) + 25 * np.sin(label + np.arange(3) * 2)
        image = Image.fromarray(grid.clip(0, 255).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        folder = root / "test" if i >= size - size // 10 else root / "train" / str(label)
        image.save(folder / f"{i}.jpg", quality=85)


def exponent(points: list[Point], stage: str | None) -> float:
    """Slope of log seconds over log images, by least squares; None: of all stages together."""
    if len(points) < 2:
        return float("nan")
    spent = [sum(point.seconds.values()) if stage is None else point.seconds[stage] for point in points]
    seconds = np.log(np.maximum(spent, 1e-3))
    return float(np.polyfit(np.log([point.images for point in points]), seconds, 1)[0])


def predicted(points: list[Point], stage: str, images: int) -> float:
    """Seconds of a stage by the line through the given points, least squares on relative errors."""
    size, seconds = np.array([[point.images, point.seconds[stage]] for point in points], float).T
    if len(points) == 1:
        return float(seconds[0] * images / size[0])
    weight = 1 / np.maximum(seconds, 1e-3)
    slope, start = np.polyfit(size, seconds, 1, w=weight)
    return float(max(start + slope * images, 0.0))


def check_model(points: list[Point]) -> None:
    """The largest size, predicted from the others."""
    if len(points) < 2:
        return
    *smaller, largest = points
    print(f"\npredicted for {largest.images} images from the smaller sizes, and measured:")
    for stage in (*STAGES, "total"):
        stages = STAGES if stage == "total" else (stage,)
        guess = sum(predicted(smaller, one, largest.images) for one in stages)
        truth = sum(largest.seconds[one] for one in stages)
        print(f"  {stage:9s}{guess:10.2f}{truth:10.2f}{guess / max(truth, 1e-9):8.2f}")


def forecast(points: list[Point], arguments: argparse.Namespace) -> None:
    """The mission's largest job: extraction by decoding and network rates, everything else by the lines above."""
    cores = os.cpu_count() or 1
    rest = sum(predicted(points, stage, JOB_IMAGES) for stage in STAGES if stage != "embed")
    # What neither decoder nor network explains of an image in `embed`, starting apart.
    slope = predicted(points, "embed", JOB_IMAGES + 1) - predicted(points, "embed", JOB_IMAGES)
    beside = max(slope - points[-1].decode_s - points[-1].forward_s, 0.0)
    decode, network = arguments.photo_decode_ms / 1000, arguments.network_ms / 1000
    print(f"\n{JOB_IMAGES:,} images x {JOB_NETWORKS} networks, one view; hours of extraction, then of everything else")
    here = JOB_IMAGES * (beside + (decode + JOB_NETWORKS * network) / cores)
    print(f"  {cores} cores, {arguments.network_ms:g} ms a pass and core: {here / 3600:.1f} + {rest / 3600:.1f}")
    for gpus in (1, 8):
        # Decoders and GPU work side by side: the slower of the two sets the pace.
        paces = {
            "decoding": decode / (gpus * arguments.gpu_cores),
            "networks": JOB_NETWORKS / (gpus * arguments.gpu_images),
            "the one process that collects": beside / gpus,
        }
        slowest = max(paces, key=lambda name: paces[name])
        print(
            f"  {gpus} GPU at {arguments.gpu_images:g} passes/s (assumed), {arguments.gpu_cores} cores each:"
            f" {JOB_IMAGES * paces[slowest] / 3600:.2f} + {rest / 3600:.1f}; {slowest} sets the pace"
        )


if __name__ == "__main__":
    main()
