"""Everything between the heads and the answers that learns from labels, as one chain: blend -> decision rule.

One chain, so that it is cross-fitted as one: neither its weights nor its thresholds saw the rows that score it.
Axes: N training images, M images to answer, L readable ones among them, R heads, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.crossfit import crossfit
from medalist.decisions.rules import default_rule, rules
from medalist.ensembles import ensembles
from medalist.recipe import Recipe
from medalist.registry import Bound

State = dict[str, Any]


def rule_of(recipe: Recipe) -> Bound[Any]:
    """The recipe's decision rule, or the metric's own."""
    return rules.bind(recipe.decide or default_rule(recipe.metric))


def fit_chain(recipe: Recipe, prob_NRC: np.ndarray, y: Any) -> State:
    """Learn blend, then rule, on out-of-fold probabilities; the state is JSON."""
    blend = ensembles.bind(recipe.ensemble)
    state = blend(prob_NRC, y)
    return {"blend": state, "rule": rule_of(recipe)(blend.facts["apply"](state, prob_NRC), y)}


def blended(recipe: Recipe, state: State, prob_MRC: np.ndarray) -> np.ndarray:
    """(M, C) probabilities of the blend."""
    prob_MC: np.ndarray = ensembles.bind(recipe.ensemble).facts["apply"](state["blend"], prob_MRC)
    return prob_MC


def answers_of(recipe: Recipe, state: State, prob_MRC: np.ndarray) -> np.ndarray:
    """What the metric eats, from the probabilities of the heads."""
    answers: np.ndarray = rule_of(recipe).facts["apply"](state["rule"], blended(recipe, state, prob_MRC))
    return answers


def answer_all(
    recipe: Recipe, state: State, prob_LRC: np.ndarray, readable_M: np.ndarray, prior_C: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Answers to M images of which L could be read; of the others nothing is known but how often each class comes.

    Args:
        recipe: names blend and rule.
        state: of the chain, fitted on all rows.
        prob_LRC: probabilities of the heads for the readable images.
        readable_M: which images those are.
        prior_C: share of each class, or frequency of each tag, in training; the rule decides on it as on any other row.

    Returns:
        Answers, M rows of what the metric eats, and the probabilities (M, C) behind them.
    """
    prob_MC = np.tile(prior_C.astype(np.float32), (len(readable_M), 1))
    if readable_M.any():
        prob_MC[readable_M] = blended(recipe, state, prob_LRC)
    answers: np.ndarray = rule_of(recipe).facts["apply"](state["rule"], prob_MC)
    return answers, prob_MC


def crossfit_chain(recipe: Recipe, prob_NRC: np.ndarray, y: Any, fold_N: np.ndarray) -> tuple[np.ndarray, State]:
    """Answers of the N training rows, each by a chain that did not see its fold; and the chain fitted on all rows."""
    return crossfit(
        lambda prob, truth: fit_chain(recipe, prob, truth),
        lambda state, prob: answers_of(recipe, state, prob),
        prob_NRC,
        y,
        fold_N,
    )
