"""Fine-tuning: images a second and log-loss on one held-out fold, against a loop by hand and against fastai.

    python benchmarks/finetune.py --data shared/data/cats-dogs --cards shared/weights [--fastai-python PYTHON]

All three train mobilenetv2_100 from the card's weights on the same rows, at 224 pixels, in batches of 32, on random
crops (scale 0.5 to 1) and flips, for the same number of epochs, two processes decoding; each in processes of its own
that are timed from outside. By hand: timm, torchvision's transforms, a DataLoader, float32, AdamW on a cosine. fastai:
`fine_tune` with its own defaults, its first epoch on a frozen body; without `--fastai-python` (an interpreter with
fastai and timm) it is left out. `later` is training from the second epoch on, `training` all epochs, `whole` everything
from start to end. Losses are on fold 0, which none of them saw; differences are paired by image.

Axes: H held-out images, C classes.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from table import ratio

CARD = "mobilenetv2_100_coral"
SIZE, BATCH, LOADERS, SCALE = 224, 32, 2, 0.5
BY_HAND_LR = 3e-4
FLOOR = 1e-6


def main() -> None:
    args = arguments()
    if args.role:
        ROLES[args.role](args, json.loads((args.out / "plan.json").read_text()))
        return
    with tempfile.TemporaryDirectory(prefix="medalist-bench-") as folder:
        args.out = Path(folder)
        compare(args)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="dataset whose answers are classes")
    parser.add_argument("--cards", required=True, type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--fastai-python", help="an interpreter with fastai and timm")
    parser.add_argument("--only", nargs="+", default=["hand", "fastai", "medalist"], help="which of the three")
    parser.add_argument("--train", default="all", help="what medalist and the loop by hand train")
    parser.add_argument("--role", choices=("hand", "fastai", "medalist"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(args: argparse.Namespace) -> None:
    """Train each, print a line each, then the ratios and paired differences to medalist."""
    plan = write_plan(args)
    print(f"{len(plan['train'])} rows x {args.epochs} epochs, {len(plan['holdout'])} held out", flush=True)
    print(f"{'':10s} {'images/s: later':>15s} {'training':>9s} {'whole':>6s} {'log-loss':>9s} {'stderr':>7s}")
    found = {}
    for role in args.only:
        if role == "fastai" and not args.fastai_python:
            print("fastai     left out: give --fastai-python, an interpreter with fastai and timm")
            continue
        found[role] = timed(args, role)
        print(line(role, found[role], plan), flush=True)
    ours = found.pop("medalist", None)
    for role, theirs in found.items() if ours else ():
        faster = rates(ours, plan)[0] / rates(theirs, plan)[0]
        ratio(f"fine-tuning, {args.epochs} epochs, times the images a second", faster, role)
        print(paired(role, losses_of(theirs, plan), losses_of(ours, plan)))


def write_plan(args: argparse.Namespace) -> dict[str, Any]:
    """The rows of all three, told as `medalist folds` tells them: id, file, class."""
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    command = [sys.executable, "-m", "medalist.cli", "folds", str(args.data)]
    (args.out / "folds.csv").write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    table = way.read(load_recipe(metric="log_loss"), args.data)
    file_of = {name: str((args.data / path).resolve()) for name, path in zip(table.ids, table.paths, strict=True)}
    with (args.out / "folds.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({row["label"] for row in rows})
    told = [(row["id"], file_of[row["id"]], classes.index(row["label"]), int(row["fold"])) for row in rows]
    plan = {
        "epochs": args.epochs,
        "classes": classes,
        "train": [row for row in told if row[3] != 0],
        "holdout": [row for row in told if row[3] == 0],
    }
    (args.out / "plan.json").write_text(json.dumps(plan))
    return plan


def timed(args: argparse.Namespace, role: str) -> dict[str, Any]:
    """Wall seconds of this file in another role, from outside, and what it found: `epoch_s`, `prob_HC`."""
    python = args.fastai_python if role == "fastai" else sys.executable
    command = [python, __file__, "--role", role, "--data", str(args.data), "--cards", str(args.cards)]
    command += ["--train", args.train]
    start = time.perf_counter()
    done = subprocess.run([*command, "--out", str(args.out)], stdout=subprocess.PIPE, text=True, check=True)
    return {"wall_s": time.perf_counter() - start, **json.loads(done.stdout.splitlines()[-1])}


def rates(found: dict[str, Any], plan: dict[str, Any]) -> tuple[float, float, float]:
    """Images a second: from the second epoch on, in all epochs, from start to end."""
    images, epoch_s = len(plan["train"]), found["epoch_s"]
    later = images * (len(epoch_s) - 1) / sum(epoch_s[1:])
    return later, images * len(epoch_s) / sum(epoch_s), images * len(epoch_s) / found["wall_s"]


def losses_of(found: dict[str, Any], plan: dict[str, Any]) -> np.ndarray:
    """Log-loss of each held-out image."""
    y_H = np.array([row[2] for row in plan["holdout"]])
    prob_HC = np.asarray(found["prob_HC"])
    return -np.log(np.maximum(prob_HC[np.arange(len(y_H)), y_H], FLOOR))


def line(role: str, found: dict[str, Any], plan: dict[str, Any]) -> str:
    """One trainer's numbers."""
    loss = losses_of(found, plan)
    later, training, whole = rates(found, plan)
    stderr = loss.std(ddof=1) / len(loss) ** 0.5
    return f"{role:10s} {later:15.1f} {training:9.1f} {whole:6.1f} {loss.mean():9.4f} {stderr:7.4f}"


def paired(role: str, theirs_H: np.ndarray, ours_H: np.ndarray) -> str:
    """How much lower medalist's loss is, with its error and the house's verdict."""
    from medalist.evidence import verdict

    better_H = theirs_H - ours_H
    difference, stderr = better_H.mean(), better_H.std(ddof=1) / len(better_H) ** 0.5
    return f"medalist against {role}: log-loss lower by {difference:+.4f}, error {stderr:.4f}: " + verdict(
        difference, stderr
    )


def card_kwargs(args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """timm's name of the network, and what `create_model` takes to load the card's weights."""
    card = json.loads((args.cards / f"{CARD}.json").read_text())
    overlay = {key: card[key] for key in ("num_classes", "input_size", "mean", "std", "interpolation", "crop_pct")}
    overlay |= {"file": str(args.cards / card["weights"]), "custom_load": False, "label_offset": 0}
    return card["timm_model"], {"pretrained": True, "pretrained_cfg_overlay": overlay, **card["timm_kwargs"]}


def by_hand(args: argparse.Namespace, plan: dict[str, Any]) -> None:
    """What a user writes: a Dataset, a DataLoader, torchvision's transforms, one loop over all layers."""
    import timm
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision.transforms import v2

    torch.manual_seed(0)
    name, kwargs = card_kwargs(args)
    model = timm.create_model(name, **kwargs)
    config = timm.data.resolve_model_data_config(model)
    model.reset_classifier(len(plan["classes"]))
    freeze_below(model, args.train)
    finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(config["mean"], config["std"])]
    augmented = v2.Compose([v2.RandomResizedCrop(SIZE, scale=(SCALE, 1)), v2.RandomHorizontalFlip(), *finish])
    plain = timm.data.create_transform(**config, is_training=False)

    class Images(Dataset[Any]):
        def __init__(self, rows: list[Any], transform: Any) -> None:
            self.rows, self.transform = rows, transform

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, i: int) -> Any:
            return self.transform(Image.open(self.rows[i][1]).convert("RGB")), self.rows[i][2]

    train = DataLoader(
        Images(plan["train"], augmented), BATCH, shuffle=True, num_workers=LOADERS, persistent_workers=True
    )
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=BY_HAND_LR, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan["epochs"] * len(train))
    epoch_s = []
    for _ in range(plan["epochs"]):
        model.train()
        start = time.perf_counter()
        for image_B3HW, y_B in train:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(image_B3HW), y_B).backward()
            optimiser.step()
            schedule.step()
        epoch_s.append(time.perf_counter() - start)
    model.eval()
    with torch.inference_mode():
        batches = DataLoader(Images(plan["holdout"], plain), BATCH, num_workers=LOADERS)
        prob_HC = torch.cat([model(image_B3HW).softmax(dim=1) for image_B3HW, _ in batches])
    print(json.dumps({"epoch_s": epoch_s, "prob_HC": prob_HC.tolist()}))


def freeze_below(model: Any, train: str) -> None:
    """What `--train` leaves out does not train; medalist's names of layers, so that both train the same."""
    from medalist.training.layers import depth, layers

    found = layers(model)
    frozen = {name for layer in found[: depth(found, train)] for name in layer.params}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)


def by_fastai(args: argparse.Namespace, plan: dict[str, Any]) -> None:
    """fastai's own way: a DataBlock, `vision_learner`, `fine_tune`; its seconds an epoch leave validation out."""
    from fastai.vision import all as fastai

    class Clock(fastai.Callback):
        epoch_s: list[float] = []  # noqa: RUF012

        def before_train(self) -> None:
            self.start = time.perf_counter()

        def after_train(self) -> None:
            self.epoch_s.append(time.perf_counter() - self.start)

    fastai.set_seed(0)
    rows = [*plan["train"], *plan["holdout"]]
    block = fastai.DataBlock(
        blocks=(fastai.ImageBlock, fastai.CategoryBlock(vocab=list(range(len(plan["classes"]))))),
        get_x=lambda row: row[1],
        get_y=lambda row: row[2],
        splitter=lambda rows: (list(range(len(plan["train"]))), list(range(len(plan["train"]), len(rows)))),
        item_tfms=fastai.RandomResizedCrop(SIZE, min_scale=SCALE),
        batch_tfms=fastai.Flip(),
    )
    loaders = block.dataloaders(rows, bs=BATCH, num_workers=LOADERS)
    name, kwargs = card_kwargs(args)
    clock = Clock()
    learner = fastai.vision_learner(loaders, name, **kwargs, cbs=clock)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(plan["epochs"] - 1)  # after one epoch on the frozen body
        prob_HC, _ = learner.get_preds(ds_idx=1)
    print(json.dumps({"epoch_s": clock.epoch_s, "prob_HC": prob_HC.tolist()}))


def by_medalist(args: argparse.Namespace, plan: dict[str, Any]) -> None:
    """The same on fold 0 alone: frozen features for the head's start, the training, and the answers of its weights."""
    from medalist.pipeline import way
    from medalist.pipeline.backbones import tuned_backbones
    from medalist.pipeline.tuning.shared import Tuning
    from medalist.pipeline.tuning.trainings import learnt_of, run_one, starts
    from medalist.recipe import load_recipe

    settings = [
        f"folds.file={args.out / 'folds.csv'}",
        f"finetune.augment=random_resized_crop(scale=({SCALE}, 1.0)) | flip",
        f"finetune.batch={BATCH}",
        f"finetune.phases=[{{train: {args.train}, epochs: {plan['epochs']}}}]",
    ]
    recipe = load_recipe(None, settings, metric="log_loss", backbones=[CARD], cards=str(args.cards), heads=[])
    cache, epoch_s = args.out / "cache", dict[int, float]()
    features = way.embed(recipe, way.read(recipe, args.data), cache=cache)
    folds = way.split(recipe, features)

    def clock(event: Any) -> None:
        if "epoch_s" in event.note:
            epoch_s[event.note["epoch"]] = event.note["epoch_s"]

    tuning = Tuning(tuned_backbones(recipe)[0], recipe, features, folds, args.out / "tuned", cache, clock)
    learnt = [learnt_of(tuning, fold) for fold in range(folds.num_folds)]
    curve = run_one(tuning, 0, learnt[0][0], lambda: starts(tuning, [rows for rows, _ in learnt]), watched=learnt[0][1])
    prob_HC = answered(tuning, len(curve) - 1, np.flatnonzero(folds.fold_N == 0))
    row_of = {name: row for row, name in enumerate(features.train.ids[folds.fold_N == 0])}
    order = [row_of[row[0]] for row in plan["holdout"]]
    print(json.dumps({"epoch_s": [epoch_s[e] for e in sorted(epoch_s)], "prob_HC": prob_HC[order].tolist()}))


def answered(tuning: Any, epoch: int, rows: np.ndarray) -> np.ndarray:
    """What an epoch's weights of fold 0 say of rows, through the ordinary extraction."""
    from medalist.pipeline.tuning.trained import Trained
    from medalist.pipeline.tuning.trainings import keep
    from medalist.progress import ignore
    from medalist.training.neural.answers import neural_predict

    state, train = keep(tuning, 0, epoch), tuning.features.train
    through = Trained(
        (tuning.folder,), (tuning.runtime,), ("center",), (((0, 0),),), True, neural_predict, tuning.cache, ignore
    )
    return through.told(0, state, train.root, list(train.paths[rows]))[0]


ROLES = {"hand": by_hand, "fastai": by_fastai, "medalist": by_medalist}


if __name__ == "__main__":
    main()
