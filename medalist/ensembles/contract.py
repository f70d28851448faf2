"""What every ensembler keeps to, and the registry.

An ensembler is `fit(prob_NRC, y, *, own options) -> state`, a dict that JSON can hold. `prob_NRC` is a dense array or
`Members`, which need not fit in memory. Facts:

    apply     `(state, prob_MRC) -> prob_MC`, float32
    tasks     which of `binary`, `multiclass`, `tags` it serves; without it, all
    steered   True where `fit` takes `metric` (text), `rule` (text, None: the metric's default) and `seed` too
    bends     True where even one run comes out changed (by its threshold, or told by other tags); else one run in is
              the same run out
    rule      text of the decision rule that it brings where a recipe names none; a member by itself then goes through
              the same ensembler, else through `mean`
    alone     `(arguments, r) -> arguments` of the same ensembler for member r by itself; without it, they are the same

It never sees a fold: the chain that it is a link of cross-fits it.
Axes: R runs, N training images, M images to answer, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medalist.registry import Registry

State = dict[str, Any]
ensembles: Registry[Callable[..., State]] = Registry("ensemble")
