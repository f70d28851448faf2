"""OpenCV and albumentations, of the extra `augment`: imported when the first operation needs them, and tamed.

Only explicit parameters reach them, never their own random state. OpenCV alone takes a fifth of a second to import,
albumentations a second more; policies of mirrors, light, noise, JPEG, erasing and crops need neither.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from typing import Any

from medalist.errors import MissingExtraError

TORCH_PART = "albumentations.pytorch"


@cache
def opencv() -> Any:
    """The module `cv2`, with one thread in this process: workers are as many as cores already.

    Raises:
        MissingExtraError: it is not installed.
    """
    module = _imported("cv2")
    module.setNumThreads(1)
    return module


@cache
def pixel_functions() -> Any:
    """albumentations' functions of pixels, which take images and explicit parameters.

    Raises:
        MissingExtraError: it is not installed.
    """
    opencv()
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import asks the network for a newer version
    # Its import loads torch where it can, in each worker: two seconds and 200 MB for a tensor conversion that nobody
    # here calls. A None in sys.modules makes that one import fail, which albumentations expects; then it is taken out.
    hidden = TORCH_PART not in sys.modules
    if hidden:
        sys.modules[TORCH_PART] = None  # type: ignore[assignment]
    try:
        return _imported("albumentations.augmentations.pixel.functional")
    finally:
        if hidden:
            del sys.modules[TORCH_PART]


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"this operation needs {name.partition('.')[0]}, which is not installed ({error}):"
            " pip install 'medalist[augment]'"
        ) from error
