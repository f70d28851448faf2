"""Everything between the heads and the answers that learns from labels, as one chain: blend -> decision rule.

One chain, so that it is cross-fitted as one: neither its weights nor its thresholds saw the rows that score it.
Axes: N training images, M images to answer, R heads, C classes.
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


def crossfit_chain(recipe: Recipe, prob_NRC: np.ndarray, y: Any, fold_N: np.ndarray) -> tuple[np.ndarray, State]:
    """Answers of the N training rows, each by a chain that did not see its fold; and the chain fitted on all rows."""
    return crossfit(
        lambda prob, truth: fit_chain(recipe, prob, truth),
        lambda state, prob: answers_of(recipe, state, prob),
        prob_NRC,
        y,
        fold_N,
    )
