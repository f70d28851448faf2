"""Where fine-tuning's head starts: as the solution on frozen features, or the classic way, epochs on a frozen body.

Both train on the same folds, images, sizes, augmentation and rates; the classic way has head epochs on top. Printed:
each epoch's training loss, and loss and metric of the rows left out, means of the folds' curves; then the two ways' own
answers out of fold, paired, at the same epochs of the whole network.

    python benchmarks/starts.py --data SET --cards DIR --backbone NAME [--head-epochs 3] [--epochs 6]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from medalist.evidence import compare
from medalist.pipeline import run
from medalist.pipeline.kept import load_truth, load_unseen
from medalist.recipe import load_recipe

SHOWN = ("train_loss", "loss", "metric")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--backbone", default="mobilenetv2_100_coral")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--head-epochs", type=int, default=3, help="on a frozen body, of the classic way")
    parser.add_argument("--head-lr", type=float, default=1e-3, help="their rate")
    parser.add_argument("--epochs", type=int, default=6, help="of the whole network")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    whole = f"{{train: all, epochs: {arguments.epochs}}}"
    head = f"{{train: head, epochs: {arguments.head_epochs}, lr: {arguments.head_lr}, schedule: constant}}"
    ways = {
        "exact": ["finetune.start=exact", f"finetune.phases=[{whole}]"],
        "classic": ["finetune.start=random", f"finetune.phases=[{head}, {whole}]"],
    }
    with tempfile.TemporaryDirectory() as folder:
        outs = {way: trained(arguments, settings, Path(folder) / way) for way, settings in ways.items()}
        for way, out in outs.items():
            tell(way, out)
        truth = load_truth(outs["exact"])
        exact, classic = (load_unseen(out) for out in outs.values())
        found = compare(arguments.metric, truth.labels, exact, classic, groups=truth.group_N)
    print(f"exact against classic, {arguments.metric}: {found.difference:+.4f} +- {found.stderr:.4f}, {found.verdict}")


def trained(arguments: argparse.Namespace, settings: list[str], out: Path) -> Path:
    """The run folder of one way."""
    settings = [*settings, f"folds.k={arguments.folds}", "final=folds", "views=[center]"]
    keys = {"metric": arguments.metric, "backbones": (arguments.backbone,), "cards": str(arguments.cards), "heads": ()}
    run(load_recipe(None, settings, **keys), arguments.data, out, cache=arguments.cache)
    return out


def tell(way: str, out: Path) -> None:
    """A line an epoch, the mean of the folds."""
    curves = [json.loads(file.read_text())["epochs"] for file in sorted(out.glob("tuned/*/curves-[0-9]*.json"))]
    print(f"{way}: {len(curves)} folds; epoch, {', '.join(SHOWN)}")
    for epoch, rows in enumerate(zip(*curves, strict=True)):
        values = (np.mean([row[name] for row in rows]) for name in SHOWN if name in rows[0])
        print(f"  {epoch + 1:2d}  " + "  ".join(f"{value:8.4f}" for value in values))


if __name__ == "__main__":
    main()
