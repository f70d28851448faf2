"""What an epoch of a training was worth: its loss and metric on watched rows, its weights on disk.

Axes: n rows, C classes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import numpy as np
import torch

from medalist.errors import MedalistError
from medalist.training import checkpoint, network, ranks
from medalist.training.heads.contract import link, log_loss
from medalist.training.underway import Training

BATCH = 64


def finish_epoch(training: Training, watched: np.ndarray | None) -> None:
    """Put the epoch that just ended to the curves, and its weights (averaged, where an average is kept) to the folder.

    Args:
        training: at the first step of the next epoch.
        watched: rows that it is judged on; nothing is learnt from them.
    """
    done = training.epoch - 1
    fact: dict[str, Any] = {"epoch": done, "train_loss": training.sums[0] / training.sums[1], "lr": training.lr()}
    if training.images.auxiliary:
        fact["auxiliary_loss"] = training.sums[2] / training.sums[1]
    if training.seen:
        rows, prob_nC = (np.concatenate(parts) for parts in zip(*training.seen, strict=True))
        with suppress(MedalistError, ValueError):  # so few rows may lack what a metric needs; it is only shown
            fact["train_metric"] = training.score(rows, prob_nC)
    if watched is not None:
        fact |= judged(training, watched)
        if training.plateau:
            training.plateau.update(fact["metric"])
    if training.plateau:
        training.plateau.load(ranks.told(training.plateau.state()))
    if ranks.rank() == 0:
        with averaged(training):
            arrays = network.weights(training.net, training.names)
        checkpoint.save(training.folder / weights_of(done), arrays, {})
    if training.plateau:
        fact["factor"] = training.plateau.now
    training.curves.append(fact)
    training.sums, training.seen = [0.0, 0.0, 0.0], []


def weights_of(epoch: int) -> str:
    """File of an epoch's weights."""
    return f"weights-{epoch}.safetensors"


def judged(training: Training, rows: np.ndarray) -> dict[str, float]:
    """Log-loss and metric on rows, of the raw weights and, where it is kept, of their average (`ema_`)."""
    labels, found = training.images.labels[rows], dict[str, float]()
    ways: list[tuple[str, AbstractContextManager[Any]]] = [("", nullcontext())]
    for name, way in [*ways, *([("ema_", averaged(training))] if training.ema else [])]:
        with way:
            logit_nC = logits(training, rows)
        found[f"{name}loss"] = log_loss(logit_nC, labels) / len(rows)
        prob_nC = np.asarray(link(logit_nC, training.images.tags), np.float32)
        found[f"{name}metric"] = training.score(rows, prob_nC)
    return found


def averaged(training: Training) -> AbstractContextManager[Any]:
    """Inside, the network holds the weights that answer: their average, where one is kept."""
    return training.ema.swapped(training.net) if training.ema else nullcontext()


def logits(training: Training, rows: np.ndarray) -> np.ndarray:
    """What the network as it stands says (n, C) of unaugmented images."""
    # At another size than the answers' the bottom's tensors are others: then the whole network is asked.
    same = training.images.in_own_size(training.plan, training.phase)
    feed, part = (training.feed, training.part) if same else (training.images, training.net)
    training.net.eval()
    training.part.eval()
    with torch.inference_mode(), training.precision():
        parts = [part(*some).float().cpu().numpy() for some in feed.plain(rows, BATCH, training.device)]
    training.part.train()
    return np.concatenate(parts)
