"""Prepare paint of objects for the encodings that learn from it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import expand_labels

from .paint import Labels


def renumbered(labels: Labels) -> Labels:
    """Renumber objects from 2 up, in the same order, so that tables by label stay small."""
    inside = labels > 1
    numbered = labels.copy()
    numbered[inside] = np.unique(labels[inside], return_inverse=True)[1] + 2
    return numbered


def with_ring(
    labels: Labels, held_out: npt.NDArray[np.bool_], ring: int
) -> tuple[Labels, npt.NDArray[np.bool_]]:
    """Turn unpainted pixels close around painted objects into background.

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


def _near(objects: Labels, ring: int) -> Labels:
    """Return the nearest object of each pixel, if one lies within `ring` pixels; else 0.

    Paint on a single slice of a volume says nothing about the slices above and below. So an object
    that is painted on a single slice is near to pixels of that slice only.
    """
    if objects.ndim == 2:
        return np.asarray(expand_labels(objects, ring))
    boxes = enumerate(ndimage.find_objects(objects), start=1)
    thin = [label for label, box in boxes if box and box[0].stop - box[0].start == 1]
    flat = np.isin(objects, thin)
    near = np.where(flat, 0, objects)
    if near.any():
        near = expand_labels(near, ring)
    for z in np.flatnonzero(flat.any(axis=(1, 2))):
        along = expand_labels(objects[z], ring)
        near[z] = np.where(along > 0, along, near[z])
    return np.asarray(near)
