"""What the embedded backbone is worth: a linear probe on it, against the same network with random kernels.

Both sides go the package's whole way: the same card but for the weights (preprocessing, runtime, view), the ridge head
with its penalty chosen on other folds, the same folds with duplicates whole, the metric's own decision rule fitted on
other folds. The random network has timm's initial kernels of a seed, and BatchNorm statistics measured on the set's own
training images, which is more than the embedded one is given. Scores are out of fold: accuracy, and for movie-posters
mean F1. Differences are paired by image (groups of duplicates are drawn whole); the line shows the random seed that
comes closest, and the verdict is on that one.

    python benchmarks/embedded.py --data DIR
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SETS = {
    "flowers102": "accuracy",
    "grocery81": "accuracy",
    "mushrooms8": "accuracy",
    "cats-dogs": "accuracy",
    "movie-posters": "f1_samples",
}
NUM_MEASURED, BATCH = 512, 64


def main() -> None:
    from medalist.backbones import EMBEDDED, open_backbone

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the five image sets")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--backbone", default=EMBEDDED, help="another card, to compare it with its own random network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the random networks")
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    backbone = open_backbone(arguments.backbone)
    print(f"{backbone.name} {backbone.weights_hash[:8]}: {backbone.num_params / 1e6:.2f} M parameters; ridge head")
    print(f"{'set':14s} {'metric':10s} {'random (range)':>22s} {'embedded':>16s} {'least gain':>17s} errors verdict")
    with tempfile.TemporaryDirectory() as temporary:
        clear = [
            line(
                name,
                arguments.data / name,
                arguments.backbone,
                arguments.seeds,
                arguments.cache or Path(temporary) / "cache",
            )
            for name in arguments.sets
        ]
    print(f"more than 3 standard errors ahead of every random seed: on {sum(clear)} of {len(clear)} sets")


def line(name: str, root: Path, backbone: str, seeds: list[int], cache: Path) -> bool:
    """Probe one set, print its line; whether the gain is above 3 standard errors for each seed."""
    from medalist.evidence import compare, estimate
    from medalist.pipeline import way

    recipe = recipe_of(SETS[name], backbone)
    features = way.embed(recipe, way.read(recipe, root), cache=cache)
    y, groups = features.train.labels, features.group_N
    trained = answers(recipe, features)
    score = estimate(recipe.metric, y, trained, groups=groups)
    scores, gains = list[float](), list[Any]()
    for seed in seeds:
        card = random_card(backbone, features.train, seed, cache / "random")
        other = recipe_of(SETS[name], str(card))
        random = answers(other, way.embed(other, way.read(other, root), cache=cache))
        scores.append(estimate(recipe.metric, y, random, groups=groups).score)
        gains.append(compare(recipe.metric, y, trained, random, groups=groups))
    least = min(gains, key=lambda gain: gain.difference / gain.stderr)
    errors = least.difference / least.stderr
    spread = f"{np.mean(scores):.3f} ({min(scores):.3f}-{max(scores):.3f})"
    print(
        f"{name:14s} {recipe.metric:10s} {spread:>22s} {score.score:7.3f} +- {score.stderr:.3f}"
        f" {least.difference:+8.3f} +- {least.stderr:.3f} {errors:6.1f} {least.verdict}",
        flush=True,
    )
    return bool(errors > 3)


def recipe_of(metric: str, backbone: str) -> Any:
    """Centre view, ridge head, and else the defaults."""
    from medalist.recipe import load_recipe

    return load_recipe(metric=metric, backbones=(backbone,), views=("center",), heads=("ridge",))


def answers(recipe: Any, features: Any) -> np.ndarray:
    """What the metric eats, out of fold: the head and the rule of a fold saw nothing of it."""
    from medalist.pipeline import way
    from medalist.pipeline.chain import Chain
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    y, num_classes, fold_N = features.train.labels, len(features.train.classes), way.split(recipe, features).fold_N
    x_ND = features.x_ND[:]
    _, result = crossval(heads.bind(recipe.heads[0]), x_ND, y, fold_N, x_ND[:0], num_classes=num_classes)
    return Chain.of(recipe, features.train.classes).crossfit(result.oof_NC[:, None], y, fold_N).answers_N


def random_card(backbone: str, train: Any, seed: int, folder: Path) -> Path:
    """The backbone's card again, with random kernels and BatchNorm statistics of the training images `train`."""
    import timm
    import torch
    from safetensors.torch import save

    from medalist.backbones import open_backbone
    from medalist.store import hash_bytes

    facts = open_backbone(backbone)
    name, kwargs = facts.provenance["timm_model"], facts.provenance["timm_kwargs"]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = timm.create_model(name, num_classes=0, **kwargs)
    measure_batchnorm(network, pixels_of(train, facts.preprocessing), facts.preprocessing)
    data = save(network.state_dict())
    pre = facts.preprocessing
    card = {key: pre[key] for key in ("mean", "std", "interpolation", "crop_pct", "resize")} | {
        "weights": f"random-{seed}.safetensors",
        "sha256": hash_bytes(data),
        "name": f"random-{seed}",
        "timm_model": name,
        "timm_kwargs": kwargs,
        "input_size": [3, pre["height"], pre["width"]],
        "num_classes": 0,
        "num_features": facts.num_features,
        "params": facts.num_params,
        "licence": "Apache-2.0",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card["weights"]).write_bytes(data)
    path = folder / f"random-{seed}.json"
    path.write_text(json.dumps(card))
    return path


def pixels_of(train: Any, preprocessing: dict[str, Any]) -> np.ndarray:
    """(N, H, W, 3) uint8 of at most NUM_MEASURED training images, drawn with a fixed seed, in whole batches."""
    from medalist.data.decode import Picture, Preprocessing

    wanted = Preprocessing.from_dict(preprocessing)
    count = min(NUM_MEASURED, len(train)) // BATCH * BATCH
    rows = np.random.default_rng(0).permutation(len(train))[:count]
    return np.stack([Picture((train.root / train.paths[row]).read_bytes()).prepare(wanted) for row in rows])


def measure_batchnorm(network: Any, pixels_NHWC: np.ndarray, preprocessing: dict[str, Any]) -> None:
    """Set each BatchNorm's statistics to the mean over batches of these images."""
    import torch

    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over batches
    mean, std = (torch.tensor(preprocessing[key]).view(3, 1, 1) * 255 for key in ("mean", "std"))
    network.train()
    with torch.inference_mode():
        for batch_BHWC in np.split(pixels_NHWC, len(pixels_NHWC) // BATCH):
            network((torch.from_numpy(batch_BHWC).permute(0, 3, 1, 2).float() - mean) / std)


if __name__ == "__main__":
    main()
