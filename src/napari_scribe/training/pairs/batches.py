"""Patches of noisy pairs: held in memory where they fit, else a pool that is renewed bit by bit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...inference.tiles import mirrored
from ...memory import free_bytes
from ...networks import Geometry
from ...networks.blocks import crop
from ...normalization import Statistics
from ...recipe import DenoisedTarget, Recipe
from ..patches import patch_shape
from ..regions import VALIDATION_PATCHES, Batch
from .fitness import moving
from .neighbours import neighbours
from .registration import Share, Window, drift_of, fraction_of, inner, split
from .sources import Pairs

POOL = 2**29
"""Bytes of pixels that are held in memory at most."""
SIDE = 4
"""Sides of a crop of the pool, in patches."""
RENEW = 4
"""Patches that are cut from the pool for each crop of it that is read anew."""
REACH = 3
"""Pixels to either side that a shift by a fraction is worked out from."""

Answer = Callable[[Tensor], Tensor]
"""What the network makes of normalized pixels ``(N, C, *spatial)``, without gradients."""


@dataclass(frozen=True)
class Crop:
    """The pixels of a share.

    Parameters
    ----------
    first, second
        ``(C, *spatial)``, normalized, of the same place up to a fraction of a pixel.
    weights
        ``(1, *spatial)`` uint8: 0 where something moves; None where everything counts.
    """

    pair: int
    first: Tensor
    second: Tensor
    weights: Tensor | None


class PairSampler:
    """What a denoiser learns from: the data of the training loop.

    Parameters
    ----------
    pairs
        Where it is read.
    statistics
        Numbers of the normalization, one a channel.
    recipe, geometry, device
        Patch and batch size, what the network takes, and where.
    generator
        Where every random number comes from.
    answer
        Of the network as it is, for pictures that are alone.
    """

    version = 0

    def __init__(
        self,
        pairs: Pairs,
        statistics: Statistics,
        recipe: Recipe,
        geometry: Sequence[Geometry],
        device: torch.device,
        generator: torch.Generator,
        answer: Answer,
    ) -> None:
        assert isinstance(recipe.target, DenoisedTarget)
        self.pairs, self.statistics, self.recipe = pairs, statistics, recipe
        self.device, self.generator, self.answer = device, generator, answer
        self.shape, self.margin = _patch(pairs, recipe.training.patch, geometry)
        share = recipe.target.consistency
        self.consistency = share / (1 + share)
        trained, held = split(pairs)
        self._views: dict[int, Tensor] = {}
        self._room = min(POOL, free_bytes("cpu") // 4)
        self.is_held_whole = _n_bytes(pairs) <= self._room
        self._shares = trained
        self._n_cut = 0
        self.crops = self._filled()
        self.validation = self._validation(held)

    def draw(self) -> Batch:
        """The next batch of patches, turned and mirrored at random, either member as the input."""
        flip = self.recipe.augmentation.flip
        patches = []
        for _ in range(self.recipe.training.batch):
            piece = self.crops[self._integer(len(self.crops))]
            room = [max(0, n - s) for n, s in zip(piece.first.shape[1:], self.shape, strict=True)]
            start = [self._integer(n + 1) for n in room]
            swapped = self._integer(2) == 1 and not self.pairs.is_ordered
            patch = self._cut(piece, start, swapped)
            patches.append(self._turned(patch) if flip else patch)
            self._renew()
        noisy, target, weights = (torch.stack(part) for part in zip(*patches, strict=True))
        if self.pairs.is_single:
            return self._of_neighbours(noisy, weights)
        return self._batch(noisy, target, weights)

    def _batch(self, noisy: Tensor, target: Tensor, weights: Tensor) -> Batch:
        margin = self.margin
        return Batch(noisy, crop(target - noisy, margin), crop(weights, margin))

    def _of_neighbours(self, noisy: Tensor, weights: Tensor) -> Batch:
        """Pairs of neighbouring pixels.

        The paper's second term asks that the answers to both differ as the answer to the whole
        does at their pixels. For squared errors the sum of both terms is one error, against a
        target that is moved by that difference.
        """
        pick = neighbours(noisy.shape, self.generator)
        one, other = pick(noisy)
        known = torch.minimum(*pick(weights))
        if self.consistency:
            seen, beyond = pick(self.answer(noisy))
            other = other + self.consistency * (seen - beyond)
        return self._batch(one, other, known)

    def _turned(self, patch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """All parts of a patch in one of its orientations."""
        n = patch[0].ndim - 1
        flipped = [axis for axis in range(1, n + 1) if self._integer(2)]
        is_square = patch[0].shape[-1] == patch[0].shape[-2]
        transposed = is_square and self._integer(2) == 1
        turned = (part.flip(flipped) for part in patch)
        return tuple(part.transpose(-1, -2) if transposed else part for part in turned)

    def _cut(self, piece: Crop, start: Sequence[int], swapped: bool) -> tuple[Tensor, ...]:
        """Input, target and weights of a patch; the target is brought to the input's place."""
        at = tuple(slice(a, a + n) for a, n in zip(start, self.shape, strict=True))
        noisy, target = piece.first[(slice(None), *at)], piece.second[(slice(None), *at)]
        if piece.weights is None:
            weights = torch.ones_like(noisy[:1])
        else:
            weights = piece.weights[(slice(None), *at)].to(noisy)
        fraction = fraction_of(self.pairs, piece.pair)
        a, b = self.pairs.pairs[piece.pair]
        if swapped:
            noisy, target, fraction, a, b = target, noisy, [-f for f in fraction], b, a
        if any(fraction):
            target = _moved(target, fraction)
            _without_edges(weights, fraction)
        return noisy, self._as_bright(target, b, a), weights

    def _as_bright(self, pixels: Tensor, view: int, other: int) -> Tensor:
        """Normalized pixels of a view with the intensities of another."""
        one, wanted = self.pairs.views[view], self.pairs.views[other]
        if not one.gains:
            return pixels
        low, width = self.statistics.low, self.statistics.high - self.statistics.low
        gain = np.divide(one.gains, wanted.gains)
        offset = np.subtract(one.offsets, wanted.offsets) / wanted.gains
        shape = (-1, *[1] * (pixels.ndim - 1))
        added = ((gain * low + offset - low) / width).astype(np.float32).reshape(shape)
        factor = gain.astype(np.float32).reshape(shape)
        return pixels * torch.from_numpy(factor).to(pixels) + torch.from_numpy(added).to(pixels)

    def _integer(self, below: int) -> int:
        return int(torch.randint(0, below, (1,), generator=self.generator))

    def _filled(self) -> list[Crop]:
        """Everything, or as much as may be held."""
        if self.is_held_whole:
            return [self._load(share) for share in self._shares]
        n_channels = len(self.pairs.views[0].channels)
        for self._side in range(SIDE, 0, -1):
            n_bytes = 8 * math.prod(self._side * n for n in self.shape) * n_channels
            if self._room >= 8 * n_bytes:
                break
        return [self._random_crop() for _ in range(max(8, min(256, self._room // n_bytes)))]

    def _renew(self) -> None:
        """Put a new crop in the place of an old one, now and then."""
        self._n_cut += 1
        if not self.is_held_whole and self._n_cut % RENEW == 0:
            self.crops[self._integer(len(self.crops))] = self._random_crop()

    def _random_crop(self) -> Crop:
        share = self._shares[self._integer(len(self._shares))]
        window = []
        for whole, n in zip(share.window, self.shape, strict=True):
            side = min(self._side * n, whole.stop - whole.start)
            start = whole.start + self._integer(whole.stop - whole.start - side + 1)
            window.append(slice(start, start + side))
        return self._load(Share(share.pair, tuple(window)))

    def _load(self, share: Share) -> Crop:
        a, b = self.pairs.pairs[share.pair]
        first = self._pixels(a, share.window)
        if a == b:
            return Crop(share.pair, first, first, _inside(share.window, first))
        steps = [round(d) for d in drift_of(self.pairs, share.pair)]
        window = tuple(
            slice(s.start + d, s.stop + d) for s, d in zip(share.window, steps, strict=True)
        )
        second = self._pixels(b, window)
        weights = _inside(share.window, first)
        if self.pairs.leaves_out_motion:
            fraction = fraction_of(self.pairs, share.pair)
            aligned = self._as_bright(_moved(second, fraction) if any(fraction) else second, b, a)
            still = torch.from_numpy(~moving(first.cpu().numpy(), aligned.cpu().numpy()))
            still = still[None].to(self.device, torch.uint8)
            weights = still if weights is None else weights * still
        return Crop(share.pair, first, second, weights)

    def _pixels(self, view: int, window: Window) -> Tensor:
        """Normalized, at least as large as a patch: mirrored where there is less."""
        if not self.is_held_whole:
            return self._read(view, window)
        if view not in self._views:
            whole = tuple(slice(0, n) for n in self.pairs.shape(view))
            self._views[view] = self._read(view, whole)
        found = self._views[view][(slice(None), *window)]
        missing = any(n < m for n, m in zip(found.shape[1:], self.shape, strict=True))
        return self._padded(found.cpu().numpy()) if missing else found

    def _read(self, view: int, window: Window) -> Tensor:
        return self._padded(self.statistics.apply(self.pairs.views[view].read(window)))

    def _padded(self, pixels: npt.NDArray[np.float32]) -> Tensor:
        for axis, (n, least) in enumerate(zip(pixels.shape[1:], self.shape, strict=True), start=1):
            if n < least:
                pixels = np.take(pixels, mirrored(slice(0, least), n), axis=axis)
        return torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)

    def _validation(self, held: Sequence[Share]) -> list[Batch]:
        """Fixed patches of what is held out."""
        places = []
        for share in held:
            sides = [s.stop - s.start for s in share.window]
            starts = [
                range(0, max(1, n - m + 1), m) for n, m in zip(sides, self.shape, strict=True)
            ]
            places += [inner(share, start, self.shape) for start in itertools.product(*starts)]
        chosen = np.linspace(0, len(places) - 1, min(len(places), VALIDATION_PATCHES)).astype(int)
        n = self.recipe.training.batch
        origin = [0] * len(self.shape)
        parts = [self._cut(self._load(places[i]), origin, swapped=False) for i in chosen]
        parts = [part for part in parts if part[-1].any()]
        groups = [zip(*parts[i : i + n], strict=True) for i in range(0, len(parts), n)]
        batches = []
        for group in groups:
            noisy, target, weights = (torch.stack(part) for part in group)
            if self.pairs.is_single:
                pick = neighbours(noisy.shape, torch.Generator().manual_seed(0))
                noisy, target = pick(noisy)
                weights = torch.minimum(*pick(weights))
            batches.append(self._batch(noisy, target, weights))
        return batches


def _patch(
    pairs: Pairs, patch: int, geometry: Sequence[Geometry]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of what is cut, and what the network loses of it on either side of each axis."""
    if not pairs.is_single:
        return patch_shape(patch, geometry)
    halves, margin = patch_shape(patch // 2, geometry)
    return (*halves[:-2], 2 * halves[-2], 2 * halves[-1]), margin


def _moved(pixels: Tensor, fraction: Sequence[float]) -> Tensor:
    """Pixels ``(C, *spatial)`` at places a fraction further on, by Lanczos' kernel."""
    for axis, f in enumerate(fraction, start=1):
        if f:
            away = torch.arange(-REACH, REACH + 1, dtype=torch.float64) - f
            kernel = torch.sinc(away) * torch.sinc(away / REACH) * (away.abs() < REACH)
            weights = (kernel / kernel.sum()).tolist()
            taps = [w * pixels.roll(-k, axis) for k, w in enumerate(weights, start=-REACH)]
            pixels = torch.stack(taps).sum(0)
    return pixels


def _without_edges(weights: Tensor, fraction: Sequence[float]) -> None:
    """No weight where `_moved` had to take pixels from the other end."""
    for axis, f in enumerate(fraction, start=1):
        if f:
            reach = min(REACH, weights.shape[axis])
            weights.narrow(axis, 0, reach).zero_()
            weights.narrow(axis, weights.shape[axis] - reach, reach).zero_()


def _inside(window: Window, pixels: Tensor) -> Tensor | None:
    """Weights that leave out what was mirrored to fill a patch; None where nothing was."""
    sides = [s.stop - s.start for s in window]
    if list(pixels.shape[1:]) == sides:
        return None
    weights = torch.zeros_like(pixels[:1], dtype=torch.uint8)
    weights[(slice(None), *(slice(0, n) for n in sides))] = 1
    return weights


def _n_bytes(pairs: Pairs) -> int:
    """Of all views, in float32, and of what is left out of each pair."""
    used = {i for pair in pairs.pairs for i in pair}
    n_views = sum(4 * len(pairs.views[i].channels) * math.prod(pairs.shape(i)) for i in used)
    n_left_out = sum(math.prod(pairs.shape(a)) for a, _ in pairs.pairs)
    return n_views + pairs.leaves_out_motion * n_left_out
