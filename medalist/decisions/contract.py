"""What every decision rule keeps to: the registry, and the shape of a state.

A rule is a pair of functions. `fit(prob_NC, y, *, options) -> state` is registered under its name and returns a dict
that JSON can hold; its facts are

    apply   `(state, prob_MC) -> answers`, one answer an image, whatever its neighbours
    gives   what the answers are, as a metric's `eats`: `labels` (M,), `prob` (M, C) or `sets` (M, C) booleans
    names   True where `fit` takes the keyword `classes`, the names of the C columns, to look up names of the recipe

`y` is (N,) class indices, or tags (N, C), boolean or CSR. A state may hold `facts`: numbers for the record, not used
by `apply`. Cross-fitted, answers are honest: `crossfit(rule, rule.facts["apply"], prob_NC, y, fold_N)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medalist.registry import Registry

State = dict[str, Any]
rules: Registry[Callable[..., State]] = Registry("decision rule")
