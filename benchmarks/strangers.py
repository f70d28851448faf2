"""Images of other sets planted among a set's own: how many of either does `check --deep` call outliers?

    python benchmarks/strangers.py --data SETS --cards DIR [--backbone NAME] [--seeds 10] [--cache DIR]

Of each other set five labelled images, drawn by the seed. Average precision is of the order by distance, chance the
planted share (about one in fifty). The sets hold strange images of their own, which count as false here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from planting import asked
from table import ratio

from medalist.metrics import metrics
from medalist.pipeline import way
from medalist.pipeline.extraction import Features
from medalist.quality.outliers import FLAGGED, deviations, distances
from medalist.recipe import load_recipe

PLANTED = 5  # of each other set


def main() -> None:
    arguments = asked(__doc__.partition("\n")[0], "folders of several image sets")
    settings = [f"runtime={arguments.runtime}", "views=center", "taps=pooled", "normalise=l2"]
    cards = arguments.cards and str(arguments.cards)
    recipe = load_recipe(None, settings, metric="accuracy", backbones=[arguments.backbone], cards=cards)
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        sets = {root.name: way.embed(recipe, way.read(recipe, root), cache=cache) for root in arguments.data}
    print(f"{'set':16s}{'average precision':>20s}{'found':>8s}{'of its own':>12s}")
    for name in sets:
        precision_S, found_S, own_S = np.array([planted(sets, name, seed) for seed in range(arguments.seeds)]).T
        error = precision_S.std(ddof=1) / len(precision_S) ** 0.5
        print(f"{name:16s}{precision_S.mean():13.3f} +- {error:.3f}{found_S.mean():8.3f}{own_S.mean():12.4f}")
        share = 1 / (1 + len(sets[name].train) / (PLANTED * (len(sets) - 1)))
        ratio(f"strangers in {name}: average precision", precision_S.mean() / share, "chance")


def planted(sets: Mapping[str, Features], host: str, seed: int) -> tuple[float, float, float]:
    """Average precision, and shares of planted and of own images that are flagged."""
    rng = np.random.default_rng(seed)
    others = [features for name, features in sets.items() if name != host]
    strange_SD = np.concatenate(
        [one.x_ND[np.sort(rng.choice(len(one.train), PLANTED, replace=False))] for one in others]
    )
    x_ND = np.concatenate([sets[host].x_ND[:], strange_SD])
    strange_N = np.arange(len(x_ND)) >= len(sets[host].train)
    group_N = np.where(strange_N, np.arange(len(x_ND)) + len(x_ND), 0)
    group_N[~strange_N] = sets[host].group_N
    far_N = distances(x_ND, x_ND, group_N, group_N)
    score_N2 = np.stack([-far_N, far_N], axis=1)
    flagged_N = deviations(far_N, far_N) > FLAGGED
    precision = metrics.bind("average_precision")(strange_N.astype(int), score_N2)
    return precision, flagged_N[strange_N].mean(), flagged_N[~strange_N].mean()


if __name__ == "__main__":
    main()
