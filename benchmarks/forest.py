"""Train a random forest on the paint of strokes.py, as ilastik does, and score the other images.

Features of each pixel are intensity, edges and the eigenvalues of the Hessian, each of the image
smoothed by Gaussians of 1, 2, 4 and 8 pixels. The forest learns foreground from all paint, and from
a ring of background around objects that are drawn whole, as the networks do. Objects are the
connected pieces of the foreground, or those divided by a watershed on the distance to its border:
the better of both is what somebody would choose who looks at the result.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import numpy as np
from common import machine, parser
from scipy import ndimage
from skimage.feature import multiscale_basic_features, peak_local_max
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed
from sklearn.ensemble import RandomForestClassifier
from strokes import (
    HOW,
    KEYS,
    KINDS,
    SETTING,
    images_of,
    names_to_paint,
    names_to_score,
    spread,
)

from napari_scribe.evaluation.metrics import evaluate, pool
from napari_scribe.samples import simulate_paint
from napari_scribe.targets.fitting import smallest_size
from napari_scribe.targets.objects import with_ring

RING = 4
SEEDS_APART = 5
"""Pixels between seeds of the watershed, at least."""


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--kind", choices=KINDS, default="nuclei")
    arguments.add_argument("--objects", type=int, nargs="*", default=[3, 10, 30])
    arguments.add_argument("--how", nargs="*", choices=HOW, default=list(HOW))
    arguments.add_argument("--strokes", type=int, nargs="*", default=[3])
    arguments.add_argument("--images", type=int, default=5, help="how many are painted, by turns")
    arguments.add_argument("--scored", type=int, help="how many others are scored; all of them")
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()

    pairs = images_of(chosen.data, chosen.kind)
    features = {name: _features(image) for name, (image, _) in pairs.items()}
    painted = names_to_paint(pairs, chosen.images)
    print(machine())
    rows = []
    for setting in itertools.product(chosen.objects, chosen.how, chosen.strokes):
        found = []
        for name, seed in itertools.product(painted, chosen.seeds):
            scores = _run(pairs, features, name, seed, chosen.scored, *setting)
            known = {**dict(zip(KEYS, setting, strict=True)), "painted": name, "seed": seed}
            found += [known | score for score in scores]
        for way in WAYS:
            of_way = [row for row in found if row["way"] == way]
            print(f"{SETTING.format(**of_way[0])}, {way}: {spread(of_way)}", flush=True)
        rows += found
        if chosen.json:
            chosen.json.write_text(json.dumps(rows, indent=1))


def _run(pairs, features, name, seed, n_scored, n_objects, how, n_strokes):
    """Return the scores of each way to divide the foreground."""
    paint = simulate_paint(pairs[name][1], n_objects, n_strokes, seed=seed, is_inside=HOW[how])
    paint = paint.astype(np.int32)
    known = paint if HOW[how] else with_ring(paint, paint < 0, RING)[0]
    is_known = known > 0
    began = time.perf_counter()
    forest = RandomForestClassifier(100, n_jobs=-1, random_state=seed)
    forest.fit(features[name][is_known], known[is_known] > 1)
    wall = time.perf_counter() - began
    smallest = 10.0 if HOW[how] else smallest_size(np.bincount(paint[paint > 1])[2:])
    scores = {way: [] for way in WAYS}
    for other in names_to_score(pairs, name, n_scored):
        pixels, truth = features[other], pairs[other][1]
        foreground = forest.predict(pixels.reshape(-1, pixels.shape[-1])).reshape(truth.shape)
        foreground = remove_small_objects(foreground, max_size=int(smallest) - 1)
        for way, divide in WAYS.items():
            scores[way].append(evaluate(divide(foreground), truth))
    return [pool(of_way).as_dict() | {"way": way, "wall": wall} for way, of_way in scores.items()]


def _features(image: np.ndarray) -> np.ndarray:
    """Return ``(Y, X, features)`` of an image that is scaled by its percentiles 1 and 99.8."""
    low, high = np.percentile(image, [1, 99.8])
    scaled = (image - low) / max(high - low, 1e-6)
    return multiscale_basic_features(scaled.astype(np.float32), sigma_min=1, sigma_max=8)


def _pieces(foreground: np.ndarray) -> np.ndarray:
    return ndimage.label(foreground)[0]


def _divided(foreground: np.ndarray) -> np.ndarray:
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), 1)
    peaks = peak_local_max(depth, min_distance=SEEDS_APART, labels=_pieces(foreground))
    seeds = np.zeros(foreground.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-depth, seeds, mask=foreground)


WAYS = {"connected pieces": _pieces, "watershed": _divided}


if __name__ == "__main__":
    main()
