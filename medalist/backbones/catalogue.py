"""Backbones worth knowing: the write-ups' eight, and a recommended set a compute tier, with their published numbers.

Numbers and licences as published with timm (results/results-imagenet.csv and each model's configuration); reading them
imports nothing and asks no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medalist.backbones.backbone import Backbone, is_non_commercial, is_permissive
from medalist.backbones.runtimes.machine import this_device
from medalist.errors import RecipeError, near

LICENSES = ("any", "permissive")
TIERS = ("write-up", "cpu", "small-gpu", "mid", "big", "max", "probe")


@dataclass(frozen=True)
class Row:
    """A backbone in the catalogue.

    Args:
        name: timm's, with the pretrained tag.
        tier: `write-up`, or the machine it suits: `cpu`, `small-gpu`, `mid`, `big`, `max`; `probe` for self-supervised
            features that were never trained on ImageNet's labels.
        size: input side in pixels.
        top1: ImageNet-1k validation accuracy in per cent at that size; None where it has no such classifier.
        mparams: millions of parameters.
        licence: of the weights.
        note: what it is for.
    """

    name: str
    tier: str
    size: int
    top1: float | None
    mparams: float
    licence: str
    note: str = ""

    @property
    def permissive(self) -> bool:
        """See `backbone.is_permissive`."""
        return is_permissive(self.licence)

    @property
    def non_commercial(self) -> bool:
        """See `backbone.is_non_commercial`."""
        return is_non_commercial(self.licence)


ROWS = (
    Row("inception_v3.tf_in1k", "write-up", 299, 77.9, 23.8, "apache-2.0", "tags, cats-dogs, flowers"),
    Row("legacy_xception.tf_in1k", "write-up", 299, 79.1, 22.9, "apache-2.0", "cats-dogs, flowers"),
    Row("inception_resnet_v2.tf_in1k", "write-up", 299, 80.4, 55.8, "apache-2.0", "tags, flowers"),
    Row("resnet50.tv_in1k", "write-up", 224, 76.2, 25.6, "bsd-3-clause", "tags, cats-dogs, flowers"),
    Row("vgg16.tv_in1k", "write-up", 224, 71.6, 138.4, "bsd-3-clause", "cats-dogs"),
    Row("densenet201.tv_in1k", "write-up", 224, 77.3, 20.0, "apache-2.0", "tags"),
    Row("tf_efficientnet_b6.aa_in1k", "write-up", 528, 84.1, 43.0, "apache-2.0", "mushrooms"),
    Row("resnext101_32x8d.tv_in1k", "write-up", 224, 79.3, 88.8, "bsd-3-clause", "characters"),
    Row("resnext101_32x8d.fb_wsl_ig1b_ft_in1k", "mid", 224, 82.7, 88.8, "cc-by-nc-4.0"),
    Row("resnext101_32x8d.fb_swsl_ig1b_ft_in1k", "mid", 224, 84.3, 88.8, "cc-by-nc-4.0"),
    Row("mobilenetv4_conv_small.e2400_r224_in1k", "cpu", 224, 73.8, 3.8, "apache-2.0", "answers in minutes"),
    Row("mobilenetv4_conv_medium.e500_r256_in1k", "cpu", 256, 79.9, 9.7, "apache-2.0", "recommended on a CPU"),
    Row("levit_conv_256.fb_dist_in1k", "cpu", 224, 81.5, 18.9, "apache-2.0"),
    Row("hgnetv2_b4.ssld_stage2_ft_in1k", "small-gpu", 224, 83.7, 19.8, "apache-2.0"),
    Row("tiny_vit_21m_224.dist_in22k_ft_in1k", "small-gpu", 224, 85.1, 21.2, "apache-2.0", "recommended on a GPU"),
    Row("convnext_tiny.in12k_ft_in1k", "small-gpu", 224, 84.2, 28.6, "apache-2.0"),
    Row("nextvit_base.bd_ssld_6m_in1k", "mid", 224, 85.2, 44.8, "apache-2.0"),
    Row("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k", "mid", 224, 86.2, 86.6, "apache-2.0"),
    Row("beitv2_base_patch16_224.in1k_ft_in22k_in1k", "mid", 224, 86.5, 86.5, "apache-2.0"),
    Row("vit_mediumd_patch16_reg4_gap_256.sbb2_e200_in12k_ft_in1k", "mid", 256, 86.6, 64.1, "apache-2.0"),
    Row("convnext_base.clip_laion2b_augreg_ft_in12k_in1k", "mid", 256, 86.4, 88.6, "apache-2.0"),
    Row("caformer_b36.sail_in22k_ft_in1k", "big", 224, 87.5, 98.8, "apache-2.0"),
    Row("eva_large_patch14_196.in22k_ft_in22k_in1k", "big", 196, 88.6, 304.1, "mit"),
    Row("convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_384", "big", 384, 88.3, 200.1, "apache-2.0"),
    Row("eva02_base_patch14_448.mim_in22k_ft_in22k_in1k", "big", 448, 88.7, 87.1, "mit"),
    Row("vit_so400m_patch14_siglip_378.webli_ft_in1k", "max", 378, 89.4, 429.4, "apache-2.0"),
    Row("eva02_large_patch14_448.mim_m38m_ft_in22k_in1k", "max", 448, 90.1, 305.1, "mit"),
    Row("vit_small_patch14_reg4_dinov2.lvd142m", "probe", 518, None, 22.1, "apache-2.0"),
    Row("vit_base_patch14_reg4_dinov2.lvd142m", "probe", 518, None, 86.6, "apache-2.0"),
    Row("vit_base_patch16_siglip_gap_224.v2_webli", "probe", 224, None, 85.8, "apache-2.0"),
    Row("vit_pe_core_base_patch16_224.fb", "probe", 224, None, 93.7, "apache-2.0"),
    Row("vit_base_patch16_dinov3.lvd1689m", "probe", 256, None, 85.6, "dinov3-license", "redistribution terms"),
)
RECOMMENDED = {"cpu": "mobilenetv4_conv_medium.e500_r256_in1k", "cuda": "tiny_vit_21m_224.dist_in22k_ft_in1k"}


def catalogue(*, license: Literal["any", "permissive"] = "any") -> tuple[Row, ...]:
    """The rows, by tier.

    Args:
        license: `permissive` leaves out all weights whose licence forbids commercial use or adds conditions.

    Raises:
        RecipeError: another word.
    """
    if license not in LICENSES:
        raise RecipeError(f"unknown license {license!r}{near(license, LICENSES)}; expected {' or '.join(LICENSES)}")
    rows = sorted(ROWS, key=lambda row: TIERS.index(row.tier))
    return tuple(row for row in rows if license == "any" or row.permissive)


def imagenet_top1(backbone: Backbone) -> float | None:
    """ImageNet-1k validation accuracy in per cent, as the card (`published_top1`) or the catalogue has it, or None."""
    told = backbone.provenance.get("published_top1")
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told <= 100:
        return float(told)
    return next((row.top1 for row in ROWS if row.name == backbone.name), None)


def recommended(device: str | None = None) -> str:
    """The one backbone to begin with on this kind of machine.

    Args:
        device: `cpu` or `cuda`; None: what this machine has, asked without loading torch.
    """
    return RECOMMENDED[device or this_device()]
