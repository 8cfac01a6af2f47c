"""Compare labels of one large image that were made in different ways.

The image is a mosaic of dsb2018/val. Compared are: objects found block by block and in one piece;
labels by bfloat16 (or what is fastest here) and by float32 arithmetic. The model is trained on
dsb2018/train first, unless one is named.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from common import machine, parser, read_pairs

import napari_scribe as ns
from napari_scribe.device import pick_device, precision
from napari_scribe.evaluation.overlap import count_overlap
from napari_scribe.inference import plan, work


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--side", type=int, default=4096)
    arguments.add_argument("--seconds", type=float, default=300, help="of training")
    arguments.add_argument("--model", type=Path)
    chosen = arguments.parse_args()
    folder = chosen.data / "dsb2018"
    model = ns.load_model(chosen.model) if chosen.model else _trained(folder, chosen.seconds)
    image = mosaic_of([pixels for pixels, _ in read_pairs(folder / "val").values()], chosen.side)
    fastest = precision(pick_device(chosen.device))
    print(f"{machine()}; mosaic of dsb2018/val, {chosen.side}^2")

    blockwise = _labels(model, image, chosen.device, fastest)
    whole = _labels(model, image, chosen.device, fastest, block=chosen.side)
    _compare("blocks, one piece", blockwise, whole, 0.99)
    exact = _labels(model, image, chosen.device, torch.float32)
    _compare(f"{fastest}, float32".replace("torch.", ""), blockwise, exact, 0.9)


def _labels(model, image, device, dtype, block=None):
    sides = dict(work.SIDE)
    plan.precision = lambda _device: dtype
    work.SIDE = {n: block or side for n, side in sides.items()}
    try:
        return np.asarray(ns.run(ns.segment(model, image, device=device)))
    finally:
        work.SIDE = sides


def _compare(what, one, other, threshold):
    agree = np.mean((one > 0) == (other > 0))
    n, m = int(one.max()), int(other.max())
    matched = sum(iou >= threshold for iou in _best_iou(one, other))
    print(
        f"{what}: {n} and {m} objects, {matched} of {m} matched at IoU >= {threshold:g} "
        f"({matched / m:.5f}), {agree:.5f} of the pixels agree on what is an object"
    )


def _best_iou(one, other):
    """Return the IoU of each object of `other` with the object of `one` that covers most of it."""
    a, b, n = count_overlap(one, other)
    of_one, of_other = np.bincount(a, n), np.bincount(b, n)
    best = np.zeros(len(of_other))
    np.maximum.at(best, b, (a > 0) * n / (of_one[a] + of_other[b] - n))
    return best[1:]


def mosaic_of(images, side):
    """Lay images side by side in rows, each as often as needed, brought to one range."""
    out = np.zeros((side, side), np.uint16)
    rng = np.random.default_rng(0)
    top = 0
    while top < side:
        left, height = 0, side
        while left < side:
            pixels = images[int(rng.integers(len(images)))].astype(np.float32)
            low, high = np.percentile(pixels, [1, 99.8])
            tile = np.clip((pixels - low) / (high - low) * 2000 + 100, 0, 4095).astype(np.uint16)
            tile = tile[: side - top, : side - left]
            out[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
            left, height = left + tile.shape[1], min(height, tile.shape[0])
        top += height
    return out


def _trained(folder, seconds):
    pairs = read_pairs(folder / "train").values()
    paints = [ns.Paint.from_mask(labels) for _, labels in pairs]
    return ns.run(ns.train([pixels for pixels, _ in pairs], paints, seconds=seconds))


if __name__ == "__main__":
    main()
