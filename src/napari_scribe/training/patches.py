"""Where training patches are cut: around paint, seeded, on the device."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from ..image import Frame, Image
from ..networks import Geometry
from ..normalization import Statistics
from ..recipe import Augmentation, Recipe
from ..targets import Head, Paint, TargetCoder
from ..targets.paint import Labels, held_out
from .augment import change_intensity, sample_at, warp_fields

BLOCK = 1024
"""Side of the blocks that large frames are cut into; blocks without paint are never read."""
MARGIN = 128
"""What a block shows of its neighbours, so that patches and objects at its edge are whole."""
PLACES = 4096
"""How many painted pixels of each kind a region remembers."""
VALIDATION_PATCHES = 16


@dataclass(frozen=True)
class Region:
    """A painted piece of an image, on the device.

    Parameters
    ----------
    pixels
        ``(C, *spatial)``, normalized.
    maps
        ``(2 * n_heads, *spatial)``: values, then weights, of what trains.
    held_maps
        The same of what validates; None where nothing does.
    places
        Painted pixels to centre training patches on: kind of paint (1 background or the first
        class, 2 objects or the second class, ...) -> ``(n, d)``.
    held_places
        ``(n, d)``, centres of validation patches.
    paint
        ``(*spatial)``, as painted.
    held
        ``(*spatial)``, which of it validates.
    key
        Image index, frame, and first pixel in it.
    """

    pixels: Tensor
    maps: Tensor
    held_maps: Tensor | None
    places: dict[int, Tensor]
    held_places: Tensor
    paint: Labels
    held: npt.NDArray[np.bool_]
    key: tuple[int, Frame, tuple[int, ...]]


@dataclass(frozen=True)
class Batch:
    """Patches: ``pixels (N, C, *in)``, ``values`` and ``weights (N, n_heads, *out)``."""

    pixels: Tensor
    values: Tensor
    weights: Tensor


@dataclass(frozen=True)
class RegionLoader:
    """Turns images and paint into regions.

    Parameters
    ----------
    images, channels, statistics
        Images, the channels that are used, and each image's normalization.
    coder
        The answer's form.
    recipe, device
        What is trained, and where.
    """

    images: Sequence[Image]
    channels: tuple[int, ...]
    statistics: Sequence[Statistics]
    coder: TargetCoder
    recipe: Recipe
    device: torch.device

    def load(self, paints: Sequence[Paint], old: Sequence[Region] = ()) -> list[Region]:
        """Regions of all paint; `old` ones whose paint has not changed are taken over."""
        known = {region.key: region for region in old}
        regions = []
        for i, (image, paint) in enumerate(zip(self.images, paints, strict=True)):
            for frame in image.frames(self.recipe.network.dimensions):
                labels = paint.frame(image, frame)
                for core in _blocks(labels.shape):
                    if labels[core].any():
                        regions.append(self._region(i, frame, labels, core, known))
        return regions

    def _region(
        self,
        i: int,
        frame: Frame,
        labels: Labels,
        core: tuple[slice, ...],
        known: dict[tuple[int, Frame, tuple[int, ...]], Region],
    ) -> Region:
        window = tuple(
            slice(max(0, s.start - MARGIN), min(n, s.stop + MARGIN))
            for s, n in zip(core, labels.shape, strict=True)
        )
        key = (i, frame, tuple(s.start for s in window))
        paint = labels[window]
        old = known.get(key)
        if old is not None and np.array_equal(old.paint, paint):
            return old
        pixels = self._pixels(i, frame, window) if old is None else old.pixels
        inner = tuple(
            slice(s.start - w.start, s.stop - w.start) for s, w in zip(core, window, strict=True)
        )
        return self._encoded(key, pixels, paint, inner)

    def _pixels(self, i: int, frame: Frame, window: tuple[slice, ...]) -> Tensor:
        raw = self.images[i].read(frame, window, self.channels)
        return torch.from_numpy(self.statistics[i].apply(raw)).to(self.device)

    def _encoded(
        self,
        key: tuple[int, Frame, tuple[int, ...]],
        pixels: Tensor,
        paint: Labels,
        inner: tuple[slice, ...],
    ) -> Region:
        task = self.recipe.task
        held = held_out(paint, key[0], len(self.images), task) & (paint > 0)
        encoded = self.coder.encode(paint, held)
        kinds = np.zeros_like(paint)
        kinds[inner] = np.minimum(paint[inner], 2) if task == "objects" else paint[inner]
        training = np.concatenate([encoded.values, encoded.weights * ~encoded.held_out])
        validating = None
        if encoded.held_out.any():
            both = np.concatenate([encoded.values, encoded.weights * encoded.held_out])
            validating = torch.from_numpy(both).to(self.device)
        return Region(
            pixels=pixels,
            maps=torch.from_numpy(training).to(self.device),
            held_maps=validating,
            places=_places(np.where(held, 0, kinds)),
            held_places=_centres(np.where(held, paint, 0), inner, task),
            paint=paint,
            held=encoded.held_out,
            key=key,
        )


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Cut a frame into blocks; frames up to one and a half blocks wide stay whole."""
    axes = []
    for n in shape:
        count = max(1, round(n / BLOCK))
        edges = np.linspace(0, n, count + 1).astype(int)
        axes.append([slice(int(a), int(b)) for a, b in itertools.pairwise(edges)])
    return list(itertools.product(*axes))


def _places(kinds: npt.NDArray[np.int32]) -> dict[int, Tensor]:
    """At most `PLACES` evenly chosen pixels of each kind of paint, ``(n, d)``."""
    found = {}
    for kind in np.unique(kinds[kinds > 0]):
        at = np.argwhere(kinds == kind)
        chosen = at[np.linspace(0, len(at) - 1, min(len(at), PLACES)).astype(int)]
        found[int(kind)] = torch.from_numpy(chosen.astype(np.float32))
    return found


def _centres(held: Labels, inner: tuple[slice, ...], task: str) -> Tensor:
    """Where validation patches are centred: on each held-out object, or on held-out places."""
    inside = np.zeros_like(held)
    inside[inner] = held[inner]
    objects = np.unique(inside[inside > 1]) if task == "objects" else np.array([], int)
    if len(objects):
        centres = np.array(ndimage.center_of_mass(inside > 0, inside, objects))
    else:
        at = np.argwhere(inside > 0)
        centres = at[np.linspace(0, len(at) - 1, min(len(at), VALIDATION_PATCHES)).astype(int)]
    return torch.from_numpy(centres.reshape(-1, held.ndim).astype(np.float32))


class PatchSampler:
    """Draws training patches.

    Parameters
    ----------
    regions
        Painted places.
    recipe
        Patch and batch size, augmentation, balance.
    geometry
        Of the network: which sizes go in and come out.
    n_heads
        Of the target.
    generator
        Where every random number comes from.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        recipe: Recipe,
        geometry: Geometry,
        heads: Sequence[Head],
        generator: torch.Generator,
    ) -> None:
        self.recipe, self.geometry, self.generator = recipe, geometry, generator
        self.n_heads = len(heads)
        self.regions = [region for region in regions if region.places]
        self.kinds = sorted({kind for region in self.regions for kind in region.places})
        self.by_kind = {k: [r for r in self.regions if k in r.places] for k in self.kinds}
        self.factors = class_factors(self.regions, heads, recipe.training.balance)

    def draw(self) -> Batch:
        """The next batch."""
        training = self.recipe.training
        size, margin = patch_size(training.patch, self.geometry)
        dimensions = self.recipe.network.dimensions
        offsets = warp_fields(
            training.batch, (size,) * dimensions, self.recipe.augmentation, self.generator
        )
        inner = (slice(margin, size - margin),) * dimensions
        pixels, maps = [], []
        for offset in offsets:
            region, centre = self._place(training.patch)
            places = (offset + centre).to(region.pixels.device)
            pixels.append(sample_at(region.pixels, places, "bilinear", "reflection"))
            maps.append(sample_at(region.maps, places[inner], "nearest", "zeros"))
        changed = change_intensity(torch.stack(pixels), self.recipe.augmentation, self.generator)
        values, weights = torch.stack(maps).split(self.n_heads, dim=1)
        return Batch(changed, values, self._balanced(values, weights))

    def _place(self, patch: int) -> tuple[Region, Tensor]:
        """A painted pixel, each kind of paint as often as the others, and a jitter around it."""
        kind = self.kinds[self._integer(len(self.kinds))]
        regions = self.by_kind[kind]
        region = regions[self._integer(len(regions))]
        places = region.places[kind]
        place = places[self._integer(len(places))]
        jitter = torch.rand(place.shape, generator=self.generator) - 0.5
        return region, place + jitter * (patch / 2)

    def _integer(self, below: int) -> int:
        return int(torch.randint(0, below, (1,), generator=self.generator))

    def _balanced(self, values: Tensor, weights: Tensor) -> Tensor:
        parts = []
        for i, factors in enumerate(self.factors):
            part = weights[:, i]
            parts.append(part if factors is None else part * factors[values[:, i].long()])
        return torch.stack(parts, dim=1)


def class_factors(
    regions: Sequence[Region], heads: Sequence[Head], limit: float
) -> list[Tensor | None]:
    """What the classes of each head weigh, so that rare ones count too.

    Inversely to how much of each is painted, the largest at most `limit` times the smallest; None
    for heads without classes.
    """
    factors: list[Tensor | None] = []
    for i, head in enumerate(heads):
        if head.kind == "distance" or not regions:
            factors.append(None)
            continue
        n = max(2, head.channels)
        totals = torch.zeros(n, device=regions[0].maps.device)
        for region in regions:
            index, weights = region.maps[i].flatten().long(), region.maps[len(heads) + i]
            totals += torch.bincount(index, weights.flatten(), minlength=n)
        share = totals / totals.sum().clamp(min=1e-6)
        factor = 1 / share.clamp(min=1e-6)
        factor = factor.clamp(max=float(factor.min()) * limit)
        factors.append(factor / (factor * share).sum())
    return factors


def patch_size(patch: int, geometry: Geometry) -> tuple[int, int]:
    """Side of what goes into the network for a patch, and what it loses on either side."""
    if geometry.valid:
        return geometry.input_size(patch), geometry.shrinkage
    return -(-patch // geometry.stride) * geometry.stride, 0


def held_paint_is_telling(regions: Sequence[Region], task: str) -> bool:
    """Whether held-out paint holds an object (its ring is background) or two classes.

    Background or one class alone would praise a network that answers nothing else.
    """
    values = [np.unique(region.paint[region.held & (region.paint > 0)]) for region in regions]
    found = set(np.concatenate([*values, np.array([], int)]).tolist())
    return max(found, default=0) > 1 if task == "objects" else len(found) > 1


def validation_batches(
    regions: Sequence[Region], recipe: Recipe, geometry: Geometry, n_heads: int
) -> list[Batch]:
    """Fixed patches, not augmented, around held-out paint; the same ones each time."""
    found = [(region, centre) for region in regions for centre in region.held_places]
    chosen = np.linspace(0, len(found) - 1, min(len(found), VALIDATION_PATCHES)).astype(int)
    size, margin = patch_size(recipe.training.patch, geometry)
    dimensions = recipe.network.dimensions
    generator = torch.Generator().manual_seed(0)
    offset = warp_fields(1, (size,) * dimensions, STILL, generator)[0]
    inner = (slice(margin, size - margin),) * dimensions
    patches = []
    for region, centre in (found[i] for i in chosen):
        if region.held_maps is None:
            continue
        places = (offset + centre.round()).to(region.pixels.device)
        maps = sample_at(region.held_maps, places[inner], "nearest", "zeros")
        pixels = sample_at(region.pixels, places, "bilinear", "reflection")
        patches.append((pixels, *maps.split(n_heads)))
    n = recipe.training.batch
    groups = [patches[i : i + n] for i in range(0, len(patches), n)]
    return [Batch(*(torch.stack(part) for part in zip(*g, strict=True))) for g in groups]


STILL = Augmentation(flip=False, rotation=0, scaling=1, elastic=0)
