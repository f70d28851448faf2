"""A runtime computes what timm computes, and a row's bits depend on nothing but its own pixels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medalist.backbones import open_backbone
from medalist.backbones.runtimes import AUTO, INT8, RUNTIMES, Runtime, candidates, describe_runtime, open_runtime
from medalist.backbones.runtimes.on_openvino import calibrate
from medalist.backbones.runtimes.on_torch import fold_batchnorm
from medalist.errors import BackboneError, RecipeError

CPU_RUNTIMES = [name for name in RUNTIMES if not name.startswith("cuda") and name != INT8]
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
    ("bf16", "openvino", "cuda", "want"),
    [
        (False, False, False, ["torch_f32"]),
        (True, False, False, ["torch_f32", "torch_bf16"]),
        (True, True, False, ["torch_f32", "torch_bf16", "openvino_f32", "openvino_bf16"]),
        (True, True, True, ["cuda_f32", "cuda_f16"]),
    ],
)
def test_candidates_are_what_the_machine_has_and_auto_is_the_first(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, openvino: bool, cuda: bool, want: list[str]
) -> None:
    for name, value in (("has_bf16", bf16), ("has_openvino", openvino), ("has_cuda", cuda)):
        monkeypatch.setattr(f"medalist.backbones.runtimes.{name}", lambda value=value: value)
    assert candidates() == want
    assert describe_runtime(runtime=AUTO)["runtime"] == want[0]


def test_a_kept_network_is_opened_without_torch_and_made_again_when_damaged(card_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    code = (
        "import sys, numpy as np; from pathlib import Path; from medalist.backbones import open_backbone;"
        "from medalist.backbones.runtimes import open_runtime;"
        "run = open_runtime(open_backbone('test_resnet', cards=Path(sys.argv[1])), runtime='openvino_f32',"
        " networks=Path(sys.argv[2])); pixels = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(1, 64, 64, 3);"
        "print('torch' in sys.modules, run(pixels).tobytes().hex())"
    )

    def opened() -> list[str]:
        command = [sys.executable, "-c", code, str(card_folder), str(tmp_path / "networks")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    first, again = opened(), opened()
    assert (first[0], again[0]) == ("True", "False")
    assert first[1] == again[1]
    (weights,) = tmp_path.glob("networks/*/network.bin")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert opened() == first


LANES_AT_ONCE = """
import sys, threading
from pathlib import Path
import numpy as np
from medalist.backbones import open_backbone
from medalist.backbones.runtimes import open_runtime

run = open_runtime(open_backbone("test_resnet", cards=Path(sys.argv[1])), runtime="openvino_f32", batch=1,
                   networks=Path(sys.argv[2]))
start = threading.Barrier(16)
sys.setswitchinterval(1e-6)  # threads change places between any two steps
lanes = [threading.Thread(target=lambda: (start.wait(), run(np.zeros((1, 64, 64, 3), np.uint8)))) for _ in range(16)]
for lane in lanes:
    lane.start()
for lane in lanes:
    lane.join()
"""


def test_lanes_may_begin_at_once(card_folder: Path, tmp_path: Path) -> None:
    """Without a word to the binding beforehand, half of the processes that find a kept network never end."""
    pytest.importorskip("openvino")
    for _ in range(4):
        command = [sys.executable, "-c", LANES_AT_ONCE, str(card_folder), str(tmp_path)]
        subprocess.run(command, check=True, timeout=60)


def test_openvino_tells_which_taps_share_the_pass(card_folder: Path) -> None:
    one, two = (describe_runtime(runtime="torch_f32", taps=taps) for taps in (("pooled",), ("pooled", "gem")))
    assert one == two
    pytest.importorskip("openvino")
    one, two = (describe_runtime(runtime="openvino_bf16", taps=taps) for taps in (("pooled",), ("pooled", "gem")))
    assert one != two


def test_int8_is_near_and_lives_by_its_calibration(card_folder: Path, pixels_BHWC: np.ndarray, tmp_path: Path) -> None:
    for package in ("openvino", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    backbone = open_backbone("test_resnet", cards=card_folder)
    name = f"{INT8}@{calibrate(backbone, ('pooled',), pixels_BHWC, tmp_path)}"
    run = open_runtime(backbone, runtime=name, networks=tmp_path)
    want, got = open_runtime(backbone, runtime="torch_f32")(pixels_BHWC), run(pixels_BHWC)
    cosine = (got * want).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(want, axis=1)
    assert 0.98 < cosine.min() < 0.999999
    assert np.array_equal(run(pixels_BHWC[:1]), got[:1])
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("network.*")}
    assert name == f"{INT8}@{calibrate(backbone, ('pooled',), pixels_BHWC, tmp_path)}"
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("network.*")} == before
    for runtime in (INT8, f"{INT8}@0123456789abcdef"):
        with pytest.raises(BackboneError, match="run `medalist run`"):
            open_runtime(backbone, runtime=runtime, networks=tmp_path)
