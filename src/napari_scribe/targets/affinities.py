"""Encode the task "objects": foreground, and whether pairs of pixels belong to one object.

A pair is a pixel and the one at some offset from it; its affinity is 1 if both lie in the same
object. Affinities of neighbours tell objects apart that touch, whatever their shape, and so suit
neurites. Long-range affinities make the network look at whole objects while it learns (Lee et al.
2017, https://arxiv.org/abs/1706.00120); decoding does not need them.

Decoding divides the foreground into fragments by a watershed on the affinities of neighbours, and
joins fragments by the mean affinity along their common border, the highest first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from skimage.segmentation import watershed
from torch import Tensor

from ..recipe import ObjectsTarget
from .agglomeration import joined
from .encoding import (
    Encoded,
    EncodingOptions,
    Head,
    Knob,
    Parameters,
    Prediction,
    defaults_of,
)
from .fitting import FOREGROUND, MIN_SIZE, ObjectsEncoding
from .objects import on_slices, renumbered, selected, with_ring
from .paint import Labels

Floats = npt.NDArray[np.float32]
Offset = tuple[int, ...]
IN_PLANE = 3, 9, 27
"""Long-range offsets along Y and X, in pixels."""
ALONG_Z = 2, 3, 4
"""Long-range offsets along Z, in slices."""
KNOBS = (
    FOREGROUND,
    Knob(
        "join",
        "Joining",
        "Fragments are joined while the mean affinity along their border is above this: the lower, "
        "the more are joined. Fragments begin where the affinity to each neighbour is above it.",
        default=0.5,
        tried=(0.4, 0.6, 0.3, 0.7, 0.2, 0.8),
    ),
    MIN_SIZE,
)
"""The parameters of the decoding."""
DEFAULTS = defaults_of(KNOBS)
UNKNOWN, OBJECT, IN_PART = 1, 3, 2**20
"""Labels for `AffinitiesEncoding.encode_warped`: not painted, and the first object.

They are those of paint plus 1, because pixels beyond the image are 0 after a warp. Objects that are
painted on single slices of a volume have negative numbers. Objects that are painted only in part
have negative numbers from ``-IN_PART`` down; float32 still holds these exactly.
"""


@dataclass(frozen=True)
class AffinitiesEncoding(ObjectsEncoding):
    """Answer with the foreground and the affinities of pairs of pixels.

    Parameters
    ----------
    recipe
        Settings for the ring of background, and whether long-range pairs are learnt.
    dimensions
        Number of spatial axes.
    has_thick_slices
        Whether fragments lie within one slice each; only affinities along Z join them then.
    """

    recipe: ObjectsTarget
    dimensions: int = 2
    has_thick_slices: bool = False
    knobs = KNOBS

    @classmethod
    def from_options(cls, options: EncodingOptions) -> AffinitiesEncoding:
        """Build the encoding with the settings of target and network."""
        target, network = options.recipe.target, options.recipe.network
        assert isinstance(target, ObjectsTarget)
        is_thick = network.dimensions == 3 and bool(getattr(network, "flat_levels", 0))
        return cls(target, network.dimensions, is_thick)

    @property
    def offsets(self) -> tuple[Offset, ...]:
        """Return the offset of each channel, in pixels; those of next neighbours come first."""
        axes = range(self.dimensions)
        steps = [(axis, 1) for axis in axes]
        if self.recipe.long_range:
            is_z = [self.dimensions == 3 and axis == 0 for axis in axes]
            steps += [(axis, n) for axis in axes for n in (ALONG_Z if is_z[axis] else IN_PLANE)]
        return tuple(tuple(n if a == axis else 0 for a in axes) for axis, n in steps)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return foreground, affinities of neighbours, and long-range ones (all binary).

        The long-range ones have a head of their own, so that they take no weight from the others.
        """
        n_near = self.dimensions
        near = Head("affinities", n_near, "binary", 2.0, False, is_weighted_by_channel=True)
        far = replace(
            near,
            name="long_range",
            channels=len(self.offsets) - n_near,
            weight=1.0,
            is_decoded=False,
        )
        return (Head("foreground", 1, "binary"), near, *([far] if far.channels else []))

    def encode(
        self, labels: Labels, held_out: npt.NDArray[np.bool_], has_background: bool = True
    ) -> Encoded:
        """Return the foreground, and the labels that affinities are made of after the warp."""
        labels, held_out = with_ring(renumbered(labels), held_out, self.recipe.ring)
        is_painted = (labels != 0).astype(np.float32)
        weights = is_painted if has_background else np.maximum(is_painted, self.recipe.unpainted)
        numbered = np.where(labels < 0, labels - IN_PART, labels + 1)
        if labels.ndim == 3:
            flat = np.isin(labels, on_slices(labels))
            numbered = np.where(flat, -numbered, numbered)
        return Encoded(
            values=((labels > 1) | (labels < 0)).astype(np.float32)[np.newaxis],
            weights=weights.astype(np.float32)[np.newaxis],
            held_out=held_out,
            labels=numbered,
            label_weights=is_painted,
        )

    def encode_warped(self, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return affinities and which of them are known, of the labels that `encode` returned.

        A pair is known if both ends are painted, unless both are background, where there is nothing
        to tell apart. It is known, too, if one end lies in an object and the other is not painted:
        objects are drawn whole, so the other end is something else. Objects that are drawn on
        single slices are whole within these. Objects that are painted in part are not whole.
        """
        shape = len(labels), len(self.offsets), *labels.shape[1:]
        values, known = labels.new_zeros(shape), labels.new_zeros(shape)
        for channel, offset in enumerate(self.offsets):
            ends = _ends(offset, labels.shape[1:])
            if ends is None:
                continue
            here, there = ends
            one, other = labels[here], labels[there]
            one_weight, other_weight = weights[here], weights[there]
            in_plane = self.dimensions == 2 or offset[0] == 0
            # What is whole along this offset; what is not painted weighs nothing.
            one_whole = _is_whole(one, in_plane)
            other_whole = _is_whole(other, in_plane)
            is_object = (one.abs() >= OBJECT) | (other.abs() >= OBJECT)
            values[:, channel][here] = ((one == other) & is_object).to(values.dtype)
            known[:, channel][here] = (
                torch.minimum(one_weight, other_weight) * is_object
                + one_weight * (one_whole & (other == UNKNOWN))
                + other_weight * (other_whole & (one == UNKNOWN))
            )
        return values, known

    def decode(self, prediction: Prediction, parameters: Parameters) -> Labels:
        """Divide the foreground into fragments, join them, and number objects from 1."""
        chosen = {**DEFAULTS, **parameters}
        mask = prediction["foreground"][0] > chosen["foreground"]
        nearest = np.asarray(prediction["affinities"], np.float32)
        fragments = _fragments(nearest, mask, chosen["join"], self.has_thick_slices)
        objects = joined(fragments, nearest, chosen["join"])
        return selected(objects, np.bincount(objects.ravel()) >= chosen["min_size"])


def _is_whole(labels: Tensor, in_plane: bool) -> Tensor:
    """Return where objects are painted that end where their paint ends, along an offset."""
    flat = (labels <= -OBJECT) & (labels > -IN_PART)
    return (labels >= OBJECT) | flat if in_plane else labels >= OBJECT


def _ends(offset: Offset, shape: torch.Size) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Return the windows ``(N, *spatial)`` of both ends of all pairs; None if there is no pair."""
    if any(n <= step for n, step in zip(shape, offset, strict=True)):
        return None
    here = [slice(0, n - step) for n, step in zip(shape, offset, strict=True)]
    there = [slice(step, n) for n, step in zip(shape, offset, strict=True)]
    return (slice(None), *here), (slice(None), *there)


def _fragments(
    nearest: Floats, mask: npt.NDArray[np.bool_], limit: float, within_slices: bool
) -> Labels:
    """Divide a mask into fragments that are rather too many than too few.

    Each fragment grows from a place that is farthest from pixels with a low affinity.

    Parameters
    ----------
    nearest
        ``(d, *spatial)``: affinity of each pixel to the next one along each axis.
    limit
        Affinity to all neighbours above which a pixel lies inside an object.
    within_slices
        Whether a fragment lies within one slice.
    """
    axes = range(1 if within_slices else 0, mask.ndim)
    is_along = [axis in axes for axis in range(mask.ndim)]
    height = _least_affinity(nearest, axes)
    inside = (height > limit) & mask
    # Slices so far apart that the nearest pixel outside lies in the same one.
    sampling = [1 if along else max(mask.shape) for along in is_along]
    depth = ndimage.distance_transform_edt(inside, sampling=sampling).astype(np.float32)
    depth = ndimage.gaussian_filter(depth, [float(along) for along in is_along])
    size = [5 if along else 1 for along in is_along]
    peaks = (ndimage.maximum_filter(depth, size) == depth) & inside
    around = np.ones((3,) * mask.ndim, bool)
    if within_slices:
        around[[0, 2]] = False
    seeds, _ = ndimage.label(peaks, around)
    beside = ndimage.generate_binary_structure(mask.ndim, 1) & around
    return np.asarray(watershed(-height, seeds, connectivity=beside, mask=mask), dtype=np.int32)


def _least_affinity(nearest: Floats, axes: range) -> Floats:
    """Return the lowest affinity of each pixel to its neighbours along some axes."""
    least = np.ones(nearest.shape[1:], np.float32)
    for axis in axes:
        to_next = np.moveaxis(nearest[axis], axis, 0)[:-1]  # the last pixel has no next one
        view = np.moveaxis(least, axis, 0)
        np.minimum(view[:-1], to_next, out=view[:-1])
        np.minimum(view[1:], to_next, out=view[1:])
    return least
