"""How a forward pass runs: a Backbone and uint8 pixels in, float32 features out.

A row's bits depend on nothing but its own pixels, never on its batch-mates or its place among them:
every batch has one fixed shape (a short one is padded), the number of threads is fixed, BatchNorm is in eval mode. What
the bits depend on is a runtime's key, told without loading torch. Axes: B batch, H W pixels, C channels, D features.
"""

from __future__ import annotations

import copy
import ctypes
import itertools
import os
import platform
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.backbones.backbone import Backbone
from medalist.errors import BackboneError, MissingExtraError, RecipeError, near

if TYPE_CHECKING:
    from torch import Tensor, nn

AUTO = "auto"
RUNTIMES = ("torch_f32", "torch_bf16", "openvino_f32", "openvino_bf16", "cuda")
CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
FORMAT = 1
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
        forward: (B, H, W, 3) uint8 -> (B, D) float32.
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


def open_runtime(backbone: Backbone, *, runtime: str = AUTO, batch: int | None = None, threads: int = 1) -> Runtime:
    """Build the network and make it ready.

    Args:
        backbone: what to run; its weights are verified here.
        runtime: one of RUNTIMES; `auto`: cuda where there is one, else torch_bf16 where the processor has bf16
            arithmetic, else torch_f32.
        batch: rows of every forward pass; None: BATCH_CPU or BATCH_CUDA.
        threads: of one forward pass. Several passes of one thread each, side by side, are faster than one of several,
            which wait for each other at every layer; and their bits do not depend on the machine's number of cores.

    Raises:
        RecipeError: unknown runtime. BackboneError: weights at fault, or no such device. MissingExtraError: OpenVINO.
    """
    key = describe_runtime(runtime=runtime, batch=batch, threads=threads)
    forward = OPENERS[key["runtime"]](backbone, key["batch"], key["threads"])
    return Runtime(key, key["batch"], 1 if key["runtime"] == "cuda" else lanes_of(threads), forward)


def describe_runtime(*, runtime: str = AUTO, batch: int | None = None, threads: int = 1) -> dict[str, Any]:
    """The key of the runtime that `open_runtime` would open, as JSON; loads no torch.

    Raises:
        RecipeError: unknown runtime. MissingExtraError: its package is not installed.
    """
    if runtime != AUTO and runtime not in RUNTIMES:
        known = (AUTO, *RUNTIMES)
        raise RecipeError(f"unknown runtime {runtime!r}{near(runtime, known)} known: {', '.join(known)}")
    name = _auto() if runtime == AUTO else runtime
    library = "openvino" if name.startswith("openvino") else "torch"
    try:
        version = metadata.version(library)
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(f"runtime {name} needs {library}: pip install 'medalist[{library}]'") from error
    return {
        "format": FORMAT,
        "runtime": name,
        "dtype": "float32" if name.endswith("_f32") else "bfloat16",
        "library": f"{library} {version}",
        "batch": batch or (BATCH_CUDA if name == "cuda" else BATCH_CPU),
        "threads": threads,
        "machine": f"{platform.machine()} {' '.join(cpu_flags())}".strip(),
    }


def usable_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lanes_of(threads: int) -> int:
    """How many forward passes of so many threads fit side by side on this machine."""
    return max(1, usable_cpus() // threads)


def this_device() -> str:
    """`cuda` where a GPU can be used, else `cpu`; loads no torch."""
    return "cuda" if _has_cuda() else "cpu"


@lru_cache(maxsize=1)
def cpu_flags() -> tuple[str, ...]:
    """Those of CPU_FLAGS that the processor has; empty where the system does not tell (only Linux does)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    return tuple(flag for flag in CPU_FLAGS if flag in flags)


def _auto() -> str:
    if _has_cuda():
        return "cuda"
    return "torch_bf16" if {"avx512_bf16", "amx_bf16"} & set(cpu_flags()) else "torch_f32"


@lru_cache(maxsize=1)
def _has_cuda() -> bool:
    """Whether torch was built for CUDA and the driver has a device; asked of both without loading torch."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    if "cuda: Optional[str] = None" in version:
        return False
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _open_torch(backbone: Backbone, batch: int, threads: int, *, bf16: bool) -> Forward:
    import torch

    dtype = torch.bfloat16 if bf16 else torch.float32
    network = backbone.build()
    if bf16:
        network = fold_batchnorm(network, backbone.preprocessing["height"], backbone.preprocessing["width"])
    network = network.to(dtype).to(memory_format=torch.channels_last)
    normalise = _normaliser(backbone, "cpu")

    def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            torch.set_num_threads(threads)  # Counts for the calling thread alone.
            features: np.ndarray = network(normalise(pixels_BHWC).to(dtype)).float().numpy()
        return features

    return forward


def _open_torch_f32(backbone: Backbone, batch: int, threads: int) -> Forward:
    return _open_torch(backbone, batch, threads, bf16=False)


def _open_torch_bf16(backbone: Backbone, batch: int, threads: int) -> Forward:
    return _open_torch(backbone, batch, threads, bf16=True)


def _open_cuda(backbone: Backbone, batch: int, threads: int) -> Forward:
    import torch

    if not torch.cuda.is_available():
        raise BackboneError("runtime cuda: torch sees no GPU here; use runtime=auto")
    network = backbone.build().to("cuda").to(memory_format=torch.channels_last)
    normalise = _normaliser(backbone, "cuda")

    def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
        # Deterministic algorithms only: a kernel picked by timing would differ from one process to the next.
        with (
            torch.inference_mode(),
            torch.autocast("cuda", torch.bfloat16),
            torch.backends.cudnn.flags(benchmark=False, deterministic=True),
        ):
            features: np.ndarray = network(normalise(pixels_BHWC)).float().cpu().numpy()
        return features

    return forward


def _open_openvino(backbone: Backbone, batch: int, threads: int, *, precision: str) -> Forward:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("the openvino runtimes need OpenVINO: pip install 'medalist[openvino]'") from error
    import torch

    pre = backbone.preprocessing
    shape = [batch, 3, pre["height"], pre["width"]]
    with warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch deprecates; torch.export is not yet its default.
        warnings.simplefilter("ignore")
        model = openvino.convert_model(backbone.build(), example_input=torch.zeros(shape), input=[shape])
    config = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads * lanes_of(threads),
        "NUM_STREAMS": lanes_of(threads),
    }
    compiled = openvino.Core().compile_model(model, "CPU", config)
    normalise = _normaliser(backbone, "cpu")
    own = threading.local()

    def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        torch.set_num_threads(threads)
        features: np.ndarray = own.request.infer([normalise(pixels_BHWC).contiguous().numpy()])[0]
        return features.copy()

    return forward


def _open_openvino_f32(backbone: Backbone, batch: int, threads: int) -> Forward:
    return _open_openvino(backbone, batch, threads, precision="f32")


def _open_openvino_bf16(backbone: Backbone, batch: int, threads: int) -> Forward:
    return _open_openvino(backbone, batch, threads, precision="bf16")


OPENERS: dict[str, Callable[[Backbone, int, int], Forward]] = {
    "torch_f32": _open_torch_f32,
    "torch_bf16": _open_torch_bf16,
    "openvino_f32": _open_openvino_f32,
    "openvino_bf16": _open_openvino_bf16,
    "cuda": _open_cuda,
}


def _normaliser(backbone: Backbone, device: str) -> Callable[[np.ndarray], Tensor]:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in channels_last order, with the weights' own mean and std."""
    import torch

    mean = torch.tensor(backbone.preprocessing["mean"], device=device) * 255
    std = torch.tensor(backbone.preprocessing["std"], device=device) * 255

    def normalise(pixels_BHWC: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(pixels_BHWC)).to(device)
        # A permuted BHWC tensor is a channels_last one: nothing is copied.
        return ((pixels.float() - mean) / std).permute(0, 3, 1, 2)

    return normalise


def fold_batchnorm(network: nn.Module, height: int, width: int) -> nn.Module:
    """The same function with each BatchNorm folded into the convolution before it; `network` itself where that fails.

    Whether a BatchNorm follows a convolution is told by the order of their parent's children; a network that runs
    them in another order is found out on noise, and left as it is.

    Args:
        network: in eval mode.
        height, width: of its input, in pixels.
    """
    import torch

    folded = copy.deepcopy(network)
    for parent in list(folded.modules()):
        for (before, convolution), (name, norm) in itertools.pairwise(list(parent.named_children())):
            _fold_pair(parent, before, convolution, name, norm)
    noise = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        want, got = network(noise), folded(noise)
    return folded if torch.allclose(got, want, rtol=1e-3, atol=1e-3 * float(want.abs().max())) else network


def _fold_pair(parent: nn.Module, before: str, convolution: nn.Module, name: str, norm: nn.Module) -> None:
    """Fold `norm` into `convolution` if they are such a pair; timm's norms bring their activation, which stays."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    if not (isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
        return
    if convolution.out_channels == norm.num_features and norm.running_mean is not None:
        setattr(parent, before, fuse_conv_bn_eval(convolution, norm))
        kept = [layer for part in ("drop", "act") if isinstance(layer := getattr(norm, part, None), nn.Module)]
        setattr(parent, name, nn.Sequential(*kept))
