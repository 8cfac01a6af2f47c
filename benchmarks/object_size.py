"""Measure how well the size of nuclei is estimated, at five magnifications.

Nuclei of three collections (dsb2018/val, bbbc039, tissue_dapi) are measured as they are, and in the
same images shrunk and grown by 2 and 4. The truth is the median diameter of the whole nuclei. The
model is one that knows the size of its objects; by default it learns on dsb2018/train first.
``--segment`` also tells how well nuclei are found at each magnification, nothing being said of
their size: AP50 over all images, against the labels shrunk or grown alike.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence

import numpy as np
from common import machine, parser, read_pairs
from skimage.transform import resize

import napari_scribe as ns
from napari_scribe.evaluation.metrics import Scores, evaluate, pool
from napari_scribe.image import Image
from napari_scribe.inference.object_size import estimate_object_size
from napari_scribe.model import Model
from napari_scribe.resampling import resampled
from napari_scribe.targets.object_size import diameter_of_objects, per_axis

Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]
COLLECTIONS = "dsb2018/val", "bbbc039", "tissue_dapi"
GROWN = 0.25, 0.5, 1.0, 2.0, 4.0
COLUMNS = "collection", "grown by", "images", "within 25 %", "off by", "beyond 2x", "none", "CPU"
NEAR = math.log2(1.25)
LARGEST = 2**24
"""Most pixels of an image that is tried."""


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--model", help="a model that knows the size of its objects")
    arguments.add_argument("--seconds", type=float, default=170, help="of training, without one")
    arguments.add_argument("--images", type=int, default=12, help="of each collection")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--segment", action="store_true", help="score what is found, too")
    chosen = arguments.parse_args()
    model = ns.load_model(chosen.model) if chosen.model else _trained(chosen)
    print(f"{machine()}; the model knows objects of {model.object_size:.3g} px")
    columns = [*COLUMNS, *(["AP50"] if chosen.segment else [])]
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for name in COLLECTIONS:
        pairs = _some(read_pairs(chosen.data / name), chosen.images, chosen.seed)
        for factor in GROWN:
            rows = [_errors(model, *pair, factor, chosen.device) for pair in pairs.values()]
            line = _line(name, factor, [row for row in rows if row is not None])
            if chosen.segment:
                scores = [_scores(model, *pair, factor, chosen.device) for pair in pairs.values()]
                line += f" {pool([s for s in scores if s is not None]).ap[0]:.3f} |"
            print(line, flush=True)


def _trained(chosen: argparse.Namespace) -> Model:
    """Train on twenty images of dsb2018/train."""
    pairs = _some(read_pairs(chosen.data / "dsb2018" / "train"), 20, chosen.seed)
    images = [image for image, _ in pairs.values()]
    paints = [ns.Paint.from_mask(labels) for _, labels in pairs.values()]
    return ns.run(ns.train(images, paints, seconds=chosen.seconds, device=chosen.device))


def _some(pairs: Pairs, n: int, seed: int) -> Pairs:
    """Return some images, drawn at random."""
    chosen = np.random.default_rng(seed).permutation(sorted(pairs))[:n]
    return {str(name): pairs[str(name)] for name in chosen}


def _errors(
    model: Model, image: np.ndarray, labels: np.ndarray, factor: float, device: str | None
) -> tuple[float, float] | None:
    """Return the error in octaves (NaN if no size is found), and the CPU's seconds."""
    truth = diameter_of_objects(labels)
    if truth is None or image.size * factor**2 > LARGEST:
        return None
    pixels = _grown(image, factor)
    began = time.process_time()
    size = estimate_object_size(model, Image(pixels), device=device)
    seconds = time.process_time() - began
    return math.nan if size is None else math.log2(size / (factor * truth)), seconds


def _scores(
    model: Model, image: np.ndarray, labels: np.ndarray, factor: float, device: str | None
) -> Scores | None:
    """Return how well the objects are found, at a size that is estimated."""
    if image.size * factor**2 > LARGEST:
        return None
    found = ns.run(ns.segment(model, Image(_grown(image, factor)), device=device))
    truth = resize(labels, found.shape, order=0, preserve_range=True, anti_aliasing=False)
    return evaluate(found, truth)


def _grown(image: np.ndarray, factor: float) -> np.ndarray:
    grown = resampled(Image(image), per_axis(factor))
    return np.asarray(grown.data).round().astype(image.dtype)


def _line(name: str, factor: float, rows: Sequence[tuple[float, float]]) -> str:
    errors, seconds = np.abs(np.array(rows).T)
    is_none = np.isnan(errors)
    off = np.where(is_none, np.inf, errors)
    shares = (off < NEAR).mean(), (off > 1).mean(), is_none.mean()
    near, far, none = (f"{share:.2f}" for share in shares)
    median = f"{2 ** np.median(off):.2f}x"
    said = name, f"{factor:g}", str(len(rows)), near, median, far, none, f"{seconds.mean():.2f} s"
    return f"| {' | '.join(said)} |"


if __name__ == "__main__":
    main()
