"""Do what all encodings of objects share: prepare their paint, and number what is decoded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import expand_labels

from ..windows import grow, intersect, whole
from .paint import Labels


def renumbered(labels: Labels) -> Labels:
    """Renumber objects from 2 up, in the same order, so that tables by label stay small.

    Objects that are painted in part are renumbered from -2 down.
    """
    numbered = labels.copy()
    for sign in (1, -1):
        inside = sign * labels > 1
        numbered[inside] = sign * (np.unique(sign * labels[inside], return_inverse=True)[1] + 2)
    return numbered


def with_ring(
    labels: Labels, held_out: npt.NDArray[np.bool_], ring: int
) -> tuple[Labels, npt.NDArray[np.bool_]]:
    """Turn unpainted pixels close around objects that are painted whole into background.

    Parameters
    ----------
    labels, held_out
        Paint ``(*spatial)``, and which of it validates. The ring of a held-out object validates,
        too.
    ring
        Width of the ring, in pixels.

    Returns
    -------
    labels, held_out
        The same with the ring.
    """
    objects = np.where(labels > 1, labels, 0)
    if ring == 0 or not (labels == 0).any() or not objects.any():
        return labels, held_out
    near = _near(objects, ring)
    in_ring = (near > 0) & (labels == 0)
    held_labels = np.unique(labels[held_out & (labels > 1)])
    return np.where(in_ring, 1, labels), np.where(in_ring, np.isin(near, held_labels), held_out)


def on_slices(labels: Labels) -> npt.NDArray[np.intp]:
    """Return the objects that are painted on single slices of a volume only, no two in a row.

    Such paint says nothing about the slices above and below.

    Parameters
    ----------
    labels
        ``(Z, Y, X)``, objects from 2 up.
    """
    boxes = enumerate(ndimage.find_objects(np.maximum(labels - 1, 0)), start=2)
    found = [label for label, box in boxes if box and is_on_slices(labels[box] == label)]
    return np.array(found, dtype=np.intp)


def is_on_slices(mask: npt.NDArray[np.bool_]) -> bool:
    """Return whether one object ``(Z, Y, X)`` has no two slices in a row."""
    is_painted = np.asarray(mask.any(axis=(1, 2)))
    return not bool((is_painted[1:] & is_painted[:-1]).any())


def _near(objects: Labels, ring: int) -> Labels:
    """Return the nearest object of each pixel, if one lies within `ring` pixels; else 0.

    Objects that are painted on single slices are near to pixels of these slices only.
    """
    if objects.ndim == 2:
        return np.asarray(expand_labels(objects, ring))
    flat = np.isin(objects, on_slices(objects))
    near = np.where(flat, 0, objects)
    if near.any():
        near = expand_labels(near, ring)
    for z in np.flatnonzero(flat.any(axis=(1, 2))):
        along = expand_labels(objects[z], ring)
        near[z] = np.where(along > 0, along, near[z])
    return np.asarray(near)


def correction_weights(
    labels: Labels, corrected: Sequence[int], weight: float, ring: int
) -> npt.NDArray[np.float32]:
    """Return the weight of corrected objects on them and on background close around them, else 1.

    Parameters
    ----------
    labels
        Paint ``(*spatial)``; the sign of a number does not matter.
    corrected
        Numbers of objects.
    weight
        How much more than others these objects weigh.
    ring
        Width of the background around them that weighs as much, in pixels: it says where they end.
    """
    numbers = np.abs(labels)
    chosen = np.where(np.isin(numbers, corrected) & (numbers > 1), numbers, 0)
    near = _near(chosen, ring) if ring and chosen.any() else chosen
    is_theirs = (chosen > 0) | ((near > 0) & (numbers < 2))
    return np.where(is_theirs, np.float32(weight), np.float32(1))


def border_weights(labels: Labels, weight: float, sigma: float) -> npt.NDArray[np.float32]:
    """Return 1, and more on what lies between two objects: the border weights of the U-Net paper.

    Parameters
    ----------
    labels
        ``(*spatial)``; objects are numbered from 2 up.
    weight, sigma
        w0 of the paper, and its sigma, in pixels. A pixel at the distances d1 and d2 from the two
        nearest objects weighs ``1 + weight * exp(-(d1 + d2)**2 / (2 * sigma**2))``.
    """
    nearest, second = _two_nearest(labels, reach=3 * sigma)
    between = np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.asarray(1 + weight * np.where(labels > 1, 0, between).astype(np.float32))


def _two_nearest(
    labels: Labels, reach: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the distances to the nearest and to the second nearest object, at most `reach`."""
    nearest = np.full(labels.shape, reach, np.float32)
    second = np.full(labels.shape, reach, np.float32)
    margin = int(np.ceil(reach))
    for label, box in enumerate(ndimage.find_objects(np.maximum(labels - 1, 0)), start=2):
        if box is None:
            continue
        window = intersect(grow(box, margin), whole(labels.shape))
        outside = ndimage.distance_transform_edt(labels[window] != label).astype(np.float32)
        first = nearest[window]
        second[window] = np.minimum(second[window], np.maximum(first, outside))
        nearest[window] = np.minimum(first, outside)
    return nearest, second


def selected(labels: Labels, keep: npt.NDArray[np.bool_]) -> Labels:
    """Return only the labels to keep, renumbered from 1; 0 stays 0."""
    keep[0] = False
    new = np.zeros(len(keep), np.int32)
    new[keep] = np.arange(1, int(keep.sum()) + 1)
    return new[labels]
