"""A trained neural head as arrays, and its answers from them without torch, on features of the bank.

A state holds `weight0_DC`, `bias0_C`, `weight1_DC`, ... (a dense layer each, a ReLU between; D and C are a layer's own
inputs and outputs), `shift_D` and `scale_D` (features are standardised first), `cosine` (1: rows are scaled to length 1
after that, as ArcFace does) and `tags`. Axes: N images, D features, C classes.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.fitted import State
from medalist.training.blas import one_thread
from medalist.training.heads.contract import link, product
from medalist.training.rows import Source

if TYPE_CHECKING:
    from torch import nn

BLOCK = 256
SMALLEST = 1e-12  # of torch's `normalize`


def head_state(module: nn.Module, *, tags: bool) -> State:
    """The arrays of a module that a registered neural head made.

    Args:
        module: a `Layers` or an `AngularMargin`.
        tags: whether its logits are of tags (a sigmoid each) or of classes (a softmax).
    """
    tensors = {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in module.state_dict().items()}
    state = {
        "shift_D": tensors["standardise.shift_D"],
        "scale_D": tensors["standardise.scale_D"],
        "tags": np.array(tags, np.uint8),
        "cosine": np.array("weight_CD" in tensors, np.uint8),
    }
    if "weight_CD" in tensors:
        weight_CD = tensors["weight_CD"].astype(np.float64)
        length_C1 = np.maximum(np.linalg.norm(weight_CD, axis=1, keepdims=True), SMALLEST)
        scale: Any = module.scale
        weight_DC = np.ascontiguousarray((scale * weight_CD / length_C1).T, np.float32)
        return {**state, "weight0_DC": weight_DC, "bias0_C": np.zeros(len(weight_CD), np.float32)}
    for i in takewhile(lambda i: f"layers.{i}.weight" in tensors, count()):
        state[f"weight{i}_DC"] = np.ascontiguousarray(tensors[f"layers.{i}.weight"].T)
        state[f"bias{i}_C"] = tensors[f"layers.{i}.bias"]
    return state


def neural_predict(state: State, x_ND: Source) -> np.ndarray:
    """Probabilities of raw pooled features.

    Rows go through in blocks of one shape, the last one padded, on one thread, and products are summed in float64: a
    row's bits do not depend on its neighbours.

    Args:
        state: what `head_state` gave.
        x_ND: features (N, D), read block by block.

    Returns:
        float32 (N, C); rows sum to 1, or for tags each lies in [0, 1].
    """
    state = {key: array.astype(np.float64) if array.ndim == 2 else array for key, array in state.items()}
    prob_NC = np.empty((len(x_ND), num_classes(state)), np.float32)
    with one_thread():
        for start in range(0, len(x_ND), BLOCK):
            rows = slice(start, min(start + BLOCK, len(x_ND)))
            padded_BD = np.zeros((BLOCK, x_ND.shape[1]), np.float32)
            padded_BD[: rows.stop - start] = x_ND[rows]
            prob_NC[rows] = link(_logits(state, padded_BD), bool(state["tags"]))[: rows.stop - start]
    return prob_NC


def num_classes(state: State) -> int:
    """C: the outputs of the last layer."""
    return len(state[f"bias{_num_layers(state) - 1}_C"])


def _logits(state: State, x_BD: np.ndarray) -> np.ndarray:
    x_BD = (x_BD - state["shift_D"]) / state["scale_D"]
    if state["cosine"]:
        wide_BD = x_BD.astype(np.float64)
        length_B1 = np.sqrt(np.einsum("bd,bd->b", wide_BD, wide_BD))[:, None]
        x_BD = np.asarray(wide_BD / np.maximum(length_B1, SMALLEST), np.float32)
    for i in range(_num_layers(state)):
        x_BD = product(np.maximum(x_BD, 0) if i else x_BD, state[f"weight{i}_DC"]) + state[f"bias{i}_C"]
    return x_BD


def _num_layers(state: State) -> int:
    return sum(key.startswith("weight") for key in state)
