"""Compare losses of classes where one percent of the pixels are of the rare class.

The rare class is the middle of wide vessels in photographs of the retina (chase_db1, green
channel): the pixels that lie deepest in vessels, as many as make one percent of the field of view.
Each loss trains for the same time on the children 1 to 8 (two eyes each), and F1 and IoU of the
rare class are those of all pixels inside the field of view of the other four images. With --set
training.balance=1, a pixel of the rare class weighs no more than another.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile
from common import machine, parser
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.recipe import Losses

NAMES = Losses.model_fields["categorical"].examples
SHARE = 0.01
N_TRAINED = 16
ROW = "{loss:20s} seed {seed}: F1 {F1:.3f}, IoU {IoU:.3f}, {steps} steps"
SCORES = "F1", "IoU", "precision", "recall"


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--losses", nargs="*", default=NAMES)
    arguments.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the recipe"
    )
    arguments.add_argument("--seconds", type=float, default=120)
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    arguments.add_argument("--side", type=int, help="train and score on the middle of each image")
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    images, masks, fields = read_retinas(chosen.data / "chase_db1", chosen.side)
    share = masks[fields].mean()
    print(f"{machine()}; {chosen.seconds:g} s of training, {share:.2%} of the pixels are rare")
    values = dict(value.split("=", 1) for value in chosen.set)
    rows = []
    for loss in chosen.losses:
        for seed in chosen.seeds:
            known = {"losses.categorical": loss, "training.seed": seed, **values}
            recipe = ns.Recipe(task="classes").changed(known)
            rows.append({"loss": loss, "seed": seed})
            rows[-1] |= train_and_score(images, masks, fields, recipe, chosen)
            print("  " + ROW.format(**rows[-1]), flush=True)
    for loss in chosen.losses:
        report(loss, [row for row in rows if row["loss"] == loss])
    if chosen.json:
        chosen.json.write_text(
            json.dumps({"machine": machine(), "set": values, "rows": rows}, indent=1)
        )


def read_retinas(folder: Path, side: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return green channels, masks of the rare class and fields of view, ``(n, Y, X)`` each."""
    if not folder.is_dir():
        raise SystemExit(f"{folder} has no images: name a folder with --data.")
    names = sorted(path.name for path in (folder / "images").glob("*.tif"))
    green = np.stack([tifffile.imread(folder / "images" / name)[..., 1] for name in names])
    vessels, fields = (
        np.stack([tifffile.imread(folder / kind / name) > 0 for name in names])
        for kind in ("vessels", "field_of_view")
    )
    depth = np.stack([ndimage.distance_transform_edt(mask) for mask in vessels])
    if side is not None:
        top, left = ((n - side) // 2 for n in green.shape[1:])
        middle = slice(None), slice(top, top + side), slice(left, left + side)
        green, depth, fields = green[middle], depth[middle], fields[middle]
    limit = np.quantile(depth[fields], 1 - SHARE)
    return green, depth > limit, fields


def train_and_score(images, masks, fields, recipe, chosen):
    paints = [ns.Paint.from_mask(mask.astype(np.uint8)) for mask in masks[:N_TRAINED]]
    job = ns.train(
        list(images[:N_TRAINED]), paints, recipe, seconds=chosen.seconds, device=chosen.device
    )
    n_steps = sum(1 for _ in job)
    found = np.stack(
        [
            ns.run(ns.segment(job.result, image, device=chosen.device))
            for image in images[N_TRAINED:]
        ]
    )
    inside = fields[N_TRAINED:]
    found, truth = found[inside] > 0, masks[N_TRAINED:][inside]
    both, either = np.count_nonzero(found & truth), np.count_nonzero(found | truth)
    sizes = np.count_nonzero(found) + np.count_nonzero(truth)
    return {
        "precision": both / max(np.count_nonzero(found), 1),
        "recall": both / np.count_nonzero(truth),
        "F1": 2 * both / sizes,
        "IoU": both / either,
        "steps": n_steps,
    }


def report(loss, rows):
    scores = ((score, [row[score] for row in rows]) for score in SCORES)
    texts = (f"{score} {np.mean(x):.3f} +- {np.std(x):.3f}" for score, x in scores)
    print(f"{loss:20s} {', '.join(texts)}", flush=True)


if __name__ == "__main__":
    main()
