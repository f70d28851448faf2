"""Any of timm's optimisers by name -> `torch.optim.Optimizer`; its state as arrays and JSON, to resume to the bit."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from timm.optim import get_optimizer_class, get_optimizer_info, list_optimizers  # type: ignore[attr-defined]
from torch import Tensor

from medalist.errors import RecipeError, near
from medalist.registry import parse_call

Groups = list[dict[str, Any]]

UNKEPT = re.compile("kron|adafactorbv")
SPARED = ("pos_embed", "cls_token", "dist_token", "reg_token", "relative_position_bias_table")


def optimiser(text: str, groups: Groups) -> torch.optim.Optimizer:
    """`adamw(weight_decay=0.05)` over groups of parameters.

    What is not said is as in timm: its own arguments of that name (`sgd` is Nesterov's), momentum 0.9, no weight decay.

    Args:
        text: a name of timm.optim, or a call of it.
        groups: torch's parameter groups; `lr`, `weight_decay` and the like of a group count before those of the text.

    Raises:
        RecipeError: unknown name (with the near one and the list), an argument that it does not take or will not have.
    """
    try:
        name, arguments = parse_call(text)
    except RecipeError as slip:
        raise RecipeError(f"optimiser {slip}{near(text, names())}") from slip
    if name not in names():
        raise RecipeError(f"unknown optimiser {name!r}{near(name, names())} (known: {', '.join(names())})")
    takes = _takes(name)
    for key in arguments:
        if key not in takes:
            raise RecipeError(
                f"optimiser {name!r} takes no {key!r}{near(key, takes)} (it takes: {', '.join(sorted(takes))})"
            )
    arguments = {"weight_decay": 0.0, **_momentum(name), **arguments}
    try:
        made: torch.optim.Optimizer = get_optimizer_class(name)(groups, **arguments)
    except (ValueError, TypeError, AssertionError) as error:
        raise RecipeError(f"optimiser {text!r}: {error}; it takes: {', '.join(sorted(takes))}") from error
    return made


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Optimisers that any machine can run and a checkpoint can hold.

    Not those of other packages (apex, bitsandbytes), not those that need second derivatives, not PSGD Kron, which draws
    from the global seed, and not Big Vision's Adafactor, whose bfloat16 momentum torch widens when it is loaded.
    """

    def fits(name: str) -> bool:
        info = get_optimizer_info(name)
        return not isinstance(info.opt_class, str) and not info.second_order and not UNKEPT.search(name)

    return tuple(name for name in map(str, list_optimizers()) if fits(name))


def split_decay(named_parameters: Iterable[tuple[str, Tensor]]) -> Groups:
    """Two parameter groups: what weight decay pulls on, and what it leaves alone.

    Biases and the scales of norm layers have one axis or none (layer scale and tokens of transformers by their names):
    decay would take from them what no loss asks for (He et al. 2019, section 3.1). Empty groups are left out.

    Args:
        named_parameters: as `module.named_parameters()` gives them; those that are not trained are left out.

    Returns:
        Groups with `params`; the second has `weight_decay` 0.
    """
    decays: list[Tensor] = []
    spared: list[Tensor] = []
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            small = parameter.ndim <= 1 or name.rpartition(".")[2] in SPARED
            (spared if small else decays).append(parameter)
    groups: Groups = [{"params": decays}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def state_arrays(optimiser: torch.optim.Optimizer) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All that the optimiser remembers: flat arrays for a safetensors file, and JSON for the rest."""
    arrays: dict[str, np.ndarray] = {}
    return arrays, _packed(optimiser.state_dict(), "optimiser", arrays)


def load_state(optimiser: torch.optim.Optimizer, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Take over what `state_arrays` gave; the next step is the one that the saved optimiser would have made."""
    optimiser.load_state_dict(_unpacked(facts, arrays))


def _packed(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """A tree of dicts, lists, numbers and tensors as JSON; tensors go to `arrays` under their path.

    JSON knows no tuples and no numbers as keys: every node says what it is.
    """
    if isinstance(value, Tensor):
        arrays[path] = value.detach().cpu().numpy().copy()
        return {"array": path}
    if isinstance(value, dict):
        return {"dict": [[key, _packed(inside, f"{path}.{key}", arrays)] for key, inside in value.items()]}
    if isinstance(value, list | tuple):
        inside = [_packed(element, f"{path}.{i}", arrays) for i, element in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": inside}
    return value


def _unpacked(node: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What `_packed` was given."""
    if not isinstance(node, dict):
        return node
    ((kind, inside),) = node.items()
    if kind == "array":
        return torch.from_numpy(arrays[inside].copy())
    if kind == "dict":
        return {key: _unpacked(value, arrays) for key, value in inside}
    values = [_unpacked(value, arrays) for value in inside]
    return tuple(values) if kind == "tuple" else values


def _takes(name: str) -> set[str]:
    return set(inspect.signature(get_optimizer_class(name, bind_defaults=False)).parameters) - {"params"}


def _momentum(name: str) -> dict[str, float]:
    return {"momentum": 0.9} if get_optimizer_info(name).has_momentum else {}
