"""Every decision rule on planted data: against the best possible answers and against what a user would write.

The true posteriors are known. A network is imitated by distorting them (overconfident, every tag or class with its own
bias). Rules are fitted on `--fit` rows and scored on `--images` other ones. The best possible answers know the true
posteriors of those rows and, where they are cuts, the labels that they are scored on. `share` is how much of the way
from the user's answer to the best possible one the rule went; +- is the paired standard error of its gain.

    python benchmarks/decisions.py [--images 100000 --fit 20000]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import expit, softmax
from table import ratio

from medalist.decisions.counts import assign_counts
from medalist.decisions.expected import best_sets
from medalist.decisions.kappa import best_cuts, expected_value
from medalist.decisions.macro import best_tag_thresholds
from medalist.decisions.micro import best_micro_threshold
from medalist.decisions.priors import apply_prior, shift_test
from medalist.decisions.rules import default_rule, rules
from medalist.evidence import compare
from medalist.metrics import metrics

Row = tuple[str, str, Any, Any, Any, Any]
NUM_TAGS, NUM_CLASSES = 40, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--fit", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    print(f"fitted on {arguments.fit} rows, scored on {arguments.images}")
    print(f"{'metric':22s} {'rule':59s} {'user writes':18s}     user     rule     best       +-  share")
    for part in (tagged, single, ordered, certain, frequencies):
        for row in part(rng, arguments.fit, arguments.images):
            show(*row)


def show(metric: str, rule: str, y: Any, user: tuple[str, Any], got: Any, best: Any) -> None:
    """One line of the table, and its share as a ratio."""
    bound = metrics.bind(metric)
    scores = [bound(y, answers) for answers in (user[1], got, best)]
    stderr = compare(metric, y, got, user[1], rounds=100).stderr
    share = (scores[1] - scores[0]) / (scores[2] - scores[0])
    numbers = " ".join(f"{value:8.4f}" for value in (*scores, stderr))
    print(f"{metric:22s} {rule:59s} {user[0]:18s} {numbers} {share:6.2f}")
    ratio(f"{metric} by {rule.partition('(')[0]}, share of the best possible gain", share, user[0])


def answered(metric: str, prob_NC: np.ndarray, y: Any, prob_MC: np.ndarray) -> tuple[str, np.ndarray]:
    """The metric's own rule and its answers."""
    rule = rules.bind(default_rule(metric))
    return rule.text, rule.facts["apply"](rule(prob_NC, y), prob_MC)


def tagged(rng: np.random.Generator, num_fit: int, num_images: int) -> Iterator[Row]:
    """Independent tags of very different frequency; the network's logits are too large and off by a bias a tag."""
    base_C, bias_C = rng.normal(-3, 1.5, NUM_TAGS), rng.normal(0, 0.7, NUM_TAGS)

    def draw(num: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        true_NC = expit(base_C + 2 * rng.standard_normal((num, NUM_TAGS)))
        logit_NC = np.log(true_NC / (1 - true_NC))
        return true_NC, expit(1.5 * logit_NC + bias_C).astype(np.float32), rng.random(true_NC.shape) < true_NC

    _, prob_NC, y_NC = draw(num_fit)
    true_MC, prob_MC, y_MC = draw(num_images)
    fixed = ("p >= 0.5", prob_MC >= 0.5)
    # Cuts of the true posteriors that are best on the very labels: no rule can do better.
    best_C, _, _ = best_tag_thresholds(true_MC, y_MC, shrink=0)
    micro, _ = best_micro_threshold(true_MC.astype(np.float32), y_MC)
    best: dict[str, Callable[[], np.ndarray]] = {
        "f1_macro": lambda: true_MC.astype(np.float32) >= best_C,
        "f1_micro": lambda: true_MC >= micro,
        "f1_samples": lambda: best_sets(true_MC, beta=1),
        "fbeta_samples(beta=2)": lambda: best_sets(true_MC, beta=2),
    }
    for metric, optimum in best.items():
        rule, got = answered(metric, prob_NC, y_NC, prob_MC)
        yield metric, rule, y_MC, fixed, got, optimum()
    for metric, call in (
        ("f1_samples", "threshold(at_least=0)"),
        ("f1_micro", "threshold(at_least=0, average='micro')"),
    ):
        one = rules.bind(call)
        yield metric, call, y_MC, fixed, one.facts["apply"](one(prob_NC, y_NC), prob_MC), best[metric]()
    rule, got = answered("log_loss", prob_NC, y_NC, prob_MC)
    clipped = ("clip 0.005", np.clip(prob_MC, 0.005, 0.995))
    yield "log_loss", f"{rule}, tags", y_MC, clipped, got, true_MC


def single(rng: np.random.Generator, num_fit: int, num_images: int) -> Iterator[Row]:
    """Classes of very different frequency; the network is overconfident."""
    prior_C = np.array([0.6, 0.25, 0.1, 0.04, 0.01])
    posterior = gaussian_classes(rng, prior_C)
    _, prob_NC, y_N = posterior(num_fit)
    true_MC, prob_MC, y_M = posterior(num_images)
    plain = ("argmax", prob_MC.argmax(axis=1))
    best = {"accuracy": true_MC.argmax(axis=1), "balanced_accuracy": (true_MC / prior_C).argmax(axis=1)}
    rule, got = answered("accuracy", prob_NC, y_N, prob_MC)
    prior_M = ("commonest class", np.zeros(num_images, int))
    yield "accuracy", rule, y_M, prior_M, got, best["accuracy"]
    rule, got = answered("balanced_accuracy", prob_NC, y_N, prob_MC)
    yield "balanced_accuracy", rule, y_M, plain, got, best["balanced_accuracy"]
    # No closed form: the best tau on the true posteriors and the very labels, which no rule can know.
    score = metrics.bind("f1_macro_classes")
    taus = [(np.log(true_MC) - tau * np.log(prior_C)).argmax(axis=1) for tau in np.linspace(0, 1.5, 31)]
    rule, got = answered("f1_macro_classes", prob_NC, y_N, prob_MC)
    yield "f1_macro_classes", rule, y_M, plain, got, max(taus, key=lambda label_M: score(y_M, label_M))
    rule, got = answered("log_loss", prob_NC, y_N, prob_MC)
    yield (
        "log_loss",
        f"{rule}, {NUM_CLASSES} classes",
        y_M,
        ("clip 0.005", np.clip(prob_MC, 0.005, 0.995)),
        got,
        true_MC,
    )


def gaussian_classes(rng: np.random.Generator, prior_C: np.ndarray) -> Callable[..., Any]:
    """`draw(num) -> true posteriors, the network's probabilities, classes` of classes around corners of a simplex."""

    def draw(num: int, drawn_C: np.ndarray = prior_C) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        y_N = rng.choice(len(prior_C), num, p=drawn_C)
        x_NC = 2.0 * np.eye(len(prior_C))[y_N] + rng.standard_normal((num, len(prior_C)))
        logit_NC = 2.0 * x_NC + np.log(prior_C)
        return softmax(logit_NC, axis=1), softmax(1.6 * logit_NC, axis=1).astype(np.float32), y_N

    return draw


def ordered(rng: np.random.Generator, num_fit: int, num_images: int) -> Iterator[Row]:
    """Ordered classes: a hidden grade seen with noise, cut unevenly."""
    cut_T, noise = np.array([0.3, 0.9, 1.4, 2.2]), 0.7

    def draw(num: int) -> tuple[np.ndarray, np.ndarray]:
        from scipy.stats import norm

        seen_N = rng.standard_normal(num) * np.sqrt(1 + noise**2)
        share, spread = 1 / (1 + noise**2), noise / np.sqrt(1 + noise**2)
        below_NT = norm.cdf((cut_T - share * seen_N[:, None]) / spread)
        prob_NC = np.diff(np.pad(below_NT, ((0, 0), (1, 1)), constant_values=(0, 1)), axis=1)
        return prob_NC, np.minimum((prob_NC.cumsum(axis=1) <= rng.random((num, 1))).sum(axis=1), len(cut_T))

    prob_NC, y_N = draw(num_fit)
    prob_MC, y_M = draw(num_images)
    value_M = expected_value(prob_MC)
    best_M = np.searchsorted(best_cuts(value_M, y_M, NUM_CLASSES), value_M, side="right")
    rule, got = answered("quadratic_kappa", prob_NC, y_N, prob_MC)
    yield "quadratic_kappa", rule, y_M, ("argmax", prob_MC.argmax(axis=1)), got, best_M
    yield "quadratic_kappa", rule, y_M, ("rounded mean", np.rint(value_M).astype(int)), got, best_M


def certain(rng: np.random.Generator, num_fit: int, num_images: int) -> Iterator[Row]:
    """Two classes, nearly always told apart; 3 labels in 1,000 are wrong, about which the network knows nothing."""

    def draw(num: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        true_N = expit(8 * rng.standard_normal(num))
        y_N = np.where(rng.random(num) < 0.003, rng.random(num) < 0.5, rng.random(num) < true_N)
        right_N = 0.997 * true_N + 0.0015
        prob_N = expit(1.5 * np.log(true_N / (1 - true_N))).astype(np.float32)
        return np.stack([1 - right_N, right_N], 1), np.stack([1 - prob_N, prob_N], 1), y_N.astype(int)

    for rows in (1000, num_fit):
        _, prob_NC, y_N = draw(rows)
        true_MC, prob_MC, y_M = draw(num_images)
        rule, got = answered("log_loss", prob_NC, y_N, prob_MC)
        user = ("clip 0.005", np.clip(prob_MC, 0.005, 0.995))
        yield "log_loss", f"{rule}, fitted on {rows}", y_M, user, got, true_MC


def frequencies(rng: np.random.Generator, num_fit: int, num_images: int) -> Iterator[Row]:
    """The test set has other class frequencies; then the same, their counts known."""
    old_C, new_C = np.full(NUM_CLASSES, 0.2), np.array([0.5, 0.2, 0.15, 0.1, 0.05])
    draw = gaussian_classes(rng, old_C)
    prob_NC, _, y_N = draw(num_fit)
    prob_MC, _, y_M = draw(num_images, new_C)
    shift = shift_test(prob_NC, y_N, prob_MC, seed=0)
    got = apply_prior(prob_MC, shift.old_C, shift.new_C).argmax(axis=1) if shift.shifted else prob_MC.argmax(axis=1)
    best = apply_prior(prob_MC, old_C, new_C).argmax(axis=1)
    plain = ("argmax", prob_MC.argmax(axis=1))
    yield "accuracy", f"shift_test, apply_prior (p {shift.p_value:.3f})", y_M, plain, got, best
    counted = assign_counts(prob_MC, np.bincount(y_M, minlength=NUM_CLASSES))
    yield "accuracy", "assign_counts (counts known)", y_M, plain, counted, best


if __name__ == "__main__":
    main()
