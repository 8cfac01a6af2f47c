"""Measure what long-range affinities add, on neurites of a synthetic volume (neurites.py).

The residual symmetric U-Net learns from one volume, whose truth is complete, and is scored on
another one. Both trainings have the same time, seed and data; one of them learns affinities of
neighbours alone. Objects are found by the same decoding. Lower is better: Rand error (1 - F of
adapted Rand), and variation of information, its parts for splits and for mergers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from common import add_limits, limits, limits_in_words, machine, parser
from neurites import SPACING, neurites
from skimage.metrics import adapted_rand_error, variation_of_information

import napari_scribe as ns

VARIANTS = {
    "long-range": {"target.encoding": "affinities"},
    "nearest": {"target.encoding": "affinities", "target.long_range": False},
    "distance": {"target.encoding": "distance"},
}
"""What the network learns; the last one is the default encoding, for comparison."""
COLUMNS = "Rand error", "VOI", "VOI split", "VOI merge", "objects found"


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--variants", nargs="*", choices=VARIANTS, default=list(VARIANTS)[:2])
    add_limits(arguments, 900)
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    arguments.add_argument("--shape", type=int, nargs=3, default=[32, 192, 192])
    arguments.add_argument("--width", type=int, default=12)
    arguments.add_argument("--set", action="append", default=[], help="of all recipes, key=value")
    arguments.add_argument("--keep", type=Path, help="folder for images and labels")
    chosen = arguments.parse_args()

    print(f"{machine()}; {limits_in_words(chosen)} each, volumes of {chosen.shape} px")
    print("| learnt | seed | steps | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    for name in chosen.variants:
        rows = []
        for seed in chosen.seeds:
            trained, tested = (neurites(tuple(chosen.shape), 2 * seed + i) for i in (0, 1))
            found, steps = _found(trained, tested[0], VARIANTS[name], seed, chosen)
            rows.append(_scores(found, tested[1]))
            print(f"| {name} | {seed} | {steps} | {_words(rows[-1])} |", flush=True)
            if chosen.keep:
                _keep(chosen.keep, f"{name}-{seed}", *tested, found)
        print(f"| {name} | mean | | {_words(np.mean(rows, axis=0))} |", flush=True)
        print(f"| {name} | spread | | {_words(np.std(rows, axis=0))} |", flush=True)


def _found(trained, pixels, changes, seed, chosen) -> tuple[np.ndarray, int]:
    """Train on a volume and its truth; return the objects of another one."""
    recipe = ns.Recipe().changed(
        {
            "network.kind": "residual_symmetric",
            "network.dimensions": 3,
            "network.depth": 3,
            "network.width": chosen.width,
            "training.patch": 96,
            "training.seed": seed,
            **changes,
            **dict(value.split("=", 1) for value in chosen.set),
        }
    )
    image, truth = trained
    paint = ns.Paint(truth + 1, complete=True, axes="ZYX", pieces=False)
    job = ns.train([_image(image)], [paint], recipe, **limits(chosen), device=chosen.device)
    steps = 0
    for step in job:
        steps = step.index
    found = ns.run(ns.segment(job.result, _image(pixels), device=chosen.device))
    return np.asarray(found), steps


def _image(pixels: np.ndarray) -> ns.Image:
    return ns.Image(pixels, "ZYX", scale={"Z": SPACING, "Y": 1.0, "X": 1.0})


def _scores(found: np.ndarray, truth: np.ndarray) -> list[float]:
    """Score what is not membrane in the truth."""
    error, _, _ = adapted_rand_error(truth, found, ignore_labels=(0,))
    split, merge = variation_of_information(truth, found, ignore_labels=(0,))
    return [error, split + merge, split, merge, len(np.unique(found)) - 1]


def _words(scores) -> str:
    return " | ".join([*(f"{score:.3f}" for score in scores[:-1]), f"{scores[-1]:.0f}"])


def _keep(folder: Path, name: str, pixels, truth, found) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("image", pixels), ("truth", truth), ("found", found)):
        tifffile.imwrite(folder / f"{name}-{kind}.tif", array)


if __name__ == "__main__":
    main()
