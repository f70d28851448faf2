"""Row weights in fine-tuning: a batch in which a row weighs 2 costs what one costs in which it comes twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from medalist.training.losses import losses


@pytest.mark.parametrize("name", [name for name in losses if "tags" not in losses.bind(name).facts["tasks"]])
def test_a_weight_of_two_is_the_row_twice(workshop: Any, name: str) -> None:
    weight_N = np.random.default_rng(0).integers(0, 3, 40).astype(np.float32)
    workshop.images = replace(workshop.images, weight_N=weight_N)
    training = workshop.training(workshop.plan(("all", 1), loss=name))
    again = np.repeat(training.rows, weight_N[training.rows].astype(int))
    logit_NC = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    loss, others = training.losses(logit_NC[training.rows], workshop.images.targets(training.rows))
    workshop.images = replace(workshop.images, weight_N=None)
    twice = workshop.training(workshop.plan(("all", 1), loss=name), rows=again)
    expected, _ = twice.losses(logit_NC[again], workshop.images.targets(again))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(training.count_C, twice.count_C)
    assert float(others) == 0


def test_rows_are_weighed_in_any_micro_batch_and_mixed_as_their_targets_are(workshop: Any) -> None:
    weight_N = np.random.default_rng(0).random(40).astype(np.float32)
    workshop.images = replace(workshop.images, weight_N=weight_N)
    plan = workshop.plan(("all", 2), mix="mixup(alpha=0.4)", mix_last=1)
    one, two = workshop.tuned(plan, "one"), workshop.tuned(plan, "two", micro=3)
    for a, b in zip(one.curves, two.curves, strict=True):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-4)
    workshop.images = replace(workshop.images, weight_N=None)
    plain = workshop.tuned(plan, "plain")
    assert plain.curves[-1]["train_loss"] != pytest.approx(one.curves[-1]["train_loss"], rel=1e-3)
