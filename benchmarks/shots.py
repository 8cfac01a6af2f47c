"""Add noise to real images, and score denoised ones, for the benchmarks of denoisers.

Nuclei: some of dsb2018/train to learn from and dsb2018/val to score on, the middle of each. Phase
contrast: t98g_phase, parts of six images to learn from, of the other two to score on. Grey levels
are those between the percentiles 0.1 and 99.9 of each image, as 0 to 255.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from common import machine, parser
from noise import camera_with_psnr, gaussian, gaussian_of_range, poisson

from napari_scribe.samples.camera import Noise

SIDE = 256
PEAK = 255.0
CONTRAST = 20  # grey levels between the percentiles, of 8 bit
N_HELD = 8
KINDS = ("nuclei", "phase")
NOISES: dict[str, Callable[[np.ndarray], Noise]] = {
    "gaussian25": lambda clean: gaussian(25),
    "gaussian5-50": lambda clean: gaussian_of_range(5, 50),
    "poisson30": lambda clean: poisson(30),
    "camera24": lambda clean: camera_with_psnr(clean, 24),
}
"""Noise models by name; each is made for the clean images of the training."""


@dataclass(frozen=True)
class Shots:
    """Hold two noisy shots of each training image, one of each test image, and all clean ones."""

    first: np.ndarray
    second: np.ndarray
    clean: np.ndarray
    test: np.ndarray
    truth: np.ndarray


def shots(data: Path, kind: str, noise: str, seed: int, n_nuclei: int = 24) -> Shots:
    clean, truth = _nuclei(data, n_nuclei) if kind == "nuclei" else _phase(data)
    model, rng = NOISES[noise](clean), np.random.default_rng(seed)

    def noisy(images: np.ndarray) -> np.ndarray:
        return np.stack([model(image, rng) for image in images])

    return Shots(noisy(clean), noisy(clean), clean, noisy(truth), truth)


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    error = np.mean((np.asarray(image, np.float64) - truth) ** 2)
    return float(10 * np.log10(PEAK**2 / error))


def noise_parser(description: str, noises: list[str]) -> argparse.ArgumentParser:
    made = parser(description, data=True)
    made.add_argument("--noise", nargs="*", choices=NOISES, default=noises)
    made.add_argument("--kind", nargs="*", choices=KINDS, default=["nuclei"])
    made.add_argument("--seeds", type=int, default=3, help="how many: of noise and training")
    made.add_argument("--json", type=Path, help="where all numbers go, after each training")
    return made


class Scores:
    """Collect the PSNR of every method, by seed and image, and write each to a file."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.rows = path, []

    def add(self, method: str, images: np.ndarray, truth: np.ndarray, **known: Any) -> None:
        values = [psnr(image, clean) for image, clean in zip(images, truth, strict=True)]
        self.rows.append({**known, "method": method, "psnr": values})
        words = ", ".join(f"{name} {value}" for name, value in known.items())
        print(f"  {method:24s} {np.mean(values):6.2f} dB   ({words})", flush=True)
        if self.path is not None:
            self.path.write_text(json.dumps({"machine": machine(), "rows": self.rows}, indent=1))

    def of(self, method: str, **known: Any) -> np.ndarray:
        """Return an array ``(seeds, images)``."""
        wanted = {**known, "method": method}
        rows = [row["psnr"] for row in self.rows if wanted.items() <= row.items()]
        return np.array(rows)

    def report(self, method: str, **known: Any) -> None:
        print(f"{method:40s} {_spread(self.of(method, **known))}", flush=True)

    def report_gap(self, method: str, other: str, **known: Any) -> None:
        """Print the difference of two methods, image by image and seed by seed."""
        gap = self.of(method, **known) - self.of(other, **known)
        print(f"{method + ' - ' + other:40s} {_spread(gap)}", flush=True)


def _spread(values: np.ndarray) -> str:
    text = f"{values.mean():6.2f} dB, sd over images {values.mean(axis=0).std(ddof=1):.2f}"
    if len(values) > 1:
        text += f", over seeds {values.mean(axis=1).std(ddof=1):.3f}"
    return text


def _nuclei(data: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(
        _evenly([_middle(x) for x in _images(data / "dsb2018" / folder / "images")], count)
        for folder, count in (("train", n), ("val", N_HELD))
    )


def _phase(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of each of the four quarters of each image."""
    parts = [_quarters(x) for x in _images(data / "t98g_phase" / "images")]
    return np.concatenate(parts[:6]), np.concatenate(parts[6:8])


def _images(folder: Path) -> list[np.ndarray]:
    if not folder.is_dir():
        raise SystemExit(f"{folder} has no images: name a folder with --data.")
    found = []
    for path in sorted(folder.glob("*.tif")):
        pixels = tifffile.imread(path)
        if pixels.ndim != 2 or min(pixels.shape) < SIDE:
            continue
        low, high = np.percentile(pixels, [0.1, 99.9])
        if (high - low) * 255 / np.iinfo(pixels.dtype).max < CONTRAST:
            continue
        scaled = (pixels.astype(np.float32) - low) / (high - low) * PEAK
        found.append(np.clip(scaled, 0, PEAK).astype(np.float32))
    return found


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = ((n - SIDE) // 2 for n in image.shape)
    return image[top : top + SIDE, left : left + SIDE]


def _quarters(image: np.ndarray) -> np.ndarray:
    h, w = (n // 2 for n in image.shape)
    corners = [(0, 0), (0, w), (h, 0), (h, w)]
    return np.stack([_middle(image[y : y + h, x : x + w]) for y, x in corners])


def _evenly(images: list[np.ndarray], n: int) -> np.ndarray:
    chosen = np.linspace(0, len(images) - 1, n).astype(int)
    return np.stack([images[i] for i in chosen])
