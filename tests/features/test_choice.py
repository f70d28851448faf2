"""The fastest runtime that agrees with float32 torch is taken, once, and remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medalist.backbones import Backbone
from medalist.backbones.runtimes import Runtime
from medalist.features import choice
from medalist.features.choice import choose_runtime, measure, relative_error

POOLED = ("pooled",)
SECONDS = {"torch_f32": 0.02, "torch_bf16": 0.004, "openvino_f32": 0.01, "openvino_bf16": 0.001}


def test_the_error_is_that_of_standardised_rows() -> None:
    rng = np.random.default_rng(0)
    x_ND = rng.normal(3, [1, 10, 0.1], (200, 3)).astype(np.float32)
    z_ND = (x_ND - x_ND.mean(0)) / x_ND.std(0)
    noisy_ND = x_ND + rng.normal(0, 0.05, x_ND.shape) * x_ND.std(0)
    by_hand_N = np.linalg.norm((noisy_ND - x_ND.mean(0)) / x_ND.std(0) - z_ND, axis=1) / np.linalg.norm(z_ND, axis=1)
    np.testing.assert_allclose(relative_error(x_ND, noisy_ND), by_hand_N, rtol=1e-3)
    assert relative_error(x_ND, x_ND).max() == 0
    # A constant column says nothing, a value that is not finite is as wrong as can be.
    flat_ND = np.hstack([x_ND, np.full((200, 1), 7, np.float32)])
    np.testing.assert_allclose(relative_error(flat_ND, flat_ND + np.eye(4)[3]), 0, atol=1e-6)
    noisy_ND[5, 1] = np.nan
    assert np.flatnonzero(np.isinf(relative_error(x_ND, noisy_ND))).tolist() == [5]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runtimes of known speed and error in place of real ones; the names in the order in which they were opened."""
    names: list[str] = []

    def open_fake(backbone: Backbone, *, runtime: str, taps: tuple[str, ...], networks: Path) -> Runtime:
        names.append(runtime)
        if runtime == "openvino_f32":
            raise RuntimeError("no such device")
        noise = {"torch_bf16": 0.01, "openvino_bf16": 0.3}.get(runtime, 0.0)
        off = 2.0 if runtime == "torch_bf16" and "middle" in taps else 1.0

        def forward(pixels_BHWC: np.ndarray) -> np.ndarray:
            x_BD = pixels_BHWC.reshape(len(pixels_BHWC), -1)[:, :12].astype(np.float32)
            x_BD = x_BD * (1 + noise * np.where(np.arange(12) % 2, 1, -1)).astype(np.float32)
            return np.hstack([x_BD if tap == "pooled" else off * x_BD for tap in taps])

        return Runtime({}, 8, 1, forward)

    def timed(forward: Runtime, pixels_NHWC: np.ndarray) -> tuple[np.ndarray, float]:
        return forward.forward(pixels_NHWC), 1 / SECONDS[names[-1]]

    monkeypatch.setattr(choice, "open_runtime", open_fake)
    monkeypatch.setattr(choice, "timed", timed)
    monkeypatch.setattr(choice, "candidates", lambda: list(SECONDS))
    monkeypatch.setattr(choice, "tap_widths", lambda _, taps: dict.fromkeys(taps, 12))
    monkeypatch.setattr(choice, "SAMPLE", 20)
    return names


def test_the_fastest_that_agrees_is_taken(opened: list[str], backbones: list[Backbone]) -> None:
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    found = measure(backbones[0], pixels_NHWC, list(SECONDS), taps=("pooled",), networks=Path())
    assert found.runtime == "torch_bf16"
    by_name = {one.runtime: one for one in found.measured}
    assert by_name["torch_f32"].max_error == 0
    assert by_name["openvino_f32"].fault == "RuntimeError: no such device"
    assert not by_name["openvino_bf16"].agrees
    assert "not taken" in found.text()
    # Each tap must agree by itself.
    assert measure(backbones[0], pixels_NHWC, list(SECONDS), taps=("pooled", "middle")).runtime == "torch_f32"


def test_a_choice_is_made_once_and_only_for_a_long_job(
    opened: list[str], backbones: list[Backbone], images: Path, tmp_path: Path
) -> None:
    paths = [f"{i:02}.png" for i in range(20)]
    few = choose_runtime(backbones[0], "auto", images, paths, num_views=1, taps=POOLED, cache=tmp_path)
    assert (few, opened) == (("torch_f32", None), [])
    many = paths * 130
    name, found = choose_runtime(backbones[0], "auto", images, many, num_views=2, taps=POOLED, cache=tmp_path)
    assert name == "torch_bf16"
    assert found is not None
    assert opened == list(SECONDS)
    assert choose_runtime(backbones[0], "auto", images, paths, num_views=1, taps=POOLED, cache=tmp_path) == (
        "torch_bf16",
        None,
    )
    assert (
        choose_runtime(backbones[0], "openvino_bf16", images, many, num_views=2, taps=POOLED, cache=tmp_path)[1] is None
    )
    assert opened == list(SECONDS)


def test_measured_is_measured_however_short_the_job(
    opened: list[str], backbones: list[Backbone], images: Path, tmp_path: Path
) -> None:
    paths = [f"{i:02}.png" for i in range(20)] * 2
    name, found = choose_runtime(backbones[0], "measured", images, paths, num_views=1, taps=POOLED, cache=tmp_path)
    assert (name, opened) == ("torch_bf16", list(SECONDS)) and found is not None
    again = choose_runtime(backbones[0], "measured", images, paths, num_views=1, taps=POOLED, cache=tmp_path)
    assert again == ("torch_bf16", None) and opened == list(SECONDS)


def test_a_constant_sample_agrees_with_itself(opened: list[str], backbones: list[Backbone]) -> None:
    pixels_NHWC = np.full((20, 4, 4, 3), 7, np.uint8)
    assert measure(backbones[0], pixels_NHWC, ["torch_f32"], taps=POOLED, networks=Path()).runtime == "torch_f32"
