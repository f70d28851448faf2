"""The keys of a recipe: every default lives in this file, once; shapes are checked here, names by `pipeline.check`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from medalist.store import hash_json

Moments = tuple[Annotated[float, Field(ge=0, le=1)], ...]  # red, green, blue


class Section(BaseModel):
    """A part of a recipe: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(Section):
    """What `read` would otherwise infer: each key overrides one inference."""

    layout: str | None = Field(None, description="layout name, where several fit or none does")
    sample: str | None = Field(None, description="sample submission, relative to the data folder")
    labels: str | None = Field(None, description="CSV or JSON file with the training labels")
    id_column: str | None = Field(None, description="column of `labels` that names images")
    label_column: str | None = Field(None, description="column with class or tags")
    group_column: str | None = Field(None, description="rows of one group share a fold")
    weight_column: str | None = Field(None, description="what each row counts in learning; 1 is the usual")
    quarantine: str | None = Field(
        None, description="CSV with a column id or path: labelled images that are scored and not learnt from"
    )
    delimiter: str | None = Field(None, description="text between tags")
    vocabulary: str | None = Field(None, description="file with the allowed tags, one a line")
    path_template: str | None = Field(None, description="train/category_{category_id + 1}/{image_id}.jpg")
    pattern: str | None = Field(None, description="how a flat file name holds its class: {label}.{number}")
    positive: str | None = Field(None, description="class whose probability the submission asks for")
    allow_outside: bool = Field(False, description="follow paths that leave the data folder")

    @field_validator("positive", mode="before")
    @classmethod
    def _classes_are_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class FoldSection(Section):
    """How training rows are divided for out-of-fold predictions."""

    k: int = Field(5, ge=3, le=50, description="how many; with two, none would be left to choose a penalty on")
    seed: int = Field(0, description="of the draw of folds")
    file: str | None = Field(None, description="folds.csv of another run, or of `medalist folds`: the same folds")
    groups: str | None = Field(None, description="groups.csv of `medalist check --out`: further images that stay whole")
    duplicates: bool = Field(True, description="equal bytes, equal pixels and near-duplicates share a fold")


class PhaseSection(Section):
    """A stretch of fine-tuning in which the same part of the network trains."""

    train: str = Field("all", description="head | from: LAYER | last 30 % | all; `medalist backbones NAME --layers`")
    epochs: int = Field(8, ge=1, le=1000)
    lr: float = Field(1e-4, gt=0, description="learning rate of the body's last layer")
    head_lr: float | None = Field(None, gt=0, description="of the head; null: the same")
    decay: float = Field(1.0, gt=0, le=1, description="each earlier layer's learning rate is so much of the next one's")
    schedule: str = Field("cosine(warmup=0.1)", description="how learning rates move within the phase")
    size: Annotated[int, Field(ge=32, le=2048)] | None = Field(None, description="input side; null: finetune.size")

    @field_validator("train", mode="before")
    @classmethod
    def _from_is_text(cls, value: Any) -> Any:
        """`train: {from: layer3}` is what YAML makes of `from: layer3` without quotes."""
        return f"from: {value['from']}" if isinstance(value, dict) and value.keys() == {"from"} else value


class RampSection(Section):
    """Epochs without augmentation at first, with less and less towards the end, without at last."""

    first: int = Field(0, ge=0, description="epochs without")
    fade: int = Field(0, ge=0, description="epochs with less and less")
    last: int = Field(0, ge=0, description="epochs without, at the end")


class FinetuneSection(Section):
    """Backbones trained on augmented images, each a member of its own beside the heads on frozen features."""

    backbones: tuple[str, ...] = Field((), description="empty: all of the recipe's, each by itself")
    phases: tuple[PhaseSection, ...] = (PhaseSection(),)
    size: Annotated[int, Field(ge=32, le=2048)] | None = Field(
        None, description="input side of training and answers; null: the weights' own"
    )
    head: str = Field("linear", description="linear | dense(units=1024, dropout=0.5) | arcface")
    start: Literal["exact", "random"] = Field("exact", description="the head begins as the solution on frozen features")
    loss: str | None = Field(None, description="null: cross_entropy, for tags bce")
    auxiliary: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        {}, description="further columns of the labels that it learns beside: {column: weight of its loss}, or a list"
    )
    augment: str = Field("random_resized_crop(scale=(0.5, 1.0)) | flip", description="see docs/AUGMENTING.md")
    ramp: RampSection = RampSection()
    mix: str | None = Field(None, description="mixup(alpha=0.2) | cutmix(alpha=1.0)")
    mix_last: int = Field(0, ge=0, description="epochs at the end without mixing")
    optimiser: str = Field("adamw(weight_decay=0.05)", description="any of timm.optim's")
    sam: float | None = Field(None, gt=0, description="radius of sharpness-aware minimisation")
    sam_adaptive: bool = Field(
        False, description="by the size of each weight (ASAM); the radius is then ten times as large"
    )
    ema: float | None = Field(None, gt=0, lt=1, description="decay of an average of the weights, which then answers")
    batchnorm: Literal["frozen", "affine-frozen", "train"] = Field(
        "frozen", description="statistics and weights stay | statistics move | both move"
    )
    batch: int = Field(32, ge=1, le=65536, description="images a step")
    clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the processor has it")
    holdout: bool = Field(False, description="one training, scored on fold 0 alone, in place of one for each fold")
    steer: Literal["none", "inner", "fold"] = Field(
        "none",
        description="number of epochs by the other folds' mean curve | by a tenth of the training rows | by the fold"
        " itself, whose score is then too good",
    )
    fuse: Literal["answers", "features", "both"] = Field(
        "answers", description="each network answers | one head on the trained features of all, side by side | both"
    )
    fused_head: str = Field("logistic", description="that head, a linear one")
    judge: Literal["metric", "loss"] = Field("metric", description="what tells the better of two epochs")
    refit: Literal["anew", "continue"] = Field(
        "anew", description="the model of all rows: trained anew, or the first fold's trained on with its rows back"
    )
    continue_epochs: int = Field(2, ge=1, description="epochs of refit: continue, at the last learning rate")
    prefix: Literal["auto", "off"] = Field("auto", description="auto: untrained layers run once an image and view")
    workers: int | None = Field(None, ge=0, le=64, description="processes that augment; null: as many as pay")

    @field_validator("backbones", "phases", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return () if value is None else (value,) if isinstance(value, str | dict) else value

    @field_validator("auxiliary", mode="before")
    @classmethod
    def _names_weigh_one(cls, value: Any) -> Any:
        """A list of columns, or one, gives each a weight of 1; a column without a weight is off."""
        if value is None or isinstance(value, str):
            value = [value] if value else []
        if isinstance(value, list | tuple) and all(isinstance(name, str | int) for name in value):
            value = dict.fromkeys(value, 1.0)
        if isinstance(value, dict):
            value = {str(name): weight for name, weight in value.items() if weight != 0}
        return value

    @field_validator("augment", mode="before")
    @classmethod
    def _none_is_no_augmentation(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("backbones")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("holds an entry twice")
        return value

    @field_validator("phases")
    @classmethod
    def _not_empty(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise ValueError("needs at least one phase")
        return value


class RulesSection(Section):
    """What the organisers allow: checked at every run and at every hand-in; a key that is not given rules nothing."""

    external_data: bool | None = Field(None, description="may models learn from images from outside the dataset?")
    weights_before: date | None = Field(None, description="pretrained weights must have been published before this day")
    licences: tuple[str, ...] = Field(
        (), description="of weights and images from outside: permissive, any, or names such as cc-by-4.0; empty: all"
    )
    submissions_a_day: int | None = Field(None, ge=1, description="hand-ins on one day of UTC")
    pseudo_labels: bool | None = Field(None, description="may models learn from test images?")
    leaks: bool | None = Field(None, description="may test images be answered by a labelled copy of them?")

    @field_validator("weights_before", mode="before")
    @classmethod
    def _dates_are_text(cls, value: Any) -> Any:
        """Pydantic takes a number, such as a year alone, for seconds since 1970."""
        if value is not None and not isinstance(value, str | date):
            raise ValueError("expected a day, such as 2026-01-31")
        return value

    @field_validator("licences", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return () if value is None else (value,) if isinstance(value, str) else value

    @field_validator("licences")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in value):
            raise ValueError("holds a blank name")
        return value


class Recipe(Section):
    """Everything that decides the bytes of a run, apart from the data and the weights themselves."""

    metric: str = Field(description="what to be best at; docs/DECIDING.md")
    data: DataSection = DataSection()
    backbones: tuple[str, ...] = Field((), description="cards, timm names, `embedded`; empty: the recommended one")
    cards: str | None = Field(None, description="folder of cards (JSON beside safetensors)")
    size: tuple[Annotated[int, Field(ge=16, le=2048)], ...] = Field(
        (), description="input side in pixels, or several; empty: the weights' own"
    )
    resize: Literal["crop", "squash", "letterbox"] | None = Field(None, description="null: the weights' own")
    channels: Literal["rgb", "bgr"] | None = Field(
        None, description="the order in which the weights want them; null: the weights' own"
    )
    mean: Moments | None = Field(
        None, description="of red, green and blue in [0, 1], subtracted; one number for all; null: the weights' own"
    )
    std: Moments | None = Field(None, description="of each, divided by; null: the weights' own")
    views: tuple[str, ...] = Field(("center", "flip"), description="ways to show an image; each costs a pass")
    fuse: Literal["features", "answers"] = Field(
        "features", description="views side by side as features, or each answered by itself, the answers weighed"
    )
    taps: tuple[str, ...] = Field(("pooled", "middle"), description="what is read off a forward pass")
    normalise: Literal["none", "l1", "l2"] = Field("none", description="rows of each space to a norm of 1")
    runtime: str = Field("auto", description="by what passes run: auto | measured | torch_f32, openvino_bf16, ...")
    folds: FoldSection = FoldSection()
    heads: tuple[str, ...] = Field(("ridge", "logistic"), description="learners on frozen features; [] for none")
    members: Literal["fused", "each", "both"] = Field(
        "fused",
        description="heads on all backbones side by side, on each (in each size) alone, or both",
    )
    finetune: FinetuneSection | None = Field(None, description="null: backbones stay frozen")
    extra: tuple[str, ...] = Field((), description="folders of expansions: images that are learnt from, never scored")
    extra_weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="what each of those counts")
    suspects: str | None = Field(
        None,
        description="drop | relabel | downweight: what a model learns of labels that other models doubt;"
        " complete(share=0.3): of tags of which some true ones are missing",
    )
    pseudo: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="what each test image counts, under the labels a model gives it"
    )
    ensemble: str = Field("blend", description="how members become one")
    decide: str | None = Field(None, description="decision rule; null: the metric's own")
    test_prior: Literal["train", "tested"] = Field(
        "train", description="tested: class frequencies of the test set are followed where they are found to differ"
    )
    counts: dict[str, Annotated[int, Field(ge=0)]] | None = Field(
        None, description="known number of test images of each class"
    )
    leaks: Literal["list", "use"] = Field(
        "list", description="use: a test image that shows a labelled picture is answered by its label"
    )
    final: Literal["refit", "folds"] = Field("refit", description="test rows: the refit on all rows, or the fold mean")
    seed: int = Field(0, description="of heads and fine-tuning")
    rules: RulesSection = Field(RulesSection(), description="of the competition; they decide no byte of a run")

    @field_validator("finetune", mode="before")
    @classmethod
    def _yes_is_the_defaults(cls, value: Any) -> Any:
        return {} if value is True else None if value is False else value

    @field_validator("backbones", "views", "taps", "heads", "size", "extra", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return () if value is None else (value,) if isinstance(value, str | int) else value

    @field_validator("backbones", "views", "taps", "heads", "size", "extra")
    @classmethod
    def _no_repeats(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) != len(value):
            raise ValueError("holds an entry twice")
        return value

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _one_is_all(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) != 3:
            raise ValueError("expected one number, or three")
        return (value,) * 3 if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("std")
    @classmethod
    def _divides(cls, value: Moments | None) -> Moments | None:
        if value is not None and min(value) <= 0:
            raise ValueError("must be above 0")
        return value

    @field_validator("counts", mode="before")
    @classmethod
    def _classes_are_text(cls, value: Any) -> Any:
        return {str(name): count for name, count in value.items()} if isinstance(value, dict) else value

    @field_validator("views", "taps")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("needs at least one entry")
        return value

    @model_validator(mode="after")
    def _something_learns(self) -> Self:
        if not self.heads and self.finetune is None:
            raise ValueError("heads: needs at least one entry, or fine-tuning: finetune={}")
        return self

    @property
    def hash(self) -> str:
        """Hash of all keys: two recipes with the same hash ask for the same run."""
        return hash_json(self.model_dump(mode="json"))

    def to_yaml(self) -> str:
        """All keys, resolved, as YAML that `load_recipe` reads back equal."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
