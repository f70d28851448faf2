"""The five write-ups' recipes on real images: the author's way, the same with its slips, and ours within a time.

    python benchmarks/recipes.py --data ROOT --cards DIR [--budget 5m] [--names characters,tags] [--out DIR]

The classic ways are shortened for MobileNets on small sets by the overrides below; ours is `medalist run --recipe NAME
--budget` with all cards. Runs of a set share one feature bank. Differences to the classic way are paired by image on
the rows that both were scored on, positive where the way of that line is better; each is one comparison by itself.
`chosen` marks a way that is steered by the rows that score it, as its author's was: too good, by nature.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ONE, TWO = ("mobilenetv2_100_coral",), ("mobilenetv2_100_coral", "mobilenetv1_100_coral")
HELD_OUT = ("finetune.holdout=true", "final=folds")


@dataclass(frozen=True)
class WriteUp:
    """A write-up's stand-in.

    Args:
        data: folder of the set that stands in.
        metric: of the recipes.
        cards: networks in place of its own.
        classic: overrides that shorten its way.
        slips: further ones for its slips; None: nothing of them can be repeated.
        chosen: the author's way picks epochs by the rows that are scored.
    """

    data: str
    metric: str
    cards: tuple[str, ...]
    classic: tuple[str, ...]
    slips: tuple[str, ...] | None = ()
    chosen: bool = False


WRITE_UPS = {
    "characters": WriteUp(
        "grocery81",
        "accuracy",
        ONE,
        (*HELD_OUT, *(f"finetune.phases[{place}].train=last 25 %" for place in range(3))),
        chosen=True,
    ),
    "cats-dogs": WriteUp("cats-dogs", "log_loss", TWO, ()),
    "tags": WriteUp(
        "movie-posters",
        "f1_samples",
        TWO,
        (*HELD_OUT, "size=96", "finetune.phases[1].train=last 80 %"),
        chosen=True,
    ),
    "flowers": WriteUp(
        "flowers102",
        "accuracy",
        TWO,
        ("size=96", "resize=squash", "data.path_template=null", "finetune.phases[1].epochs=4"),
        slips=("finetune.backbones=mobilenetv1_100_coral",),
    ),
    "mushrooms": WriteUp(
        "mushrooms8", "accuracy", ONE, (*HELD_OUT, "size=96", "finetune.phases[0].epochs=15"), slips=None
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the image sets")
    parser.add_argument("--cards", type=Path, required=True, help="folder of the backbones' cards")
    parser.add_argument("--budget", default="5m", help="of ours")
    parser.add_argument("--names", default=",".join(WRITE_UPS), help="write-ups, with commas")
    parser.add_argument("--ways", default="classic,slips,ours", help="which of them, with commas")
    parser.add_argument("--out", type=Path, help="keep the runs here; what is there is not run again")
    arguments = parser.parse_args()
    print(f"{'recipe':26s}{'set':16s}{'score':>20s}{'seconds':>9s}   against the classic way")
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names.split(","):
            for line in lines(name, arguments, (arguments.out or Path(folder)) / name):
                print(line, flush=True)


def lines(name: str, arguments: argparse.Namespace, out: Path) -> list[str]:
    """A write-up: its classic way, its slips, ours."""
    what, told = WRITE_UPS[name], list[str]()
    cards = [word for card in what.cards for word in ("--backbone", card)]
    every = [word for card in sorted(arguments.cards.glob("*.json")) for word in ("--backbone", card.stem)]
    ways = {
        "classic": [f"{name}-classic", *cards, *what.classic],
        "slips": [f"{name}-classic", *cards, *what.classic, *(what.slips or ()), "slips=true"],
        "ours": [name, *every, "--budget", arguments.budget],
    }
    for way in arguments.ways.split(","):
        if way == "slips" and what.slips is None:
            continue
        words = [str(arguments.data / what.data), "--cards", str(arguments.cards), "--recipe", *ways[way]]
        seconds = spawned(words, out / way, out / "cache")
        told.append(line(name, way, seconds, out))
    return told


def line(name: str, way: str, seconds: float, out: Path) -> str:
    """Score, and the difference to the classic run where there is one."""
    from medalist.pipeline.outcome import summary_of
    from medalist.pipeline.paired import pair

    what, summary = WRITE_UPS[name], summary_of(out / way)
    gap = ""
    if way != "classic" and (out / "classic" / "summary.json").exists():
        both = pair(out / way, out / "classic")
        found = both.compare(what.metric)
        gap = f"{found.difference:+.4f} +- {found.stderr:.4f} {found.verdict} ({len(both.ids)} rows)"
    chosen = " chosen" if what.chosen and way != "ours" else ""
    title = name if way == "ours" else f"{name}-classic{' slips' * (way == 'slips')}"
    score = f"{summary['score']:.4f} +- {summary['score_stderr']:.4f}"
    return f"{title:26s}{what.data:16s}{score:>20s}{seconds:9.0f}   {gap}{chosen}"


def spawned(words: list[str], out: Path, cache: Path) -> float:
    """Wall seconds of `medalist run`, from spawning to exit; nan where the run is there already."""
    if (out / "summary.json").exists():
        return float("nan")
    command = [sys.executable, "-m", "medalist.cli", "run", *words, "--out", str(out), "--cache", str(cache)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
