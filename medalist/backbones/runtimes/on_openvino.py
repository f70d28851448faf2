"""Forward passes by OpenVINO. A network is converted once and kept; opening it again needs neither torch nor timm.

Pixels are normalised inside the converted network. Axes: B batch, H W pixels, D features.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones.backbone import Backbone
from medalist.backbones.runtimes.machine import lanes_of
from medalist.errors import MissingExtraError
from medalist.store import hash_bytes, hash_json, write_atomic

FORMAT = 1
PARTS = ("network.xml", "network.bin")


def open_openvino(
    backbone: Backbone, taps: tuple[str, ...], batch: int, threads: int, *, precision: str, networks: Path | None
) -> Callable[[np.ndarray], np.ndarray]:
    """(B, H, W, 3) uint8 -> (B, D) float32, called from as many threads at once as passes of `threads` fit.

    Args:
        backbone: what to run.
        taps: what its rows hold.
        batch: B.
        threads: of one pass.
        precision: `f32` or `bf16`.
        networks: folder where the converted network is kept; None: it is converted anew.

    Raises:
        MissingExtraError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("the openvino runtimes need OpenVINO: pip install 'medalist[openvino]'") from error
    model = _kept(backbone, taps, networks) if networks is not None else _converted(backbone, taps)
    height, width = backbone.preprocessing["height"], backbone.preprocessing["width"]
    model.reshape([batch, height, width, 3])
    lanes = lanes_of(threads)
    config = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads * lanes,
        "NUM_STREAMS": lanes,
        "ENABLE_CPU_PINNING": False,  # Decoders share the cores: a pass bound to a busy one would wait for it.
    }
    compiled = openvino.Core().compile_model(model, "CPU", config)
    own = threading.local()

    def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        features: np.ndarray = own.request.infer([np.ascontiguousarray(pixels_BHWC)])[0]
        return features.copy()

    return forward


def _kept(backbone: Backbone, taps: tuple[str, ...], networks: Path) -> Any:
    """The network from `networks`, put there first if it is not, or not whole."""
    import openvino

    folder = networks / hash_json(_key(backbone, taps))[:16]
    if not _whole(folder):
        networks.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=networks, prefix=".unfinished-") as unfinished:
            made = Path(unfinished) / "made"
            openvino.save_model(_converted(backbone, taps), made / PARTS[0], compress_to_fp16=False)
            write_atomic(made / "network.json", json.dumps(_described(made, backbone, taps), indent=1).encode())
            with contextlib.suppress(OSError):  # Another process was faster; it converted the same network.
                made.rename(folder)
    return openvino.Core().read_model(folder / PARTS[0])


def _key(backbone: Backbone, taps: tuple[str, ...]) -> dict[str, Any]:
    """What the bytes of a converted network depend on."""
    versions = {name: metadata.version(name) for name in ("openvino", "torch", "timm")}
    return {
        "format": FORMAT,
        "weights_hash": backbone.weights_hash,
        "preprocessing": backbone.preprocessing,
        "taps": taps,
        **versions,
    }


def _described(folder: Path, backbone: Backbone, taps: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": backbone.name,
        "key": _key(backbone, taps),
        "sha256": {part: hash_bytes((folder / part).read_bytes()) for part in PARTS},
    }


def _whole(folder: Path) -> bool:
    """Whether a kept network's files are those that were written."""
    try:
        kept = json.loads((folder / "network.json").read_bytes())["sha256"]
        return all(hash_bytes((folder / part).read_bytes()) == kept[part] for part in PARTS)
    except (OSError, ValueError, KeyError):
        return False


def _converted(backbone: Backbone, taps: tuple[str, ...]) -> Any:
    """The network as OpenVINO's, uint8 (B, H, W, 3) in."""
    import openvino
    import torch
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    pre = backbone.preprocessing
    shape = [1, 3, pre["height"], pre["width"]]
    with warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch deprecates; torch.export is not yet its default.
        warnings.simplefilter("ignore")
        model = openvino.convert_model(
            backbone.build(taps), example_input=torch.zeros([2, *shape[1:]]), input=[[-1, *shape[1:]]]
        )
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    scale = [255 * value for value in pre["std"]]
    steps.input().preprocess().convert_element_type(Type.f32).mean([255 * value for value in pre["mean"]]).scale(scale)
    return steps.build()
