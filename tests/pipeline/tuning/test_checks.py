"""Faults of a recipe's fine-tuning are told before the first image is read, each with its key and what to type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medalist.errors import RecipeError
from medalist.pipeline import run
from medalist.pipeline.tuning.checks import task_faults, tuning_faults
from medalist.recipe import load_recipe


def faults(*overrides: str) -> list[str]:
    return list(tuning_faults(load_recipe(None, list(overrides), metric="accuracy", backbones=("embedded",))))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["finetune={}"],
        ["finetune.head=arcface"],
        ["finetune.phases=[{train: head, schedule: constant}, {train: 'last 30 %', schedule: 'one_cycle(peak=0.2)'}]"],
        ["finetune.phases=[{train: 'from: layer2', schedule: 'plateau(factor=0.5)'}]", "finetune.steer=inner"],
        ["finetune.mix=cutmix(alpha=1.0)", "finetune.mix_last=2", "finetune.refit=continue"],
        ["finetune.fuse=both", "finetune.fused_head=ridge"],
        ["finetune={auxiliary: kind, phases: [{train: head}, {train: all}]}"],
        ["finetune.optimiser=sgd(momentum=0.9)", "finetune.loss=focal(gamma=1.5)"],
    ],
)
def test_nothing_to_tell(overrides: list[str]) -> None:
    assert faults(*overrides) == []


@pytest.mark.parametrize(
    ("override", "key", "told"),
    [
        ("finetune.head=linaer", "finetune.head", "did you mean 'linear'?"),
        ("finetune.head=dense(unit=5)", "finetune.head", "did you mean 'units'?"),
        ("finetune.head=dense(dropout=1.5)", "finetune.head", "dropout=1.5 is out of range"),
        ("finetune.loss=cross_entropy(smoothing=2)", "finetune.loss", "smoothing=2 is out of range"),
        ("finetune.loss=focall", "finetune.loss", "did you mean 'focal'?"),
        ("finetune.augment=flpi", "finetune.augment", "did you mean 'flip'?"),
        ("finetune.optimiser=adamv", "finetune.optimiser", "did you mean 'adam'?"),
        ("finetune.mix=mixup(alpha=-1)", "finetune.mix", "alpha=-1 must be a number above 0"),
        ("finetune.phases=[{schedule: cosin}]", "finetune.phases[0].schedule", "did you mean 'cosine'?"),
        (
            "finetune.phases=[{}, {train: lats}]",
            "finetune.phases[1].train of embedded",
            "expected head, all, last 30 %",
        ),
        ("finetune.phases=[{train: 'from: layer9'}]", "finetune.phases[0].train of embedded", "'layer4'?"),
        ("finetune.phases=[{schedule: platau}]", "finetune.phases[0].schedule", "did you mean 'plateau'?"),
        (
            "finetune={steer: fold, phases: [{schedule: plateau(factor=2)}]}",
            "finetune.phases[0].schedule",
            "factor=2 of plateau must be a number above 0 and below 1",
        ),
        ("finetune.phases=[{schedule: plateau}]", "finetune.phases[0].schedule", "say on which rows: steer=inner"),
        (
            "finetune={steer: inner, phases: [{schedule: 'plateau(better=2)'}]}",
            "finetune.phases[0].schedule",
            "takes no 'better' (it takes: patience, factor, floor)",
        ),
        ("finetune.backbones=resnet18", "finetune.backbones", "name them there too"),
        ("finetune={auxiliary: kind, phases: [{train: head}]}", "finetune.auxiliary", "add a phase such as train: all"),
    ],
)
def test_each_fault_is_told_with_its_key(override: str, key: str, told: str) -> None:
    (fault,) = faults(override)
    assert fault.startswith(f"{key}: ")
    assert told in fault


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["finetune.head=arcface", "finetune.mix=cutmix"], "arcface needs one true class an image; leave mix out"),
        (["finetune.fuse=features", "finetune.fused_head=knn"], "knn is not linear"),
        (["finetune.fuse=both", "finetune.fused_head=dense"], "unknown head 'dense'"),
        (["finetune.fuse=features", "finetune.holdout=true"], "leave fuse out, or holdout"),
        (
            ["finetune.refit=continue", "finetune.mix=mixup", "finetune.mix_last=5"],
            "finetune.mix_last: got 5, more epochs than finetune.continue_epochs=2 (a default); leave",
        ),
        (
            ["finetune.refit=continue", "finetune.mix=mixup", "finetune.mix_last=5", "finetune.continue_epochs=3"],
            "finetune.continue_epochs=3; leave it out",
        ),
    ],
)
def test_what_does_not_go_together(overrides: list[str], told: str) -> None:
    (fault,) = faults(*overrides)
    assert told in fault


@pytest.mark.parametrize(
    ("overrides", "task", "told"),
    [
        (["finetune={}"], "multiclass", []),
        (["finetune={}"], "tags", []),
        (
            ["finetune.head=arcface"],
            "tags",
            ["finetune.head: arcface does not learn tags"],
        ),
        (
            ["finetune.loss=focal"],
            "tags",
            ["finetune.loss: focal does not learn tags"],
        ),
        (
            ["finetune.loss=bce"],
            "multiclass",
            ["finetune.loss: bce does not learn multiclass"],
        ),
        ([], "tags", []),
    ],
)
def test_heads_and_losses_are_for_tasks(overrides: list[str], task: str, told: list[str]) -> None:
    recipe = load_recipe(None, overrides, metric="accuracy", backbones=("embedded",))
    found = [fault.split(", this dataset's task; those that do: ") for fault in task_faults(recipe, task)]
    assert [what for what, _ in found] == told
    assert all(others for _, others in found)


def test_all_are_told_at_once_before_a_file_is_written(competition: Path, tmp_path: Path) -> None:
    keys = ["finetune.head=linaer", "finetune.augment=flpi", "finetune.phases=[{train: lats}]"]
    with pytest.raises(RecipeError) as raised:
        run(load_recipe(None, keys, metric="accuracy", backbones=("embedded",)), competition, tmp_path / "out")
    assert all(word in str(raised.value) for word in ("linaer", "flpi", "lats"))
    assert not (tmp_path / "out").exists()


def test_a_recipe_without_fine_tuning_loads_no_torch() -> None:
    script = (
        "import sys; from medalist.pipeline.tuning.checks import task_faults, tuning_faults\n"
        "from medalist.recipe import load_recipe\n"
        "recipe = load_recipe(None, [], metric='accuracy', backbones=('embedded',))\n"
        "assert not [*tuning_faults(recipe), *task_faults(recipe, 'tags')]\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_depths_are_looked_up_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:

    def gone(*_: Any) -> Any:
        raise AssertionError("the weights were read")

    monkeypatch.setattr("medalist.backbones.backbone.read_weights", gone)
    assert faults("finetune.phases=[{train: 'from: layer4'}]") == []
    (fault,) = faults("finetune.phases=[{train: 'from: layer9'}]")
    assert "no layer 'layer9'" in fault


def test_a_size_that_the_network_does_not_take() -> None:
    import timm

    from medalist.pipeline.tuning import checks

    network = timm.create_model("vit_tiny_patch16_224", num_classes=0, img_size=32, depth=1).eval()
    built = []

    def build(taps: tuple[str, ...]) -> Any:
        built.append(taps)
        return network

    square: Any = SimpleNamespace(name="vit", preprocessing={"height": 32, "width": 32}, build=build)
    assert list(checks._sizes(square, [None, 32])) == []
    assert built == []
    (fault, _) = checks._sizes(square, [32, 48, 64])
    assert built == [("pooled",)]
    assert fault == (
        "finetune.phases[1].size: vit does not take 48 px (timm says Input height (48) doesn't match model (32));"
        " leave it out"
    )
    assert faults("finetune.phases=[{size: 48}]") == []
