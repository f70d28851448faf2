"""One thread a matrix product: the same bits on every number of cores, and room for models side by side."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import scipy.linalg  # noqa: F401  its BLAS must be loaded before it can be held
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]


def one_thread() -> AbstractContextManager[Any]:
    """A context in which numpy's and scipy's BLAS use one thread."""
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits
