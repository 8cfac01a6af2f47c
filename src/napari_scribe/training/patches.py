"""Where training patches are cut: around paint, seeded, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..networks import Geometry, sides
from ..recipe import Augmentation, Recipe
from .augment import change_intensity, warp_fields
from .regions import VALIDATION_PATCHES, Layout, Region


@dataclass(frozen=True)
class Batch:
    """Patches: ``pixels (N, C, *in)``, ``values`` and ``weights (N, n_heads, *out)``."""

    pixels: Tensor
    values: Tensor
    weights: Tensor


class PatchSampler:
    """Draws training patches.

    Parameters
    ----------
    regions
        Painted places.
    recipe
        Patch and batch size, augmentation, balance.
    geometry
        Of the network, per axis: which sizes go in and come out.
    layout
        Of the regions.
    generator
        Where every random number comes from.
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

    def draw(self) -> Batch:
        """The next batch."""
        training = self.recipe.training
        shape, margin = patch_shape(training.patch, self.geometry)
        augmentation = self.recipe.augmentation
        patches = []
        for offset in warp_fields(training.batch, shape, augmentation, self.generator):
            region, centre = self._place()
            places = (offset + centre).to(region.smooth.device)
            patches.append(self.layout.cut(region.smooth, region.exact, places, margin))
        pixels, values, weights = (torch.stack(part) for part in zip(*patches, strict=True))
        changed = change_intensity(pixels, augmentation, self.generator)
        return Batch(changed, values, self._balanced(values, weights))

    def _place(self) -> tuple[Region, Tensor]:
        """A painted pixel, each kind of paint as often as the others, and a jitter around it."""
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
        for i, factors in self.factors.items():
            weights[:, i] *= factors[values[:, i].long()]
        return weights


def class_factors(regions: Sequence[Region], layout: Layout, limit: float) -> dict[int, Tensor]:
    """What each class of a categorical head weighs, so that rare ones count too.

    Inversely to how much of each is painted, the largest at most `limit` times the smallest.
    Objects and background need no factor: patches are centred on each equally often, and a factor
    would shift the outlines.
    """
    factors = {}
    for place, i in enumerate(layout.exact):
        totals = torch.zeros(layout.heads[i].channels)
        for region in regions:
            # On the CPU: on cuda these sums differ from time to time.
            index, weights = region.exact[[place, len(layout.exact) + i]].cpu()
            totals += torch.bincount(index.flatten().long(), weights.flatten(), len(totals))
        share = totals / totals.sum().clamp(min=1e-6)
        factor = 1 / share.clamp(min=1e-6)
        factor = factor.clamp(max=float(factor.min()) * limit)
        factor = factor / (factor * share).sum().clamp(min=1e-6)
        factors[i] = factor.to(regions[0].exact.device)
    return factors


def patch_shape(
    patch: int, geometry: Sequence[Geometry]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of what the network gets for a patch, and what each axis loses on a side.

    At least two pixels are left on the coarsest level: one alone has no variance.
    """
    shape = tuple(
        g.input_size(max(side, 2 * (g.stride - g.shrinkage)), g.shrinkage)
        for side, g in zip(sides(patch, geometry), geometry, strict=True)
    )
    return shape, tuple(g.shrinkage for g in geometry)


def held_paint_is_telling(regions: Sequence[Region], task: str) -> bool:
    """Whether held-out paint holds an object (its ring is background) or two classes.

    Background or one class alone would praise a network that answers nothing else.
    """
    values = [np.unique(region.paint[region.held & (region.paint > 0)]) for region in regions]
    found = set(np.concatenate([*values, np.array([], int)]).tolist())
    return max(found, default=0) > 1 if task == "objects" else len(found) > 1


def validation_batches(
    regions: Sequence[Region], recipe: Recipe, geometry: Sequence[Geometry], layout: Layout
) -> list[Batch]:
    """Fixed patches, not augmented, around held-out paint; the same ones each time."""
    found = [(r, centre) for r in regions if r.held_exact is not None for centre in r.held_places]
    chosen = np.linspace(0, len(found) - 1, min(len(found), VALIDATION_PATCHES)).astype(int)
    shape, margin = patch_shape(recipe.training.patch, geometry)
    half_pixels = (torch.tensor(shape) - 1) / 2 % 1  # so that every place is a pixel
    offset = warp_fields(1, shape, STILL, torch.Generator().manual_seed(0))[0]
    patches = []
    for region, centre in (found[i] for i in chosen):
        assert region.held_exact is not None
        places = (offset + centre.round() + half_pixels).to(region.smooth.device)
        patches.append(layout.cut(region.smooth, region.held_exact, places, margin))
    n = recipe.training.batch
    groups = [patches[i : i + n] for i in range(0, len(patches), n)]
    return [Batch(*(torch.stack(part) for part in zip(*g, strict=True))) for g in groups]


STILL = Augmentation(flip=False, rotation=0, scaling=1, elastic=0)
