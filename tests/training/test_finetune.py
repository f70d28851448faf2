"""The loop: the same bytes after any kill, the same gradients in any micro-batch, frozen norms frozen to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from medalist.errors import DataError
from medalist.training import finetune as loop
from medalist.training import network
from medalist.training.finetune import advance, finetune
from medalist.training.resuming import CHECKPOINT

TWO_DEPTHS = (("last 30 %", 1), ("all", 1))
VARIANTS: dict[str, dict[str, Any]] = {
    "dropout and average": {"head": "dense(units=8, dropout=0.5)", "ema": 0.9, "clip": 1.0},
    "mixup": {"mix": "mixup(alpha=0.4)", "mix_last": 1},
    "sharpness": {"sam": 0.05, "head": "dense(units=8, dropout=0.5)", "optimiser": "sgd(momentum=0.9)"},
    "moving norms, a plateau and a ramp": {
        "batchnorm": "train",
        "schedule": "plateau(patience=0)",
        "ramp": (0, 1, 1),
    },
    "a margin": {"head": "arcface", "batchnorm": "affine-frozen"},
}


def files_of(training: Any) -> dict[str, bytes]:
    """What each epoch left."""
    return {file.name: file.read_bytes() for file in sorted(training.folder.glob("weights-*"))}


def norms_of(training: Any) -> dict[str, torch.Tensor]:
    found = [(name, m) for name, m in training.net.body.named_modules() if isinstance(m, _BatchNorm)]
    return {f"{name}.{key}": value.clone() for name, norm in found for key, value in norm.state_dict().items()}


def first_batch(training: Any) -> tuple[Any, Any]:
    from medalist.training.plan import steps

    step = next(steps(training.plan, training.rows, training.phase))
    feed = training.feed.shown(training.plan, lambda: iter([step]), "cpu")
    return next(feed)


@pytest.mark.parametrize(("clip", "told"), [(1.0, "lr$"), (None, r"lr, or set finetune\.clip=1\.0$")])
def test_a_training_that_diverges_says_which_keys_help(workshop: Any, clip: float | None, told: str) -> None:
    """A rate beyond all reason; a norm that is clipped already is no advice."""
    plan = workshop.plan(("all", 1), clip=clip)
    plan = replace(plan, phases=(replace(plan.phases[0], lr=1e30, head_lr=1e30),))
    with pytest.raises(DataError, match=rf"training diverged: the loss is (nan|inf) .*phases\[0\]\.{told}"):
        workshop.tuned(plan)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("often", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_killed_again_and_again_it_ends_in_the_same_bytes(
    workshop: Any, killed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str, often: bool
) -> None:
    plan = workshop.plan(*TWO_DEPTHS, **VARIANTS[name])
    want = workshop.tuned(plan, "whole")
    if often:
        monkeypatch.setattr(loop, "EVERY_S", 0.0)  # a checkpoint after every step
    kill, kills = killed("after-step", 2 if often else 4), 0
    while True:
        got = workshop.training(plan, "killed")
        try:
            finetune(got, watched=np.arange(24, 40))
            break
        except kill:
            kills += 1

    assert kills == (5 if often else 1)
    assert got.curves == want.curves
    assert files_of(got) == files_of(want)
    assert len(files_of(got)) == plan.epochs


@pytest.mark.parametrize("point", ["before-checkpoint", "after-checkpoint"])
@pytest.mark.parametrize("count", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3)), 4])
def test_killed_around_a_checkpoint(workshop: Any, killed: Callable[..., Any], point: str, count: int) -> None:
    plan = workshop.plan(*TWO_DEPTHS, ema=0.9)
    want = workshop.tuned(plan, "whole")
    with pytest.raises(killed(point, count)):
        workshop.tuned(plan, "killed")
    killed("never", 1)

    assert files_of(workshop.tuned(plan, "killed")) == files_of(want)


def test_a_finished_training_is_not_done_again(workshop: Any, killed: Callable[..., Any]) -> None:
    plan = workshop.plan(("head", 1))
    want = workshop.tuned(plan)
    killed("after-step", 1)
    again = workshop.training(plan)
    assert finetune(again, watched=np.arange(24, 40)) == want.curves


def test_it_stops_where_it_is_told_and_goes_on(workshop: Any) -> None:
    plan = workshop.plan(("all", 3))
    want = workshop.tuned(plan, "whole")
    part = workshop.training(plan, "parts")
    assert len(finetune(part, watched=np.arange(24, 40), until=2)) == 2
    assert files_of(part) == {name: data for name, data in files_of(want).items() if name != "weights-2.safetensors"}
    assert files_of(workshop.tuned(plan, "parts")) == files_of(want)


def test_it_learns(workshop: Any) -> None:
    curves = workshop.tuned(workshop.plan(("all", 6), augment=""), watched=np.arange(24)).curves
    assert curves[-1]["loss"] < 0.5 * curves[0]["loss"]
    assert curves[-1]["metric"] > 0.9


def test_curves_are_of_the_watched_rows(workshop: Any) -> None:
    """Log-loss and accuracy as scikit-learn reckons them from the network's own answers."""
    from sklearn.metrics import log_loss

    from medalist.training.judging import logits

    training, rows = workshop.tuned(workshop.plan(("all", 1), ema=0.5)), np.arange(24, 40)
    labels = workshop.images.labels[rows]
    logit_nC = logits(training, rows)
    prob_nC = torch.softmax(torch.from_numpy(logit_nC), dim=1).numpy()
    assert training.curves[0]["loss"] == pytest.approx(log_loss(labels, prob_nC, labels=range(4)), abs=1e-5)
    assert training.curves[0]["metric"] == (logit_nC.argmax(axis=1) == labels).mean()
    assert training.curves[0]["ema_loss"] != training.curves[0]["loss"]
    assert training.curves[0]["train_loss"] > 0
    assert training.facts["first_gradient"]["body"] > 0


@pytest.mark.parametrize("sam", [0.0, 0.05])
def test_frozen_norms_stay_to_the_bit(workshop: Any, sam: float) -> None:
    plan = workshop.plan(("last 30 %", 1), ("all", 2), sam=sam)
    before = norms_of(workshop.training(plan))
    after = norms_of(workshop.tuned(plan))
    assert before
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_affine_frozen_norms_move_their_statistics_alone(workshop: Any) -> None:
    plan = workshop.plan(("last 30 %", 1), ("all", 1), batchnorm="affine-frozen")
    before, after = norms_of(workshop.training(plan)), norms_of(workshop.tuned(plan))
    for name, array in before.items():
        assert torch.equal(array, after[name]) == name.endswith((".weight", ".bias")), name


def test_the_second_pass_moves_no_statistics(workshop: Any) -> None:
    stepped = {}
    for sam in (0.0, 0.05):
        training = workshop.training(workshop.plan(("all", 1), batchnorm="train", sam=sam), f"sam{sam}")
        training.enter(0)
        advance(training, *first_batch(training))
        stepped[sam] = norms_of(training)
    moved = [name for name in stepped[0.0] if "running" in name or "tracked" in name]
    assert moved
    assert all(torch.equal(stepped[0.0][name], stepped[0.05][name]) for name in moved)


def test_a_step_of_sam_is_the_step_at_the_worst_point_nearby(workshop: Any) -> None:
    """Foret et al. 2021, algorithm 1, by hand with plain gradient descent."""
    plan = workshop.plan(("all", 1), sam=0.05, optimiser="momentum(momentum=0.0)", schedule="constant")
    training, other = workshop.training(plan, "one"), workshop.training(plan, "other")
    for one in (training, other):
        one.enter(0)
    step, inputs = first_batch(training)
    advance(training, step, inputs)

    own = [(p, group["lr"]) for group in other.optimiser.param_groups for p in group["params"]]
    target_BC, start = other.images.targets(step.rows), [p.detach().clone() for p, _ in own]
    other.gradients(inputs, target_BC)
    length = torch.sqrt(sum(p.grad.square().sum() for p, _ in own))
    with torch.no_grad():
        for p, _ in own:
            p += 0.05 * p.grad / length
    other.gradients(inputs, target_BC)
    want = [before - lr * p.grad for before, (p, lr) in zip(start, own, strict=True)]
    got = [p for group in training.optimiser.param_groups for p in group["params"]]
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy(smoothing=0.1)", "focal(balanced=True)"])
def test_micro_batches_have_the_whole_batch_s_gradients(workshop: Any, loss: str) -> None:
    grads = []
    for micro in (8, 3):
        plan = workshop.plan(("all", 1), head="dense(units=8, dropout=0.5)", mix="mixup(alpha=0.4)", loss=loss)
        training = workshop.training(plan, micro=micro)
        training.enter(0)
        step, inputs = first_batch(training)
        advance(training, step, inputs)
        grads.append([p.grad.clone() for p in network.trained(training.net)])
    for whole, parts in zip(*grads, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-5)


def small_memory(training: Any, most: int, error: Exception) -> None:
    """The network goes out of memory at more than `most` rows."""
    forward = training.net.forward

    def guarded(*inputs: Any, **named: Any) -> Any:
        if training.net.training and len(inputs[0]) > most:
            training.net.head(torch.zeros(1, 320))  # it had drawn dropout by then
            raise error
        return forward(*inputs, **named)

    training.net.forward = guarded


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: not enough memory")]
)
def test_out_of_memory_halves_the_micro_batch(
    workshop: Any, killed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    plan = workshop.plan(("all", 2), head="dense(units=8, dropout=0.5)", sam=0.05, optimiser="sgd(momentum=0.9)")
    want = workshop.tuned(plan, "roomy")
    monkeypatch.setattr(loop, "EVERY_S", 0.0)
    got = workshop.training(plan, "narrow")
    small_memory(got, 3, error)
    with pytest.raises(killed("after-step", 2)):
        finetune(got, watched=np.arange(24, 40))
    killed("never", 1)
    got = workshop.training(plan, "narrow")
    small_memory(got, 3, error)
    finetune(got, watched=np.arange(24, 40))

    assert got.facts["out_of_memory"] == [[0, 0, 4], [0, 0, 2]]
    assert got.micro == 2
    for name, array in want.net.state_dict().items():
        torch.testing.assert_close(array, got.net.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_other_errors_are_not_taken_for_a_lack_of_memory(workshop: Any) -> None:
    training = workshop.training(workshop.plan(("all", 1)))
    small_memory(training, 0, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        finetune(training)
    assert training.micro == 8


def test_a_single_row_that_does_not_fit_is_told(workshop: Any) -> None:
    training = workshop.training(workshop.plan(("all", 1)))
    small_memory(training, 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        finetune(training)


def test_it_tells_of_its_steps(workshop: Any) -> None:
    events: list[Any] = []
    finetune(workshop.training(workshop.plan(("head", 2))), watched=np.arange(24, 40), sink=events.append)
    assert (events[-1].done, events[-1].total) == (48, 48)
    assert {"loss", "lr", "metric", "images_s", "epoch"} <= set(events[-1].note)


def test_a_checkpoint_of_something_else_is_told(workshop: Any) -> None:
    from medalist.errors import StoreError

    training = workshop.training(workshop.plan(("head", 1)))
    training.folder.mkdir()
    (training.folder / CHECKPOINT).write_bytes(b"nothing")
    with pytest.raises(StoreError, match="remove it, and training begins anew"):
        finetune(training)
