"""Who is in the blend with which weight, and how differently they err. Axes: R members."""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.diversity import Diversity, diversity
from medalist.ensembles.members import Members
from medalist.report.markup import Section, cell, name, number, said, table
from medalist.report.seen import Seen

MATRIX = 14  # members up to which the correlation of each pair is shown


def ensemble(seen: Seen) -> Section | None:
    """None where one member answers alone."""
    heads = seen.summary["heads"]
    if len(heads) < 2:
        return None
    weights = weights_of(seen.decision)
    runs = seen.members if len(seen.members) == len(heads) else ()
    unlike = diversity(Members([run.oof_NC for run in runs]), seen.field.truth.labels) if runs else None
    body = _members(seen, weights, unlike)
    if unlike is not None and len(runs) <= MATRIX:
        body += _matrix([run.name for run in runs], unlike)
    lead = (
        f"Blended by <code>{said(seen.decision['ensemble'])}</code>. Weights shown are those fitted on all rows, which"
        " answer the test set; the score is of blends whose weights never saw their rows."
    )
    if unlike is None:
        lead += " Some members are no longer where they were: how differently they err is not told."
    return Section("ensemble", "Ensemble", lead, body)


def weights_of(decision: dict[str, Any]) -> dict[str, float]:
    """Weight of each member by name, where the blend has one a member."""
    weights, names = decision["chain"].get("blend", {}).get("weights"), decision["members"]
    if weights is None or np.ndim(weights) != 1 or len(weights) != len(names):
        return {}
    return dict(zip(names, map(float, weights), strict=True))


def _members(seen: Seen, weights: dict[str, float], unlike: Diversity | None) -> str:
    heads, top = seen.summary["heads"], max(weights.values(), default=0.0)
    order = sorted(heads, key=lambda told: (-weights.get(told, 0.0), told))
    place = (
        {told: row for row, told in enumerate(heads)}
        if unlike is None
        else {run.name: row for row, run in enumerate(seen.members)}
    )
    rows = []
    for member in order:
        cells = [name(member, most=60)]
        if weights:
            weight = weights.get(member, 0.0)
            cells.append(
                cell(number(weight, 3), look="weight", style=f"--p:{100 * max(weight, 0) / top if top > 0 else 0:.0f}%")
            )
        cells.append(f"{number(heads[member]['score'])}<small>± {number(heads[member]['stderr'])}</small>")
        if unlike is not None:
            cells += _unlike(list(place), place[member], unlike)
        rows.append(cells)
    head = ["member", *(["weight"] if weights else []), f"{said(seen.metric)} alone<small>standard error</small>"]
    head += ["wrong", "errors like those of others", "errs most like"] if unlike is not None else []
    return table(head, rows, caption="Members, the heaviest first", look="strips")


def _unlike(names: list[str], row: int, unlike: Diversity) -> list[str]:
    others = [other for other in range(len(names)) if other != row]
    alike = unlike.correlation_RR[row, others]
    mean = float(np.nanmean(alike)) if np.isfinite(alike).any() else float("nan")
    most = others[int(np.argmax(np.nan_to_num(alike, nan=-2.0)))]
    return [f"{100 * unlike.error_R[row]:.1f} %", number(mean, 2), name(names[most], most=40)]


def _matrix(names: list[str], unlike: Diversity) -> str:
    """Correlations of errors: the darker, the less a member adds to the other."""
    rows = []
    for row, label in enumerate(names):
        cells = [name(label, most=26)]
        for column, value in enumerate(unlike.correlation_RR[row].tolist()):
            shade = None if value != value or row == column else f"--a:{round(70 * max(value, 0.0))}%"
            cells.append(cell("·" if row == column else number(value, 2), look="r" if shade else "z", style=shade))
        rows.append(cells)
    heads = [f'<span class="turned">{name(label, most=26)}</span>' for label in names]
    return table(["correlation of errors", *heads], rows, caption="What errs alike adds nothing", look="matrix")
