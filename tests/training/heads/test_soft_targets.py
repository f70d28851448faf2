"""Targets between 0 and 1 for tags: an image that has a tag by a half is half an image with it and half one without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.progress import ignore
from medalist.training.choice import Task
from medalist.training.heads import heads
from medalist.training.large import states as large_states

LEARN_TAGS = [name for name in heads if "tags" in heads.bind(name).facts["tasks"]]


def toy() -> tuple[np.ndarray, np.ndarray]:
    """Standardised rows, and a target of one tag each that they say something about."""
    rng = np.random.default_rng(3)
    x_ND = rng.standard_normal((60, 5)).astype(np.float32)
    return x_ND, (1 / (1 + np.exp(-2 * x_ND[:, :1] - rng.standard_normal((60, 1))))).astype(np.float32)


def said(call: str, x_ND: np.ndarray, y: Any, **keys: Any) -> np.ndarray:
    head = heads.bind(call)
    return np.asarray(head.facts["predict"](head(x_ND, y, num_classes=y.shape[1], **keys), x_ND))


@pytest.mark.parametrize("call", ["ridge(penalty=0.1)", "logistic(penalty=0.1)"])
def test_a_share_is_two_weighed_images(call: str) -> None:
    x_ND, target_N1 = toy()
    twice_ND = np.concatenate([x_ND, x_ND])
    y_N1 = np.repeat([True, False], len(x_ND))[:, None]
    weight_N = np.concatenate([target_N1[:, 0], 1 - target_N1[:, 0]])
    expected = said(call, twice_ND, y_N1, weight_N=weight_N)[: len(x_ND)]
    np.testing.assert_allclose(said(call, x_ND, target_N1), expected, atol=2e-4)


@pytest.mark.parametrize("call", LEARN_TAGS)
def test_certain_shares_are_booleans(call: str) -> None:
    x_ND, target_N1 = toy()
    y_N2 = np.hstack([target_N1 > 0.5, target_N1 < 0.3])
    expected = said(call, x_ND, y_N2)
    assert said(call, x_ND, y_N2.astype(np.float32)).tobytes() == expected.tobytes()
    assert said(call, x_ND, csr_array(y_N2.astype(np.float32))).tobytes() == expected.tobytes()


@pytest.mark.parametrize("call", LEARN_TAGS)
def test_a_share_lies_between(call: str) -> None:
    x_ND, target_N1 = toy()
    low, mid, high = (said(call, x_ND, np.clip(target_N1, a, b)).mean() for a, b in ((0, 0.2), (0, 1), (0.8, 1)))
    assert low < mid < high


@pytest.mark.parametrize("name", [name for name in LEARN_TAGS if "streamed" in heads.bind(name).facts])
def test_rows_in_blocks_learn_the_same_from_shares(name: str) -> None:
    x_ND, target_N1 = toy()
    target_N2, fold_N = np.hstack([target_N1, 1 - target_N1]), np.arange(60) % 3
    call = f"{name}(penalty=0.1, temperature=10.0)" if name == "ridge" else f"{name}(penalty=0.1)"
    head = heads.bind(call)
    states, _ = large_states(Task(head, csr_array(target_N2), fold_N, 3, 2, 0, ignore), x_ND)
    dense, _ = large_states(Task(head, target_N2, fold_N, 3, 2, 0, ignore), x_ND)
    for one, other in zip(states, dense, strict=True):
        np.testing.assert_allclose(one["weight_DC"], other["weight_DC"], atol=1e-5)
    # The refit of a share and of its complement are each other's mirror: no share was rounded.
    weight_DC = states[-1]["weight_DC"]
    np.testing.assert_allclose(weight_DC[:, 0], -weight_DC[:, 1], atol=1e-3)
    assert np.abs(weight_DC).max() > 0.05
