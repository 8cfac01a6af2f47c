"""Make volumes that look like neurites in serial-section electron microscopy, with their truth.

Neurites are regions around points that wander from slice to slice. Slices are thick: a neurite
moves by some pixels between two of them. Membranes are dark lines between neurites, faint in
places, and mitochondria are dark inside neurites. Slices are shifted and differ in brightness.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.measure import label

SPACING = 5.0
"""Thickness of a slice, in pixels."""
NEURITE = 26.0
"""Mean width of a neurite, in pixels."""
SMALLEST = 100
"""Fewest pixels of a neurite."""


def neurites(shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image, uint8, and its truth, int32: 0 is membrane, each neurite has a number.

    Parameters
    ----------
    shape
        ``(Z, Y, X)``.
    seed
        The same seed and shape give the same volume.
    """
    rng = np.random.default_rng(seed)
    labels = _regions(shape, rng)
    membrane = _membranes(labels)
    depth = np.stack([ndimage.distance_transform_edt(~m) for m in membrane])
    # Bending may cut a region in two: these are two neurites. What is tiny is none.
    truth = label(np.where(membrane, 0, labels), connectivity=1)
    truth = np.where(np.bincount(truth.ravel())[truth] < SMALLEST, 0, truth)
    return _photograph(labels, depth, rng), truth.astype(np.int32)


def _regions(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Return the neurite of each pixel: that of the nearest point, on a smoothly bent plane."""
    n_slices, height, width = shape
    margin = NEURITE
    n = max(4, round((height + 2 * margin) * (width + 2 * margin) / NEURITE**2))
    points = rng.uniform(-margin, np.array([height, width]) + margin, (n, 2))
    # A point that lies this far above the plane is farther from all pixels: its region is smaller.
    above = rng.uniform(0, 0.6 * NEURITE, n)
    drift = rng.normal(0, 1.2, (n, 2))
    bend = np.stack([_cloud(shape, (2.0, 9.0, 9.0), rng) for _ in range(2)]) * 5
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"))
    labels = np.zeros(shape, np.int32)
    for z in range(n_slices):
        drift = 0.8 * drift + rng.normal(0, 0.7, (n, 2))
        points = points + drift
        places = np.stack([*(grid + bend[:, z]), np.zeros((height, width))], -1)
        labels[z] = cKDTree(np.column_stack([points, above])).query(places)[1] + 1
    return labels


def _membranes(labels: np.ndarray) -> np.ndarray:
    """Return a mask of lines between neurites, within slices, two pixels wide."""
    mask = np.zeros(labels.shape, bool)
    for axis in (1, 2):
        here = (slice(None),) * axis + (slice(None, -1),)
        there = (slice(None),) * axis + (slice(1, None),)
        differs = labels[here] != labels[there]
        mask[here] |= differs
        mask[there] |= differs
    return mask


def _photograph(labels: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return grey values: dark membranes and mitochondria in textured cytoplasm, noise, shifts."""
    shape = labels.shape
    cytoplasm = rng.normal(0, 0.06, labels.max() + 1)[labels] + 0.04 * _cloud(shape, (0, 2, 2), rng)
    spots = _cloud(shape, (0.7, 4.0, 4.0), rng)
    mitochondria = np.clip((spots - 1.7) * 2, 0, 1) * (depth > 4)
    # Membranes that are cut at a slant are faint and wide.
    faint = np.clip(0.75 + 0.35 * _cloud(shape, (0.7, 6.0, 6.0), rng), 0.15, 1)
    line = np.exp(-((depth / 1.2) ** 2)) * faint
    light = 0.68 + cytoplasm - 0.4 * line - 0.28 * mitochondria
    light = ndimage.gaussian_filter(light, (0, 0.7, 0.7))
    light += rng.normal(0, 0.03, (shape[0], 1, 1)) + rng.normal(0, 0.07, shape)
    return np.clip(np.rint(255 * light), 0, 255).astype(np.uint8)


def _cloud(
    shape: tuple[int, ...], sigma: tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    """Return smooth noise of mean 0 and standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return (noise - noise.mean()) / max(float(noise.std()), 1e-6)
