"""The write-ups' head: dropout, dense, trained by Adam, kept at its best epoch on an inner validation set.

`hidden=0` is dropout and one dense layer (write-up 2: dropout 0.5, Adam, batches of 8, 30 epochs, the epoch with the
least validation loss of an inner 20 % is kept). Axes: N images, D features, H hidden units, C classes, E epochs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.fitted import State
from medalist.training.heads.contract import EVERY_TASK, heads, is_tags, link, product, targets
from medalist.training.weights import part_of, present

if TYPE_CHECKING:
    import torch

INNER_VALIDATION = 0.2


def predict(state: State, x_ND: np.ndarray) -> np.ndarray:
    """Probabilities float32 (N, C)."""
    if "hidden_DH" in state:
        x_ND = np.maximum(product(x_ND, state["hidden_DH"]) + state["hidden_bias_H"], 0)
    return link(product(x_ND, state["weight_HC"]) + state["bias_C"], bool(state["tags"]))


@heads(predict=predict, tasks=EVERY_TASK, draws=True)
def mlp(
    x_ND: np.ndarray,
    y: Any,
    *,
    num_classes: int,
    seed: int = 0,
    weight_N: np.ndarray | None = None,
    hidden: int = 0,
    dropout: float = 0.5,
    lr: float = 1e-3,
    batch: int = 8,
    epochs: int = 30,
    patience: int = 10,
) -> State:
    """Train on 80 % of the rows, keep the weights of the epoch with the least loss on the rest.

    Args:
        x_ND: float32 (N, D), standardised.
        y: class indices (N,), or tags (N, C).
        num_classes: C.
        seed: of the inner split, the first weights, the order of batches and the dropout.
        weight_N: of the rows, times which their losses count; None: all the same.
        hidden: units of the hidden layer (ReLU); 0 for none.
        dropout: share of inputs dropped before each dense layer.
        lr: Adam's rate.
        batch: rows a step.
        epochs: at most.
        patience: epochs without a better one before it stops.

    Returns:
        The weights, and `curve_ET`: training and validation loss of each epoch.
    """
    import torch

    rng = np.random.default_rng(seed)
    rows = present(np.arange(len(x_ND)), weight_N)
    x_ND, y, weight_N = x_ND[rows], y[rows], part_of(weight_N, rows)
    inner, held = inner_split(y, rng)
    tags = is_tags(y)
    inputs = torch.from_numpy(np.ascontiguousarray(x_ND, np.float32))
    wanted = torch.from_numpy(targets(y, num_classes) if tags else np.asarray(y, np.int64))
    net = _Net(x_ND.shape[1], hidden, num_classes, dropout, torch.Generator().manual_seed(int(rng.integers(2**31))))
    optimizer = torch.optim.Adam(net.parameters, lr=lr, fused=True)
    cost = _cost(tags, inputs, wanted, weight_N)
    best, best_epoch, kept, curve = np.inf, 0, net.arrays(), []
    for epoch in range(epochs):
        order = rng.permutation(inner)
        total = 0.0
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            loss = cost(net, part, train=True)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(part)
        with torch.no_grad():
            validation = float(cost(net, held, train=False))
        curve.append((total / len(inner), validation))
        if validation < best:
            best, best_epoch, kept = validation, epoch, net.arrays()
        elif epoch - best_epoch >= patience:
            break
    return {**kept, "curve_ET": np.array(curve, np.float32), "tags": np.array(tags, np.uint8)}


def _cost(tags: bool, inputs: torch.Tensor, wanted: torch.Tensor, weight_N: np.ndarray | None) -> Any:
    """`(net, rows, *, train) -> scalar`: the mean loss of rows, each times its weight over the mean weight of all."""
    import torch

    functional = torch.nn.functional
    loss = functional.binary_cross_entropy_with_logits if tags else functional.cross_entropy
    share = None if weight_N is None else torch.from_numpy((weight_N / weight_N.mean()).astype(np.float32))

    def cost(net: _Net, rows: np.ndarray, *, train: bool) -> torch.Tensor:
        at = torch.from_numpy(rows)
        logits = net(inputs[at], train=train)
        if share is None:
            return loss(logits, wanted[at])
        loss_B = loss(logits, wanted[at], reduction="none")
        return (share[at] * (loss_B.mean(dim=1) if tags else loss_B)).mean()

    return cost


def inner_split(y: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Split rows 80 : 20, stratified by class (an image's rarest tag): the last fifth of each class, shuffled.

    Returns:
        Indices to train on, and to validate on; at least one of each.
    """
    num_rows = y.shape[0]
    if is_tags(y):
        target_NC = targets(y, y.shape[1])
        y = np.where(target_NC > 0, target_NC.sum(axis=0), np.inf).argmin(axis=1)
    order = rng.permutation(num_rows)
    order = order[np.argsort(np.asarray(y)[order], kind="stable")]
    # In the order of classes every fifth row: each class gives its fifth, a class of fewer rows its chance of one.
    held = np.arange(num_rows) % round(1 / INNER_VALIDATION) == int(rng.integers(min(5, num_rows)))
    return np.sort(order[~held]), np.sort(order[held])


class _Net:
    """Dense layers with dropout before each, drawing from a generator of its own."""

    def __init__(self, num_features: int, hidden: int, num_classes: int, dropout: float, draw: torch.Generator) -> None:
        widths = [num_features, *([hidden] if hidden else []), num_classes]
        self.dropout, self.draw = dropout, draw
        self.weights = [self._first(a, b) for a, b in pairwise(widths)]
        self.biases = [self._first(a, b)[0].clone().detach() for a, b in pairwise(widths)]
        self.parameters = [p.requires_grad_() for p in (*self.weights, *self.biases)]

    def _first(self, rows: int, columns: int) -> torch.Tensor:
        """Uniform in +-1 / sqrt(rows), as torch.nn.Linear."""
        import torch

        first: torch.Tensor = (2 * torch.rand(rows, columns, generator=self.draw) - 1) / rows**0.5
        return first

    def __call__(self, x: torch.Tensor, *, train: bool) -> torch.Tensor:
        import torch

        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.relu(x) if layer else x
            if train and self.dropout:
                x = x * (torch.rand(x.shape, generator=self.draw) >= self.dropout) / (1 - self.dropout)
            x = torch.addmm(bias, x, weight)
        return x

    def arrays(self) -> State:
        """A copy of the weights, named as `predict` reads them."""
        weights = [p.detach().numpy().copy() for p in self.weights]
        biases = [p.detach().numpy().copy() for p in self.biases]
        state = {"weight_HC": weights[-1], "bias_C": biases[-1]}
        return {**state, "hidden_DH": weights[0], "hidden_bias_H": biases[0]} if len(weights) == 2 else state
