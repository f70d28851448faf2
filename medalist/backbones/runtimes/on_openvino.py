"""Forward passes by OpenVINO. A network is converted once and kept; opening it again needs neither torch nor timm.

Pixels are normalised inside the converted network. Axes: B batch, N images, H W pixels, D features.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones.backbone import Backbone
from medalist.backbones.runtimes.machine import lanes_of
from medalist.errors import BackboneError, MissingExtraError
from medalist.store import hash_bytes, hash_json, write_atomic

FORMAT = 1
PARTS = ("network.xml", "network.bin")
UNFINISHED = ".unfinished-"


def open_openvino(
    backbone: Backbone, taps: tuple[str, ...], key: dict[str, Any], *, networks: Path | None
) -> Callable[[np.ndarray], np.ndarray]:
    """(B, H, W, 3) uint8 -> (B, D) float32, called from as many threads at once as passes of its threads fit.

    Args:
        backbone: what to run.
        taps: what its rows hold.
        key: of the runtime: `dtype`, `batch`, `threads` of one pass, for int8 the `calibration`.
        networks: folder where the converted network is kept; None: it is converted anew.

    Raises:
        MissingExtraError: OpenVINO is not installed. BackboneError: a calibrated network is not in `networks`.
    """
    try:
        import openvino  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("the openvino runtimes need OpenVINO: pip install 'medalist[openvino]'") from error
    if key["dtype"] == "int8":
        model = _calibrated(backbone, taps, networks, key["calibration"])
    elif networks is not None:
        model = _kept(backbone, taps, networks)
    else:
        model = converted(backbone.build(taps), backbone)
    forward = compiled(model, backbone, key)
    return lambda pixels_BHWC: forward(pixels_BHWC)[0]


def compiled(model: Any, backbone: Backbone, key: dict[str, Any]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A converted network, ready to run: (B, H, W, 3) uint8 -> each of its outputs, float32.

    Args:
        model: of `converted`.
        backbone: whose network it is; its preprocessing says the size.
        key: as in `open_openvino`.
    """
    import openvino

    height, width = backbone.preprocessing["height"], backbone.preprocessing["width"]
    model.reshape([key["batch"], height, width, 3])
    lanes = lanes_of(key["threads"])
    config = {
        "INFERENCE_PRECISION_HINT": "bf16" if key["dtype"] == "bfloat16" else "f32",
        "INFERENCE_NUM_THREADS": key["threads"] * lanes,
        "NUM_STREAMS": lanes,
        "ENABLE_CPU_PINNING": False,  # Decoders share the cores: a pass bound to a busy one would wait for it.
    }
    ready = openvino.Core().compile_model(model, "CPU", config)
    # The first look at a tensor's data sets up OpenVINO's binding to numpy. Two lanes that do it at once lock up: one
    # holds the binding's guard and waits for the interpreter's lock, the other waits the other way round.
    openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data.fill(0)
    own = threading.local()

    def forward(pixels_BHWC: np.ndarray) -> list[np.ndarray]:
        if not hasattr(own, "request"):
            own.request = ready.create_infer_request()
        found = own.request.infer([np.ascontiguousarray(pixels_BHWC)])
        return [found[i].copy() for i in range(len(ready.outputs))]

    return forward


def calibrate(backbone: Backbone, taps: tuple[str, ...], pixels_NHWC: np.ndarray, networks: Path) -> str:
    """Make the int8 network whose ranges are those of these images, and keep it.

    Args:
        backbone: what to quantise: weights a channel, activations a tensor (Jacob et al. 2018, section 2).
        taps: what its rows hold.
        pixels_NHWC: uint8 images, prepared for the backbone.
        networks: folder where it is kept.

    Returns:
        The calibration's name, a hash of the images: part of the key of all its rows.

    Raises:
        MissingExtraError: a package of `medalist[export]` is not installed.
    """
    for package in ("openvino", "onnxruntime", "onnxscript"):
        if find_spec(package) is None:
            raise MissingExtraError(f"runtime openvino_int8 needs {package}: pip install 'medalist[export]'")
    calibration = hash_bytes(np.ascontiguousarray(pixels_NHWC).tobytes())[:16]
    if not _whole(networks / _name(backbone, taps, calibration)):
        from medalist.backbones.runtimes.int8 import quantised

        model = _with_normalisation(quantised(backbone, taps, pixels_NHWC), backbone)
        _keep(model, backbone, taps, networks, calibration)
    return calibration


def share(backbone: Backbone, taps: tuple[str, ...], runtime: str, one: Path, other: Path) -> None:
    """Put a calibrated network into whichever of two folders lacks it; other runtimes' can be made again."""
    calibration = runtime.partition("@")[2]
    if calibration:
        name = _name(backbone, taps, calibration)
        for here, there in ((one, other), (other, one)):
            if _whole(here / name) and not _whole(there / name):
                with _unfinished(there) as made:
                    shutil.copytree(here / name, made)
                    _put(made, there / name)


def _calibrated(backbone: Backbone, taps: tuple[str, ...], networks: Path | None, calibration: str) -> Any:
    import openvino

    folder = (networks or Path()) / _name(backbone, taps, calibration)
    if networks is None or not calibration or not _whole(folder):
        raise BackboneError(
            f"{backbone.name}: its int8 network, calibrated on images {calibration or '(none)'}, is not in {networks};"
            " run `medalist run` on the dataset again with --overwrite, it is made from the images"
        )
    return openvino.Core().read_model(folder / PARTS[0])


def _kept(backbone: Backbone, taps: tuple[str, ...], networks: Path) -> Any:
    """The network from `networks`, put there first if it is not, or not whole."""
    import openvino

    folder = networks / _name(backbone, taps)
    if not _whole(folder):
        _keep(converted(backbone.build(taps), backbone), backbone, taps, networks)
    return openvino.Core().read_model(folder / PARTS[0])


def _keep(model: Any, backbone: Backbone, taps: tuple[str, ...], networks: Path, calibration: str = "") -> None:
    import openvino

    with _unfinished(networks) as made:
        openvino.save_model(model, made / PARTS[0], compress_to_fp16=False)
        described = {
            "name": backbone.name,
            "key": _key(backbone, taps, calibration),
            "sha256": {part: hash_bytes((made / part).read_bytes()) for part in PARTS},
        }
        write_atomic(made / "network.json", json.dumps(described, indent=1).encode())
        _put(made, networks / _name(backbone, taps, calibration))


@contextlib.contextmanager
def _unfinished(networks: Path) -> Iterator[Path]:
    """A path below `networks` at which a folder can be made before it gets its name."""
    networks.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=networks, prefix=UNFINISHED) as folder:
        yield Path(folder) / "made"


def _put(made: Path, folder: Path) -> None:
    """Give a network its name, unless another process was faster, which made the same one; a damaged one makes room."""
    if folder.exists() and not _whole(folder):
        with contextlib.suppress(OSError):
            folder.rename(made.with_name("damaged"))
    with contextlib.suppress(OSError):
        made.rename(folder)


def _name(backbone: Backbone, taps: tuple[str, ...], calibration: str = "") -> str:
    return hash_json(_key(backbone, taps, calibration))[:16]


def _key(backbone: Backbone, taps: tuple[str, ...], calibration: str) -> dict[str, Any]:
    """What the bytes of a converted network depend on."""
    packages = ("openvino", "torch", "timm", *(("onnxruntime",) if calibration else ()))
    return {
        "format": FORMAT,
        "weights_hash": backbone.weights_hash,
        "preprocessing": backbone.preprocessing,
        "taps": taps,
        "calibration": calibration,
        **{name: metadata.version(name) for name in packages},
    }


def _whole(folder: Path) -> bool:
    """Whether a kept network's files are those that were written."""
    try:
        kept = json.loads((folder / "network.json").read_bytes())["sha256"]
        return all(hash_bytes((folder / part).read_bytes()) == kept[part] for part in PARTS)
    except (OSError, ValueError, KeyError):
        return False


def converted(network: Any, backbone: Backbone) -> Any:
    """A backbone's network, or a part of it from the image on, as OpenVINO's: uint8 (B, H, W, 3) in."""
    import openvino
    import torch

    height, width = backbone.preprocessing["height"], backbone.preprocessing["width"]
    with warnings.catch_warnings():
        # OpenVINO traces with torch.jit, which torch deprecates; torch.export is not yet its default.
        warnings.simplefilter("ignore")
        model = openvino.convert_model(
            network, example_input=torch.zeros([2, 3, height, width]), input=[[-1, 3, height, width]]
        )
    return _with_normalisation(model, backbone)


def _with_normalisation(model: Any, backbone: Backbone) -> Any:
    """A network of normalised (B, 3, H, W) as one of uint8 (B, H, W, 3), with the weights' own mean and std."""
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    mean, scale = ([255 * value for value in backbone.preprocessing[part]] for part in ("mean", "std"))
    steps.input().preprocess().convert_element_type(Type.f32).mean(mean).scale(scale)
    return steps.build()
