"""What a GPU needs, on a CPU with stand-ins: flags that come and go, a choice that is made once and leaves no trace."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from medalist.errors import RecipeError
from medalist.training import cuda, ranks
from medalist.training.network import Network

VARIANT = {"head": "dense(units=8, dropout=0.5)", "batchnorm": "train", "sam": 0.05}


def flags() -> tuple[bool, ...]:
    cudnn = torch.backends.cudnn
    return (torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32)


def test_kernels_repeat_inside_and_are_free_again_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # the user's own stays
    before = flags()
    with cuda.repeatable("cpu"):
        assert flags() == before
    with cuda.repeatable("cuda"):
        assert flags() == (True, True, False, False)
    assert flags() == before


@pytest.mark.parametrize(("num_steps", "want"), [(99, False), (101, True)])
def test_compiling_pays_where_steps_save_more_than_it_costs(num_steps: int, want: bool) -> None:
    assert cuda.pays({"plain_s": 0.5, "compiled_s": 0.3, "compiling_s": 20.0}, num_steps) is want


class Clock:
    """Seconds of each pass: as it is, then compiled, of which the first compiles."""

    def __init__(self, plain_s: float, compiled_s: float) -> None:
        self.script = [9.0, *[plain_s] * cuda.TIMED, 1.0, *[compiled_s] * cuda.TIMED]
        self.asked: list[Any] = []

    def __call__(self, training: Any, part: Any, *_: Any) -> float:
        self.asked.append(part)
        return self.script[len(self.asked) - 1]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Network]:
    """Networks that a stand-in for the compiler made."""
    made: list[Network] = []

    def stand_in(part: Network) -> Network:
        made.append(Network(part.body, part.head, part.auxiliary))
        return made[-1]

    monkeypatch.setattr(cuda, "_compiled", stand_in)
    return made


@pytest.mark.parametrize(("compiled_s", "want"), [(150.0, True), (199.0, True), (201.0, False)])
def test_the_choice_is_made_once_for_all_folds(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, compiled: list[Network], compiled_s: float, want: bool
) -> None:
    plan = workshop.plan(("last 30 %", 1))
    clock = Clock(200.0, compiled_s)
    monkeypatch.setattr(cuda, "_seconds", clock)
    one = workshop.tuned(plan, "one", compiles=workshop.folder / "settled")
    settled = json.loads((workshop.folder / "settled" / "phase0.json").read_text())
    assert settled == {"pays": want, "plain_s": 200.0, "compiled_s": compiled_s, "compiling_s": 1.0}
    assert one.facts["compiled"] == {"0": settled}
    assert len(clock.asked) == len(clock.script)
    assert (one.quick is compiled[-1]) == want
    two = workshop.tuned(plan, "two", compiles=workshop.folder / "settled")
    assert len(clock.asked) == len(clock.script)  # nothing is measured again
    assert (two.quick is two.part) != want
    assert two.facts["compiled"] == one.facts["compiled"]


def test_a_short_phase_is_not_compiled(workshop: Any, monkeypatch: pytest.MonkeyPatch, compiled: list[Network]) -> None:
    monkeypatch.setattr(cuda, "_seconds", Clock(0.1, 0.0))
    done = workshop.tuned(workshop.plan(("last 30 %", 1)), compiles=workshop.folder / "settled")
    assert done.facts["compiled"]["0"] == {"pays": False, "plain_s": 0.1, "why": "3 steps are too few"}
    assert not compiled


def test_what_cannot_be_compiled_trains_as_it_is(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> Any:
        raise RuntimeError("no C++ compiler\nin many words")

    monkeypatch.setattr(cuda, "_compiled", refuse)
    monkeypatch.setattr(cuda, "_seconds", Clock(200.0, 1.0))
    done = workshop.tuned(workshop.plan(("last 30 %", 1)), compiles=workshop.folder / "settled")
    assert done.facts["compiled"]["0"]["why"] == "RuntimeError: no C++ compiler"
    assert done.quick is done.part


def test_measuring_leaves_no_trace(workshop: Any, monkeypatch: pytest.MonkeyPatch, compiled: list[Network]) -> None:
    """Dropout, norms' statistics, a second pass: the weights of a training that never measured, to the bit."""
    monkeypatch.setattr(cuda, "LONG_S", 0.0)
    plan = workshop.plan(("last 30 %", 1), ("all", 1), **VARIANT)
    for folder, compiles in (("plain", None), ("measured", workshop.folder / "settled")):
        workshop.tuned(plan, folder, compiles=compiles)
    assert len(compiled) >= 2
    for name in ("weights-0.safetensors", "weights-1.safetensors"):
        one, two = (load_file(workshop.folder / folder / name) for folder in ("plain", "measured"))
        assert all(np.array_equal(one[key], array) for key, array in two.items())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_steps_through_torch_s_compiler(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced by torch.compile, run by torch itself (backend `eager`): the same weights under the same names."""
    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda body: whole(body, backend="eager"))
    settled = workshop.folder / "settled"
    settled.mkdir()
    (settled / "phase0.json").write_text(json.dumps({"pays": True}))
    plan = workshop.plan(("all", 2))
    for folder, compiles in (("plain", None), ("compiled", settled)):
        workshop.tuned(plan, folder, compiles=compiles)
    one, two = (load_file(workshop.folder / folder / "weights-1.safetensors") for folder in ("plain", "compiled"))
    assert one.keys() == two.keys()
    for name, array in one.items():
        np.testing.assert_allclose(two[name], array, atol=1e-5)


@pytest.mark.parametrize(("place", "num_gpus"), [(1, 2), (2, 2)])
def test_each_process_of_a_machine_takes_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch, place: int, num_gpus: int
) -> None:
    told: list[Any] = []
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", str(place))
    monkeypatch.setattr(ranks, "this_device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
    monkeypatch.setattr(torch.cuda, "set_device", told.append)
    monkeypatch.setattr(ranks.distributed, "init_process_group", lambda backend, timeout: told.append(backend))
    if place < num_gpus:
        ranks.join()
        assert told == [place, "cpu:gloo,cuda:nccl"]
        return
    with pytest.raises(RecipeError, match="this is number 3, GPUs: 2; lower --nproc-per-node"):
        ranks.join()
    assert not told
