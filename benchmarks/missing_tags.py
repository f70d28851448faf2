"""Tags with missing positives: what soft targets, a decision that knows the share, and a loss gain, and what they cost.

A share of the true tags is dropped at random from the labels that are learnt from, that penalties and epochs are chosen
by and that rules are fitted on; scores are of complete tags of rows that nothing saw. Frozen heads (ridge, logistic,
blended) are cross-validated, with `suspects: complete(share=0.3)` or without, decided by `expected_f` or by
`expected_f(missing=0.3)`. A small network (dropout, 256 units, AdamW) stands for fine-tuning: its epochs are the best
by the incomplete tags. Paired gains on doing nothing: of F1 over images (errors over groups of them, their gains
averaged over draws), of mean average precision within folds (errors over folds, root mean square over draws). Truth is
what complete labels would have gained.

    python benchmarks/missing_tags.py [--data movie-posters --cards DIR] [--seeds 10] [--dropped 0.3]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit

from medalist.metrics import metrics

HEADS = ("ridge", "logistic")
LOSSES = ("bce", "asymmetric", "missing(share=0.3)", "missing(share=0.5)")
SHARE = 0.3  # that the user states, whatever was dropped
CHECKS = (3, 5, 8, 12, 16, 24)  # epochs after which a network may stop
NUM_FOLDS = 5


class Rows(NamedTuple):
    """Features, complete tags and groups of N images."""

    x_ND: np.ndarray
    y_NC: np.ndarray
    group_N: np.ndarray


class Told(NamedTuple):
    """Answers and probabilities for all rows, each by what did not see it."""

    answers_NC: np.ndarray
    prob_NC: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a dataset of tags; without it, drawn features")
    parser.add_argument("--cards", type=Path, help="folder of the backbones' cards")
    parser.add_argument("--backbone", default="mobilenetv2_100_coral")
    parser.add_argument("--cache", type=Path, help="feature bank to reuse")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--dropped", type=float, default=SHARE, help="share of the true tags")
    parser.add_argument("--only", choices=("heads", "losses"), help="default: both")
    parser.add_argument("--save", type=Path, help="keep each draw's answers here, and take up what is there")
    given = parser.parse_args()
    real = None if given.data is None else embedded(given.data, given.cards, given.backbone, given.cache)
    for part, work in (("heads", by_heads), ("losses", by_losses)):
        if given.only in (None, part):
            draws = [drawn_once(part, work, seed, real, given.dropped, given.save) for seed in given.seeds]
            show(part, draws, given.dropped)


def embedded(root: Path, cards: Path, backbone: str, cache: Path | None) -> Rows:
    """A dataset's features."""
    from medalist.pipeline import way
    from medalist.recipe import load_recipe

    recipe = load_recipe(metric="f1_samples", backbones=[backbone], cards=str(cards))
    with tempfile.TemporaryDirectory() as temporary:
        features = way.embed(recipe, way.read(recipe, root), cache=cache or Path(temporary))
        return Rows(features.x_ND[:], features.train.labels.toarray().astype(bool), features.group_N)


def drawn(seed: int, num_images: int = 1500, num_tags: int = 20) -> Rows:
    """Tags that follow a hidden vector, of which 200 noisy features show a part."""
    rng = np.random.default_rng(seed)
    hidden_NH = rng.standard_normal((num_images, 12))
    score_NC = hidden_NH @ rng.standard_normal((12, num_tags)) / np.sqrt(12)
    cut_C = np.array([np.quantile(s, q) for s, q in zip(score_NC.T, rng.uniform(0.75, 0.97, num_tags), strict=True)])
    x_ND = np.tanh(0.5 * hidden_NH @ rng.standard_normal((12, 200))) + rng.standard_normal((num_images, 200))
    y_NC = rng.random(score_NC.shape) < expit(6 * (score_NC - cut_C))
    return Rows(x_ND.astype(np.float32), y_NC, np.arange(num_images))


def drawn_once(part: str, work, seed: int, real: Rows | None, dropped: float, save: Path | None):
    """One draw of rows, drops and folds: the rows, their folds, and what each arm says."""
    from medalist.data.splits import make_folds

    rows = real or drawn(seed)
    rng = np.random.default_rng(1000 + seed)
    set_NC = rows.y_NC & (rng.random(rows.y_NC.shape) >= dropped)
    fold_N = make_folds(csr_array(set_NC), rows.group_N, num_folds=NUM_FOLDS, seed=seed)
    file = None if save is None else save / f"{part}-{'real' if real else 'drawn'}-{dropped}-{seed}.npz"
    if file is not None and file.is_file():
        kept = np.load(file)
        return rows, fold_N, {name: Told(*kept[name]) for name in kept.files}
    told = dict(work(rows, set_NC, fold_N, seed))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **{name: np.stack([one.answers_NC, one.prob_NC]) for name, one in told.items()})
    return rows, fold_N, told


def by_heads(rows: Rows, set_NC: np.ndarray, fold_N: np.ndarray, seed: int) -> Iterator[tuple[str, Told]]:
    """Heads on frozen features."""
    knowing = f"expected_f(missing={SHARE})"
    plain_NRC = oof(rows.x_ND, set_NC, fold_N, seed)
    soft_NRC = oof(rows.x_ND, set_NC, fold_N, seed, f"complete(share={SHARE})")
    yield "nothing", decided(plain_NRC, set_NC, fold_N)
    yield "soft targets", decided(soft_NRC, set_NC, fold_N)
    yield "decision", decided(plain_NRC, set_NC, fold_N, knowing)
    yield "both", decided(soft_NRC, set_NC, fold_N, knowing)
    yield "truth", decided(oof(rows.x_ND, rows.y_NC, fold_N, seed), rows.y_NC, fold_N)


def oof(x_ND: np.ndarray, y_NC: np.ndarray, fold_N: np.ndarray, seed: int, suspects: str | None = None) -> np.ndarray:
    """(N, R, C) out of fold, as a run with the recipe key `suspects` makes them."""
    from medalist.pipeline.lessons import relearnt
    from medalist.progress import ignore
    from medalist.recipe import load_recipe
    from medalist.training.choice import Task
    from medalist.training.crossval import answer_view, crossval
    from medalist.training.heads import heads

    parts, num_tags = [], y_NC.shape[1]
    recipe = load_recipe(metric="f1_samples", suspects=suspects)
    for call in HEADS:
        task = Task(heads.bind(call), csr_array(y_NC), fold_N, NUM_FOLDS, num_tags, seed, ignore)
        fitted, run = crossval(task.head, x_ND, task.y, fold_N, x_ND[:0], num_classes=num_tags, seed=seed)
        if suspects is not None:
            fitted, _ = relearnt(recipe, task, fitted, run.oof_NC, x_ND, x_ND[:0])
            run = answer_view(fitted, x_ND, fold_N, x_ND[:0])
        parts.append(run.oof_NC)
    return np.stack(parts, axis=1)


def decided(prob_NRC: np.ndarray, y_NC: np.ndarray, fold_N: np.ndarray, rule: str | None = None) -> Told:
    """Blend and rule, cross-fitted on what the user has."""
    from medalist.pipeline.chain import Chain

    names = tuple(map(str, range(y_NC.shape[1])))
    found = Chain("f1_samples", "blend", rule, names).crossfit(prob_NRC, csr_array(y_NC), fold_N)
    return Told(found.answers_N, found.prob_NC)


def by_losses(rows: Rows, set_NC: np.ndarray, fold_N: np.ndarray, seed: int) -> Iterator[tuple[str, Told]]:
    """A small network, a loss each."""
    x_ND = squeezed(rows.x_ND)
    for name, loss, y_NC in (*((loss, loss, set_NC) for loss in LOSSES), ("truth", "bce", rows.y_NC)):
        prob_ENC = np.zeros((len(CHECKS), *y_NC.shape), np.float32)
        for k in range(NUM_FOLDS):
            for e, prob_NC in enumerate(trained(loss, x_ND, y_NC, np.flatnonzero(fold_N != k), seed + k)):
                prob_ENC[e, fold_N == k] = prob_NC[fold_N == k]
        best = np.argmax([precision(y_NC, prob_NC, fold_N).mean() for prob_NC in prob_ENC])
        yield "nothing" if loss == name == "bce" else name, decided(prob_ENC[best][:, None], y_NC, fold_N)


def squeezed(x_ND: np.ndarray, num: int = 400) -> np.ndarray:
    """Principal axes of standardised features, without labels."""
    from medalist.training.reduce import rotate, standard

    x_NR = rotate(standard(x_ND)(x_ND))[0][:, :num]
    return np.asarray(8 * x_NR / np.sqrt((x_NR**2).sum(axis=1).mean()), np.float32)


def trained(loss: str, x_ND: np.ndarray, y_NC: np.ndarray, rows: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Probabilities of all rows after each of CHECKS epochs on some of them."""
    import torch
    from torch import nn

    from medalist.training.losses import losses

    torch.manual_seed(seed)
    x, target = torch.from_numpy(x_ND), torch.from_numpy(y_NC.astype(np.float32))
    wide, tags, cost = x_ND.shape[1], y_NC.shape[1], losses.bind(loss)
    net = nn.Sequential(nn.Dropout(0.3), nn.Linear(wide, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, tags))
    count_C = target[rows].sum(dim=0)
    with torch.no_grad():
        net[-1].bias.copy_(torch.logit((count_C + 0.5) / (len(rows) + 1)))
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    for epoch in range(1, CHECKS[-1] + 1):
        net.train()
        for batch in torch.from_numpy(rows)[torch.randperm(len(rows))].split(32):
            value = cost(net(x[batch]), target[batch], count_C=count_C)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
        if epoch in CHECKS:
            net.eval()
            yield torch.sigmoid(net(x)).detach().numpy()


def precision(y_NC: np.ndarray, prob_NC: np.ndarray, fold_N: np.ndarray) -> np.ndarray:
    """Mean average precision of each fold's rows, which one model answered."""
    score = metrics.bind("average_precision_macro")
    return np.array([score(y_NC[fold_N == k], prob_NC[fold_N == k]) for k in range(NUM_FOLDS)])


def show(part: str, draws: list, dropped: float) -> None:
    """A line an arm."""
    from baseline import error_of_mean

    from medalist.evidence import verdict

    rows_of = metrics.bind("f1_samples").facts["rows"]
    print(f"{part}: {dropped:.0%} of the tags dropped, {len(draws)} draws")
    print(f"{'':20s} {'F1':>7s} {'gain':>8s} {'+-':>7s}  {'mAP':>7s} {'gain':>8s} {'+-':>7s}  verdicts")
    for arm in draws[0][2]:
        f_SN = np.array([rows_of(rows.y_NC, told[arm].answers_NC > 0) for rows, _, told in draws])
        base_SN = np.array([rows_of(rows.y_NC, told["nothing"].answers_NC > 0) for rows, _, told in draws])
        ap_SK = np.array([precision(rows.y_NC, told[arm].prob_NC, fold_N) for rows, fold_N, told in draws])
        gain_SK = ap_SK - [precision(rows.y_NC, told["nothing"].prob_NC, fold_N) for rows, fold_N, told in draws]
        gain_N = (f_SN - base_SN).mean(axis=0)
        f, ap = gain_N.mean(), gain_SK.mean()
        f_error = error_of_mean(gain_N, draws[0][0].group_N)
        ap_error = float(np.sqrt((gain_SK.var(axis=1, ddof=1) / NUM_FOLDS).mean()))
        told = "" if arm == "nothing" else f"{verdict(f, f_error)}, {verdict(ap, ap_error)}"
        print(
            f"{arm:20s} {f_SN.mean():7.4f} {f:+8.4f} {f_error:7.4f}  {ap_SK.mean():7.4f} {ap:+8.4f} {ap_error:7.4f}"
            f"  {told}",
            flush=True,
        )


if __name__ == "__main__":
    main()
