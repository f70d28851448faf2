"""Minimising several smooth convex functions at once, each pass over the data answering all of them.

Each minimiser is a generator: it yields the point it wants to know about and is sent the gradient there. A pass over
many rows costs the more the more of them must be read, so that models which share their rows take their steps together.
Axes: E parameters of a score (features and intercept), C scores, M models.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence

import numpy as np

MEMORY = 6  # pairs of steps and bends that stand for a Hessian
STEEP, FLAT = 0.9, 0.5  # of the first slope: a step may leave so much of it, falling or rising

Descent = Generator[np.ndarray, np.ndarray, np.ndarray]
Memory = deque[tuple[np.ndarray, np.ndarray, float]]  # steps, bends of the gradient, their products
Precondition = Callable[[np.ndarray], np.ndarray]


def together(
    descents: Sequence[Descent], gradients: Callable[[dict[int, np.ndarray]], list[np.ndarray]]
) -> list[np.ndarray]:
    """Run descents in step.

    Args:
        descents: M generators as of `lbfgs`.
        gradients: points by model -> their gradients, in order; one pass over the data.

    Returns:
        What each descent returned.
    """
    results: dict[int, np.ndarray] = {}
    wanted = {m: next(descent) for m, descent in enumerate(descents)}
    while wanted:
        answers = dict(zip(wanted, gradients(wanted), strict=True))
        wanted = {}
        for m, gradient_EC in answers.items():
            try:
                wanted[m] = descents[m].send(gradient_EC)
            except StopIteration as end:
                results[m] = end.value
    return [results[m] for m in range(len(descents))]


def lbfgs(start_EC: np.ndarray, precondition: Precondition, tolerance: float, max_passes: int) -> Descent:
    """L-BFGS (Nocedal & Wright 2006, algorithm 7.5) with an inverse Hessian's first guess given.

    The guess is scaled by the last bend (there, equation 7.20, with the guess for the identity): a step of length 1 is
    then nearly always taken, and costs one gradient.

    Args:
        start_EC: where to begin.
        precondition: gradient -> the guess times it.
        tolerance: of the Newton decrement -g^T d, as far as guess and memory know the Hessian. Twice how far above its
            minimum a quadratic function is left; on hard cases (weak penalties, many classes) ten times that.
        max_passes: gradients asked for, at most.
    """
    weight_EC, gradient_EC = start_EC, (yield start_EC)
    memory: Memory = deque(maxlen=MEMORY)
    passes, scale = 1, 1.0

    def scaled(out_EC: np.ndarray) -> np.ndarray:
        return np.float32(scale) * precondition(out_EC)

    while passes < max_passes:
        direction_EC = downhill(gradient_EC, memory, scaled)
        slope = float(np.vdot(gradient_EC, direction_EC))
        if -slope <= tolerance:
            break
        # A convex function falls as long as its slope along the line does: slopes alone bracket the minimum.
        low, high, step = 0.0, np.inf, 1.0
        while True:
            there_EC = yield weight_EC + np.float32(step) * direction_EC
            passes += 1
            now = float(np.vdot(there_EC, direction_EC))
            if STEEP * slope <= now <= -FLAT * slope or passes >= max_passes:
                break
            low, high = (step, high) if now < 0 else (low, step)
            step = 2 * step if high == np.inf else max(low + 0.1 * (high - low), step * slope / (slope - now))
        if now > -FLAT * slope:
            break
        change_EC, bend_EC = np.float32(step) * direction_EC, there_EC - gradient_EC
        weight_EC, gradient_EC = weight_EC + change_EC, there_EC
        if passes >= max_passes:
            break
        memory.append((change_EC, bend_EC, step * (now - slope)))
        scale = step * (now - slope) / float(np.vdot(bend_EC, precondition(bend_EC)))
    return weight_EC


def downhill(gradient_EC: np.ndarray, memory: Memory, precondition: Precondition) -> np.ndarray:
    """-H^-1 gradient by the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4)."""
    out_EC = -gradient_EC
    shares = []
    for change_EC, bend_EC, curvature in reversed(memory):
        shares.append(float(np.vdot(change_EC, out_EC)) / curvature)
        out_EC -= np.float32(shares[-1]) * bend_EC
    out_EC = precondition(out_EC)
    for (change_EC, bend_EC, curvature), share in zip(memory, reversed(shares), strict=True):
        out_EC += np.float32(share - float(np.vdot(bend_EC, out_EC)) / curvature) * change_EC
    return out_EC
