"""Measure how well strokes inside objects are told from objects that are drawn whole.

Paint is simulated on real images: objects drawn whole, exactly or a pixel or two too large or too
small, and strokes inside objects with brushes of 1 to 8 pixels. Rods and neurites are synthetic:
they are elongated and evenly wide, as strokes are. Printed is the share of objects that are taken
for strokes: 0 is right for whole ones, 1 for strokes.
"""

from __future__ import annotations

import numpy as np
from common import parser, read_pairs
from neurites import neurites
from scipy import ndimage

from napari_scribe.image import Image
from napari_scribe.samples import simulate_paint
from napari_scribe.targets import Paint
from napari_scribe.targets.strokes import find_strokes

FOLDERS = "dsb2018/val", "bbbc039", "tissue_dapi", "t98g_phase"
GROWN = {"exact": 0, "1 px larger": 1, "2 px larger": 2, "1 px smaller": -1}
BRUSHES = 1, 3, 5, 8


def main() -> None:
    arguments = parser(__doc__ or "", data=True)
    arguments.add_argument("--images", type=int, default=10, help="of each folder")
    arguments.add_argument("--objects", type=int, nargs="*", default=[3, 20])
    chosen = arguments.parse_args()

    kinds = {folder: read_pairs(chosen.data / folder) for folder in FOLDERS}
    kinds["rods"] = {str(seed): _rods(seed) for seed in range(chosen.images)}
    volume, truth = neurites((chosen.images, 256, 256), 0)
    kinds["neurites"] = {str(z): (volume[z], truth[z]) for z in range(chosen.images)}
    for kind, pairs in kinds.items():
        for n in chosen.objects:
            every = max(1, len(pairs) // chosen.images)
            print(f"{kind}, {n} objects: {_row(list(pairs.values())[::every], n)}", flush=True)


def _row(pairs: list[tuple[np.ndarray, np.ndarray]], n: int) -> str:
    counts: dict[str, list[int]] = {}
    for image, truth in pairs:
        whole = simulate_paint(truth, n, 0)
        paints = {name: _grown(whole, pixels) for name, pixels in GROWN.items()}
        for width in BRUSHES:
            paints[f"brush {width}"] = simulate_paint(
                truth, n, 0, stroke_width=width, is_inside=True
            )
        for name, paint in paints.items():
            found = find_strokes(Paint(paint), Image(image), (0,), 2)
            n_objects = len(np.unique(paint[paint > 1]))
            one = counts.setdefault(name, [0, 0])
            one[0] += len(found)
            one[1] += n_objects
    return ", ".join(f"{name} {found / max(n, 1):.3f}" for name, (found, n) in counts.items())


def _grown(paint: np.ndarray, pixels: int) -> np.ndarray:
    grown = np.zeros_like(paint)
    for number in range(2, paint.max() + 1):
        mask = paint == number
        if pixels:
            change = ndimage.binary_dilation if pixels > 0 else ndimage.binary_erosion
            mask = change(mask, iterations=abs(pixels)) & np.isin(paint, (0, number))
        grown[mask] = number
    return grown


def _rods(seed: int, side: int = 256, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return a blurred, noisy image of rods like bacteria, 6 px wide and 15 to 40 long."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    truth = np.zeros((side, side), np.int32)
    for number in range(1, n + 1):
        angle, half = rng.uniform(0, np.pi), rng.uniform(5, 17)
        dy, dx = y - rng.uniform(0, side), x - rng.uniform(0, side)
        along = np.clip(dx * np.cos(angle) + dy * np.sin(angle), -half, half)
        away = np.hypot(dx - along * np.cos(angle), dy - along * np.sin(angle))
        if not truth[away < 5].any():
            truth[away < 3] = number
    bright = rng.uniform(0.6, 1.4, n + 1) * (np.arange(n + 1) > 0)
    return ndimage.gaussian_filter(bright[truth], 1) + rng.normal(0, 0.08, truth.shape), truth


if __name__ == "__main__":
    main()
