"""Make images of fluorescent nuclei as a camera would record them, with the exact truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..errors import InputError
from ..windows import Window
from .painter import find_boxes, simulate_paint

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]
Random = np.random.Generator

PIXEL = 0.5
"""Side of a pixel of a sample, in micrometers."""
_TOUCHING = 0.5
"""Share of the nuclei that are placed so that they touch another one."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Hold an image with its truth and some paint.

    Parameters
    ----------
    image
        ``YX`` or ``ZYX``, uint16.
    truth
        Same shape, int32: 0 is background, numbers from 1 are a nucleus each.
    paint
        Same shape: 0 is not painted, 1 is background, numbers from 2 are a painted nucleus each.
    """

    image: npt.NDArray[np.uint16]
    truth: Labels
    paint: npt.NDArray[np.integer[Any]]


def nuclei(shape: Sequence[int] = (512, 512), seed: int = 0) -> Sample:
    """Make an image of fluorescent nuclei, many of them touching, as a camera would record it.

    Ten nuclei and four strokes of background are painted near one another, as by a person who
    paints in one corner of the image.

    Parameters
    ----------
    shape
        ``(Y, X)`` or ``(Z, Y, X)`` in pixels, each at least 8. Nuclei are about 26 pixels wide in
        2D and 17 in 3D.
    seed
        The same seed and shape give the same sample.

    Raises
    ------
    InputError
        If the shape has not 2 or 3 axes, or is too small.
    """
    shape = tuple(int(n) for n in shape)
    if len(shape) not in (2, 3) or min(shape) < 8:
        raise InputError(
            f"A sample needs a shape (Y, X) or (Z, Y, X) of at least 8 pixels a side, not {shape}."
        )
    rng = np.random.default_rng(seed)
    truth, height = place_nuclei(shape, rng)
    image = _photograph(glow(truth, height, rng), rng)
    paint = simulate_paint(truth, 10, 4, seed, is_clustered=True)
    return Sample(image, truth, paint)


def place_nuclei(shape: tuple[int, ...], rng: Random) -> tuple[Labels, Floats]:
    """Place nuclei one after the other, half of them against an earlier one.

    Return labels, and the height of each nucleus at its pixels: 1 in the middle, 0 at the edge.
    """
    mean_radius, share = (13.0, 0.2) if len(shape) == 2 else (8.5, 0.13)
    size = math.pi * mean_radius**2 if len(shape) == 2 else 4 / 3 * math.pi * mean_radius**3
    n = max(1, round(share * math.prod(shape) / size))
    truth = np.zeros(shape, np.int32)
    height = np.zeros(shape, np.float32)
    centres: list[Doubles] = []
    for _ in range(n):
        radius = mean_radius * rng.lognormal(0, 0.18)
        for _ in range(25):
            centre = rng.uniform(-0.3 * radius, np.array(shape) + 0.3 * radius)
            touches = bool(centres) and rng.random() < _TOUCHING
            if touches:
                step = rng.normal(size=len(shape))
                distance = radius + mean_radius * rng.uniform(0.7, 1.0)
                centre = centres[rng.integers(len(centres))]
                centre = centre + step / np.linalg.norm(step) * distance
            if _add_nucleus(truth, height, centre, radius, len(centres) + 1, touches, rng):
                centres.append(centre)
                break
    return _without_crumbs(truth), height


def _add_nucleus(
    truth: Labels,
    height: Floats,
    centre: Doubles,
    radius: float,
    label: int,
    touches: bool,
    rng: Random,
) -> bool:
    """Draw one nucleus if it fits. Where it meets another one, the higher of the two is drawn."""
    reach = radius * 1.6
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, truth.shape).astype(int)
    if np.any(high - low < 2):
        return False
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    middle = tuple(np.clip(centre, 0, np.array(truth.shape) - 1).astype(int))
    if truth[middle]:
        return False
    dome = _dome(window, centre, radius, rng)
    covered = dome > 0
    shared = int(np.count_nonzero(covered & (truth[window] > 0)))
    if touches:
        area = np.count_nonzero(covered)
        others = np.unique(truth[window][covered & (truth[window] > 0)])
        if not 0.01 * area < shared < 0.15 * area or len(others) > 2:
            return False
    elif np.any(truth[window][dome > -6 / radius]):  # within about 3 pixels
        return False
    wins = covered & (dome > height[window])
    truth[window][wins] = label
    height[window][wins] = dome[wins]
    return bool(wins.any())


def _dome(window: Window, centre: Doubles, radius: float, rng: Random) -> Floats:
    """Return the height of a lumpy ellipsoid: 1 in the middle, 0 on the outline, less outside."""
    n = len(window)
    stretch = np.exp(rng.normal(0, 0.18, n))
    stretch /= np.prod(stretch) ** (1 / n)
    turn, _ = np.linalg.qr(rng.normal(size=(n, n)))
    grid = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in window), indexing="ij"), -1)
    local = (((grid - centre) @ turn) / (radius * stretch)).astype(np.float32)
    distance = np.linalg.norm(local, axis=-1)
    direction = local / np.maximum(distance, 1e-3)[..., None]
    outline = np.ones_like(distance)
    for amplitude in (0.07, 0.05, 0.03, 0.02):
        wave = rng.normal(size=n)
        wave *= rng.uniform(1.5, 4.5) / np.linalg.norm(wave)
        outline += amplitude * np.sin(direction @ wave + rng.uniform(0, 2 * np.pi))
    dome: Floats = (1 - (distance / outline) ** 2).astype(np.float32)
    return dome


def _without_crumbs(truth: Labels) -> Labels:
    """Renumber the nuclei 1 ... n, each in one piece; pieces that others cut off are removed."""
    result = np.zeros_like(truth)
    n = 0
    for label, window in find_boxes(truth).items():
        pieces, count = ndimage.label(truth[window] == label)
        sizes = np.bincount(pieces.ravel())[1:]
        if count and sizes.max() >= 20:
            n += 1
            result[window][pieces == 1 + sizes.argmax()] = n
    return result


def glow(truth: Labels, height: Floats, rng: Random) -> Floats:
    """Return the light of each pixel, of nuclei with different brightness and chromatin."""
    n = int(truth.max())
    brightness = np.concatenate([[0.0], np.clip(rng.lognormal(0, 0.45, n), 0.3, 2.5)])
    contrast = np.concatenate([[0.0], rng.uniform(0.5, 1.4, n)])
    coarse = cloud(truth.shape, 2.6, rng)
    fine = cloud(truth.shape, 1.3, rng)
    chromatin = 0.20 * coarse + 0.12 * fine + 0.25 * np.clip(coarse - 1.4, 0, 1)
    nucleoli = np.clip(cloud(truth.shape, 2.9, rng) - 1.5, 0, 0.7)
    texture = np.clip(1 + contrast[truth] * (chromatin - 0.6 * nucleoli), 0.15, None)
    thickness = 0.45 + 0.55 * np.sqrt(np.clip(height, 0, 1))
    glow: Floats = (brightness[truth] * texture * thickness).astype(np.float32)
    return glow


def cloud(shape: Sequence[int], sigma: float, rng: Random) -> Floats:
    """Return smooth noise of mean 0 and standard deviation 1, with grains of `sigma` pixels."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), sigma, mode="wrap")
    cloud: Floats = (noise - noise.mean()) / max(float(noise.std()), 1e-6)
    return cloud


def _photograph(glow: Floats, rng: Random) -> npt.NDArray[np.uint16]:
    """Add uneven light, blur, haze from out of focus, shot noise, read noise and an offset."""
    sharp = ndimage.gaussian_filter(glow, (1.6, 1.1, 1.1)[-glow.ndim :])
    haze = ndimage.uniform_filter(ndimage.uniform_filter(glow, 31), 31)
    photons = 160 * _illumination(glow.shape, rng) * (sharp + 0.15 * haze + 0.05)
    signal = rng.poisson(photons) * 4.0 + rng.normal(0, 6, glow.shape) + 100
    image: npt.NDArray[np.uint16] = np.clip(np.rint(signal), 0, 65535).astype(np.uint16)
    return image


def _illumination(shape: tuple[int, ...], rng: Random) -> Floats:
    """Return the light of a lamp beside the middle: a wide bell from 1 to about .5 in a corner."""
    light = np.ones(shape, np.float32)
    for axis in (-2, -1):
        at = np.linspace(-1, 1, shape[axis], dtype=np.float32) - rng.uniform(-0.5, 0.5)
        bell = np.exp(-0.25 * at**2)
        light *= bell[:, None] if axis == -2 else bell
    return light
