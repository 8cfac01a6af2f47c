"""Turn painted pieces of images into tensors on the device, to cut patches from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from ..arrays import Array
from ..image import Frame, Image
from ..normalization import Statistics
from ..recipe import ObjectsTarget, Recipe
from ..targets import Encoded, Paint, PaintEncoding, task_of
from ..targets.objects import correction_weights
from ..targets.paint import Labels, held_out
from ..windows import Window, grow, intersect, relative_to, start_of, whole
from .augment import sample_at
from .spill import Rows, Spill, StoredRows

CORE = {2: 1024, 3: 128}
"""Side of the cores that large frames are cut into; cores without paint are never read."""
MARGIN = {2: 224, 3: 64}
"""Pixels that a region adds around its core, so that patches and objects at its edge are whole."""
PLACES = 4096
"""How many painted pixels of each kind a region holds to centre patches on."""
VALIDATION_PATCHES = 16
"""How many patches validate at most."""


@dataclass(frozen=True)
class Batch:
    """Hold the patches of one step.

    Parameters
    ----------
    pixels
        ``(N, C, *in)``.
    values, weights
        ``(N, n, *out)``: target and weight maps of all heads, in their order.
    """

    pixels: Tensor
    values: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Survey:
    """Hold what is known from all paint together.

    Parameters
    ----------
    released
        Kinds of paint that would be held out completely: they train instead.
    has_background
        Whether background is painted (or the first class), and no object only in part: strokes
        inside objects do not say where these end, and strokes of background do so hardly ever.
    """

    released: frozenset[int]
    has_background: bool


Painted = tuple[int, Frame, list[Window]]
"""Index of an image, a frame of it, and the painted cores in the frame."""


@dataclass(frozen=True)
class Region:
    """Hold a painted piece of an image; `Layout` defines what the rows mean.

    Rows are on the device if they fit there, else on disk.

    Parameters
    ----------
    smooth
        ``(n, *spatial)``: normalized pixels and target maps that are interpolated in a warp.
    exact
        ``(n, *spatial)``: maps that are not interpolated (indices, weights, labels), with the
        weights of what trains.
    held_exact
        The same with the weights of what validates; None if nothing does.
    places
        Painted pixels to centre training patches on: kind of paint (1 background or the first
        class, 2 objects or the second class, ...) -> ``(n, d)``.
    held_places
        ``(n, d)``: centres of validation patches.
    paint
        ``(*spatial)``: the paint.
    held
        ``(*spatial)``: which of it validates.
    survey
        What is known from all paint together.
    corrected
        Numbers of the corrected objects in it.
    key
        Image index, frame, and first pixel in the frame.
    """

    smooth: Rows
    exact: Rows
    held_exact: Rows | None
    places: dict[int, Tensor]
    held_places: Tensor
    paint: Labels | Array
    held: npt.NDArray[np.bool_] | Array
    survey: Survey
    corrected: tuple[int, ...]
    key: tuple[int, Frame, tuple[int, ...]]

    def painted(self, held_only: bool = False) -> Labels:
        """Return the paint, or the part of it that validates."""
        paint: Labels = np.asarray(self.paint)
        return np.where(np.asarray(self.held), paint, 0) if held_only else paint


class Layout:
    """Define which rows of a region's tensors hold the maps of each head.

    Interpolated maps keep outlines exact to a fraction of a pixel. An index or a label cannot be
    interpolated.

    Parameters
    ----------
    encoding
        What the network learns.
    n_channels
        Channels of the pixels.

    Attributes
    ----------
    smooth, exact
        Rows of `Encoded.values` that are interpolated, and rows that are not.
    categorical
        Row in `Encoded.values` and first row in `Encoded.weights` of each head with an index, and
        its number of classes.
    has_labels
        Whether labels and their weights are the last two rows of `Region.exact`.
    """

    def __init__(self, encoding: PaintEncoding, n_channels: int) -> None:
        self.encoding, self.n_channels = encoding, n_channels
        moving = [head for head in encoding.heads if head.moves_with_pixels]
        if list(encoding.heads[: len(moving)]) != moving:
            raise ValueError(f"{encoding}: heads that move with the pixels have to come first.")
        self.has_labels = len(moving) < len(encoding.heads)
        self.smooth: list[int] = []
        self.exact: list[int] = []
        self.categorical: list[tuple[int, int, int]] = []
        row = weight_row = 0
        for head in moving:
            if head.kind == "categorical":
                self.categorical.append((row, weight_row, head.channels))
            rows = self.exact if head.kind == "categorical" else self.smooth
            rows += range(row, row + head.n_values)
            row += head.n_values
            weight_row += head.n_weights
        sampled = [*self.smooth, *self.exact]
        self._order = [sampled.index(i) for i in range(row)]

    def smooth_rows(self, pixels: Tensor, encoded: Encoded) -> Tensor:
        """Return `Region.smooth` of a piece of an image."""
        maps = torch.from_numpy(encoded.values[self.smooth]).to(pixels.device)
        return torch.cat([pixels, maps])

    def exact_rows(
        self,
        encoded: Encoded,
        weights: npt.NDArray[np.bool_] | npt.NDArray[np.float32],
        device: torch.device,
    ) -> Tensor:
        """Return `Region.exact`, where the weights of pixels are multiplied by others."""
        rows = [encoded.values[self.exact], encoded.weights * weights]
        if self.has_labels:
            assert encoded.labels is not None and encoded.label_weights is not None
            rows += [encoded.labels[np.newaxis].astype(np.float32)]
            rows += [(encoded.label_weights * weights)[np.newaxis]]
        return torch.from_numpy(np.concatenate(rows)).to(device)

    def cut(
        self, smooth: Rows, exact: Rows, places: Tensor, margin: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Warp a patch out of a region.

        Parameters
        ----------
        smooth, exact
            Tensors of the region; for validation, `exact` is its ``held_exact``.
        places
            ``(*shape, d)``: where each pixel of the patch is taken from, on the CPU.
        margin
            Pixels that the network loses on each side.

        Returns
        -------
        pixels, values, weights
            Pixels ``(C, *shape)``; values and weights within the margin, of heads that move with
            the pixels. Labels and their weights are the last rows of the weights.
        """
        inner = tuple(slice(m, n - m) for m, n in zip(margin, places.shape[:-1], strict=True))
        # Rows on disk are read around the patch alone. Those on the device are cut alike, because
        # the size of what is sampled rounds the places: a seed gives the same model either way.
        window = _around(places, tuple(smooth.shape[1:]))
        near = (slice(None), *window)
        places = (places - places.new_tensor(start_of(window))).to(smooth.device)
        sampled = sample_at(smooth[near], places, "bilinear", "reflection")
        nearest = sample_at(exact[near], places[inner], "nearest", "zeros")
        n_exact = len(self.exact)
        maps = [sampled[(slice(self.n_channels, None), *inner)], nearest[:n_exact]]
        return sampled[: self.n_channels], torch.cat(maps)[self._order], nearest[n_exact:]

    def batch(self, patches: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Batch:
        """Stack patches, and add the maps that are made after the warp."""
        pixels, values, weights = (torch.stack(part) for part in zip(*patches, strict=True))
        if self.has_labels:
            warped, labels, label_weights = weights[:, :-2], weights[:, -2], weights[:, -1]
            more, more_weights = self.encoding.encode_warped(labels, label_weights)
            values = torch.cat([values, more], dim=1)
            weights = torch.cat([warped, more_weights], dim=1)
        return Batch(pixels, values, weights)


@dataclass(frozen=True)
class RegionLoader:
    """Turn images and paint into regions.

    Parameters
    ----------
    images, channels, statistics
        Images, the channels that are used, and each image's normalization.
    encoding
        What the network learns.
    recipe, device
        What is trained, and where.
    spill
        Where regions go that do not fit on the device.
    """

    images: Sequence[Image]
    channels: tuple[int, ...]
    statistics: Sequence[Statistics]
    encoding: PaintEncoding
    recipe: Recipe
    device: torch.device
    spill: Spill = field(default_factory=Spill)

    def load(self, paints: Sequence[Paint], old: Sequence[Region] = ()) -> list[Region]:
        """Return the regions of all paint; those in `old` that did not change are reused."""
        by_key = {region.key: region for region in old}
        survey, painted = self._survey(paints)
        regions = []
        for i, frame, cores in painted:  # one frame in memory at a time
            labels, known = paints[i].frame(self.images[i], frame), (survey, by_key)
            corrected = paints[i].corrected
            regions += [self._region(i, frame, labels, corrected, core, *known) for core in cores]
        return regions

    def _survey(self, paints: Sequence[Paint]) -> tuple[Survey, list[Painted]]:
        """Look through all paint: which kinds are there, which of them train, and where it is."""
        all_kinds: set[int] = set()
        trained_kinds: set[int] = set()
        has_strokes = False
        painted = []
        for i, (image, paint) in enumerate(zip(self.images, paints, strict=True)):
            for frame in image.frames(self.recipe.network.dimensions):
                labels = paint.frame(image, frame)
                cores = [core for core in _cores(labels.shape) if labels[core].any()]
                for core in cores:
                    has_strokes |= bool(labels[core].min() < 0)
                    kinds = self._kinds(labels[core])
                    all_kinds |= set(np.unique(kinds).tolist())
                    trained = kinds[~self._held(i, labels, core)]
                    trained_kinds |= set(np.unique(trained).tolist())
                if cores:
                    painted.append((i, frame, cores))
        has_background = 1 in all_kinds and not has_strokes
        return Survey(frozenset(all_kinds - trained_kinds), has_background), painted

    def _kinds(self, paint: Labels) -> Labels:
        """Return 1 for background and 2 for objects, or the classes."""
        return np.minimum(np.abs(paint), 2) if task_of(self.recipe).separates_objects else paint

    def _held(self, i: int, labels: Labels, window: Window) -> npt.NDArray[np.bool_]:
        task, origin = self.recipe.task, start_of(window)
        return held_out(labels[window], i, len(self.images), task, origin)

    def _region(
        self,
        i: int,
        frame: Frame,
        labels: Labels,
        corrected: Sequence[int],
        core: Window,
        survey: Survey,
        by_key: dict[tuple[int, Frame, tuple[int, ...]], Region],
    ) -> Region:
        """Return the region around a core: that in `by_key` if nothing changed, else a new one."""
        window = intersect(grow(core, MARGIN[labels.ndim]), whole(labels.shape))
        key = (i, frame, start_of(window))
        paint = labels[window].copy()  # a view would keep the whole frame in memory
        here = tuple(np.intersect1d(np.abs(paint), corrected).tolist()) if corrected else ()
        old = by_key.get(key)
        if (
            old is not None
            and (old.survey, old.corrected) == (survey, here)
            and np.array_equal(old.painted(), paint)
        ):
            return old
        pixels = self._pixels(i, frame, window) if old is None else old.smooth[: len(self.channels)]
        inner = relative_to(core, window)
        held = self._held(i, labels, window) & (paint != 0)
        held &= ~np.isin(self._kinds(paint), list(survey.released))
        return self._kept(self._encoded(key, pixels, paint, held, inner, survey, here))

    def _kept(self, region: Region) -> Region:
        """Return a region on the device if it fits there, else on disk."""
        parts = region.smooth, region.exact, region.held_exact
        n_values = sum(math.prod(rows.shape) for rows in parts if rows is not None)
        if self.spill.has_room_for(region, 4 * n_values + 5 * region.painted().size):
            return region

        def stored(part: Rows) -> Rows:
            return StoredRows(self.spill.stored(part[:].cpu().numpy()), self.device)

        return replace(
            region,
            smooth=stored(region.smooth),
            exact=stored(region.exact),
            held_exact=None if region.held_exact is None else stored(region.held_exact),
            paint=self.spill.stored(np.asarray(region.paint)),
            held=self.spill.stored(np.asarray(region.held)),
        )

    def _pixels(self, i: int, frame: Frame, window: Window) -> Tensor:
        """Read the pixels of a window, normalize them, and move them to the device."""
        raw = self.images[i].read(frame, window, self.channels)
        name = self.images[i].name
        normalized = self.statistics[i].apply_checked(raw, name, " near its paint")
        return torch.from_numpy(normalized).to(self.device)

    def _encoded(
        self,
        key: tuple[int, Frame, tuple[int, ...]],
        pixels: Tensor,
        paint: Labels,
        held: npt.NDArray[np.bool_],
        inner: Window,
        survey: Survey,
        corrected: tuple[int, ...],
    ) -> Region:
        """Build a region from its pixels and its paint; places lie in `inner`, the core, alone."""
        encoded = self.encoding.encode(paint, held, survey.has_background)
        trains: npt.NDArray[np.bool_] | npt.NDArray[np.float32] = ~encoded.held_out
        if corrected:
            trains = trains * self._correction_weights(paint, corrected)
        kinds = np.zeros_like(paint)
        kinds[inner] = self._kinds(paint[inner])
        layout, validates = Layout(self.encoding, len(self.channels)), encoded.held_out
        separates_objects = task_of(self.recipe).separates_objects
        return Region(
            smooth=layout.smooth_rows(pixels, encoded),
            exact=layout.exact_rows(encoded, trains, self.device),
            held_exact=(
                layout.exact_rows(encoded, validates, self.device) if validates.any() else None
            ),
            places=_places(np.where(held, 0, kinds)),
            held_places=_centres(np.where(held, np.abs(paint), 0), inner, separates_objects),
            paint=paint,
            held=validates,
            survey=survey,
            corrected=corrected,
            key=key,
        )

    def _correction_weights(
        self, paint: Labels, corrected: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """Return how much more each pixel of paint weighs because an object was corrected."""
        target, weight = self.recipe.target, self.recipe.training.corrections
        assert isinstance(target, ObjectsTarget)
        return correction_weights(paint, corrected, weight, target.ring)


def _cores(shape: tuple[int, ...]) -> list[Window]:
    """Cut a frame into cores; frames up to one and a half cores wide stay whole."""
    axes = []
    for n in shape:
        count = max(1, round(n / CORE[len(shape)]))
        edges = np.linspace(0, n, count + 1).astype(int)
        axes.append([slice(int(a), int(b)) for a, b in itertools.pairwise(edges)])
    return list(itertools.product(*axes))


def _around(places: Tensor, shape: tuple[int, ...]) -> Window:
    """Return the window of a region that holds places ``(*shape, d)``, mirrored at its edges.

    Places beyond an edge are mirrored at the edge of the window, so that has to be the same edge.
    """
    window = []
    for along, n in zip(places.unbind(-1), shape, strict=True):
        low, high = along.aminmax()
        start, stop = math.floor(low) - 1, math.ceil(high) + 2
        if start < 0 or stop > n:  # mirrored places lie as far inside as they lay outside
            start, stop = min(start, 2 * (n - 1) - stop), max(stop, 2 - start)
        window.append(slice(max(0, start), min(n, stop)))
    return tuple(window)


def _places(kinds: npt.NDArray[np.int32]) -> dict[int, Tensor]:
    """Choose at most `PLACES` pixels ``(n, d)`` of each kind of paint, spread evenly."""
    places = {}
    for kind in np.unique(kinds[kinds > 0]):
        at = np.argwhere(kinds == kind)
        chosen = at[np.linspace(0, len(at) - 1, min(len(at), PLACES)).astype(int)]
        places[int(kind)] = torch.from_numpy(chosen.astype(np.float32))
    return places


def _centres(held: Labels, inner: Window, separates_objects: bool) -> Tensor:
    """Return where to centre validation patches: on held-out objects, or on held-out pixels."""
    inside = np.zeros_like(held)
    inside[inner] = held[inner]
    objects = np.unique(inside[inside > 1]) if separates_objects else np.array([], int)
    if len(objects):
        centres = np.array(ndimage.center_of_mass(inside > 0, inside, objects))
    else:
        at = np.argwhere(inside > 0)
        centres = at[np.linspace(0, len(at) - 1, min(len(at), VALIDATION_PATCHES)).astype(int)]
    return torch.from_numpy(centres.reshape(-1, held.ndim).astype(np.float32))
