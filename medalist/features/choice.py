"""Which runtime a backbone runs by on this machine: measured once on a few of the images, and remembered.

A faster runtime is taken only if its features are those of float32 torch, up to a stated error. Axes: N images of the
sample, B batch, H W pixels, C channels, D features.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from medalist.backbones import Backbone
from medalist.backbones.runtimes import (
    AUTO,
    INT8,
    MEASURED,
    Runtime,
    candidates,
    default_runtime,
    describe_runtime,
    open_runtime,
)
from medalist.backbones.runtimes.on_openvino import calibrate
from medalist.data.decode import Preprocessing
from medalist.data.ingest import ingest
from medalist.engines.local import usable_cores
from medalist.errors import DataError, MedalistError
from medalist.features.bank import NETWORKS
from medalist.features.column import tap_widths
from medalist.store import hash_json, write_atomic

FORMAT = 1
MEDIAN_ERROR, MAX_ERROR = 0.05, 0.10  # of an image's standardised features, relative to their length
SAMPLE = 64
WORTH_MEASURING = 3000  # forward passes; fewer are done before a measurement has paid for itself
ROUNDS = 1


@dataclass(frozen=True)
class Measured:
    """A runtime on the sample.

    Args:
        runtime: its name.
        rate: images a second, all lanes busy.
        median_error, max_error: over images, the length of the difference between its standardised features and those
            of float32 torch, relative to the latter's; mean and deviation are those of the sample in float32.
        fault: why it could not run; empty where it could.
    """

    runtime: str
    rate: float = 0.0
    median_error: float = 0.0
    max_error: float = 0.0
    fault: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it may stand in for float32 torch."""
        return not self.fault and self.median_error <= MEDIAN_ERROR and self.max_error <= MAX_ERROR


@dataclass(frozen=True)
class Choice:
    """What was measured of one backbone on this machine; the first is the reference."""

    backbone: str
    measured: tuple[Measured, ...]

    @property
    def runtime(self) -> str:
        """The fastest that agrees."""
        return max((one for one in self.measured if one.agrees), key=lambda one: one.rate).runtime

    def text(self) -> str:
        """A sentence for people."""
        rates = [f"{one.runtime} {one.rate:.0f} images/s{_but(one)}" for one in self.measured if not one.fault]
        return f"{self.backbone}: runtime {self.runtime} ({', '.join(rates)})"


def _but(one: Measured) -> str:
    return "" if one.agrees else f", off by {one.median_error:.1%} (worst {one.max_error:.1%}): not taken"


def choose_runtime(
    backbone: Backbone,
    runtime: str,
    root: Path,
    paths: Sequence[str],
    *,
    num_views: int,
    taps: tuple[str, ...],
    cache: Path,
) -> tuple[str, Choice | None]:
    """The runtime that `auto` means for a backbone here: as measured before, or measured now if that is worth it.

    int8 is never chosen; who names it gets a network calibrated on SAMPLE of the images.

    Args:
        backbone: with the preprocessing that it will see.
        runtime: what the recipe says; anything but `auto`, `measured` (where it is never too little to measure for) and
            int8 is the answer.
        root: folder that the paths are relative to.
        paths: images of the job; SAMPLE of them are looked at.
        num_views: forward passes an image.
        taps: what the rows will hold; each must agree.
        cache: folder that remembers choices in `runtimes/`, and networks in `networks/`.

    Returns:
        The name (of int8 with its calibration), and the choice where this call measured.
    """
    if runtime == INT8:
        pixels_NHWC = _sample(backbone, root, paths, cache)
        if not len(pixels_NHWC):
            raise DataError(f"runtime {INT8} is calibrated on images, and none of {len(paths)} could be read")
        return f"{INT8}@{calibrate(backbone, taps, pixels_NHWC, cache / NETWORKS)}", None
    if runtime not in (AUTO, MEASURED):
        return runtime, None
    names = candidates()
    file = cache / "runtimes" / f"{_key(backbone, taps, names)}.json"
    if file.is_file():
        return str(json.loads(file.read_bytes())["runtime"]), None
    if len(names) < 2 or (runtime == AUTO and len(paths) * num_views < WORTH_MEASURING):
        return default_runtime(), None
    pixels_NHWC = _sample(backbone, root, paths, cache)
    if len(pixels_NHWC) < SAMPLE // 2:
        return default_runtime(), None
    choice = measure(backbone, pixels_NHWC, names, taps=taps, networks=cache / NETWORKS)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, json.dumps({"runtime": choice.runtime, **asdict(choice)}, indent=1).encode())
    return choice.runtime, choice


def measure(
    backbone: Backbone,
    pixels_NHWC: np.ndarray,
    names: Sequence[str],
    *,
    taps: tuple[str, ...],
    networks: Path | None = None,
) -> Choice:
    """Run the sample by each runtime; the first name is the reference. Of several taps the one farthest off counts."""
    measured, reference_ND = list[Measured](), None
    edges = np.cumsum(list(tap_widths(backbone, taps).values()))[:-1]
    for name in names:
        try:
            forward = open_runtime(backbone, runtime=name, taps=taps, networks=networks)
            x_ND, rate = timed(forward, pixels_NHWC)
        except (MedalistError, RuntimeError, ImportError) as error:  # The reference must run, another one need not.
            if reference_ND is None:
                raise
            measured.append(Measured(name, fault=f"{type(error).__name__}: {str(error)[:200]}"))
            continue
        reference_ND = x_ND if reference_ND is None else reference_ND
        parts = zip(np.split(reference_ND, edges, axis=1), np.split(x_ND, edges, axis=1), strict=True)
        error_TN = np.array([relative_error(reference, found) for reference, found in parts])
        median, worst = float(np.median(error_TN, axis=1).max()), float(error_TN.max())
        measured.append(Measured(name, round(rate, 1), median, worst))
    return Choice(backbone.name, tuple(measured))


def timed(forward: Runtime, pixels_NHWC: np.ndarray) -> tuple[np.ndarray, float]:
    """Features (N, D) of the sample, and images a second in the fastest of ROUNDS rounds, after a first one."""
    batches = [pixels_NHWC[i : i + forward.batch] for i in range(0, len(pixels_NHWC), forward.batch)]
    best = np.inf
    with ThreadPoolExecutor(forward.lanes) as pool:
        x_ND = np.concatenate(list(pool.map(forward, batches)))
        for _ in range(ROUNDS):
            start = time.perf_counter()
            list(pool.map(forward, batches))
            best = min(best, time.perf_counter() - start)
    return x_ND, len(pixels_NHWC) / best


def relative_error(reference_ND: np.ndarray, x_ND: np.ndarray) -> np.ndarray:
    """(N,) |z - z_reference| / |z_reference|, both standardised by the reference's mean and deviation over the rows."""
    scale_D = reference_ND.std(axis=0, dtype=np.float64)
    kept_D = scale_D > 1e-6 * np.maximum(np.abs(reference_ND).max(axis=0), 1e-12)
    reference_NK, scale_K = reference_ND[:, kept_D].astype(np.float64), scale_D[kept_D]
    length_N = np.linalg.norm((reference_NK - reference_NK.mean(axis=0)) / scale_K, axis=1)
    distance_N = np.linalg.norm((x_ND[:, kept_D] - reference_NK) / scale_K, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error_N = np.where(distance_N == 0, 0.0, distance_N / length_N)
    return np.where(np.isfinite(error_N), error_N, np.inf)


def _key(backbone: Backbone, taps: tuple[str, ...], names: Sequence[str]) -> str:
    """What a choice depends on: the machine, its packages, the weights, their input and what is read off them."""
    described = [describe_runtime(runtime=name) for name in names]
    return hash_json(
        {
            "format": FORMAT,
            "weights_hash": backbone.weights_hash,
            "preprocessing": backbone.preprocessing,
            "taps": taps,
            "machine": [described[0]["machine"], described[0].get("device", "")],
            "cores": usable_cores(),
            "runtimes": list(names),
            "packages": sorted({runtime["library"] for runtime in described}),
        }
    )[:16]


def _sample(backbone: Backbone, root: Path, paths: Sequence[str], cache: Path) -> np.ndarray:
    """Up to SAMPLE readable images, spread evenly over the job, (N, H, W, 3) uint8."""
    spread = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, SAMPLE).astype(int)) if paths[i]]
    preparation = Preprocessing.from_dict(backbone.preprocessing)
    images = [one.images[0] for one in ingest(root, spread, preparations=[preparation], cache=cache) if one.facts.ok]
    return np.stack(images) if images else np.zeros((0, 1, 1, 3), np.uint8)
