"""An architecture with weights drawn at random, `NAME(pretrained=false)`: what pretraining is worth is a comparison.

Drawn as timm draws them before training, from a seed; BatchNorm has neither mean nor variance of any images yet.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import metadata
from typing import Any

from medalist.backbones.backbone import Backbone, Timm, build_timm
from medalist.errors import BackboneError, near
from medalist.store import hash_json

UNTRAINED = "(pretrained=false)"
LICENCE = "none needed (weights drawn at random)"
SEED = 1


def inside(name: str) -> str | None:
    """The name before `(pretrained=false)`, or None where the name has no such end.

    Raises:
        BackboneError: something else in parentheses.

    >>> inside("resnet50.tv_in1k(pretrained=false)"), inside("resnet50.tv_in1k")
    ('resnet50.tv_in1k', None)
    """
    inner, bracket, options = name.rpartition("(")
    if not bracket or name.endswith(".json"):
        return None
    if options.replace(" ", "").lower() != UNTRAINED[1:]:
        raise BackboneError(f"{name!r}: a backbone takes nothing in parentheses but {inner.strip()}{UNTRAINED}")
    return inner.strip()


def redrawn(backbone: Backbone) -> Backbone:
    """A card's architecture and preprocessing with weights drawn at random."""
    source: Timm = backbone.build.keywords["source"]  # type: ignore[attr-defined]  # a partial of build_timm
    return _drawn(backbone, source.model, source.kwargs)


def drawn(name: str) -> Backbone:
    """timm's architecture `name`, with or without a pretrained tag, with weights drawn at random; no hub is asked.

    Raises:
        BackboneError: timm does not know it, or not how its images are prepared.
    """
    import timm

    from medalist.backbones import hub

    if not timm.is_model(name.partition(".")[0]):
        raise BackboneError(
            f"unknown architecture {name!r}{near(name, timm.list_models())}; expected a card or a model of timm's"
            f" before {UNTRAINED}"
        )
    try:
        cfg: Any = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise BackboneError(f"{name}{UNTRAINED}: {error}; leave the tag out") from error
    if cfg is None:
        raise BackboneError(f"timm does not say how images are prepared for {name!r}; write a card (docs/CARDS.md)")
    num_params, num_features = hub.measure(name)
    like = Backbone(
        name=name,
        weights_hash="",
        preprocessing=hub.preprocessing_of(cfg),
        num_features=num_features,
        num_classes=0,
        num_params=num_params,
        licence=LICENCE,
        source="",
        provenance={},
        build=build_timm,
    )
    return _drawn(like, name, {})


def _drawn(like: Backbone, model: str, kwargs: dict[str, Any]) -> Backbone:
    """As `like`, with weights of which all that they depend on is hashed."""
    facts = {"timm_model": model, "timm_kwargs": kwargs, "seed": SEED}
    versions = {package: metadata.version(package) for package in ("timm", "torch")}
    weights_hash = hash_json({"untrained": facts, **versions})
    name = f"{like.name}{UNTRAINED}"
    build = partial(
        build_timm,
        name=name,
        source=Timm(model, kwargs, None, weights_hash, SEED),
        num_classes=0,
        num_features=like.num_features,
    )
    return replace(
        like,
        name=name,
        weights_hash=weights_hash,
        num_classes=0,
        licence=LICENCE,
        source="untrained",
        provenance={**facts, **versions},
        build=build,
    )
