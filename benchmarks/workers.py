"""Compare two processes with one: the same output, and how much sooner.

A network of the default size, trained for seconds, over the built-in sample, side by side; from a
zarr to a zarr. Starting the workers counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from common import machine
from memory import small_image, small_model

import napari_scribe as ns


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--side", type=int, default=8192)
    arguments.add_argument("--workers", type=int, default=2)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = ns.load_model(small_model(work / "model.zip", width=16))
        image = small_image(work / "image.zarr", chosen.side)
        alone, seconds_alone = _timed(model, image, work / "alone.zarr")
        shared, seconds = _timed(model, image, work / "shared.zarr", workers=chosen.workers)
        same = all(
            np.array_equal(alone[y : y + 1024], shared[y : y + 1024])
            for y in range(0, chosen.side, 1024)
        )
    print(f"{machine()}; {chosen.side}^2, {chosen.workers} workers")
    print(f"one process {seconds_alone:.1f} s, {chosen.workers} workers {seconds:.1f} s")
    print(f"ratio {seconds_alone / seconds:.2f}; same labels: {same}")


def _timed(model, image, out, **options):
    start = time.perf_counter()
    labels = ns.run(ns.segment(model, image, out, **options))
    return labels, time.perf_counter() - start


if __name__ == "__main__":
    main()
