"""Wrong labels planted among real images: how high `check --deep` ranks them, and how many of its flags are right.

    python benchmarks/labels.py --data mushrooms8 cats-dogs --cards DIR [--backbone NAME] [--seeds 10] [--cache DIR]

A share of the labelled images, drawn by the seed, gets another class, drawn evenly. Folds are stratified by these
labels, duplicates whole; heads and folds are those of the default recipe. Average precision is of the order by
`label_quality`; chance is the share of planted labels. `+-` is the standard error over seeds. The sets hold wrong
labels of their own: flags on them count as false here, so that both precisions are told too low.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from planting import asked
from table import ratio

from medalist.metrics import metrics
from medalist.pipeline import way
from medalist.pipeline.deep import out_of_fold
from medalist.pipeline.extraction import Features
from medalist.quality.labels import label_quality, suspects
from medalist.recipe import Recipe, load_recipe

RATES = (0.05, 0.10)


def main() -> None:
    arguments = asked(__doc__.partition("\n")[0], "folders of image sets with one class each")
    recipe = load_recipe(
        None,
        [f"runtime={arguments.runtime}"],
        metric="accuracy",
        backbones=[arguments.backbone],
        cards=arguments.cards and str(arguments.cards),
    )
    print(f"{'set':16s}{'planted':>9s}{'average precision':>20s}{'flagged':>9s}{'precision':>11s}{'recall':>8s}")
    with tempfile.TemporaryDirectory() as temporary:
        for root in arguments.data:
            features = way.embed(recipe, way.read(recipe, root), cache=arguments.cache or Path(temporary))
            for rate in RATES:
                found = np.array([planted(recipe, features, rate, seed) for seed in range(arguments.seeds)])
                tell(root.name, rate, found)


def tell(name: str, rate: float, found_S4: np.ndarray) -> None:
    """A line of the table, and the ratio to chance."""
    precision, flagged, right, recall = found_S4.mean(axis=0)
    error = found_S4[:, 0].std(ddof=1) / len(found_S4) ** 0.5
    print(f"{name:16s}{rate:9.0%}{precision:13.3f} +- {error:.3f}{flagged:9.1f}{right:11.3f}{recall:8.3f}", flush=True)
    ratio(f"planted labels in {name}, {rate:.0%}: average precision", precision / rate, "chance")


def planted(recipe: Recipe, features: Features, rate: float, seed: int) -> tuple[float, int, float, float]:
    """Average precision of the order; flags, and their precision and recall."""
    rng, true_N, num_classes = np.random.default_rng(seed), features.train.labels, len(features.train.classes)
    wrong = rng.choice(len(true_N), round(rate * len(true_N)), replace=False)
    y_N = true_N.copy()
    y_N[wrong] = (y_N[wrong] + rng.integers(1, num_classes, len(wrong))) % num_classes
    wrong_N = np.isin(np.arange(len(y_N)), wrong)
    drawn = recipe.model_copy(update={"seed": seed, "folds": recipe.folds.model_copy(update={"seed": seed})})
    prob_NC, _ = out_of_fold(drawn, features.x_ND[:], y_N, features.group_N, num_classes=num_classes)
    order_N = 1 - label_quality(prob_NC, y_N)
    precision = metrics.bind("average_precision")(wrong_N.astype(int), np.stack([1 - order_N, order_N], axis=1))
    flagged_N = suspects(prob_NC, y_N)
    hits = int((flagged_N & wrong_N).sum())
    return precision, int(flagged_N.sum()), hits / max(int(flagged_N.sum()), 1), hits / len(wrong)


if __name__ == "__main__":
    main()
