"""Cut training and validation patches around paint, on the device, repeatably for a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..networks import Geometry, sides
from ..recipe import Augmentation, Recipe
from ..targets import Paint, task_of
from .augment import change_intensity, warp_fields
from .regions import VALIDATION_PATCHES, Batch, Layout, Region, RegionLoader

NO_WARP = Augmentation(flip=False, rotation=0, scaling=1, elastic=0)


class PaintData:
    """Draw batches from paint that may change while the network learns.

    Parameters
    ----------
    loader
        Turns paint into regions.
    geometry
        That of the network, per axis: the sizes that go in and come out.
    generator
        Source of every random number.
    paints
        One paint for each image of the loader.
    replay
        What the model to start from learnt from.
    replay_share
        Returns the share of the patches that come from it at present.

    Attributes
    ----------
    paints, regions
        What the network learns from at present.
    validation
        Batches that are never trained on; empty if too little is held out to judge by.
    version
        Counts up with each change.
    """

    def __init__(
        self,
        loader: RegionLoader,
        geometry: Sequence[Geometry],
        generator: torch.Generator,
        paints: Sequence[Paint],
        replay: PaintData | None = None,
        replay_share: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.loader, self.geometry, self.generator = loader, geometry, generator
        self.replay = replay
        self.replay_share = replay_share
        self.layout = Layout(loader.encoding, len(loader.channels))
        self.version = 0
        self.regions: list[Region] = []
        self.load(paints)

    def load(self, paints: Sequence[Paint]) -> None:
        """Replace the paint that the network learns from."""
        recipe, geometry, layout = self.loader.recipe, self.geometry, self.layout
        self.regions = self.loader.load(paints, self.regions)
        self.paints = list(paints)
        self.sampler = PatchSampler(self.regions, recipe, geometry, layout, self.generator)
        self.validation = (
            validation_batches(self.regions, recipe, geometry, layout)
            if can_validate(self.regions, task_of(recipe).separates_objects)
            else []
        )
        self.version += 1

    @property
    def is_corrected(self) -> bool:
        """Return whether most painted objects were corrected in a prediction."""
        n_objects = sum(int((np.unique(np.abs(r.painted())) > 1).sum()) for r in self.regions)
        return 2 * sum(len(region.corrected) for region in self.regions) > n_objects

    def draw(self) -> Batch:
        """Return the next training batch."""
        n = self.loader.recipe.training.batch
        share = self.replay_share()
        if self.replay is None or share == 0:
            return self.sampler.draw(n)
        is_old = torch.rand(n, generator=self.generator) < share
        n_old = int(is_old.sum())
        parts = [(self.sampler, n - n_old), (self.replay.sampler, n_old)]
        return mixed([sampler.draw(n) for sampler, n in parts if n])


class PatchSampler:
    """Draw training patches.

    Parameters
    ----------
    regions
        Painted pieces of images.
    recipe
        Patch and batch size, augmentation, balance.
    geometry
        That of the network, per axis: the sizes that go in and come out.
    layout
        Layout of the regions.
    generator
        Source of every random number.
    """

    def __init__(
        self,
        regions: Sequence[Region],
        recipe: Recipe,
        geometry: Sequence[Geometry],
        layout: Layout,
        generator: torch.Generator,
    ) -> None:
        self.recipe, self.geometry, self.layout = recipe, geometry, layout
        self.generator = generator
        self.regions = [region for region in regions if region.places]
        self.kinds = sorted({kind for region in self.regions for kind in region.places})
        self.by_kind = {k: [r for r in self.regions if k in r.places] for k in self.kinds}
        self.factors = class_factors(self.regions, layout, recipe.training.balance)

    def draw(self, n: int | None = None) -> Batch:
        """Return the next batch, of `n` patches where it is not the recipe's."""
        n = self.recipe.training.batch if n is None else n
        shape, margin = patch_shape(self.recipe.training.patch, self.geometry)
        augmentation = self.recipe.augmentation
        patches = []
        for offset in warp_fields(n, shape, augmentation, self.generator):
            region, centre = self._place()
            places = offset + centre
            patches.append(self.layout.cut(region.smooth, region.exact, places, margin))
        batch = self.layout.batch(patches)
        pixels = change_intensity(batch.pixels, augmentation, self.generator)
        return Batch(pixels, batch.values, self._balanced(batch.values, batch.weights))

    def _place(self) -> tuple[Region, Tensor]:
        """Draw a painted pixel and move it a little; each kind of paint is drawn equally often."""
        kind = self.kinds[self._integer(len(self.kinds))]
        regions = self.by_kind[kind]
        region = regions[self._integer(len(regions))]
        places = region.places[kind]
        place = places[self._integer(len(places))]
        jitter = torch.rand(place.shape, generator=self.generator) - 0.5
        reach = torch.tensor(sides(self.recipe.training.patch, self.geometry)) / 2
        return region, place + jitter * reach

    def _integer(self, below: int) -> int:
        return int(torch.randint(0, below, (1,), generator=self.generator))

    def _balanced(self, values: Tensor, weights: Tensor) -> Tensor:
        """Multiply the weights of each pixel by the factor of its class."""
        for (row, weight_row, _), factors in zip(
            self.layout.categorical, self.factors, strict=True
        ):
            weights[:, weight_row] *= factors[values[:, row].long()]
        return weights


def mixed(batches: Sequence[Batch]) -> Batch:
    """Return one batch of several, in which each patch has, on average, the same weight.

    Else a patch that is full of paint would count more than many with a few strokes.
    """
    first, *_ = batches
    if len(batches) == 1:
        return first
    means = [batch.weights.mean().clamp(min=1e-6) for batch in batches]
    weights = [b.weights * (means[0] / mean) for b, mean in zip(batches, means, strict=True)]
    return Batch(
        torch.cat([batch.pixels for batch in batches]),
        torch.cat([batch.values for batch in batches]),
        torch.cat(weights),
    )


def class_factors(regions: Sequence[Region], layout: Layout, limit: float) -> list[Tensor]:
    """Return the factor of each class, for each categorical head: rare classes weigh more.

    A factor is inverse to how much of its class is painted, the largest at most `limit` times the
    smallest. For a head with one channel for objects against background there is none: patches are
    centred on each equally often, and a factor would shift the outlines.
    """
    factors = []
    for place, (_, weight_row, n_classes) in enumerate(layout.categorical):
        totals = torch.zeros(n_classes)
        for region in regions:
            # On the CPU, because on cuda these sums differ from run to run.
            index, weights = region.exact[[place, len(layout.exact) + weight_row]].cpu()
            totals += torch.bincount(index.flatten().long(), weights.flatten(), len(totals))
        share = totals / totals.sum().clamp(min=1e-6)
        factor = 1 / share.clamp(min=1e-6)
        factor = factor.clamp(max=float(factor.min()) * limit)
        factor = factor / (factor * share).sum().clamp(min=1e-6)
        factors.append(factor.to(regions[0].exact.device))
    return factors


def patch_shape(
    patch: int, geometry: Sequence[Geometry]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of the input of a network for a patch, and the pixels lost on each side.

    At least two pixels are left on the coarsest level, because one pixel has no variance.
    """
    shape = tuple(
        g.input_size(max(side, 2 * (g.stride - g.shrinkage)), g.shrinkage)
        for side, g in zip(sides(patch, geometry), geometry, strict=True)
    )
    return shape, tuple(g.shrinkage for g in geometry)


def can_validate(regions: Sequence[Region], separates_objects: bool) -> bool:
    """Return whether held-out paint holds an object (its ring is background) or two classes.

    With background or one class alone, a network that answers nothing else would score best. An
    object that is painted only in part has no ring: it needs background beside it.
    """
    values = {v for r in regions for v in np.unique(r.painted(held_only=True)).tolist() if v != 0}
    if not separates_objects:
        return len(values) > 1
    return max(values, default=0) > 1 or (min(values, default=0) < 0 and 1 in values)


def validation_batches(
    regions: Sequence[Region], recipe: Recipe, geometry: Sequence[Geometry], layout: Layout
) -> list[Batch]:
    """Cut patches around held-out paint, without augmentation: the same ones each time."""
    centres = [(r, centre) for r in regions if r.held_exact is not None for centre in r.held_places]
    chosen = np.linspace(0, len(centres) - 1, min(len(centres), VALIDATION_PATCHES)).astype(int)
    shape, margin = patch_shape(recipe.training.patch, geometry)
    half_pixels = (torch.tensor(shape) - 1) / 2 % 1  # so that every place is the centre of a pixel
    offset = warp_fields(1, shape, NO_WARP, torch.Generator().manual_seed(0))[0]
    patches = []
    for region, centre in (centres[i] for i in chosen):
        assert region.held_exact is not None
        places = offset + centre.round() + half_pixels
        patches.append(layout.cut(region.smooth, region.held_exact, places, margin))
    n = recipe.training.batch
    return [layout.batch(patches[i : i + n]) for i in range(0, len(patches), n)]
