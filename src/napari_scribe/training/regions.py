"""Painted pieces of images, as tensors on the device: what patches are cut from."""

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
from ..normalization import Statistics
from ..recipe import Recipe
from ..targets import Head, Paint, TargetCoder
from ..targets.paint import Labels, held_out
from .augment import sample_at

BLOCK = {2: 1024, 3: 128}
"""Side of the blocks that large frames are cut into; blocks without paint are never read."""
MARGIN = {2: 224, 3: 64}
"""What a block shows of its neighbours, so that patches and objects at its edge are whole."""
PLACES = 4096
"""How many painted pixels of each kind a region remembers."""
VALIDATION_PATCHES = 16


@dataclass(frozen=True)
class Survey:
    """What all paint together holds.

    Parameters
    ----------
    released
        Kinds of paint of which all would be held out: they train instead.
    has_background
        Whether any background is painted (or the first class).
    """

    released: frozenset[int]
    has_background: bool


@dataclass(frozen=True)
class Region:
    """A painted piece of an image, on the device.

    Parameters
    ----------
    smooth
        ``(C + n_smooth, *spatial)``: normalized pixels, then targets that can be interpolated.
    exact
        ``(n_exact + n_heads, *spatial)``: targets that cannot (indices), then the weights of what
        trains.
    held_exact
        The same with the weights of what validates; None where nothing does.
    places
        Painted pixels to centre training patches on: kind of paint (1 background or the first
        class, 2 objects or the second class, ...) -> ``(n, d)``.
    held_places
        ``(n, d)``, centres of validation patches.
    paint
        ``(*spatial)``, as painted.
    held
        ``(*spatial)``, which of it validates.
    survey
        What all paint together holds.
    key
        Image index, frame, and first pixel in it.
    """

    smooth: Tensor
    exact: Tensor
    held_exact: Tensor | None
    places: dict[int, Tensor]
    held_places: Tensor
    paint: Labels
    held: npt.NDArray[np.bool_]
    survey: Survey
    key: tuple[int, Frame, tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """Which heads' targets are interpolated when a patch is warped, and which are not.

    Interpolating keeps outlines true to a fraction of a pixel; an index cannot be interpolated.

    Parameters
    ----------
    heads
        Of the target.
    n_channels
        Of the pixels.
    """

    heads: tuple[Head, ...]
    n_channels: int

    @property
    def exact(self) -> list[int]:
        """Heads whose targets are indices."""
        return [i for i, head in enumerate(self.heads) if head.kind == "categorical"]

    @property
    def smooth(self) -> list[int]:
        """The other heads."""
        return [i for i in range(len(self.heads)) if i not in self.exact]

    def cut(
        self, smooth: Tensor, exact: Tensor, places: Tensor, margin: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels of a patch, and targets and weights within a margin, from a region's tensors."""
        inner = tuple(slice(m, n - m) for m, n in zip(margin, places.shape[:-1], strict=True))
        sampled = sample_at(smooth, places, "bilinear", "reflection")
        kept = sample_at(exact, places[inner], "nearest", "zeros")
        known = [*self.smooth, *self.exact]
        values = torch.cat(
            [sampled[(slice(self.n_channels, None), *inner)], kept[: len(self.exact)]]
        )
        order = [known.index(i) for i in range(len(self.heads))]
        return sampled[: self.n_channels], values[order], kept[len(self.exact) :]


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
        pieces = []
        for i, (image, paint) in enumerate(zip(self.images, paints, strict=True)):
            for frame in image.frames(self.recipe.network.dimensions):
                labels = paint.frame(image, frame)
                painted = [core for core in _blocks(labels.shape) if labels[core].any()]
                pieces += [(i, frame, labels, core) for core in painted]
        survey = self._survey(pieces)
        return [self._region(*piece, survey, known) for piece in pieces]

    def _survey(self, pieces: Sequence[tuple[int, Frame, Labels, tuple[slice, ...]]]) -> Survey:
        found: set[int] = set()
        trained: set[int] = set()
        for i, _, labels, core in pieces:
            kinds = self._kinds(labels[core])
            found |= set(np.unique(kinds).tolist())
            trained |= set(np.unique(kinds[~self._held(i, labels, core)]).tolist())
        return Survey(frozenset(found - trained), 1 in found)

    def _kinds(self, paint: Labels) -> Labels:
        """1 background and 2 objects, or the classes."""
        return np.minimum(paint, 2) if self.recipe.task == "objects" else paint

    def _held(self, i: int, labels: Labels, window: tuple[slice, ...]) -> npt.NDArray[np.bool_]:
        origin = [s.start for s in window]
        return held_out(labels[window], i, len(self.images), self.recipe.task, origin)

    def _region(
        self,
        i: int,
        frame: Frame,
        labels: Labels,
        core: tuple[slice, ...],
        survey: Survey,
        known: dict[tuple[int, Frame, tuple[int, ...]], Region],
    ) -> Region:
        margin = MARGIN[labels.ndim]
        window = tuple(
            slice(max(0, s.start - margin), min(n, s.stop + margin))
            for s, n in zip(core, labels.shape, strict=True)
        )
        key = (i, frame, tuple(s.start for s in window))
        paint = labels[window]
        old = known.get(key)
        if old is not None and np.array_equal(old.paint, paint) and old.survey == survey:
            return old
        pixels = self._pixels(i, frame, window) if old is None else old.smooth[: len(self.channels)]
        inner = tuple(
            slice(s.start - w.start, s.stop - w.start) for s, w in zip(core, window, strict=True)
        )
        held = self._held(i, labels, window) & (paint > 0)
        held &= ~np.isin(self._kinds(paint), list(survey.released))
        return self._encoded(key, pixels, paint, held, inner, survey)

    def _pixels(self, i: int, frame: Frame, window: tuple[slice, ...]) -> Tensor:
        raw = self.images[i].read(frame, window, self.channels)
        name = self.images[i].name
        seen = self.statistics[i].apply_checked(raw, name, " near its paint")
        return torch.from_numpy(seen).to(self.device)

    def _encoded(
        self,
        key: tuple[int, Frame, tuple[int, ...]],
        pixels: Tensor,
        paint: Labels,
        held: npt.NDArray[np.bool_],
        inner: tuple[slice, ...],
        survey: Survey,
    ) -> Region:
        encoded = self.coder.encode(paint, held, survey.has_background)
        kinds = np.zeros_like(paint)
        kinds[inner] = self._kinds(paint[inner])
        layout = Layout(self.coder.heads, len(self.channels))
        smooth = torch.from_numpy(encoded.values[layout.smooth]).to(self.device)

        def exact(chosen: npt.NDArray[np.bool_]) -> Tensor:
            parts = [encoded.values[layout.exact], encoded.weights * chosen]
            return torch.from_numpy(np.concatenate(parts)).to(self.device)

        return Region(
            smooth=torch.cat([pixels, smooth]),
            exact=exact(~encoded.held_out),
            held_exact=exact(encoded.held_out) if encoded.held_out.any() else None,
            places=_places(np.where(held, 0, kinds)),
            held_places=_centres(np.where(held, paint, 0), inner, self.recipe.task),
            paint=paint,
            held=encoded.held_out,
            survey=survey,
            key=key,
        )


def _blocks(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Cut a frame into blocks; frames up to one and a half blocks wide stay whole."""
    axes = []
    for n in shape:
        count = max(1, round(n / BLOCK[len(shape)]))
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
