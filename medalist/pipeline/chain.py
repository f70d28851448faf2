"""Everything between the members and the answers that learns from labels, as one chain: views -> blend -> rule.

One chain, so that it is cross-fitted as one: neither its weights nor its thresholds saw the rows that score it.
Axes: N training images, M images to answer, L readable ones among them, R members, V views, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.crossfit import apply_inside, fit_outside
from medalist.decisions.rules import default_rule, rules
from medalist.ensembles import ensembles
from medalist.pipeline.testset import shifted
from medalist.recipe import Recipe
from medalist.registry import Bound

State = dict[str, Any]
VIEWS = "views"  # the ensemble that weighs one learner's answers to several views


@dataclass(frozen=True)
class Crossfitted:
    """Answers to the N training rows and the probabilities (N, C) behind them, each by a state that saw nothing of it.

    Args:
        answers_N: what the metric eats.
        prob_NC: of the blend.
        states: of the rows outside each fold, in the order of the folds.
        state: of all rows.
    """

    answers_N: np.ndarray
    prob_NC: np.ndarray
    states: tuple[State, ...]
    state: State


@dataclass(frozen=True)
class Chain:
    """The chain by name; what it learns is a state that JSON can hold.

    Args:
        metric: that the answers are for.
        ensemble: members' probabilities -> one.
        decide: decision rule; None: the one that the ensemble brings, else the metric's own.
        classes: C names.
        seed: of whatever an ensemble draws.
        num_views: V: so many members in a row are one learner's answers to V views of an image; they become one first.
    """

    metric: str
    ensemble: str
    decide: str | None
    classes: tuple[str, ...]
    seed: int = 0
    num_views: int = 1

    @classmethod
    def of(cls, recipe: Recipe, classes: tuple[str, ...]) -> Chain:
        """The chain that a recipe asks for."""
        num_views = len(recipe.views) if recipe.fuse == "answers" else 1
        return cls(recipe.metric, recipe.ensemble, recipe.decide, classes, recipe.seed, num_views)

    @property
    def rule(self) -> Bound[Any]:
        """The decision rule: the given one, the one that the ensemble brings, or the metric's own."""
        own = ensembles.bind(self.ensemble).facts.get("rule")
        return rules.bind(self.decide or own or default_rule(self.metric))

    def fit(self, prob_NRC: Any, y: Any) -> State:
        """Learn the weights of views, then those of learners, then the rule, on out-of-fold probabilities."""
        state: State = {}
        if self.num_views > 1:
            weigh = ensembles.bind(VIEWS)
            state["views"] = [weigh(part_NVC, y) for part_NVC in self.learners(prob_NRC)]
        ensemble, rule = ensembles.bind(self.ensemble), self.rule
        steer = {"metric": self.metric, "rule": rule.text, "seed": self.seed} if ensemble.facts.get("steered") else {}
        state["blend"] = ensemble(self.seen(state, prob_NRC), y, **steer)
        names = {"classes": self.classes} if rule.facts.get("names") else {}
        return {**state, "rule": rule(self.blended(state, prob_NRC), y, **names)}

    def learners(self, prob_NRC: Any) -> list[Any]:
        """Each learner's views, (N, V, C)."""
        return [prob_NRC[:, at : at + self.num_views] for at in range(0, prob_NRC.shape[1], self.num_views)]

    def seen(self, state: State, prob_NRC: Any) -> Any:
        """The learners' probabilities, each with its views as one."""
        if self.num_views == 1:
            return prob_NRC
        apply, parts = ensembles.bind(VIEWS).facts["apply"], zip(state["views"], self.learners(prob_NRC), strict=True)
        return np.stack([apply(weights, part_NVC) for weights, part_NVC in parts], axis=1)

    def blended(self, state: State, prob_MRC: Any) -> np.ndarray:
        """(M, C) probabilities of the blend."""
        apply = ensembles.bind(self.ensemble).facts["apply"]
        prob_MC: np.ndarray = apply(state["blend"], self.seen(state, prob_MRC))
        return prob_MC

    def decided(self, state: State, prob_MC: np.ndarray) -> np.ndarray:
        """What the metric eats, from the probabilities of the blend."""
        answers: np.ndarray = self.rule.facts["apply"](state["rule"], prob_MC)
        return answers

    def answers(self, state: State, prob_MRC: Any) -> np.ndarray:
        """What the metric eats, from the probabilities of the members."""
        return self.decided(state, self.blended(state, prob_MRC))

    def crossfit(self, prob_NRC: Any, y: Any, fold_N: np.ndarray) -> Crossfitted:
        """Each fold's rows by a chain that saw nothing of it, and the chain of all rows."""
        states = fit_outside(self.fit, prob_NRC, y, fold_N)
        prob_NC = apply_inside(states, self.blended, prob_NRC, fold_N)
        answers_N = apply_inside(states, self.decided, prob_NC, fold_N)
        return Crossfitted(answers_N, prob_NC, tuple(states), self.fit(prob_NRC, y))

    def answer_all(
        self, state: State, prob_LRC: Any, readable_M: np.ndarray, prior_C: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answers to M images of which L could be read; of the others nothing is known but how often each class comes.

        Args:
            state: of the chain, fitted on all rows; its `shift`, where it has one, is how the class frequencies differ.
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
        prob_MC = shifted(state.get("shift", {}), prob_MC)
        return self.decided(state, prob_MC), prob_MC
