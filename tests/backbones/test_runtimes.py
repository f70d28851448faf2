"""A runtime computes what timm computes, and a row's bits depend on nothing but its own pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medalist.backbones import open_backbone
from medalist.backbones.runtimes import AUTO, RUNTIMES, Runtime, describe_runtime, fold_batchnorm, open_runtime
from medalist.errors import BackboneError, RecipeError

CPU_RUNTIMES = [name for name in RUNTIMES if name != "cuda"]
_opened: dict[tuple[str, str], Runtime] = {}


def runtime_of(folder: Path, name: str, runtime: str) -> Runtime:
    """Opened once for all examples."""
    if runtime.startswith("openvino"):
        pytest.importorskip("openvino")
    if (name, runtime) not in _opened:
        backbone = open_backbone(name, cards=folder)
        _opened[name, runtime] = open_runtime(backbone, runtime=runtime, batch=8, threads=2)
    return _opened[name, runtime]


@pytest.mark.parametrize("runtime", CPU_RUNTIMES)
@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_it_computes_what_timm_computes(card_folder: Path, pixels_BHWC: np.ndarray, name: str, runtime: str) -> None:
    import timm
    import torch
    from safetensors.torch import load_file

    reference = timm.create_model(name, pretrained=False, num_classes=10).eval()
    reference.load_state_dict(load_file(card_folder / f"{name}.safetensors"))
    normalised = (pixels_BHWC / 255.0 - [0.4, 0.5, 0.6]) / [0.2, 0.25, 0.3]
    tensor = torch.from_numpy(normalised).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        want = reference.forward_head(reference.forward_features(tensor), pre_logits=True).numpy()
    got = runtime_of(card_folder, name, runtime)(pixels_BHWC)
    assert got.dtype == np.float32
    bf16 = "bf16" in runtime
    np.testing.assert_allclose(got, want, rtol=0, atol=(5e-2 if bf16 else 1e-4) * np.abs(want).max())
    cosine = (got * want).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(want, axis=1)
    assert cosine.min() > (0.99 if bf16 else 0.99999)


@pytest.mark.parametrize("runtime", CPU_RUNTIMES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(st.integers(0, 7), min_size=1, max_size=8),
    noise=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["test_resnet", "test_efficientnet"]),
)
def test_a_row_sees_neither_mates_nor_place(
    card_folder: Path, pixels_BHWC: np.ndarray, runtime: str, order: list[int], noise: int, name: str
) -> None:
    run = runtime_of(card_folder, name, runtime)
    alone = np.stack([run(pixels_BHWC[i : i + 1])[0] for i in range(8)])
    assert np.array_equal(run(pixels_BHWC[order]), alone[order])
    mates = np.random.default_rng(noise).integers(0, 256, pixels_BHWC.shape, dtype=np.uint8)
    mates[order[0]] = pixels_BHWC[0]
    assert np.array_equal(run(mates)[order[0]], alone[0])


def test_folding_keeps_the_function_or_the_network(card_folder: Path) -> None:
    import torch

    def norms(network: torch.nn.Module) -> int:
        return sum(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())

    for name in ("test_resnet", "test_efficientnet"):
        network = open_backbone(name, cards=card_folder).build()
        # What stays is the norm behind a stem of several convolutions: they have another parent.
        assert norms(fold_batchnorm(network, 64, 64)) <= 1 < norms(network)
    vit = open_backbone("test_vit", cards=card_folder).build()
    assert norms(fold_batchnorm(vit, 160, 160)) == 0

    class Backwards(torch.nn.Module):
        """Children in an order in which they do not run."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3)
            self.first = torch.nn.Conv2d(3, 3, 1)
            self.norm.running_mean.fill_(3.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.norm(self.first(x))).mean((2, 3))

    odd = Backwards().eval()
    assert fold_batchnorm(odd, 8, 8) is odd


def test_a_short_batch_is_padded_and_a_long_one_refused(card_folder: Path, pixels_BHWC: np.ndarray) -> None:
    run = runtime_of(card_folder, "test_resnet", "torch_f32")
    assert run(pixels_BHWC[:3]).shape == (3, 96)
    with pytest.raises(BackboneError, match="at most"):
        run(np.concatenate([pixels_BHWC, pixels_BHWC]))


def test_the_key_is_json_and_names_what_bits_depend_on() -> None:
    key = describe_runtime(runtime="torch_f32", batch=4, threads=3)
    assert json.loads(json.dumps(key)) == key
    assert (key["runtime"], key["dtype"], key["batch"], key["threads"]) == ("torch_f32", "float32", 4, 3)
    assert describe_runtime(runtime="torch_bf16")["dtype"] == "bfloat16"
    assert describe_runtime()["runtime"] in RUNTIMES


def test_an_unknown_runtime_offers_the_near_one() -> None:
    with pytest.raises(RecipeError, match="did you mean 'torch_bf16'"):
        describe_runtime(runtime="torch_b16")


@pytest.mark.parametrize(
    ("flags", "cuda", "want"),
    [((), False, "torch_f32"), (("avx2", "avx512_bf16"), False, "torch_bf16"), (("avx2",), True, "cuda")],
)
def test_auto_takes_what_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], cuda: bool, want: str
) -> None:
    monkeypatch.setattr("medalist.backbones.runtimes.cpu_flags", lambda: flags)
    monkeypatch.setattr("medalist.backbones.runtimes._has_cuda", lambda: cuda)
    assert describe_runtime(runtime=AUTO)["runtime"] == want
