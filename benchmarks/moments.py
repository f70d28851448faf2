"""A dataset's moments: what finding them costs, and what putting them in the place of a backbone's own would do.

Cost: `medalist stats` without imports, all labelled images with an empty cache, and a sample of 300 with another one.
Harm: features with the card's own mean and std, with ImageNet's, with the dataset's and halfway to these; ridge on the
same folds, scored out of fold, compared with the card's own by a paired bootstrap over groups. `share` is
`medalist.data.moments.swap_share`.

    python benchmarks/moments.py --data ROOT --cards DIR --backbone mobilenetv2_100_coral
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SETS = {"cats-dogs": "log_loss", "flowers102": "accuracy", "mushrooms8": "accuracy"}
IMAGENET: Any = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the image sets")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbone's card")
    parser.add_argument("--backbone", required=True, help="a card of that folder")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    arguments = parser.parse_args()
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as folder:
            costs(arguments.data / name, Path(folder))
            harm(name, arguments.data / name, arguments.cards / f"{arguments.backbone}.json", Path(folder))


def costs(root: Path, folder: Path) -> None:
    """Seconds of an exact answer and of a sampled one, both cold."""
    from medalist.pipeline.moments import stats
    from medalist.recipe import load_recipe

    recipe = load_recipe(metric="accuracy", backbones=("embedded",))
    for title, sample in (("sample", 300), ("exact", None)):
        start = time.perf_counter()
        first = stats(recipe, root, sample=sample, cache=folder / title).splitlines()[0]
        print(f"{root.name}: {title} {time.perf_counter() - start:.2f} s; {first}", flush=True)


def harm(name: str, root: Path, card: Path, folder: Path) -> None:
    """Scores with each pair of moments, and whether they are worse than with the card's own."""
    from medalist.data.ingest import facts_of
    from medalist.data.moments import dataset_moments, swap_share
    from medalist.evidence import compare, estimate
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    table = way.read(load_recipe(metric=SETS[name]), root).labelled()
    found = dataset_moments(facts_of(table.root, table.paths.tolist(), cache=folder / "exact"))
    wants = json.loads(card.read_text(encoding="utf-8"))
    own, new = np.array([wants["mean"], wants["std"]]), np.array([found.mean, found.std])
    answers: dict[str, Any] = {}
    for title, pair_2C in {
        "own": own,
        "imagenet": np.array(IMAGENET),
        "dataset": new,
        "halfway": (own + new) / 2,
    }.items():
        cards = changed_card(card, pair_2C, folder / title)
        recipe = load_recipe(metric=SETS[name], backbones=(card.stem,), cards=str(cards))
        features = way.embed(recipe, table, cache=folder / "exact")
        answers[title] = answers_of(recipe, features)
        y, groups = features.train.labels, features.group_N
        score = estimate(recipe.metric, y, answers[title], groups=groups).score
        line = f"  {title:9s} {recipe.metric} {score:.4f}"
        if title != "own":
            paired = compare(recipe.metric, y, answers[title], answers["own"], groups=groups)
            line += f", better by {paired.difference:+.4f} (stderr {paired.stderr:.4f}): {paired.verdict}"
            line += f", share {swap_share(found, own, pair_2C):.2f}"
        print(line, flush=True)


def changed_card(card: Path, pair_2C: np.ndarray, folder: Path) -> Path:
    """A folder with a copy of the card that wants other moments."""
    folder.mkdir()
    facts = {**json.loads(card.read_text(encoding="utf-8")), "mean": pair_2C[0].tolist(), "std": pair_2C[1].tolist()}
    (folder / card.name).write_text(json.dumps(facts), encoding="utf-8")
    shutil.copy(card.parent / facts["weights"], folder)
    return folder


def answers_of(recipe: Any, features: Any) -> np.ndarray:
    """Ridge's out-of-fold probabilities, or the classes that they favour, as the metric eats them."""
    from medalist.pipeline import way
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    fold_N, x_ND = way.split(recipe, features).fold_N, features.x_ND[:]
    ridge, num_classes = heads.bind("ridge"), len(features.train.classes)
    run = crossval(ridge, x_ND, features.train.labels, fold_N, x_ND[:0], num_classes=num_classes, seed=0)[1]
    return np.asarray(run.oof_NC if recipe.metric == "log_loss" else run.oof_NC.argmax(axis=1))


if __name__ == "__main__":
    main()
