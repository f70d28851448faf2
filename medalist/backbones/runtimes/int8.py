"""A network in int8: weights and activations on 256 levels, their ranges measured on images. Needs `medalist[export]`.

Axes: N images, H W pixels, C channels.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones.backbone import Backbone
from medalist.backbones.runtimes.on_torch import fold_batchnorm, input_size, normaliser
from medalist.errors import MissingExtraError


def quantised(backbone: Backbone, taps: tuple[str, ...], pixels_NHWC: np.ndarray) -> Any:
    """torch -> ONNX, BatchNorm folded -> ONNX with quantised tensors -> OpenVINO, normalised (B, 3, H, W) in.

    Raises:
        MissingExtraError: see above.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  torch exports through it
        import openvino
        from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    except ImportError as error:
        raise MissingExtraError("runtime openvino_int8 needs ONNX Runtime: pip install 'medalist[export]'") from error

    class Images(CalibrationDataReader):  # type: ignore[misc, unused-ignore]
        """The images one by one, normalised."""

        def __init__(self) -> None:
            normalise = normaliser(backbone, "cpu")
            self.left = iter(normalise(image_HWC[None]).contiguous().numpy() for image_HWC in pixels_NHWC)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.left, None)
            return None if image is None else {"image": image}

    onnxruntime.set_default_logger_severity(3)
    with _without_advice(), tempfile.TemporaryDirectory(prefix="medalist-int8-") as folder:
        plain, quantised = Path(folder) / "plain.onnx", Path(folder) / "quantised.onnx"
        _export(backbone, taps, plain)
        quantize_static(
            plain,
            quantised,
            Images(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        model = openvino.Core().read_model(quantised)
    return model


def _export(backbone: Backbone, taps: tuple[str, ...], file: Path) -> None:
    """The network as ONNX, any number of images in."""
    import torch

    height, width = input_size(backbone)
    network = fold_batchnorm(backbone.build(taps), height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter deprecates parts of itself
        program: Any = torch.onnx.export(
            network,
            (torch.zeros(2, 3, height, width),),
            input_names=["image"],
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("num_images")},),
            verbose=False,
        )
    program.save(str(file))


@contextmanager
def _without_advice() -> Iterator[None]:
    """The quantiser advises at every call, through the root logger, what was done already."""
    root = logging.getLogger()
    root.addFilter(_other)
    try:
        yield
    finally:
        root.removeFilter(_other)


def _other(record: logging.LogRecord) -> bool:
    return "pre-process" not in record.getMessage()
