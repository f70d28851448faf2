"""A network cut where training starts: the frozen bottom, which runs once an image, and the top, which trains.

The network is traced to a graph (torch.fx; Reed et al. 2022) and cut before the first operation that meets a trained
parameter; the tensors that cross the cut can be kept, and epochs cost only the top.

Axes: B batch, H W pixels, D features.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from timm.layers._fx import get_notrace_functions, get_notrace_modules
from timm.layers.drop import DropPath
from timm.layers.patch_dropout import PatchDropout
from torch import Tensor, fx, nn

from medalist.backbones import Backbone
from medalist.errors import BackboneError
from medalist.training.layers import layers

# Parts that act at random in training stay whole: traced through, they would be what they were at that moment.
RANDOM = (DropPath, PatchDropout)
UNSPLIT = "it trains whole, without a cache of its frozen part"


def split(network: Any, first: int, example_B3HW: Tensor) -> tuple[fx.GraphModule, fx.GraphModule]:
    """Cut a network before its first trained layer.

    Args:
        network: timm's, without its classifier; also one that `kernels.quicken` made quick.
        first: index of the first layer that trains (`layers.depth`); one past the last: the bottom is all of it.
        example_B3HW: two images or more, normalised, on which both ways are compared, and with one more of them.

    Returns:
        `bottom(image_B3HW) -> tuple of tensors` and `top(*tensors) -> features_BD`. They hold the network's own modules
        under their own names: a step of one is a step of the other, `train()` and norms' policies reach both. Dropout
        that a network writes as a function, not as a module, is off.

    Raises:
        BackboneError: it cannot be traced, something else than a tensor of each image crosses, or the parts are not the
            whole.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        bottom, top = _parts(network, _trained(network, first))
        for some_B3HW in (example_B3HW, torch.cat([example_B3HW, example_B3HW[:1]])):
            _compare(network, bottom, top, some_B3HW)
    finally:
        for module, mode in modes:
            module.training = mode
    return bottom, top


def fast_bottom(
    bottom: fx.GraphModule, backbone: Backbone, *, batch: int, threads: int, bf16: bool
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The bottom in the fastest runtime at hand: OpenVINO where it is installed, else torch.

    Args:
        bottom: of `split`; it is copied: later training of its modules does not reach the copy.
        backbone: whose network it is the bottom of; its preprocessing says size, mean and standard deviation.
        batch: B of every call.
        threads: of one pass. OpenVINO runs as many passes at once as fit the cores, each called from its own thread.
        bf16: bfloat16 inside; else float32.

    Returns:
        uint8 (B, H, W, 3) -> the tensors that cross, in the order of `top`'s arguments, float32.
    """
    if find_spec("openvino") is None:
        return _by_torch(bottom, backbone, threads, bf16)
    from medalist.backbones.runtimes.on_openvino import compiled, converted

    key = {"dtype": "bfloat16" if bf16 else "float32", "batch": batch, "threads": threads}
    return compiled(converted(bottom, backbone), backbone, key)


def _by_torch(
    bottom: fx.GraphModule, backbone: Backbone, threads: int, bf16: bool
) -> Callable[[np.ndarray], list[np.ndarray]]:
    import copy

    from medalist.backbones.runtimes.on_torch import normaliser

    kept = copy.deepcopy(bottom).eval().to(memory_format=torch.channels_last)
    normalise = normaliser(backbone, "cpu")

    def forward(pixels_BHWC: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            torch.set_num_threads(threads)  # Counts for the calling thread alone.
            return [tensor.float().numpy() for tensor in kept(normalise(pixels_BHWC))]

    return forward


class _Tracer(fx.Tracer):
    """torch.fx's, for timm's networks: some of their modules and functions look at values and stay whole."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=tuple(get_notrace_functions()))  # type: ignore[no-untyped-call]
        self.whole = (*get_notrace_modules(), *RANDOM)  # type: ignore[no-untyped-call]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the graph calls a module instead of looking into it."""
        return isinstance(m, self.whole) or super().is_leaf_module(m, module_qualified_name)


def _trained(network: Any, first: int) -> set[str]:
    return {name for layer in layers(network)[first:] for name in layer.params}


def _parts(network: Any, trained: set[str]) -> tuple[fx.GraphModule, fx.GraphModule]:
    try:
        # A transformer's mask and the like stay at their defaults; as inputs of the graph they would cross the cut.
        _, *others = inspect.signature(network.forward).parameters.values()
        graph = _Tracer().trace(network, {other.name: other.default for other in others})
    except Exception as error:  # torch.fx raises whatever the network's own code raises on a placeholder.
        raise BackboneError(f"the network cannot be traced ({type(error).__name__}: {error}); {UNSPLIT}") from error
    nodes = list(graph.nodes)
    # Names of parameters are no operations: each part takes those that it reads.
    cut = next(i for i, node in enumerate(nodes) if node.op != "get_attr" and _meets(node, trained))
    before = {node for node in nodes[:cut] if node.op != "get_attr"}
    after = {node for node in nodes[cut:] if node.op != "get_attr"}
    crossing = [node for node in nodes[:cut] if node in before and not after.isdisjoint(node.users)]
    lower, upper = fx.Graph(), fx.Graph()
    values = {node: upper.placeholder(node.name) for node in crossing}
    _copy([node for node in nodes if node in after or not after.isdisjoint(node.users)], upper, values)
    values = {}
    _copy([node for node in nodes if node in before or not before.isdisjoint(node.users)], lower, values)
    lower.output(tuple(values[node] for node in crossing))
    return fx.GraphModule(network, lower, "Bottom"), fx.GraphModule(network, upper, "Top")


def _meets(node: fx.Node, trained: set[str]) -> bool:
    """Whether an operation reads a trained parameter, or is the network's output."""
    if node.op == "output":
        return True
    read = [str(node.target)] if node.op == "call_module" else []
    read += [str(source.target) for source in node.all_input_nodes if source.op == "get_attr"]
    return any(name == start or name.startswith(f"{start}.") for start in read for name in trained)


def _copy(nodes: list[fx.Node], graph: fx.Graph, values: dict[fx.Node, fx.Node]) -> None:
    """Copy those of the nodes that have no value yet."""
    for node in nodes:
        if node not in values:
            values[node] = graph.node_copy(node, values.__getitem__)


def _compare(network: Any, bottom: fx.GraphModule, top: fx.GraphModule, example_B3HW: Tensor) -> None:
    with torch.no_grad():
        crossing = bottom(example_B3HW)
        if strange := [told for value in crossing if (told := _strange(value, len(example_B3HW)))]:
            raise BackboneError(
                f"the network cannot be cut there: {strange[0]} crosses, expected a tensor of each image; {UNSPLIT}"
            )
        want, got = network(example_B3HW), top(*crossing)
    if not torch.allclose(got, want, rtol=1e-5, atol=1e-5 * float(want.abs().max())):
        raise BackboneError(f"the network's two parts give other features than the whole; {UNSPLIT}")


def _strange(value: Any, batch: int) -> str:
    """What crosses that cannot be kept image by image, such as a table of positions that all images share."""
    if not isinstance(value, Tensor):
        return f"a value ({type(value).__name__})"
    return "" if value.shape[:1] == (batch,) else f"a tensor {tuple(value.shape)} of {batch} images together"
