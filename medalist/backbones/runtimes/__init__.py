"""How a forward pass runs: a Backbone and uint8 pixels in, float32 features out.

A row's bits depend on nothing but its own pixels, never on its batch-mates or its place among them:
every batch has one fixed shape (a short one is padded), the number of threads is fixed, BatchNorm is in eval mode. What
the bits depend on is a runtime's key, told without loading torch. Axes: B batch, H W pixels, C channels, D features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones.backbone import Backbone
from medalist.backbones.runtimes.machine import gpu, has_bf16, has_cuda, has_openvino, lanes_of, machine
from medalist.errors import BackboneError, MissingExtraError, RecipeError, near

AUTO, MEASURED = "auto", "measured"  # settled before the first row, see `features.choice`
RUNTIMES = ("torch_f32", "torch_bf16", "openvino_f32", "openvino_bf16", "openvino_int8", "cuda_f32", "cuda_f16")
INT8 = "openvino_int8"
DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16", "int8": "int8"}
FORMAT = 2
# A processor is fastest while the activations stay in its caches: 1.4 times the images of a batch of 32.
BATCH_CPU, BATCH_CUDA = 8, 64

Forward = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Runtime:
    """A backbone, ready to run.

    Args:
        key: JSON of what a row's bits depend on, beside the weights and the pixels.
        batch: B, rows of every forward pass.
        lanes: forward passes that should run at once, each called from a thread of its own.
        forward: (B, H, W, 3) uint8 -> (B, D) float32; several taps stand side by side.
    """

    key: dict[str, Any]
    batch: int
    lanes: int
    forward: Forward = field(repr=False)

    def __call__(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Features of up to `batch` images; missing rows are padded with black images and dropped again.

        Raises:
            BackboneError: more than `batch` images.
        """
        rows = len(pixels_BHWC)
        if rows > self.batch:
            raise BackboneError(f"got {rows} images for a batch of {self.batch}; hand over at most that many")
        if rows < self.batch:
            padded_BHWC = np.zeros((self.batch, *pixels_BHWC.shape[1:]), np.uint8)
            padded_BHWC[:rows] = pixels_BHWC
            pixels_BHWC = padded_BHWC
        return self.forward(pixels_BHWC)[:rows]


def open_runtime(
    backbone: Backbone,
    *,
    runtime: str = AUTO,
    batch: int | None = None,
    threads: int = 1,
    taps: tuple[str, ...] = ("pooled",),
    networks: Path | None = None,
) -> Runtime:
    """Build the network and make it ready.

    Args:
        backbone: what to run; its weights are verified here.
        runtime: one of RUNTIMES, INT8 with `@` and the name that `calibrate` gave; `auto` and `measured`: see
            `default_runtime`.
        batch: rows of every forward pass; None: BATCH_CPU or BATCH_CUDA.
        threads: of one forward pass. Several passes of one thread each, side by side, are faster than one of several,
            which wait for each other at every layer; and their bits do not depend on the machine's number of cores.
        taps: what a row holds, side by side; see `backbones.taps`.
        networks: folder where a runtime keeps what it converts; None: nothing is kept.

    Raises:
        RecipeError: unknown runtime. BackboneError: weights at fault, or no such device. MissingExtraError: OpenVINO.
    """
    key = describe_runtime(runtime=runtime, batch=batch, threads=threads, taps=taps)
    forward = _open(backbone, key, taps, networks)
    return Runtime(key, key["batch"], 1 if key["runtime"].startswith("cuda") else lanes_of(threads), forward)


def describe_runtime(
    *, runtime: str = AUTO, batch: int | None = None, threads: int = 1, taps: tuple[str, ...] = ("pooled",)
) -> dict[str, Any]:
    """The key of the runtime that `open_runtime` would open, as JSON; loads no torch.

    Raises:
        RecipeError: unknown runtime. MissingExtraError: its package is not installed.
    """
    runtime, _, calibration = runtime.partition("@")
    if runtime not in (known := (AUTO, MEASURED, *RUNTIMES)):
        raise RecipeError(f"unknown runtime {runtime!r}{near(runtime, known)}; known: {', '.join(known)}")
    name = default_runtime() if runtime in (AUTO, MEASURED) else runtime
    library = "openvino" if name.startswith("openvino") else "torch"
    try:
        version = metadata.version(library)
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(f"runtime {name} needs {library}: pip install 'medalist[{library}]'") from error
    return {
        "format": FORMAT,
        "runtime": name,
        "dtype": DTYPES[name.rsplit("_", 1)[1]],
        "library": f"{library} {version}",
        "batch": batch or (BATCH_CUDA if name.startswith("cuda") else BATCH_CPU),
        "threads": threads,
        "machine": machine(),
        # OpenVINO fuses another graph, with other roundings, where an inner map is also an output.
        **({"taps": list(taps)} if library == "openvino" else {}),
        **({"calibration": calibration} if name == INT8 else {}),
        **({"device": gpu()} if name.startswith("cuda") else {}),
    }


def default_runtime() -> str:
    """What needs no measuring: float32 by torch, on the GPU where there is one."""
    return "cuda_f32" if has_cuda() else "torch_f32"


def candidates() -> list[str]:
    """Runtimes that this machine has, the default one first; which is fastest, `features.choice` measures."""
    if has_cuda():
        return ["cuda_f32", "cuda_f16"]
    found = ["torch_f32", *(["torch_bf16"] if has_bf16() else [])]
    return [*found, *(name.replace("torch", "openvino") for name in found if has_openvino())]


def _open(backbone: Backbone, key: dict[str, Any], taps: tuple[str, ...], networks: Path | None) -> Forward:
    from medalist.backbones.runtimes.on_openvino import open_openvino
    from medalist.backbones.runtimes.on_torch import open_cpu, open_cuda

    kind, precision = key["runtime"].split("_")
    if kind == "cuda":
        return open_cuda(backbone, taps, half=precision == "f16")
    if kind == "torch":
        return open_cpu(backbone, taps, key["threads"], bf16=precision == "bf16")
    return open_openvino(backbone, taps, key, networks=networks)
