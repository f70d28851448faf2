"""A head starts at the solution on frozen features: the same logits, the same log-loss on rows it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from medalist.training.crossval import crossval
from medalist.training.heads import heads
from medalist.training.heads.contract import link, log_loss
from medalist.training.judging import logits
from medalist.training.losses import losses
from medalist.training.neural.heads import neural
from medalist.training.plan import Phase, Plan
from medalist.training.start import head_starts


def outside(fold_N: np.ndarray) -> list[np.ndarray]:
    """The rows that each fold's training learns from."""
    return [np.flatnonzero(fold_N != k) for k in range(int(fold_N.max()) + 1)]


def plan_of(head: str, loss: str = "cross_entropy") -> Plan:
    return Plan((Phase("head", 1, 0.1, 0.1, 1.0, "constant", (32, 32)),), head=head, loss=loss)


def features(num_rows: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of three classes on different scales, their classes, their folds."""
    rng = np.random.default_rng(3)
    y = (np.arange(num_rows) % 3).astype(np.int32)
    x = rng.normal(size=(3, 12))[y] + rng.normal(size=(num_rows, 12))
    return (5 + x * np.geomspace(0.1, 10, 12)).astype(np.float32), y, np.arange(num_rows) // 3 % 3


def started(head: str, start: Any, num_features: int = 12, num_classes: int = 3) -> Any:
    module = neural.bind(head)(num_features, num_classes, seed=0)
    start(module)
    return module.eval()


def probabilities(module: Any, x_ND: np.ndarray, *, tags: bool = False) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(link(module(torch.from_numpy(np.asarray(x_ND))).numpy(), tags))


@pytest.mark.parametrize("tags", [False, True])
def test_linear_answers_as_logistic_regression_does(one_thread: None, tags: bool) -> None:
    """Unseen and new rows as each fold of crossval has them, and all rows as its refit."""
    x_ND, y, fold_N = features()
    labels = csr_array(np.random.default_rng(0).random((90, 3)) < 0.2 + 0.5 * np.eye(3)[y]) if tags else y
    new_MD = features(30)[0] + 0.5
    head = heads.bind("logistic")
    _, want = crossval(head, x_ND, labels, fold_N, new_MD, num_classes=3, seed=0, root=False)

    starts = head_starts(plan_of("linear"), x_ND, labels, fold_N, outside(fold_N), num_classes=3)

    assert len(starts) == 4
    for k in range(3):
        got_nC = probabilities(started("linear", starts[k]), x_ND[fold_N == k], tags=tags)
        np.testing.assert_allclose(got_nC, want.oof_NC[fold_N == k], atol=1e-4)
        got_MC = probabilities(started("linear", starts[k]), new_MD, tags=tags)
        np.testing.assert_allclose(got_MC, want.test_KMC[k], atol=1e-4)
    got_NC = probabilities(started("linear", starts[-1]), x_ND, tags=tags)
    np.testing.assert_allclose(got_NC, want.fit_NC, atol=1e-4)


def test_a_network_before_its_first_step_has_crossval_s_log_loss(workshop: Any) -> None:
    """Through the network itself, images and all; a random start is far from it."""
    images, fold_N = workshop.images, np.arange(40) // 4 % 3
    body = images.backbone.build(("pooled",))
    with torch.no_grad():
        x_ND = np.concatenate([body(batch).numpy() for (batch,) in images.plain(np.arange(40), 8, "cpu")])
    labels = images.labels.astype(np.int32)
    _, runs = crossval(heads.bind("logistic"), x_ND, labels, fold_N, x_ND[:0], num_classes=4, seed=0, root=False)
    starts = head_starts(workshop.plan(("head", 1)), x_ND, labels, fold_N, outside(fold_N), num_classes=4)
    for k in range(3):
        rows = np.flatnonzero(fold_N == k)
        want = -np.log(runs.oof_NC[rows, labels[rows]]).mean()
        losses_of = {}
        for name, start in (("exact", starts[k]), ("random", lambda head: None)):
            training = workshop.training(workshop.plan(("head", 1)), rows=np.flatnonzero(fold_N != k))
            start(training.net.head)
            training.enter(0)
            losses_of[name] = log_loss(logits(training, rows), labels[rows]) / len(rows)
        assert losses_of["exact"] == pytest.approx(want, abs=1e-4)
        assert abs(losses_of["random"] - want) > 1e-3


@pytest.mark.parametrize("head", ["dense(units=64, dropout=0.2)", "arcface"])
def test_other_heads_are_trained_on_the_rows_outside_the_fold(one_thread: None, head: str) -> None:
    x_ND, y, fold_N = features()
    starts = head_starts(plan_of(head), x_ND, y, fold_N, outside(fold_N), num_classes=3)
    right = 0
    for k in range(3):
        right += int((probabilities(started(head, starts[k]), x_ND[fold_N == k]).argmax(1) == y[fold_N == k]).sum())
    assert right > 0.6 * len(y)

    # What stands in the fold's own rows makes no difference.
    x_ND[fold_N == 0], y = 0, np.where(fold_N == 0, 2, y).astype(np.int32)
    other = head_starts(plan_of(head), x_ND, y, fold_N, outside(fold_N), num_classes=3)
    one, two = started(head, starts[0]), started(head, other[0])
    probe = features(12)[0]
    np.testing.assert_array_equal(probabilities(one, probe), probabilities(two, probe))


def test_the_loss_of_the_plan_trains_it(one_thread: None) -> None:
    x_ND, y, fold_N = features()
    found = []
    for loss in ("cross_entropy", "cross_entropy(smoothing=0.5)"):
        assert loss.split("(")[0] in losses
        start = head_starts(plan_of("dense(units=64)", loss), x_ND, y, fold_N, outside(fold_N), num_classes=3)[-1]
        found.append(probabilities(started("dense(units=64)", start), x_ND).max(axis=1).mean())
    assert found[1] < found[0] - 0.03
