"""A draft of the write-up that winners publish: the record of a run in sentences, as HTML and as Markdown to copy.

Only what the record holds is told; what a person knows besides is left for them to add.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medalist.report.ensemble import weights_of
from medalist.report.experiment import sentences
from medalist.report.learning import curves_of, networks
from medalist.report.licences import attributions, licences_of, recipes_of, used_of
from medalist.report.markup import Section, cleaned, folded, said, tag, visible
from medalist.report.score import said_lines
from medalist.report.seen import Seen, read_json
from medalist.report.stages import clock

Paragraphs = list[tuple[str, list[str]]]
ACTIONS = {
    "drop": "with those whose labels look wrong left out ({})",
    "downweight": "with those whose labels look wrong counting less ({})",
    "relabel": "with those whose labels look wrong under the class that other models are sure of ({})",
    "complete": "with tags that are not set learnt as far as other models hold them likely ({})",
}
FAILED = ("does not beat", "corrupt", "not distinguishable", "worse", "not taken", "add nothing")


def writeup(seen: Seen, experiment: Path | None) -> Section:
    """The draft, and the same to copy."""
    told = paragraphs(seen, experiment)
    body = "".join(tag("h3", title) + tag("p", " ".join(said(one) for one in lines)) for title, lines in told)
    copied = tag("pre", said_lines(markdown(told)), tabindex=0)
    lead = "Written from the record alone; add what only you know: why you tried what you tried."
    return Section(
        "writeup", "Draft of a write-up", lead, tag("div", body, class_="prose") + folded("As Markdown", copied)
    )


def markdown(told: Paragraphs) -> str:
    """Headings and paragraphs as Markdown; what its grammar would take for marks is shielded."""
    return "\n".join(f"## {title}\n\n{' '.join(_shielded(visible(one)) for one in lines)}\n" for title, lines in told)


def paragraphs(seen: Seen, experiment: Path | None) -> Paragraphs:
    """Each heading with its sentences, plain text; nothing where the record has nothing."""
    parts = [
        ("The task", list(task(seen))),
        ("Validation", list(validation(seen))),
        ("Models", [line for recipe in recipes_of(seen) for line in models(recipe, seen)] or _imported(seen)),
        ("From outside and from the test set", list(outside(seen))),
        ("From probabilities to answers", list(answering(seen))),
        ("Result", list(result(seen))),
        ("What did not help", list(failed(seen, experiment))),
    ]
    return [(title, cleaned(lines, seen.known)) for title, lines in parts if lines]


def task(seen: Seen) -> Iterator[str]:
    """Images, classes, metric."""
    num_C, table = seen.true_NC.sum(axis=0), seen.field.table
    what, outer = "tags" if seen.tags else "classes", seen.field.outer
    told = f"{len(seen.ids):,} labelled images"
    if outer is not None:
        told = f"{len(outer.ids):,} labelled images, {len(seen.ids):,} of them held out and scored,"
    yield (
        f"The data are {told} of {len(seen.names)} {what}, {num_C.min():,} to"
        f" {num_C.max():,} {'scored ' if outer is not None else ''}images each ({num_C.mean():.0f} on average)."
    )
    if seen.tags:
        num_N = seen.true_NC.sum(axis=1)
        yield f"An image has {num_N.mean():.1f} tags on average, at most {num_N.max()}."
    if forecast := seen.summary.get("forecast"):
        yield f"{forecast['num_test']:,} test images are to be answered."
    if seen.summary["rejected"]:
        yield f"{seen.summary['rejected']:,} files or rows could not be used."
    yield f"The metric is {seen.metric}, {'higher' if seen.higher else 'lower'} is better."
    if table.sample is not None and table.sample.positive is not None:
        yield f"The submission holds the probability of {table.sample.positive}."


def validation(seen: Seen) -> Iterator[str]:
    """Folds, groups, and what the score is of."""
    truth = seen.field.truth
    num_folds = len(np.unique(truth.fold_N))
    size_G = np.unique(truth.group_N, return_counts=True)[1]
    held = seen.field.outer is not None
    if held:
        yield (
            "One fold of the labelled images was held out; weights and thresholds were cross-fitted on"
            f" {num_folds} folds inside it."
        )
    else:
        yield f"We validated on {num_folds} folds, stratified by {'tag' if seen.tags else 'class'}."
    if (size_G > 1).any():
        yield (
            f"{size_G[size_G > 1].sum():,} images lie in {(size_G > 1).sum():,} groups (duplicates, or one"
            " source); each group stays in one fold."
        )
    yield (
        "Every score is out of fold, and everything that learns from labels after the models (weights of the blend,"
        " calibration, thresholds) was fitted anew without the fold that it answers."
    )


def models(recipe: dict[str, Any], seen: Seen) -> Iterator[str]:
    """Backbones, features, heads, fine-tuning."""
    licences = licences_of(recipe)
    named = _and([f"{backbone} ({licence.split(' (')[0]})" for backbone, licence in licences.items()])
    size = f" at {_and([f'{side} pixels' for side in recipe['size']])}" if recipe.get("size") else ""
    if recipe.get("heads"):
        yield (
            f"Features come from {named}, frozen{size}: the outputs {_and(recipe['taps'])} of the views"
            f" {_and(recipe['views'])}."
        )
        heads = _and(recipe["heads"])
        yield f"On them we fitted the heads {heads}; what they choose for themselves was chosen inside the folds."
    if finetune := recipe.get("finetune"):
        yield from tuning(finetune, named)
        yield from epochs(seen)
    yield f"Test images are answered by {answering_models(recipe)}."


def answering_models(recipe: dict[str, Any]) -> str:
    """Which models answer the test images, and what they learnt from."""
    if recipe.get("final") != "refit":
        held = (recipe.get("finetune") or {}).get("holdout")
        return "the model that the held-out fold was scored by" if held else "the mean of the folds' models"
    told = "models fitted on all labelled images"
    if (recipe.get("data") or {}).get("quarantine"):
        told += " but those in quarantine"
    if recipe.get("suspects"):
        told += f", {taught(recipe['suspects'])}"
    if recipe.get("extra"):
        told += ", and on images from outside"
    if recipe.get("pseudo") is not None:
        told += ", and on the test images under pseudo-labels"
    return told


def taught(suspects: str) -> str:
    """What an action on doubtful labels makes of them."""
    action = suspects.split("(")[0].strip()
    return ACTIONS.get(action, "with those whose labels look wrong treated by {}").format(f"`{suspects}`")


def tuning(finetune: dict[str, Any], named: str) -> Iterator[str]:
    """How backbones were trained."""
    tuned = _and(finetune["backbones"]) if finetune["backbones"] else named
    phases = _and([_phase(phase) for phase in finetune["phases"]])
    yield (
        f"We fine-tuned {tuned} with a {finetune['head']} head: {phases}, in batches of {finetune['batch']} by"
        f" {finetune['optimiser']}."
    )
    extras = [
        f"augmentation {finetune['augment']}" if finetune["augment"] else "no augmentation",
        f"mixing {finetune['mix']}" if finetune["mix"] else "",
        f"loss {finetune['loss']}" if finetune["loss"] else "",
        f"sharpness-aware minimisation with radius {finetune['sam']}" if finetune["sam"] else "",
        f"an average of the weights with decay {finetune['ema']}" if finetune["ema"] else "",
        f"BatchNorm {finetune['batchnorm']}",
    ]
    yield f"Training used {_and([part for part in extras if part])}."


def epochs(seen: Seen) -> Iterator[str]:
    """How training and validation ended."""
    for network in networks(seen.folder):
        last = [curve[-1] for place, curve in curves_of(network).items() if place != "refit" and curve]
        if last and all("loss" in epoch for epoch in last):
            learnt, unseen = (np.mean([epoch[key] for epoch in last]) for key in ("train_loss", "loss"))
            yield (
                f"After {last[0]['epoch'] + 1} epochs the loss of {network.name} was {learnt:.3f} in training and"
                f" {unseen:.3f} in validation."
            )


def _phase(phase: dict[str, Any]) -> str:
    size = f" at {phase['size']} pixels" if phase.get("size") else ""
    return f"{phase['train']} for {phase['epochs']} epochs at rate {phase['lr']:g} ({phase['schedule']}){size}"


def outside(seen: Seen) -> Iterator[str]:
    """Images that others took, and how rows were left out, weighed or answered otherwise."""
    used, recipes = used_of(seen), list(recipes_of(seen))
    for one in used.images:
        source, licence = one.source or "a source that is not known", one.licence or "not stated"
        yield (
            f"Models learnt from {one.count:,} images of {source} besides, licence {licence}, less any that could not"
            " be read or show the same picture as one of the dataset's; none of them is scored."
        )
    if used.images:
        yield f"They are listed for attribution in {attributions(seen)}."
    if used.pseudo_labels or any(recipe.get("pseudo") is not None for recipe in recipes):
        yield (
            "Heads learnt from test images too, under the probabilities that the same model gave them before"
            " (pseudo-labels)."
        )
    for suspects in dict.fromkeys(recipe["suspects"] for recipe in recipes if recipe.get("suspects")):
        yield (
            f"Heads learnt from the labelled images {taught(suspects)}; a fold's models were taught so without"
            " its labels, and every image is scored as it is labelled."
        )
    if any((recipe.get("data") or {}).get("quarantine") for recipe in recipes):
        yield (
            "No model learnt from the labelled images of a list (quarantine); they are scored with their own labels,"
            " and blend, decision rule and class prior still see those."
        )
    if used.leaks or any(recipe.get("leaks") == "use" for recipe in recipes):
        yield (
            "A test image that is a copy of labelled ones was answered by their label where they agree (leaks); score"
            " and forecast are of answers without."
        )


def _imported(seen: Seen) -> list[str]:
    return [f"The predictions were made by {_and(seen.decision['members'])}."]


def answering(seen: Seen) -> Iterator[str]:
    """Blend and rule."""
    weights = weights_of(seen.decision)
    if len(seen.decision["members"]) > 1:
        ordered = sorted(weights.items(), key=lambda pair: -pair[1])
        told = f", with weights {_and([f'{weight:.2f} for {member}' for member, weight in ordered])}" if weights else ""
        yield f"The members were joined by `{seen.decision['ensemble']}`{told}."
    yield f"The answers are decided by the rule `{seen.decision['rule']}`, which serves {seen.metric}."


def result(seen: Seen) -> Iterator[str]:
    """The score, its error, the members, the forecast, the cost."""
    summary = seen.summary
    low, high = summary["interval95"]
    yield (
        f"Out of fold this scores {seen.metric} {summary['score']:.4f} ± {summary['score_stderr']:.4f}"
        f" (95 % {low:.4f} to {high:.4f})."
    )
    if len(summary["heads"]) > 1:
        way = max if seen.higher else min
        best = way(summary["heads"], key=lambda member: summary["heads"][member]["score"])
        told = summary["heads"][best]
        yield f"The best member by itself is {best} with {told['score']:.4f} ± {told['stderr']:.4f}."
    if forecast := summary.get("forecast"):
        low, high = forecast["interval95"]
        yield f"On the test set we expect {forecast['score']:.4f} (95 % {low:.4f} to {high:.4f})."
    if "total" in summary["seconds"]:
        yield f"The run took {clock(summary['seconds']['total'])}."


def failed(seen: Seen, experiment: Path | None) -> Iterator[str]:
    """What the run, and the experiment that it is of, tried in vain."""
    told = list(seen.summary["notes"])
    told += sentences(read_json(experiment / "experiment.json")) if experiment is not None else []
    for note in told:
        if any(word in note for word in FAILED):
            yield f"{note[:1].upper()}{note[1:].rstrip('.')}."


def _and(parts: Any) -> str:
    """A list in words."""
    words = list(map(str, parts))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"


def _shielded(text: str) -> str:
    return "".join(f"\\{mark}" if mark in "*_`[]<>#|" else mark for mark in text)
