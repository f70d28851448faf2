"""Overhead: the share of a cold run's time that goes into neither decode and network (`embed`) nor solvers (`fit`).

A fresh process first runs the same recipe on 64 drawn images, so that imports and first uses are paid; then the cold
run is timed from the call to its return. Useful are `fit`, and of `embed` what decoders and networks had to do by the
last event of that stage (`decode_s` on all cores, `forward_s` on all lanes; they overlap, so their sum may exceed the
stage). All the rest is overhead: `before the first image` (choosing and opening networks, the choice once a machine and
backbone), what the stream waits for, and what lies outside any stage (checks, fingerprint of the data, the run folder).
On images that are there a second run follows, its features gone and the choice of runtime known, as for any further set
on the machine. With --profile the same run follows again, its features known, under cProfile: where the rest goes.

    python benchmarks/overhead.py --data cats-dogs --metric log_loss --backbone NAME --cards DIR
    python benchmarks/overhead.py --drawn 1500 5000 20000
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import ratio

ELSEWHERE = ("training/", "features/", "backbones/", "engines/", "progress.py")
SHOWN = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of a dataset")
    parser.add_argument("--drawn", type=int, nargs="*", default=[], metavar="N", help="images of drawn competitions")
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--cards", type=Path)
    parser.add_argument("--profile", action="store_true", help="where the rest goes, from a second run")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        measure(arguments)
        return
    options = ["--metric", arguments.metric, "--backbone", arguments.backbone, "--here"]
    options += ["--cards", str(arguments.cards)] if arguments.cards else []
    options += ["--profile"] if arguments.profile else []
    sets = [["--data", str(arguments.data)]] if arguments.data else []
    for chosen in [*sets, *(["--drawn", str(num)] for num in arguments.drawn)]:
        subprocess.run([sys.executable, __file__, *chosen, *options], check=True)


def measure(arguments: argparse.Namespace) -> None:
    """One dataset, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = arguments.data or drawn(folder / "data", arguments.drawn[0])
        timed(arguments, drawn(folder / "few", 64), folder / "warm", folder / "warm-cache")
        seconds, wall, num_images = timed(arguments, root, folder / "cold", folder / "cache")
        title = f"{root.name}, {num_images} images, {arguments.backbone}"
        report(seconds, wall, title)
        if arguments.data:
            shutil.rmtree(folder / "cache" / "bank")
            seconds, wall, _ = timed(arguments, root, folder / "known", folder / "cache")
            report(seconds, wall, f"{title}, runtime known")
        if arguments.profile:
            profile = cProfile.Profile()
            profile.runcall(timed, arguments, root, folder / "again", folder / "cache")
            hot_spots(profile)


def drawn(root: Path, num_images: int) -> Path:
    """A drawn competition of so many images, two thirds of them for training."""
    from medalist.data.drawn import draw_competition

    draw_competition(root, num_train=num_images * 2 // 3, num_test=num_images - num_images * 2 // 3)
    return root


def timed(arguments: argparse.Namespace, root: Path, out: Path, cache: Path) -> tuple[dict[str, float], float, int]:
    """Run the default recipe; seconds of its stages, of the whole call, and images."""
    from medalist.pipeline import run
    from medalist.recipe import load_recipe

    cards = arguments.cards and str(arguments.cards)
    recipe = load_recipe(None, (), metric=arguments.metric, backbones=(arguments.backbone,), cards=cards)
    start = time.perf_counter()
    summary = run(recipe, root, out, cache=cache)
    wall = time.perf_counter() - start
    return {**summary.seconds, **embed_parts(out / "events.jsonl")}, wall, summary.images


def embed_parts(events: Path) -> dict[str, float]:
    """Of `embed`: `stream`, from the first image to the last, and `needed`, what decoders and networks had to do."""
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if line["stage"] == "embed" and "decode_s" in line["note"]]
    if not last:
        return {"stream": 0.0, "needed": 0.0}
    note = last[-1]["note"]
    return {"stream": last[-1]["seconds"], "needed": note["decode_s"] + note["forward_s"]}


def report(seconds: dict[str, float], wall: float, title: str) -> None:
    """The share of overhead, and of each stage's part of it."""
    stages = {name: spent for name, spent in seconds.items() if name not in ("total", "stream", "needed")}
    stages["outside"] = wall - sum(stages.values())
    useful = stages.pop("fit") + min(seconds["stream"], seconds["needed"])
    stages["before the first image"] = stages.pop("embed") - seconds["stream"]
    stages["stream"] = max(seconds["stream"] - seconds["needed"], 0.0)
    rest = wall - useful
    ratio(f"{title}: time beside decode, network, solver", rest / wall, "the run's (at most 0.10)")
    print(f"{title}: {wall:.1f} s, overhead {rest:.2f} s = {rest / wall:.1%}")
    print("  " + ", ".join(f"{name} {spent:.2f} s ({spent / wall:.1%})" for name, spent in stages.items()), flush=True)


def hot_spots(profile: cProfile.Profile) -> None:
    """The package's functions outside decode, network and solver that took most, with what they called; profiled."""
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    ours = [
        (row[3], row[0], key)
        for key, row in stats.items()
        if "/medalist/" in key[0] and not any(f"/medalist/{room}" in key[0] for room in ELSEWHERE)
    ]
    for spent, calls, (file, line, function) in sorted(ours, reverse=True)[:SHOWN]:
        print(f"  {spent:7.2f} s  {calls:7d} calls  {file.rpartition('/medalist/')[2]}:{line} {function}")


if __name__ == "__main__":
    main()
