"""Policies that a screening proposes, each against no augmentation, on draws that chose nothing.

Axes: S draws.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalist.evidence import Comparison, compare_seeds, estimate, holm, verdict
from medalist.experiments.augmenting.factors import ERASING, policy_of
from medalist.experiments.augmenting.players import Frozen, Player

DRAWS = (1, 2)  # the screening's is 0
NONE, PROMISING = "none", "most promising"
BETTER, PAIR, OWN = "found better", f"and the {PROMISING}", "the recipe's own"


@dataclass(frozen=True)
class Confirmed:
    """A policy, on fresh draws.

    Args:
        name: what it is.
        policy: as a recipe takes it.
        score: out of fold, mean of the draws.
        stderr: of the score, by rows.
        gain: over no augmentation; p and verdict are Holm's. None: it is no augmentation.
        seconds: of all its draws together.
        holds_for: what it was tried by.
        over: of what was found better with the most promising, the gain over what was found better alone.
    """

    name: str
    policy: str
    score: float
    stderr: float
    gain: Comparison | None
    seconds: float
    holds_for: str
    over: Comparison | None = None


def proposals(factors: Sequence[str], effects: Mapping[str, Comparison], own: str) -> dict[str, str]:
    """Name -> policy: what was found better, that with the most promising undecided one, and the recipe's own.

    Args:
        factors: in the order in which a policy has them.
        effects: of those that were screened.
        own: the recipe's policy.
    """
    better = [one for one, effect in effects.items() if effect.verdict == "better"]
    open_ = [one for one, e in effects.items() if e.verdict == "not distinguishable" and e.difference > 0]
    found = {BETTER: policy_of(factors, better)}
    if open_:
        most = max(open_, key=lambda one: effects[one].difference)
        found[PAIR if better else PROMISING] = policy_of(factors, [*better, most])
    found[OWN] = own
    asked = dict[str, str]()
    for name, policy in found.items():
        if policy and policy not in asked.values():
            asked[name] = policy
    return asked


def confirm(player: Player, asked: Mapping[str, str], *, metric: str, screened: int) -> list[Confirmed]:
    """No augmentation first, then each policy against it, in S draws of both.

    The most promising operation was picked among all on these very rows, which fresh draws do not change: its p counts
    as many times as operations were screened (Bonferroni). The screening's Holm counted that for those found better.
    What was found better with the most promising is also told from what was found better alone.

    Args:
        player: that tries policies.
        asked: name -> policy, as `proposals` gives them.
        metric: by which.
        screened: operations among which the most promising was picked.
    """
    times = {name: screened for name in asked if name.endswith(PROMISING)}
    return _against_first(player, {NONE: "", **asked}, metric, times)


def _against_first(
    player: Player, policies: Mapping[str, str], metric: str, times: Mapping[str, int] | None = None
) -> list[Confirmed]:
    """The first policy, then each other against it; `times`: how often a p counts before Holm's correction."""
    answers, seconds = dict[str, list[np.ndarray]](), dict[str, float]()
    for name, policy in policies.items():
        start = time.perf_counter()
        answers[name] = _draws(player, policy)
        seconds[name] = time.perf_counter() - start
    truth, (first, *others) = player.truth, policies
    gains = {
        name: compare_seeds(metric, truth.labels, answers[name], answers[first], groups=truth.group_N)
        for name in others
    }
    counted = [min(1.0, gain.p * (times or {}).get(name, 1)) for name, gain in gains.items()]
    adjusted = dict(zip(gains, holm(counted).tolist(), strict=True))
    rows = []
    over = None
    if BETTER in answers and PAIR in answers:
        found = compare_seeds(metric, truth.labels, answers[PAIR], answers[BETTER], groups=truth.group_N)
        over = _with_p(found, min(1.0, found.p * (times or {}).get(PAIR, 1)))
    for name, policy in policies.items():
        told = [estimate(metric, truth.labels, one, groups=truth.group_N) for one in answers[name]]
        rows.append(
            Confirmed(
                name,
                policy,
                score=float(np.mean([one.score for one in told])),
                stderr=float(np.mean([one.stderr for one in told])),
                gain=_with_p(gains[name], adjusted[name]) if name in gains else None,
                seconds=round(seconds[name], 3),
                holds_for=player.holds_for,
                over=over if name == PAIR else None,
            )
        )
    return rows


def _draws(player: Player, policy: str) -> list[np.ndarray]:
    """Answers in S draws; frozen features without augmentation draw nothing."""
    if isinstance(player, Frozen) and not policy:
        return player.play([policy], DRAWS[0]) * len(DRAWS)
    return [player.play([policy], draw)[0] for draw in DRAWS]


def _with_p(gain: Comparison, p: float) -> Comparison:
    return replace(gain, p=p, verdict=verdict(gain.difference, gain.stderr, p))


def erasing_for_longer(
    player: Player, factors: Sequence[str], better: Sequence[str], *, metric: str
) -> list[Confirmed]:
    """Erasing at twice the epochs, beside what was found better: strong policies want longer trainings.

    The first is that policy without erasing; the others are told from it, in as many draws as all that is confirmed.

    Empty where nothing is trained, or no factor erases.
    """
    erasing = [one for one in factors if one.startswith(ERASING)]
    if isinstance(player, Frozen) or not erasing:
        return []
    longer = replace(player, longer=2 * player.longer, done=[])
    rest = policy_of(factors, [one for one in better if one not in erasing])
    asked = {f"with {one}, longer": policy_of(factors, [*better, one]) for one in erasing}
    return _against_first(longer, {f"without {ERASING}, longer": rest, **asked}, metric)
