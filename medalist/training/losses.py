"""Losses: logits and soft targets of a batch -> one number to make smaller.

A loss is a function `(logits_BC, target_BC, *, count_C, ...) -> scalar`, registered with the `tasks` it is for. Targets
are float32: one-hot, mixed, or tags of 0 and 1; `count_C` holds the training rows of each class, as floats. The loss
is the mean over the batch, for tags also over the tags, so that a learning rate serves any number of either. All is
reckoned in float32, whatever the network runs in. Axes: B images of a batch, C classes or tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from medalist.errors import RecipeError
from medalist.registry import Registry

losses: Registry[Callable[..., Tensor]] = Registry("loss")

CLASSES = ("binary", "multiclass")
TAGS = ("tags",)
SMALLEST = 1e-8  # x^gamma has no finite slope at 0 where gamma < 1


@losses(tasks=CLASSES)
def cross_entropy(
    logits_BC: Tensor, target_BC: Tensor, *, count_C: Tensor, smoothing: float = 0.0, balanced: bool = False
) -> Tensor:
    """Cross-entropy, -sum_c t_c log p_c, with label smoothing (Szegedy et al. 2016, section 7).

    Args:
        logits_BC: what the network says.
        target_BC: rows that sum to 1.
        count_C: training rows of each class.
        smoothing: share of each row's mass that is spread evenly over all classes, in [0, 1).
        balanced: rows weigh by `class_weights`; a mixed row by its share of each class, and before smoothing, which
            gives every class of every row some mass.

    Raises:
        RecipeError: smoothing out of range.
    """
    _check("smoothing", smoothing, 0.0, below=1.0)
    target_BC = _weighted(target_BC.float(), count_C) if balanced else target_BC.float()
    even_B1 = target_BC.mean(dim=1, keepdim=True)
    target_BC = (1 - smoothing) * target_BC + smoothing * even_B1
    return -(target_BC * log_softmax(logits_BC.float(), dim=1)).sum(dim=1).mean()


@losses(tasks=TAGS)
def bce(
    logits_BC: Tensor, target_BC: Tensor, *, count_C: Tensor, smoothing: float = 0.0, balanced: bool = False
) -> Tensor:
    """Binary cross-entropy of each tag, -t log p - (1 - t) log(1 - p).

    Args:
        logits_BC: what the network says.
        target_BC: in [0, 1].
        count_C: training rows of each tag.
        smoothing: targets move towards one half by this share of the way, in [0, 1).
        balanced: the first term weighs by `class_weights`: 1 on average over all tags that are set.

    Raises:
        RecipeError: smoothing out of range.
    """
    _check("smoothing", smoothing, 0.0, below=1.0)
    logits_BC, target_BC = logits_BC.float(), (1 - smoothing) * target_BC.float() + 0.5 * smoothing
    is_set_BC = _weighted(target_BC, count_C) if balanced else target_BC
    return -(is_set_BC * logsigmoid(logits_BC) + (1 - target_BC) * logsigmoid(-logits_BC)).mean()


@losses(tasks=CLASSES)
def focal(
    logits_BC: Tensor, target_BC: Tensor, *, count_C: Tensor, gamma: float = 2.0, balanced: bool = False
) -> Tensor:
    """Focal loss, -sum_c t_c (1 - p_c)^gamma log p_c (Lin et al. 2017, equations 4 and 5) over a softmax.

    Args:
        logits_BC: what the network says.
        target_BC: rows that sum to 1.
        count_C: training rows of each class.
        gamma: how fast a row that is already right loses its say; 0 is cross-entropy.
        balanced: the alpha of equation 5 is `class_weights`.

    Raises:
        RecipeError: gamma below 0.
    """
    _check("gamma", gamma, 0.0)
    target_BC = _weighted(target_BC.float(), count_C) if balanced else target_BC.float()
    log_p_BC = log_softmax(logits_BC.float(), dim=1)
    wrong_BC = (1 - log_p_BC.exp()).clamp(min=SMALLEST)
    return -(target_BC * wrong_BC**gamma * log_p_BC).sum(dim=1).mean()


@losses(tasks=TAGS)
def binary_focal(logits_BC: Tensor, target_BC: Tensor, *, count_C: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss of each tag (Lin et al. 2017, equation 4): `asymmetric` with one gamma for both sides.

    Raises:
        RecipeError: gamma below 0.
    """
    _check("gamma", gamma, 0.0)
    return asymmetric(logits_BC, target_BC, count_C=count_C, gamma_pos=gamma, gamma_neg=gamma, clip=0.0)


@losses(tasks=TAGS)
def asymmetric(
    logits_BC: Tensor,
    target_BC: Tensor,
    *,
    count_C: Tensor,
    gamma_pos: float = 0.0,
    gamma_neg: float = 4.0,
    clip: float = 0.05,
) -> Tensor:
    """Asymmetric loss of each tag (Ridnik et al. 2021, section 2): easy negatives hardly count.

    With q = max(p - clip, 0) it is -t (1 - p)^gamma_pos log p - (1 - t) q^gamma_neg log(1 - q). Half a tag (t mixed)
    counts half on either side.

    Args:
        logits_BC: what the network says.
        target_BC: in [0, 1].
        count_C: training rows of each tag; the loss makes no use of them.
        gamma_pos, gamma_neg: focus on what is hard among tags that are set, and that are not.
        clip: a tag that is not set counts nothing below this probability, in [0, 1).

    Raises:
        RecipeError: an argument out of range.
    """
    for name, gamma in (("gamma_pos", gamma_pos), ("gamma_neg", gamma_neg)):
        _check(name, gamma, 0.0)
    _check("clip", clip, 0.0, below=1.0)
    logits_BC, target_BC = logits_BC.float(), target_BC.float()
    log_p_BC, log_not_BC = logsigmoid(logits_BC), logsigmoid(-logits_BC)
    # Powers of what a sigmoid rounds to 0 are taken as exp(gamma log): the slope stays finite for every gamma.
    is_set_BC = torch.exp(gamma_pos * log_not_BC) * log_p_BC
    if clip:
        shifted_BC = (log_p_BC.exp() - clip).clamp(min=SMALLEST)
        log_not_BC = (log_not_BC.exp() + clip).clamp(max=1.0).log()
        not_set_BC = shifted_BC**gamma_neg * log_not_BC
    else:
        not_set_BC = torch.exp(gamma_neg * log_p_BC) * log_not_BC
    return -(target_BC * is_set_BC + (1 - target_BC) * not_set_BC).mean()


@losses(tasks=TAGS)
def missing(logits_BC: Tensor, target_BC: Tensor, *, count_C: Tensor, share: float = 0.3) -> Tensor:
    """Likelihood of tags of which some true ones are missing: -t log p - (1 - t) log(1 - (1 - share) p).

    A true tag is set with probability 1 - share, whichever it is, so that p is the probability of the complete tags
    (Elkan and Noto 2008, lemma 1, as a likelihood). A tag that is not set costs at most -log share: the
    more certain the network is of it, the less it is pulled down. 0 is `bce`.

    Args:
        logits_BC: what the network says.
        target_BC: in [0, 1].
        count_C: training rows of each tag; the loss makes no use of them.
        share: of the true tags that are missing, in [0, 1); somewhat too large does little harm.

    Raises:
        RecipeError: share out of range.
    """
    _check("share", share, 0.0, below=1.0)
    logits_BC, target_BC = logits_BC.float(), target_BC.float()
    log_p_BC, log_not_BC = logsigmoid(logits_BC), logsigmoid(-logits_BC)
    if share:  # 1 - (1 - share) p = (1 - p) + share p
        log_not_BC = torch.logaddexp(log_not_BC, math.log(share) + log_p_BC)
    return -(target_BC * log_p_BC + (1 - target_BC) * log_not_BC).mean()


def weighed(
    loss: Callable[..., Tensor], logits_BC: Tensor, target_BC: Tensor, weight_B1: Tensor, count_C: Tensor
) -> Tensor:
    """The mean over the batch of each row's loss times its weight: a loss of one row alone is that row's.

    Without weights, (B, 0), it is the loss itself.
    """
    if not weight_B1.shape[1]:
        return loss(logits_BC, target_BC, count_C=count_C)
    rows = zip(logits_BC, target_BC, strict=True)
    loss_B = torch.stack([loss(logit_C[None], target_C[None], count_C=count_C) for logit_C, target_C in rows])
    return (loss_B * weight_B1[:, 0]).mean()


def class_weights(count_C: Tensor) -> Tensor:
    """n / (C * count): every class has the same say, and a training row weighs 1 on average (King & Zeng 2001).

    Args:
        count_C: training rows of each class; a class without any weighs 0 and is not among the C that n is shared by.
    """
    count_C = count_C.float()
    present_C = count_C > 0
    share = count_C.sum() / present_C.sum().clamp(min=1)
    return torch.where(present_C, share / count_C.clamp(min=SMALLEST), torch.zeros_like(count_C))


def _weighted(target_BC: Tensor, count_C: Tensor) -> Tensor:
    return target_BC * class_weights(count_C.to(target_BC.device))


def _check(name: str, value: float, least: float, *, below: float = float("inf")) -> None:
    if not least <= value < below:
        expected = f"at least {least:g}" + (f" and below {below:g}" if below < float("inf") else "")
        raise RecipeError(f"loss: {name}={value} is out of range; it must be {expected}, such as {name}={least:g}")
