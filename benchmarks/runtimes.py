"""What each runtime changes: its features, a head's answers, and the loss out of fold, against float32 torch.

For each backbone and image set: over training images, the relative error of standardised features (`features.choice`);
the share of images to which a ridge head that learnt from float32 features gives the same first answer; and the change
of the log-loss out of fold when the head learns from the runtime's own features, in standard errors of the loss itself
and of the paired difference. The house takes a runtime at a median error of at most 5 %, a worst one of 10 %, 99.5 % of
answers unchanged, and a loss changed by less than 0.1 of its standard error.

    python benchmarks/runtimes.py --data ROOT --cards DIR
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from baseline import SETS, error_of_mean

RUNTIMES = ("torch_bf16", "openvino_f32", "openvino_bf16", "openvino_int8")
SAME_ANSWERS, LOSS_CHANGE = 0.995, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the five image sets")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--backbone", nargs="+", default=["mobilenetv2_100_coral", "mobilenetv1_100_coral"])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--runtimes", nargs="+", default=list(RUNTIMES))
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    arguments = parser.parse_args()
    print(f"{'backbone':24s} {'set':14s} {'runtime':14s} {'median':>7s} {'worst':>7s} {'same':>7s} {'loss':>8s}"
          f" {'change':>9s} {'/ se':>6s} {'/ paired se':>11s}  taken")  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        for backbone in arguments.backbone:
            for name in arguments.sets:
                for text in lines(arguments, backbone, name, arguments.cache or Path(temporary)):
                    print(text, flush=True)


def lines(arguments: argparse.Namespace, backbone: str, name: str, cache: Path) -> list[str]:
    """A line a runtime."""
    from medalist.features.choice import MAX_ERROR, MEDIAN_ERROR, relative_error

    found = []
    x_ND, state, loss_N, group_N, _ = learnt(arguments, backbone, name, "torch_f32", cache)
    answers = first_answers(state, x_ND)
    loss_error = error_of_mean(loss_N, group_N)
    for runtime in arguments.runtimes:
        other_ND, _, other_N, *_ = learnt(arguments, backbone, name, runtime, cache)
        error_N = relative_error(x_ND, other_ND)
        same = float((first_answers(state, other_ND) == answers).mean())
        change, paired = float((other_N - loss_N).mean()), error_of_mean(other_N - loss_N, group_N)
        taken = np.median(error_N) <= MEDIAN_ERROR and error_N.max() <= MAX_ERROR
        taken = taken and same >= SAME_ANSWERS and abs(change) < LOSS_CHANGE * loss_error
        found.append(
            f"{backbone:24s} {name:14s} {runtime:14s} {np.median(error_N):7.2%} {error_N.max():7.2%} {same:7.2%}"
            f" {loss_N.mean():8.4f} {change:+9.5f} {change / loss_error:+6.2f} {change / max(paired, 1e-12):+11.1f}"
            f"  {'yes' if taken else 'no'}"
        )
    return found


def learnt(
    arguments: argparse.Namespace, backbone: str, name: str, runtime: str, cache: Path
) -> tuple[np.ndarray, Any, np.ndarray, np.ndarray, Any]:
    """Features by a runtime, a ridge head's refit on them, each row's loss out of fold, groups, labels."""
    from medalist.pipeline import way
    from medalist.recipe import load_recipe
    from medalist.training.crossval import crossval
    from medalist.training.heads import heads

    recipe = load_recipe(
        None,
        [f"runtime={runtime}", "views=[center]"],
        metric=SETS[name],
        backbones=backbone,
        cards=str(arguments.cards),
    )
    features = way.embed(recipe, way.read(recipe, arguments.data / name), cache=cache)
    y, x_ND, fold_N = features.train.labels, features.x_ND[:], way.split(recipe, features).fold_N
    fitted, result = crossval(heads.bind("ridge"), x_ND, y, fold_N, x_ND[:0], num_classes=len(features.train.classes))
    return x_ND, fitted.refit, losses(result.oof_NC, y), features.group_N, y


def losses(prob_NC: np.ndarray, y: Any) -> np.ndarray:
    """Log-loss of each row; for tags the mean over tags."""
    prob_NC = prob_NC.astype(np.float64).clip(1e-7, 1 - 1e-7)
    if isinstance(y, np.ndarray) and y.ndim == 1:
        return -np.log(prob_NC[np.arange(len(y)), y])
    target_NC = y if isinstance(y, np.ndarray) else y.toarray()
    loss_N: np.ndarray = -np.where(target_NC, np.log(prob_NC), np.log1p(-prob_NC)).mean(axis=1)
    return loss_N


def first_answers(state: Any, x_ND: np.ndarray) -> np.ndarray:
    """The class, or of tags the likeliest."""
    from medalist.training import heads

    first_N: np.ndarray = heads.predict("ridge", state, x_ND).argmax(axis=1)
    return first_N


if __name__ == "__main__":
    main()
