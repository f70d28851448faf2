"""Which augmentations help: a probe of each, a screening of all together, a confirmation of what it finds.

    print(augment(recipe, Path("data"), Path("out"), "flip | rotation(limit=15) | random_erasing"))

1. Probe: operations that the label does not survive are rejected, as they would drown all others.
2. Screening: 8 or 16 policies of the rest; each operation's effect from all of them.
3. Confirmation: what was found better as one policy, and the recipe's own, against none, on draws that chose nothing.

Where the recipe fine-tunes, a policy is tried by a training, an ordinary run in `arms/`; otherwise on frozen features.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from medalist.errors import RecipeError
from medalist.evidence import Comparison
from medalist.experiments.augmenting.confirming import DRAWS, confirm, erasing_for_longer, proposals
from medalist.experiments.augmenting.copies import Copies
from medalist.experiments.augmenting.factors import USUAL, factors_of, policy_of
from medalist.experiments.augmenting.findings import CHART, Findings
from medalist.experiments.augmenting.players import Frozen, Player, Tuned
from medalist.experiments.augmenting.probe import probe
from medalist.experiments.augmenting.sampled import sample_of
from medalist.experiments.augmenting.screening import Design, design, effects, one_at_a_time
from medalist.experiments.augmenting.telling import chart, few_of, text_of
from medalist.experiments.folder import RECIPE, TABLE, VIEWS, answered, asking, finish
from medalist.experiments.process import shared_options
from medalist.pipeline import cache_folder, run_key
from medalist.pipeline.backbones import choose
from medalist.pipeline.checks import check
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe
from medalist.store import write_atomic

NUM_VIEWS, IMAGES = 4, 2000


def augment(
    recipe: Recipe,
    root: Path,
    out: Path,
    operations: str = "usual",
    *,
    views: int = NUM_VIEWS,
    images: int = IMAGES,
    cache: Path | None = None,
    sink: Sink = ignore,
    overwrite: bool = False,
    code: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Answer which of the operations help, in `out`: `table.txt`, `experiment.json`, `effects.png`; the table.

    Args:
        recipe: whose images, metric and backbone; with a section `finetune` policies are tried by training.
        root: folder of the dataset.
        out: folder of the experiment.
        operations: a chain as in a recipe's policy, each step one factor; `usual`: `factors.USUAL`.
        views: of each image that a head learns from, on frozen features.
        images: labelled images that frozen features are made of, at most; drawn by the recipe's seed.
        cache: see `pipeline.run`.
        sink: takes progress events.
        overwrite: replace another experiment in `out`.
        code: MODULE:FUNCTION of the user's own metrics, for the commands to type next.
        say: takes a line for people before anything is computed.

    Raises:
        RecipeError: a slip in the operations, or in the recipe.
        StoreError: `out` holds another experiment.
    """
    factors = factors_of(USUAL if operations == "usual" else operations)
    _check_counts(views, images)
    check(recipe, root, out)
    notes: list[str] = []
    recipe = choose(recipe, notes)
    key = {**run_key(recipe, root), "question": "augment", "factors": factors, "views": views, "images": images}
    if not overwrite and answered(out, key) is not None:
        return (out / TABLE).read_text(encoding="utf-8").rstrip("\n")
    for line in [*notes, *few_of(factors)]:
        say(line)
    with asking(out, key, overwrite=overwrite):
        write_atomic(out / RECIPE, recipe.to_yaml().encode())
        folder = cache_folder(cache)
        copies = sample_of(recipe, root, out, images=images, num_views=views, cache=folder, sink=sink)
        player = Frozen(copies, views) if recipe.finetune is None else Tuned(recipe, root, out, folder, sink)
        found = investigate(copies, player, factors, own=_own(recipe))
        text = _told(found, out, [str(root), "--recipe", str(out / RECIPE), *shared_options(cache, code)])
        shutil.rmtree(out / VIEWS, ignore_errors=True)
    return text


def _check_counts(views: int, images: int) -> None:
    for name, value, least in (("views", views, 1), ("images", images, 30)):
        if value < least:
            raise RecipeError(f"--{name} is {least} or more, got {value}")


def _told(found: Findings, out: Path, options: Sequence[str]) -> str:
    """The table, written with chart and numbers; `options` are those of the commands to type next."""
    chart(found, out / CHART)
    text = text_of(found, out, {verb: ["medalist", verb, *options] for verb in ("run", "ablate")})
    finish(out, found.facts(), text)
    return text


def _own(recipe: Recipe) -> str:
    """The recipe's policy; without fine-tuning the one that it would have."""
    from medalist.recipe.keys import FinetuneSection

    return (recipe.finetune or FinetuneSection()).augment


def investigate(copies: Copies, player: Player, factors: Sequence[str], *, own: str) -> Findings:
    """Probe, screen and confirm.

    Args:
        copies: that the probe looks at.
        player: that tries policies.
        factors: operations.
        own: the policy to compare with.
    """
    metric, clock = copies.chain.metric, [time.perf_counter()]
    probed = probe(copies, factors)
    clock.append(time.perf_counter())
    kept = [one for one in factors if not probed[one].lost]
    plan = design(len(kept), seed=copies.seed) if kept else None
    found = _screened(player, factors, kept, plan, metric=metric, seed=copies.seed)
    clock.append(time.perf_counter())
    arms = confirm(player, proposals(factors, found, own), metric=metric, screened=len(kept))
    better = [one for one, effect in found.items() if effect.verdict == "better"]
    longer = erasing_for_longer(player, kept, better, metric=metric)
    clock.append(time.perf_counter())
    stages = zip(("probe", "screening", "confirmation"), clock, clock[1:], strict=False)
    return Findings(
        metric=metric,
        factors=tuple(factors),
        probed=probed,
        effects=found,
        design=plan,
        arms=arms,
        longer=longer,
        holds_for=player.holds_for,
        cost=_passes(copies, player, len(factors), plan, len(arms) - 1, len(longer)),
        seconds={name: round(end - start, 3) for name, start, end in stages},
    )


def _screened(
    player: Player, factors: Sequence[str], kept: Sequence[str], plan: Design | None, *, metric: str, seed: int
) -> dict[str, Comparison]:
    """Each kept operation's effect, from all runs of the plan."""
    if plan is None:
        return {}
    on_R = [[one for one, sign in zip(kept, sign_F, strict=True) if sign > 0] for sign_F in plan.sign_RF]
    answers_R = player.play([policy_of(factors, on) for on in on_R], 0)
    truth = player.truth
    found = effects(metric, truth.labels, answers_R, plan, groups=truth.group_N, seed=seed)
    return dict(zip(kept, found, strict=True))


def _passes(
    copies: Copies, player: Player, num_factors: int, plan: Design | None, num_arms: int, num_longer: int
) -> dict[str, int]:
    """Image passes a stage as they were made, and what as sure an answer costs one operation at a time.

    One at a time has the same design's precision for all operations named, erasing at twice the epochs too.
    """
    num_images, run = len(copies.ids), player.passes
    frozen = isinstance(player, Frozen)
    num_runs = len(plan.sign_RF) if plan else 0
    asked = len(design(num_factors).sign_RF)
    return {
        # Facts and features of the images, the same from small pixels, a view an operation.
        "probe": num_images * (2 + num_factors),
        "screening": run * num_runs,
        # No augmentation is nothing to pass for frozen features.
        "confirmation": run * len(DRAWS) * (num_arms if frozen else num_arms + 1) + 2 * run * len(DRAWS) * num_longer,
        "one_at_a_time": run * one_at_a_time(num_factors, asked) + run * num_longer * asked,
    }
