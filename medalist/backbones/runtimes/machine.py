"""What this machine can do, told without loading torch: processors, bf16 arithmetic, GPUs, installed packages."""

from __future__ import annotations

import ctypes
import platform
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from medalist.engines.local import usable_cores

COMPUTE_CAPABILITY = (75, 76)  # attributes of the driver: major, minor
CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")


def lanes_of(threads: int) -> int:
    """How many forward passes of so many threads fit side by side on this machine."""
    return max(1, usable_cores() // threads)


def this_device() -> str:
    """`cuda` where a GPU can be used, else `cpu`."""
    return "cuda" if has_cuda() else "cpu"


@lru_cache(maxsize=1)
def gpu() -> str:
    """Name and compute capability of the first GPU, empty without one; by the driver, so that torch stays unloaded."""
    if not has_cuda():
        return ""
    driver, device, name = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(0), ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    capability = [ctypes.c_int(0), ctypes.c_int(0)]
    for number, attribute in zip(capability, COMPUTE_CAPABILITY, strict=True):
        driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
    return f"{name.value.decode(errors='replace')} {capability[0].value}.{capability[1].value}"


def machine() -> str:
    """The processor as far as the bits of a float depend on it: architecture and vector instructions."""
    return f"{platform.machine()} {' '.join(cpu_flags())}".strip()


def has_bf16() -> bool:
    """Whether the processor computes in bfloat16."""
    return bool({"avx512_bf16", "amx_bf16"} & set(cpu_flags()))


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


@lru_cache(maxsize=1)
def cpu_flags() -> tuple[str, ...]:
    """Those of CPU_FLAGS that the processor has; empty where the system does not tell (only Linux does)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    return tuple(flag for flag in CPU_FLAGS if flag in flags)


@lru_cache(maxsize=1)
def has_cuda() -> bool:
    """Whether torch was built for CUDA and the driver has a device."""
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
