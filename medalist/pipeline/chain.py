"""Everything between the members and the answers that learns from labels, as one chain: blend -> decision rule.

One chain, so that it is cross-fitted as one: neither its weights nor its thresholds saw the rows that score it.
Axes: N training images, M images to answer, L readable ones among them, R members, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.crossfit import crossfit
from medalist.decisions.rules import default_rule, rules
from medalist.ensembles import ensembles
from medalist.recipe import Recipe
from medalist.registry import Bound

State = dict[str, Any]


@dataclass(frozen=True)
class Chain:
    """The chain by name; what it learns is a state that JSON can hold.

    Args:
        metric: that the answers are for.
        ensemble: members' probabilities -> one.
        decide: decision rule; None: the metric's own.
        classes: C names.
        seed: of whatever an ensemble draws.
    """

    metric: str
    ensemble: str
    decide: str | None
    classes: tuple[str, ...]
    seed: int = 0

    @classmethod
    def of(cls, recipe: Recipe, classes: tuple[str, ...]) -> Chain:
        """The chain that a recipe asks for."""
        return cls(recipe.metric, recipe.ensemble, recipe.decide, classes, recipe.seed)

    @property
    def rule(self) -> Bound[Any]:
        """The decision rule."""
        return rules.bind(self.decide or default_rule(self.metric))

    def fit(self, prob_NRC: Any, y: Any) -> State:
        """Learn blend, then rule, on out-of-fold probabilities."""
        ensemble, rule = ensembles.bind(self.ensemble), self.rule
        steer = {"metric": self.metric, "rule": rule.text, "seed": self.seed} if ensemble.facts.get("steered") else {}
        blend = ensemble(prob_NRC, y, **steer)
        names = {"classes": self.classes} if rule.facts.get("names") else {}
        return {"blend": blend, "rule": rule(ensemble.facts["apply"](blend, prob_NRC), y, **names)}

    def blended(self, state: State, prob_MRC: Any) -> np.ndarray:
        """(M, C) probabilities of the blend."""
        prob_MC: np.ndarray = ensembles.bind(self.ensemble).facts["apply"](state["blend"], prob_MRC)
        return prob_MC

    def decided(self, state: State, prob_MC: np.ndarray) -> np.ndarray:
        """What the metric eats, from the probabilities of the blend."""
        answers: np.ndarray = self.rule.facts["apply"](state["rule"], prob_MC)
        return answers

    def answers(self, state: State, prob_MRC: Any) -> np.ndarray:
        """What the metric eats, from the probabilities of the members."""
        return self.decided(state, self.blended(state, prob_MRC))

    def crossfit(self, prob_NRC: Any, y: Any, fold_N: np.ndarray) -> tuple[np.ndarray, State]:
        """Answers of the N training rows, each by a chain that did not see its fold; and the chain of all rows."""
        return crossfit(self.fit, self.answers, prob_NRC, y, fold_N)

    def answer_all(
        self, state: State, prob_LRC: np.ndarray, readable_M: np.ndarray, prior_C: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answers to M images of which L could be read; of the others nothing is known but how often each class comes.

        Args:
            state: of the chain, fitted on all rows.
            prob_LRC: probabilities of the members for the readable images.
            readable_M: which images those are.
            prior_C: share of each class, or frequency of each tag, in training; the rule decides on it as on any other
                row.

        Returns:
            Answers, M rows of what the metric eats, and the probabilities (M, C) behind them.
        """
        prob_MC = np.tile(prior_C.astype(np.float32), (len(readable_M), 1))
        if readable_M.any():
            prob_MC[readable_M] = self.blended(state, prob_LRC)
        return self.decided(state, prob_MC), prob_MC
