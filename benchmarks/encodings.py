"""Train each encoding of objects with the same budget, and print AP at IoU .5 to .9 side by side.

On two kinds of image: nuclei of dsb2018 (learnt from train, scored on val) and nuclei in tissue
(tissue_dapi: learnt from every second image, scored on the others). On complete labels of many
images, and on ten painted objects of one image with three strokes of background. The spread is the
standard deviation over seeds: of weights and patches, and of what is painted.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from common import machine, parser, read_pairs

import napari_scribe as ns
from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.samples import simulate_paint

KINDS = ("dsb2018", "tissue_dapi")
PAINTS = ("full", "sparse")
ENCODINGS = ("distance", "border", "affinities")
AT = {0.5: 0, 0.6: 2, 0.7: 4, 0.8: 6, 0.9: 8}
"""IoU -> its place among the thresholds."""
ENOUGH = 15
"""Objects of an image that is painted sparsely, at least."""


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    arguments.add_argument("--paints", nargs="*", choices=PAINTS, default=PAINTS)
    arguments.add_argument("--encodings", nargs="*", default=ENCODINGS)
    arguments.add_argument("--seconds", type=float, default=300, help="of each training")
    arguments.add_argument("--steps", type=int, help="instead of seconds")
    arguments.add_argument("--seeds", type=int, default=3, help="how many")
    arguments.add_argument("--images", type=int, default=400, help="most to learn from")
    arguments.add_argument("--tests", type=int, default=100, help="most to score")
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    budget = f"{chosen.steps} steps" if chosen.steps else f"{chosen.seconds:.0f} s"
    print(f"{machine()}; {budget} of training, {chosen.seeds} seeds")
    print(f"{'':34s}" + "".join(f"  AP {iou:<10g}" for iou in AT))
    rows = []
    for kind in chosen.kinds:
        learnt, scored = _split(chosen, kind)
        for paint in chosen.paints:
            for encoding in chosen.encodings:
                aps = []
                for seed in range(chosen.seeds):
                    model = _train(learnt, paint, encoding, seed, chosen)
                    aps.append(_aps(model, scored, chosen.device))
                    rows.append({"kind": kind, "paint": paint, "encoding": encoding, "seed": seed})
                    rows[-1] |= {"AP": aps[-1], "decoding": model.parameters}
                    if chosen.json:
                        chosen.json.write_text(json.dumps(rows, indent=1))
                mean, sd = np.mean(aps, axis=0), np.std(aps, axis=0)
                values = "".join(f"  {m:.3f} +- {s:.3f}" for m, s in zip(mean, sd, strict=True))
                print(f"{kind:12s} {paint:7s} {encoding:12s} {values}", flush=True)


def _split(chosen, kind):
    """Return the images to learn from, and those to score, with their labels."""
    if kind == "dsb2018":
        parts = [list(read_pairs(chosen.data / kind / part).values()) for part in ("train", "val")]
    else:
        pairs = list(read_pairs(chosen.data / kind).values())
        parts = [pairs[::2], pairs[1::2]]
    return _evenly(parts[0], chosen.images), _evenly(parts[1], chosen.tests)


def _evenly(pairs, most):
    places = np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int)
    return [pairs[i] for i in places]


def _train(pairs, paint, encoding, seed, chosen):
    if paint == "sparse":
        rich = [pair for pair in pairs if len(np.unique(pair[1])) > ENOUGH]
        image, truth = rich[seed * len(rich) // chosen.seeds]
        images, paints = [image], [simulate_paint(truth, 10, 3, seed=seed)]
    else:
        images = [image for image, _ in pairs]
        paints = [ns.Paint.from_mask(truth) for _, truth in pairs]
    recipe = ns.Recipe(target={"encoding": encoding}, training={"seed": seed})
    budget = {"steps": chosen.steps} if chosen.steps else {"seconds": chosen.seconds}
    return ns.run(ns.train(images, paints, recipe, device=chosen.device, **budget))


def _aps(model, pairs, device):
    """Return the AP at each IoU of `AT`, pooled over images."""
    found = [ns.run(ns.segment(model, image, device=device)) for image, _ in pairs]
    scores = [evaluate(labels, truth) for labels, (_, truth) in zip(found, pairs, strict=True)]
    return [float(pool(scores).ap[place]) for place in AT.values()]


if __name__ == "__main__":
    main()
