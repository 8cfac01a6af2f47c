"""Count what the check of pairs finds in synthetic movies: clean ones, and with one fault each."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
from common import machine
from scipy import ndimage

import napari_scribe as ns
from napari_scribe.samples import Movie, noisy_movie
from napari_scribe.samples.movie import CAMERA
from napari_scribe.training.pairs.fitness import check_pairs

DRIFT, BLEACHING, BLUR = 2.0, 0.3, 1.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=20)
    arguments.add_argument("--frames", type=int, default=24)
    arguments.add_argument("--side", type=int, default=256)
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    print(f"{machine()}; {chosen.seeds} movies each, {chosen.frames} x {chosen.side}^2")
    rows = []
    for name, (wanted, options) in CASES.items():
        for seed in range(chosen.seeds):
            movie = noisy_movie(chosen.frames, chosen.side, seed=seed, **options)
            rows.append({"case": name, "seed": seed, **_check(movie, wanted)})
        _report(name, wanted, [row for row in rows if row["case"] == name])
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1))


def _blurred(clean, rng):
    """Take a picture with the camera, then smooth it."""
    return ndimage.gaussian_filter(CAMERA(clean, rng), BLUR)


CASES = {
    "clean": ("", {}),
    "drift": ("drift", {"drift": DRIFT}),
    "bleaching": ("bleaching", {"bleaching": BLEACHING}),
    "blurred noise": ("correlated", {"noise": _blurred}),
    "moving object": ("motion", {"moving": True}),
}
"""What is to be found, if anything, and how the movie is made."""


def _check(movie: Movie, wanted: str) -> dict:
    pairs = ns.frame_pairs(ns.Image(movie.noisy, "TYX"))
    start = time.perf_counter()
    found = check_pairs(pairs).findings
    return {
        "seconds": time.perf_counter() - start,
        "true": _true_size(movie, wanted),
        "size": next((f.size for f in found if f.kind == wanted), None),
        "unit": next((f.unit for f in found if f.kind == wanted), ""),
        "others": [f.kind for f in found if f.kind != wanted],
    }


def _true_size(movie: Movie, wanted: str) -> float | None:
    if wanted == "drift":
        return DRIFT
    if wanted == "bleaching":
        return 100 * BLEACHING
    if wanted == "correlated":  # of a pixel with the next
        return float(np.exp(-1 / (4 * BLUR**2)))
    if wanted == "motion":  # where a pair differs by more than its noise does as a rule
        light = movie.clean - CAMERA.offset
        variance = light[1:] / CAMERA.photons + (CAMERA.read_noise / CAMERA.photons) ** 2
        return 100 * float(np.mean(np.diff(movie.clean, axis=0) ** 2 > 2 * variance))
    return None


def _report(name: str, wanted: str, rows: list[dict]) -> None:
    sizes = [row["size"] for row in rows if row["size"] is not None]
    others = Counter(kind for row in rows for kind in row["others"])
    text = f"{name:14s}"
    if wanted:
        text += f" found in {len(sizes):2d} of {len(rows)}"
    if sizes:
        true = np.mean([row["true"] for row in rows])
        spread = f"{np.mean(sizes):.2f} ({min(sizes):.2f} to {max(sizes):.2f})"
        unit = next(row["unit"] for row in rows if row["size"] is not None)
        text += f", size {spread} {unit}".rstrip() + f", in truth {true:.2f}"
    alarms = ", ".join(f"{kind} in {n}" for kind, n in others.items()) or "none"
    seconds = np.median([row["seconds"] for row in rows])
    print(f"{text}; false alarms: {alarms}; {seconds:.1f} s a check", flush=True)


if __name__ == "__main__":
    main()
