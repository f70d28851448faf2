"""A training -> its checkpoint, and back to the same bytes.

It holds weights, their average, optimiser, schedule, dropout's draws, the place in the order of rows, and what is known
of the epoch under way.
"""

from __future__ import annotations

import time

from medalist.training import checkpoint, network
from medalist.training.neural.heads import draws, set_draws
from medalist.training.optim.optimisers import load_state, state_arrays
from medalist.training.underway import Training

CHECKPOINT = "checkpoint.safetensors"


def save(training: Training) -> None:
    """Write all that the next step depends on."""
    state, steps_done = state_arrays(training.optimiser)
    arrays = checkpoint.prefixed(network.weights(training.net, training.names), "net")
    arrays |= checkpoint.prefixed(state, "optimiser")
    if training.ema:
        arrays |= checkpoint.prefixed(training.ema.state()[0], "ema")
    arrays |= checkpoint.prefixed(draws(training.net), "draws")
    for place, (rows, prob_BC) in enumerate(training.seen):
        arrays |= {f"rows.{place}": rows, f"prob.{place}": prob_BC}
    facts = {
        "at": [training.epoch, training.number],
        "phase": training.phase,
        "micro": training.micro,
        "curves": training.curves,
        "sums": training.sums,
        "facts": training.facts,
        "optimiser": steps_done,
        "ema": training.ema.state()[1] if training.ema else None,
        "plateau": training.plateau.state() if training.plateau else None,
    }
    checkpoint.save(training.folder / CHECKPOINT, arrays, facts)
    training.saved = time.monotonic()


def resume(training: Training) -> None:
    """Go back to the checkpoint, if there is one."""
    if not (training.folder / CHECKPOINT).is_file():
        return
    arrays, facts = checkpoint.load(training.folder / CHECKPOINT)
    network.set_weights(training.net, checkpoint.group(arrays, "net"))
    training.epoch, training.number = facts["at"]
    training.micro, training.curves, training.sums, training.facts = (
        facts[k] for k in ("micro", "curves", "sums", "facts")
    )
    if training.epoch < training.plan.epochs and training.plan.place(training.epoch)[0] == facts["phase"]:
        training.enter(facts["phase"])
        load_state(training.optimiser, checkpoint.group(arrays, "optimiser"), facts["optimiser"])
        if training.plateau:
            training.plateau.load(facts["plateau"])
    if training.ema:
        training.ema.load(checkpoint.group(arrays, "ema"), facts["ema"], training.net)
    rows, prob = checkpoint.group(arrays, "rows"), checkpoint.group(arrays, "prob")
    training.seen = [(rows[str(place)], prob[str(place)]) for place in range(len(rows))]
    set_draws(training.net, checkpoint.group(arrays, "draws"))
