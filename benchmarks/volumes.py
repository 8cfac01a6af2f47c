"""Compare a 3D U-Net with a 2D one on the same paint: some slices of a volume of nuclei.

Every so many slices are painted completely, the others not at all (Cicek et al. 2016). What is
scored are the slices that are not painted: the overlap of the foreground with the truth, and AP50
of the sections of nuclei within slices, which both networks answer with. AP50 of whole nuclei is
for the network that knows them. With ``--half``, one half of the volume is painted instead, and the
other is scored. ``--thinned 3`` also scores nuclei in a volume of every third slice, which the 3D
network sees with its slices brought to the distance that it knows, and as they are.
"""

from __future__ import annotations

import numpy as np
import tifffile
from common import add_limits, limits, limits_in_words, machine, parser

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate, pool

NETWORKS = {"2D": {"training.patch": 64}, "3D": {"network.dimensions": 3, "network.depth": 3}}
"""What is changed of the default recipe."""
SPACING = 1.0
"""Thickness of a slice, in pixels: these nuclei are as deep as they are wide."""


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    add_limits(arguments, 300)
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    arguments.add_argument(
        "--every", type=int, default=5, help="slices from one painted to the next"
    )
    arguments.add_argument(
        "--half", action="store_true", help="paint one half of the volume, and score the other"
    )
    arguments.add_argument("--thinned", type=int, metavar="N", help="score every Nth slice, too")
    arguments.add_argument("--set", action="append", default=[], help="of all recipes, key=value")
    chosen = arguments.parse_args()

    folder = chosen.data / "nuclei3d"
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: name the folder above it with --data.")
    pixels = tifffile.imread(folder / "synthetic_img.tif")
    truth = tifffile.imread(folder / "synthetic_labels.tif").astype(np.int32)
    image = _volume(pixels, SPACING)
    if chosen.half:
        half = truth.shape[1] // 2
        cut = np.intersect1d(truth[:, :half], truth[:, half:])
        known = np.where(np.isin(truth, cut[cut > 0]), 0, truth + 1)
        known[:, half:] = 0
        scored: object = np.s_[:, half:]
        painted = (
            f"{len(np.unique(known)) - 2} nuclei of one half painted, whole, and its background"
        )
    else:
        is_painted = np.arange(len(truth)) % chosen.every == chosen.every // 2
        known = np.where(is_painted[:, None, None], truth + 1, 0)
        scored = ~is_painted
        painted = f"{is_painted.sum()} of {len(truth)} slices painted"
    paint = ns.Paint(known, axes="ZYX", pieces=False)
    print(f"{machine()}; {limits_in_words(chosen)} each, {painted}")
    print("| network | seed | steps | foreground IoU | AP50 of sections | AP50 of nuclei |")
    print("|---|---|---|---|---|---|")
    for name in chosen.networks:
        rows = []
        for seed in chosen.seeds:
            model, steps = _trained(image, paint, NETWORKS[name], seed, chosen)
            found = np.asarray(ns.run(ns.segment(model, image, device=chosen.device)))
            rows.append(_scores(found, truth, scored, whole=scored if chosen.half else ...))
            print(f"| {name} | {seed} | {steps} | {_words(rows[-1], name)} |", flush=True)
            if chosen.thinned and name == "3D":
                print(_thinned(model, pixels, truth, chosen), flush=True)
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
        print(f"| {name} | mean | | {_words(mean, name)} |")
        print(f"| {name} | spread | | {_words(spread, name)} |", flush=True)


def _volume(pixels: np.ndarray, spacing: float) -> ns.Image:
    scale = {"Z": spacing, "Y": 1.0, "X": 1.0}
    return ns.Image(pixels, "ZYX", scale=scale, units=dict.fromkeys("ZYX", "micrometer"))


def _thinned(model, pixels, truth, chosen) -> str:
    """Score a volume of every so many slices, with slices at the distance known and as they are."""
    image, expected = _volume(pixels[:: chosen.thinned], chosen.thinned), truth[:: chosen.thinned]
    scores = [
        evaluate(
            np.asarray(ns.run(ns.segment(applied, image, device=chosen.device))),
            expected,
            pieces=False,
        ).ap[0]
        for applied in (model, model.changed(thickness=None))
    ]
    return "every {}. slice: AP50 of nuclei {:.3f}, slices as they are {:.3f}".format(
        chosen.thinned, *scores
    )


def _trained(image, paint, changes, seed, chosen) -> tuple[ns.Model, int]:
    values = dict(value.split("=", 1) for value in chosen.set)
    recipe = ns.Recipe().changed({**changes, "training.seed": seed, **values})
    job = ns.train([image], [paint], recipe, **limits(chosen), device=chosen.device)
    steps = 0
    for step in job:
        steps = step.index
    return job.result, steps


def _scores(found: np.ndarray, truth: np.ndarray, scored, whole) -> list[float]:
    """Score foreground and sections where `scored` says, and whole nuclei where `whole` says."""
    inside, expected = found[scored] > 0, truth[scored] > 0
    overlap = (inside & expected).sum() / max(1, (inside | expected).sum())
    pairs = zip(found[scored], truth[scored], strict=True)
    sections = pool([evaluate(one, other, pieces=False) for one, other in pairs])
    return [
        float(overlap),
        float(sections.ap[0]),
        float(evaluate(found[whole], truth[whole], pieces=False).ap[0]),
    ]


def _words(scores, name: str) -> str:
    overlap, sections, nuclei = scores
    return f"{overlap:.3f} | {sections:.3f} | " + (f"{nuclei:.3f}" if name == "3D" else "-")


if __name__ == "__main__":
    main()
