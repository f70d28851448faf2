"""Everything between the members and the answers that learns from labels, as one chain: views -> blend -> rule.

One chain, so that it is cross-fitted as one: neither its weights nor its thresholds saw the rows that score it.
Axes: N training images, M images to answer, L readable ones among them, R members, V views, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medalist.crossfit import apply_inside, fit_outside
from medalist.decisions.calibration import apply_clip
from medalist.decisions.rules import default_rule, rules
from medalist.ensembles import ensembles
from medalist.ensembles.members import Members
from medalist.pipeline.testset import shifted
from medalist.recipe import Recipe
from medalist.registry import Bound

State = dict[str, Any]
ENOUGH_ROWS = 20  # a member: with fewer, the rule is fitted on rows that the blend's weights did not see
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

    def by_itself(self, member: int) -> Chain:
        """The chain that decides one member without the others: as it is, or where sets are fused by its threshold."""
        bound = ensembles.bind(self.ensemble)
        if "rule" not in bound.facts:
            return replace(self, ensemble="mean", num_views=1)
        alone = bound.facts.get("alone", lambda arguments, _: arguments)
        ensemble = replace(bound, arguments=alone(bound.arguments, member // self.num_views)).text
        return replace(self, ensemble=ensemble, num_views=1)

    def fit(self, prob_NRC: Any, y: Any, fold_N: np.ndarray) -> State:
        """Learn the weights of views, then those of learners, then the rule, on out-of-fold probabilities.

        With few rows a member, weights fit the rows that they are learnt on better than others, and a rule fitted on
        those would trust the blend too much: it is then fitted on a blend that is cross-fitted once more. The state's
        `rule_rows` says which.
        """
        state, rule, own = self._fit_blend(prob_NRC, y), self.rule, "the blend's own"
        few = len(prob_NRC) < ENOUGH_ROWS * prob_NRC.shape[1] and len(np.unique(fold_N)) > 1
        if few and prob_NRC.shape[1] > 1 and np.ndim(state["blend"].get("weights")) == 1:
            own = "unseen by the blend"
            inner = fit_outside(self._fit_blend, prob_NRC, y, fold_N)
            prob_NC = apply_inside(inner, self.blended, prob_NRC, fold_N)
        else:
            prob_NC = self.blended(state, prob_NRC)
        names = {"classes": self.classes} if rule.facts.get("names") else {}
        return {**state, "rule": rule(prob_NC, y, **names), "rule_rows": own}

    def _fit_blend(self, prob_NRC: Any, y: Any) -> State:
        state: State = {}
        if self.num_views > 1:
            weigh = ensembles.bind(VIEWS)
            state["views"] = [weigh(part_NVC, y) for part_NVC in self.learners(prob_NRC)]
        ensemble = ensembles.bind(self.ensemble)
        steer = {"metric": self.metric, "rule": self.rule.text, "seed": self.seed}
        state["blend"] = ensemble(self.seen(state, prob_NRC), y, **(steer if ensemble.facts.get("steered") else {}))
        return state

    def learners(self, prob_NRC: Any) -> list[Any]:
        """Each learner's views, (N, V, C)."""
        return [prob_NRC[:, at : at + self.num_views] for at in range(0, prob_NRC.shape[1], self.num_views)]

    def seen(self, state: State, prob_NRC: Any) -> Any:
        """The learners' probabilities, each with its views as one."""
        if self.num_views == 1:
            return prob_NRC
        apply, parts = ensembles.bind(VIEWS).facts["apply"], zip(state["views"], self.learners(prob_NRC), strict=True)
        return Members([apply(weights, part_NVC) for weights, part_NVC in parts])

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
        rest = [np.flatnonzero(fold_N != fold) for fold in np.unique(fold_N)]
        states = [self.fit(prob_NRC[rows], y[rows], fold_N[rows]) for rows in rest]
        prob_NC = apply_inside(states, self.blended, prob_NRC, fold_N)
        answers_N = apply_inside(states, self.decided, prob_NC, fold_N)
        return Crossfitted(answers_N, prob_NC, tuple(states), self.fit(prob_NRC, y, fold_N))

    def answer_all(
        self, state: State, prob_LC: np.ndarray, readable_M: np.ndarray, prior_C: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Answers to M images of which L could be read; of the others nothing is known but how often each class comes.

        Args:
            state: of the chain, fitted on all rows; its `shift`, where it has one, is how the class frequencies differ.
            prob_LC: probabilities of the blend for the readable images.
            readable_M: which images those are.
            prior_C: share of each class, or frequency of each tag, in training; the rule decides on it as on any other
                row.

        Returns:
            Answers, M rows of what the metric eats, and the probabilities (M, C) behind them.
        """
        prob_MC = np.tile(prior_C.astype(np.float32), (len(readable_M), 1))
        prob_MC[readable_M] = prob_LC
        if shift := state.get("shift"):
            return self._shifted(state, shift, prob_MC, readable_M)
        return self.decided(state, prob_MC), prob_MC

    def _shifted(
        self, state: State, shift: State, prob_MC: np.ndarray, readable_M: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same under the test set's class frequencies: after a rule that calibrates, before one that chooses."""
        if self.rule.facts["gives"] == "prob":
            prob_MC = self.decided(state, prob_MC)
        new_MC = shifted(shift, prob_MC, readable_M)
        if self.rule.facts["gives"] == "prob":
            # A class that the test set seems to lack must not cost more than the clip lets it.
            new_MC = apply_clip(new_MC, state["rule"]["low"], state["rule"]["high"])
            return new_MC, new_MC
        return self.decided(state, new_MC), new_MC
