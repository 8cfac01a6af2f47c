"""Train on little paint on one image, and score on all the others.

On each of some images (at least 15 objects; evenly chosen by name), a few objects are painted,
whole or by a stroke inside each, with a few strokes of background or none. The commands `train` and
`segment` run as a user would run them, from nothing or from a model (`--start`), and all other
images are scored together: fluorescent nuclei (those of dsb2018/val with 256 px) or cells in phase
contrast (t98g_phase). Objects that an image lacks are not painted: 30 are up to 30.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from common import machine, parser, read_pairs

from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.samples import simulate_paint

KINDS = {"nuclei": ("dsb2018/val", (256, 256)), "phase": ("t98g_phase", (1022, 1024))}
HOW = {"whole": False, "inside": True}
"""Whether a stroke inside stands for an object."""
KEYS = "objects", "how", "strokes"
"""What makes a setting."""
SETTING = "{objects} objects {how}, {strokes} background strokes"
SCORES = "AP50 {AP50:.3f}, AP70 {AP70:.3f}, AP80 {AP80:.3f}, AP90 {AP90:.3f}"


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--kind", choices=KINDS, default="nuclei")
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--steps", type=int, help="instead of seconds")
    arguments.add_argument("--objects", type=int, nargs="*", default=[3, 10, 30])
    arguments.add_argument("--how", nargs="*", choices=HOW, default=list(HOW))
    arguments.add_argument("--strokes", type=int, nargs="*", default=[3, 0])
    arguments.add_argument("--images", type=int, default=5, help="how many are painted, by turns")
    arguments.add_argument("--scored", type=int, help="how many others are scored; all of them")
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments.add_argument("--start", help="a model to fine-tune")
    arguments.add_argument("--set", action="append", default=[], help="of the recipe, key=value")
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    pairs = images_of(chosen.data, chosen.kind)
    painted = names_to_paint(pairs, chosen.images)
    length = f"{chosen.steps} steps" if chosen.steps else f"{chosen.seconds:.0f} s of training"
    print(f"{machine()}; {length}, from {chosen.start or 'nothing'}")
    rows = []
    for setting in itertools.product(chosen.objects, chosen.how, chosen.strokes):
        found = []
        for name, seed in itertools.product(painted, chosen.seeds):
            row = {**dict(zip(KEYS, setting, strict=True)), "painted": name, "seed": seed}
            found.append(row | _run(pairs, name, seed, chosen, *setting))
            print("  " + ("{painted}, seed {seed}: " + SCORES).format(**found[-1]), flush=True)
        rows += found
        print(f"{SETTING.format(**found[0])}: {spread(found)}", flush=True)
        if chosen.json:
            chosen.json.write_text(json.dumps(rows, indent=1))


def images_of(data, kind):
    """Return images and truth of a kind, by name."""
    folder, shape = KINDS[kind]
    return {k: v for k, v in read_pairs(data / folder).items() if v[0].shape == shape}


def names_to_paint(pairs, n):
    """Return the names of images with many objects, evenly chosen."""
    rich = [name for name, (_, truth) in pairs.items() if len(np.unique(truth)) > 15]
    return rich[:: max(1, len(rich) // n)][:n]


def names_to_score(pairs, painted, n):
    """Return the names of the other images, or some of them, evenly chosen."""
    others = [name for name in pairs if name != painted]
    return others[:: max(1, len(others) // n)][:n] if n else others


def spread(rows):
    """Return mean and standard deviation of each score over the runs of a setting."""
    text = []
    for name in ("AP50", "AP70", "AP80", "AP90"):
        values = [row[name] for row in rows]
        text.append(f"{name} {np.mean(values):.3f} +- {np.std(values):.3f}")
    longest = max(row["wall"] for row in rows)
    return f"{', '.join(text)} over {len(rows)} runs; longest training {longest:.0f} s"


def _run(pairs, name, seed, chosen, n_objects, how, n_strokes):
    image, truth = pairs[name]
    paint = simulate_paint(truth, n_objects, n_strokes, seed=seed, is_inside=HOW[how])
    others = names_to_score(pairs, name, chosen.scored)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tifffile.imwrite(work / "image.tif", image)
        tifffile.imwrite(work / "paint.tif", paint)
        (work / "others").mkdir()
        for other in others:
            tifffile.imwrite(work / "others" / other, pairs[other][0])
        device = [] if chosen.device is None else ["--device", chosen.device]
        length = (
            ["--steps", str(chosen.steps)] if chosen.steps else ["--seconds", str(chosen.seconds)]
        )
        start = [] if chosen.start is None else ["--start", chosen.start]
        values = [part for value in chosen.set for part in ("--set", value)]
        began = time.perf_counter()
        subprocess.run(
            ["napari-scribe", "train", work / "image.tif", "--labels", work / "paint.tif",
             "--model", work / "model.zip", "--seed", str(seed), *length, *start, *values,
             *device],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wall = time.perf_counter() - began
        subprocess.run(
            ["napari-scribe", "segment", work / "others", "--model", work / "model.zip",
             "--out", work / "found", *device],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        scores = [evaluate(tifffile.imread(work / "found" / o), pairs[o][1]) for o in others]
    return pool(scores).as_dict() | {"wall": wall}


if __name__ == "__main__":
    main()
