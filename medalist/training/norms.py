"""What BatchNorm does while a network trains: nothing at all, statistics only, or everything.

    frozen         statistics, weight and bias stay as they were, to the bit; batches do not see each other
    affine-frozen  statistics move, weight and bias do not, in frozen layers too (write-up 4's)
    train          statistics move everywhere; weight and bias train where their layer does

Other norms (LayerNorm, GroupNorm) know no batch and train with their layer.
"""

from __future__ import annotations

from types import MethodType

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medalist.errors import RecipeError, near

POLICIES = ("frozen", "affine-frozen", "train")


def set_norms(network: nn.Module, policy: str) -> None:
    """Make a network's BatchNorms keep to `policy`, also after `network.train()`, and in its copies.

    To be called after a phase has said by `requires_grad` what trains. timm's frozen BatchNorms hold no parameters and
    stay frozen under each policy.

    Args:
        network: changed in place.
        policy: one of POLICIES.

    Raises:
        RecipeError: another word.
    """
    if policy not in POLICIES:
        raise RecipeError(f"unknown norm policy {policy!r}{near(policy, POLICIES)}; expected {', '.join(POLICIES)}")
    for norm in network.modules():
        if isinstance(norm, _BatchNorm):
            _set(norm, policy)


def _set(norm: _BatchNorm, policy: str) -> None:
    norm.__dict__.pop("train", None)
    if policy == "frozen":
        # A bound method, not a closure: a deep copy of the network gets one that is bound to the copy.
        norm.__dict__["train"] = MethodType(_stay, norm)
    norm.train(norm.training)
    if policy != "train" and norm.affine:
        norm.weight.requires_grad_(False)
        norm.bias.requires_grad_(False)


def _stay(norm: nn.Module, mode: bool = True) -> nn.Module:
    """`train` of a frozen norm: its dropout and activation follow, its statistics do not."""
    nn.Module.train(norm, mode)
    norm.training = False
    return norm
