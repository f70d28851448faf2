"""Kaggle flat names: `train/cat.0.jpg`, `train/dog.0.jpg`; the class stands in the file name."""

from __future__ import annotations

import re
from collections import Counter
from os.path import basename, splitext

from medalist.data.layouts.contract import IMPLIED, Claim, DeclinedError, Options, Rows, layouts
from medalist.data.layouts.tree import Tree
from medalist.data.table import TRAIN, VALID, Rejected
from medalist.errors import DataError

# Tried in this order, the strictest first.
PATTERNS = (
    "{label}.{number}",
    "{label}_{number}",
    "{label}-{number}",
    "{label} ({number})",
    "{label} {number}",
    "{label}{number}",
    "{number}.{label}",
    "{number}_{label}",
    "{number}-{label}",
    "{label}_{rest}",
    "{label}.{rest}",
)
FIELDS = {"label": r"(?P<label>.*[^\W\d].*)", "number": r"\d+", "rest": r"[^._\- ]+"}
ENOUGH, PROBED_ENOUGH, PROBES = 0.95, 0.8, 500


@layouts(takes=("pattern", "vocabulary"))
def flat_names(tree: Tree, options: Options) -> Claim:
    """The class is a part of the file name, such as the text before `.NUMBER`."""
    training = [path for path in tree.images[TRAIN] or tree.images[None] if "/" not in tree.below(path)]
    if not training:
        raise DeclinedError("no images lie directly in train/ or in the root")
    pattern = options.pattern or _infer(training)
    matcher = compile_pattern(pattern)
    return Claim(
        f"file names follow {pattern}",
        lambda: _read(tree, {TRAIN: training, VALID: tree.images[VALID]}, pattern, matcher),
        IMPLIED,
    )


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """`{label}.{number}` -> a regular expression on the name without extension.

    Raises:
        DataError: an unknown field, or `{label}` is not there exactly once.
    """
    parts = re.split(r"\{(\w*)\}", pattern)
    names = parts[1::2]
    if names.count("label") != 1 or not set(names) <= set(FIELDS):
        raise DataError(
            f"data.pattern={pattern!r}: expected {{label}} once, and any of {{number}}, {{rest}}, as in {PATTERNS[0]!r}"
        )
    return re.compile("".join(FIELDS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts)))


def label_in(path: str, matcher: re.Pattern[str]) -> str | None:
    """The class in a file's name, or None where the name does not follow the pattern."""
    match = matcher.fullmatch(splitext(basename(path))[0])
    return match["label"] if match else None


def _infer(training: list[str]) -> str:
    """The first pattern that most names follow, with at least two classes of two images on average.

    Raises:
        DeclinedError: none fits.
    """
    probes = training[:: max(1, len(training) // PROBES)]
    for pattern in PATTERNS:
        matcher = compile_pattern(pattern)
        # A look at a few names spares most patterns the walk over all.
        if sum(label_in(path, matcher) is not None for path in probes) < PROBED_ENOUGH * len(probes):
            continue
        labels = [label for path in training if (label := label_in(path, matcher))]
        if len(labels) >= max(ENOUGH * len(training), 2 * len(set(labels))) and len(set(labels)) >= 2:
            return pattern
    raise DeclinedError(
        f"file names such as {basename(training[0])!r} hold no class: no pattern such as {PATTERNS[0]} gives "
        f"two or more classes for {ENOUGH:.0%} of the {len(training)} names (data.pattern tells one)"
    )


def _read(tree: Tree, files: dict[int, list[str]], pattern: str, matcher: re.Pattern[str]) -> Rows:
    rows = Rows()
    for split, paths in files.items():
        for path in paths:
            label = label_in(path, matcher)
            if label is None:
                rows.rejected.append(Rejected(path, f"its name does not follow {pattern}"))
                continue
            rows.paths.append(path)
            rows.split.append(split)
            rows.labels.append((label,))
    rows.ids = list(rows.paths)
    rows.notes.append(_note(rows, pattern))
    return rows


def _note(rows: Rows, pattern: str) -> str:
    """The pattern with counts and five examples spread over the files."""
    counts = Counter(label for (label,) in rows.labels)
    shown = ", ".join(f"{label} ({count})" for label, count in counts.most_common(5))
    step = max(1, len(rows.paths) // 5)
    examples = [
        f"{basename(path)} -> {label}"
        for path, (label,) in zip(rows.paths[::step][:5], rows.labels[::step][:5], strict=True)
    ]
    return (
        f"the class is read from file names as {pattern} ({len(rows.paths)} of "
        f"{len(rows.paths) + len(rows.rejected)} names; {len(counts)} classes: {shown}); e.g. {', '.join(examples)}"
    )
