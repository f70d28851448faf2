"""Reading iNaturalist annotations: `medalist.data.layouts.read` against what a user would write.

Writes `train.json` with N annotations and N empty files `train/category_{category_id + 1}/{image_id}.jpg` to a
temporary folder, then reads them in fresh processes and prints seconds, peak memory and the ratio. The loop that
it is compared with loads the JSON, builds each path and asks `os.path.exists`; it checks neither repeats nor leftovers
and makes no arrays.

    python benchmarks/read.py --images 700000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import ratio

TEMPLATE = "train/category_{category_id + 1}/{image_id}.jpg"
CLASSES = 1010


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=700_000)
    parser.add_argument("--names", action="store_true", help="with file_name in the JSON, instead of a path template")
    parser.add_argument("--measure", nargs=2, metavar=("HOW", "ROOT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure, names=arguments.names)
        return
    with tempfile.TemporaryDirectory() as root:
        generate(Path(root), arguments.images, names=arguments.names)
        results = {how: run(how, root, names=arguments.names) for how in ("loop", "medalist")}
    for how, result in results.items():
        print(
            f"{how:9s} {result['seconds']:6.1f} s  {result['cpu']:6.1f} s of CPU  "
            f"peak {result['gib']:.2f} GiB  {result['rows']} rows"
        )
    ratios = [results["medalist"][key] / results["loop"][key] for key in ("seconds", "cpu")]
    print(f"medalist / loop: {ratios[0]:.2f} of the time, {ratios[1]:.2f} of the CPU time")
    ratio(f"reading {arguments.images:,} annotations, times as fast", 1 / ratios[0], "a loop over json.load")


def generate(root: Path, num_images: int, *, names: bool) -> None:
    """Write the dataset: ids are shuffled over the classes by a fixed stride."""
    for c in range(CLASSES):
        (root / f"train/category_{c + 1}").mkdir(parents=True)
    images, annotations = [], []
    for i in range(num_images):
        category = i * 7919 % CLASSES
        path = f"train/category_{category + 1}/{i}.jpg"
        os.close(os.open(root / path, os.O_CREAT | os.O_WRONLY))
        record = {"id": i, "width": 800, "height": 600, "license": 0, "rights_holder": f"user {i % 5000}"}
        images.append({**record, "file_name": path} if names else record)
        annotations.append({"id": i, "image_id": i, "category_id": category})
    categories = [{"id": c, "name": f"species {c}", "supercategory": "Plants"} for c in range(CLASSES)]
    document = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    (root / "train.json").write_text(json.dumps(document))


def run(how: str, root: str, *, names: bool) -> dict[str, float]:
    """Measure in a process of its own, so that peaks do not add up."""
    command = [sys.executable, __file__, "--measure", how, root, *(["--names"] if names else [])]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def measure(how: str, root: str, *, names: bool) -> None:
    """Read, then print seconds, peak GiB and rows as JSON; imports are not timed."""
    if how == "medalist":
        from medalist.data.layouts import read

        start, begun = time.perf_counter(), time.process_time()
        rows = len(read(root, options={} if names else {"path_template": TEMPLATE}))
    else:
        start, begun = time.perf_counter(), time.process_time()
        rows = len(loop(root))
    seconds = time.perf_counter() - start
    cpu = time.process_time() - begun
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "cpu": cpu, "gib": gib, "rows": rows}))


def loop(root: str) -> list[tuple[str, int]]:
    """What a user would write."""
    with open(os.path.join(root, "train.json"), encoding="utf-8") as file:
        document = json.load(file)
    names = {image["id"]: image.get("file_name") for image in document["images"]}
    rows = []
    for annotation in document["annotations"]:
        image, category = annotation["image_id"], annotation["category_id"]
        path = os.path.join(root, names[image] or f"train/category_{category + 1}/{image}.jpg")
        if os.path.exists(path):
            rows.append((path, category))
    return rows


if __name__ == "__main__":
    main()
