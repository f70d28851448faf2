"""Features of a folder of images: images a second against timm + DataLoader + Pillow in float32.

    python benchmarks/extract.py --data shared/data/cats-dogs --cards shared/weights
    python benchmarks/extract.py --data shared/data/cats-dogs --cards shared/weights --enlarge 5 --images 200

Both compute the pooled features of the same images with the same weights, each in processes of its own that are timed
from outside, alternating. What is compared is the time that images take: of medalist a run with an empty bank minus one
with a full bank, of the script a run on all images minus one on a single batch, so that neither pays for its imports. A
network converted for OpenVINO before is kept, as between any two runs on a machine; what converting costs is a line of
its own. `ideal` is what decoding (processor seconds / cores) and the networks (alone) would take one after the other.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from table import ratio

BACKBONES = ("mobilenetv2_100_coral", "mobilenetv1_100_coral")
RUNTIMES = ("openvino_bf16", "openvino_f32", "torch_bf16", "torch_f32")
BY_HAND_BATCH = 32


def main() -> None:
    args = arguments()
    if args.role:
        ROLES[args.role](args)
        return
    with tempfile.TemporaryDirectory(prefix="medalist-bench-") as folder:
        args.out = folder
        compare(args)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder of images, searched through")
    parser.add_argument("--cards", required=True, type=Path)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--runtimes", nargs="+", default=RUNTIMES)
    parser.add_argument("--enlarge", type=int, default=1, help="each side times this, written as JPEG first")
    parser.add_argument("--role", choices=("hand", "medalist", "networks"), help=argparse.SUPPRESS)
    parser.add_argument("--runtime", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(args: argparse.Namespace) -> None:
    """Alternate, then print a line a runtime: median images a second, ratio of medians, share of the ideal."""
    if args.enlarge > 1:
        args.data = enlarged(args, Path(args.out) / "photos")
    for runtime in args.runtimes:
        seconds, _ = timed(args, "networks", runtime)
        print(f"{runtime}: opened and measured once in {seconds:.1f} s (conversion, imports)", flush=True)
    start_hand = timed(args, "hand", images=BY_HAND_BATCH)[0]
    hand, found = list[float](), {runtime: list[dict[str, float]]() for runtime in args.runtimes}
    for _ in range(args.pairs):
        hand.append(timed(args, "hand")[0] - start_hand)
        for runtime in args.runtimes:
            found[runtime].append(one_pair(args, runtime))
    rate = args.images / statistics.median(hand)
    print(f"\n{args.images} images, {len(BACKBONES)} networks; by hand {rate:.1f} images/s ({spread(hand)} s)")
    print("runtime        images/s   ratio   ideal/measured   decode s  network s  measured s")
    for runtime, pairs in found.items():
        measured, middle = (
            statistics.median(pair["measured_s"] for pair in pairs),
            {key: statistics.median(pair[key] for pair in pairs) for key in pairs[0]},
        )
        faster = statistics.median(hand) / measured
        ratio(f"features of {args.images} images, {runtime}, times as fast", faster, "timm, DataLoader, float32")
        ideal = middle["decode_s"] + middle["network_s"]
        print(
            f"{runtime:13} {args.images / measured:9.1f} {faster:7.1f}"
            f" {ideal / measured:16.2f} {middle['decode_s']:10.2f} {middle['network_s']:10.2f}"
            f"  {spread([pair['measured_s'] for pair in pairs])}"
        )


def one_pair(args: argparse.Namespace, runtime: str) -> dict[str, float]:
    """Seconds of a cold run minus a warm one, and what its parts would take alone."""
    cache = Path(args.out) / "cache"
    for part in ("bank", "facts.sqlite", "facts.sqlite-wal", "facts.sqlite-shm"):
        shutil.rmtree(cache / part, ignore_errors=True)
        (cache / part).unlink(missing_ok=True)
    cold, note = timed(args, "medalist", runtime)
    warm, _ = timed(args, "medalist", runtime)
    _, networks = timed(args, "networks", runtime)
    return {"measured_s": cold - warm, "decode_s": note["decode_s"], "network_s": networks["network_s"]}


def timed(
    args: argparse.Namespace, role: str, runtime: str = "", *, images: int | None = None
) -> tuple[float, dict[str, Any]]:
    """Wall seconds of this file in another role, from outside, and the JSON that it printed."""
    command = [sys.executable, __file__, "--role", role, "--runtime", runtime, "--out", str(args.out)]
    command += ["--data", str(args.data), "--cards", str(args.cards), "--images", str(images or args.images)]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, json.loads(done.stdout.splitlines()[-1])


def spread(seconds: list[float]) -> str:
    """Minimum, median and maximum."""
    return f"{min(seconds):.1f} {statistics.median(seconds):.1f} {max(seconds):.1f}"


def files_of(args: argparse.Namespace) -> list[Path]:
    """The images, spread over the folder."""
    files = sorted(file for file in args.data.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return [files[i] for i in np.unique(np.linspace(0, len(files) - 1, args.images).astype(int))]


def enlarged(args: argparse.Namespace, folder: Path) -> Path:
    """The images with longer sides, as a camera would write them."""
    from PIL import Image

    folder.mkdir()
    for i, file in enumerate(files_of(args)):
        image = Image.open(file).convert("RGB")
        size = (image.width * args.enlarge, image.height * args.enlarge)
        image.resize(size, Image.Resampling.BICUBIC).save(folder / f"{i:05}.jpg", quality=90)
    return folder


def by_hand(args: argparse.Namespace) -> None:
    """What a user writes: timm models, its transform, a DataLoader with two workers, one loop."""
    import timm
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    models = []
    for name in BACKBONES:
        card = json.loads((args.cards / f"{name}.json").read_text())
        keys = ("num_classes", "input_size", "mean", "std", "interpolation", "crop_pct")
        overlay = {"file": str(args.cards / card["weights"]), **{key: card[key] for key in keys}}
        model = timm.create_model(
            card["timm_model"], pretrained=True, pretrained_cfg_overlay=overlay, **card["timm_kwargs"]
        )
        model.reset_classifier(0)
        models.append(model.eval())
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(models[0]), is_training=False)
    files = files_of(args)

    class Images(Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, i: int) -> torch.Tensor:
            return transform(Image.open(files[i]).convert("RGB"))

    rows = []
    with torch.inference_mode():
        for batch in DataLoader(Images(), batch_size=BY_HAND_BATCH, num_workers=2):
            rows.append(torch.cat([model(batch) for model in models], dim=1))
    np.save(Path(args.out) / "hand.npy", torch.cat(rows).numpy())
    print(json.dumps({}))


def by_medalist(args: argparse.Namespace) -> None:
    """The same features through the bank."""
    from medalist.backbones import open_backbone
    from medalist.features.bank import FeatureBank
    from medalist.features.column import Look
    from medalist.features.extract import embed

    looks = [Look(open_backbone(name, cards=args.cards), args.runtime) for name in BACKBONES]
    cache, note = Path(args.out) / "cache", dict[str, Any]()
    paths = [str(file.resolve()) for file in files_of(args)]
    facts, spaces = embed(Path("/"), paths, looks, cache=cache, sink=lambda event: note.update(event.note))
    np.save(Path(args.out) / "medalist.npy", FeatureBank(cache).rows(spaces, [fact.hash for fact in facts])[:])
    print(json.dumps(note))


def networks_alone(args: argparse.Namespace) -> None:
    """Seconds that the forward passes over all images would take with nothing beside them."""
    from medalist.backbones import open_backbone
    from medalist.backbones.runtimes import open_runtime
    from medalist.features.choice import timed as measured

    seconds = 0.0
    for name in BACKBONES:
        backbone = open_backbone(name, cards=args.cards)
        forward = open_runtime(backbone, runtime=args.runtime, networks=Path(args.out) / "cache" / "networks")
        pixels = np.random.default_rng(0).integers(0, 256, (256, 224, 224, 3), dtype=np.uint8)
        seconds += args.images / measured(forward, pixels)[1]
    print(json.dumps({"network_s": seconds}))


ROLES = {"hand": by_hand, "medalist": by_medalist, "networks": networks_alone}

if __name__ == "__main__":
    main()
