"""Cut batches of patches from noisy pairs, which are held in memory if they fit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...memory import free_bytes
from ...networks import Geometry
from ...networks.blocks import crop
from ...normalization import Statistics
from ...recipe import DenoisedTarget, Recipe
from ...windows import Window, intersect, shape_of, shift, whole
from ..patches import patch_shape
from ..processes import n_processes_here
from ..regions import VALIDATION_PATCHES, Batch
from .fitness import find_motion
from .neighbours import neighbours
from .sources import Pairs
from .split import PairWindow, split

POOL = 2**29
"""Bytes of pixels that are held in memory at most."""
SIDE = 4
"""Side of a window of the pool, in patches."""
PATCHES_PER_READ = 4
"""Number of patches that are cut before one window of the pool is replaced."""
REACH = 3
"""Pixels to either side from which a shift by a fraction of a pixel is computed."""

PoolState = dict[str, Any]
"""What a checkpoint holds of a pool: the windows in it, their side, and how many patches were cut.
"""
Predict = Callable[[Tensor], Tensor]
"""Run the network on normalized pixels ``(N, C, *spatial)``, without gradients."""


@dataclass(frozen=True)
class PairPixels:
    """Hold the pixels of a window of a pair.

    Parameters
    ----------
    part
        Number of the pair, and the window.
    first, second
        ``(C, *spatial)``, normalized, of the same place to within a fraction of a pixel.
    weights
        ``(1, *spatial)`` uint8: 0 where something moves. None if every pixel counts.
    """

    part: PairWindow
    first: Tensor
    second: Tensor
    weights: Tensor | None


class PairSampler:
    """Draw the batches that a denoiser learns from.

    If the pairs do not fit into memory, patches are cut from a pool of windows. The windows are
    replaced one by one.

    Parameters
    ----------
    pairs
        The pairs to draw from.
    statistics
        Statistics of the normalization, one per channel.
    recipe, geometry, device
        Patch and batch size, the sizes that the network takes, and its device.
    generator
        Source of every random number.
    predict
        Runs the current network, for single pictures.
    memory_limit
        Bytes of pixels that are held in memory: `pool_limit`.
    pool
        Result of `pool_state` to go on from.
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
        predict: Predict,
        memory_limit: int | None = None,
        pool: PoolState | None = None,
    ) -> None:
        assert isinstance(recipe.target, DenoisedTarget)
        self.pairs, self.statistics, self.recipe = pairs, statistics, recipe
        self.device, self.generator, self.predict = device, generator, predict
        self.shape, self.margin = _patch_and_margin(pairs, recipe.training.patch, geometry)
        consistency = recipe.target.consistency
        self.consistency = consistency / (1 + consistency)
        self._trained, held_out = split(pairs)
        self._views: dict[int, Tensor] = {}
        self._memory_limit = pool_limit() if memory_limit is None else memory_limit
        self.is_held_whole = _n_bytes(pairs) <= self._memory_limit
        self._n_cut = 0
        self.pool = self._filled_pool() if pool is None else self._restored_pool(pool)
        self.validation = self._validation(held_out)

    def draw(self) -> Batch:
        """Return the next batch of patches, turned and mirrored at random.

        Either picture of a pair is the input, unless the pairs are ordered.
        """
        flip = self.recipe.augmentation.flip
        patches = []
        for _ in range(self.recipe.training.batch):
            pixels = self.pool[self._integer(len(self.pool))]
            sides = pixels.first.shape[1:]
            start = [
                self._integer(max(0, n - m) + 1) for n, m in zip(sides, self.shape, strict=True)
            ]
            swapped = self._integer(2) == 1 and not self.pairs.is_ordered
            patch = self._cut(pixels, start, swapped)
            patches.append(self._turned(patch) if flip else patch)
            self._renew_pool()
        return self._batch(patches, self.generator, self.consistency)

    def _batch(
        self,
        patches: Sequence[tuple[Tensor, ...]],
        generator: torch.Generator,
        consistency: float = 0.0,
    ) -> Batch:
        """Build a batch whose values are what the network has to add to the noisy pixels.

        Of single pictures, pairs of neighbouring pixels are made. The second term of that paper's
        loss compares two differences: that between the answers to both pictures, and that between
        their pixels in the answer to the whole picture. For squared errors, the sum of both terms
        is one error, against a target that is moved by the second difference.
        """
        noisy, target, weights = (torch.stack(part) for part in zip(*patches, strict=True))
        if self.pairs.is_single:
            pick = neighbours(noisy.shape, generator)
            whole_pictures = noisy
            noisy, target = pick(whole_pictures)
            weights = torch.minimum(*pick(weights))
            if consistency:
                answer, answer_beside = pick(self.predict(whole_pictures))
                target = target + consistency * (answer - answer_beside)
        return Batch(noisy, crop(target - noisy, self.margin), crop(weights, self.margin))

    def _turned(self, patch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return all parts of a patch, turned and mirrored alike at random."""
        n = patch[0].ndim - 1
        flipped = [axis for axis in range(1, n + 1) if self._integer(2)]
        is_square = patch[0].shape[-1] == patch[0].shape[-2]
        transposed = is_square and self._integer(2) == 1
        turned = (part.flip(flipped) for part in patch)
        return tuple(part.transpose(-1, -2) if transposed else part for part in turned)

    def _cut(self, pixels: PairPixels, start: Sequence[int], swapped: bool) -> tuple[Tensor, ...]:
        """Cut input, target and weights of a patch; the target is moved to the input's place."""
        window = (slice(None), *shift(whole(self.shape), start))
        noisy, target = pixels.first[window], pixels.second[window]
        if pixels.weights is None:
            weights = torch.ones_like(noisy[:1])
        else:
            weights = pixels.weights[window].to(noisy)
        fraction = self.pairs.fraction(pixels.part.pair)
        a, b = self.pairs.pairs[pixels.part.pair]
        if swapped:
            noisy, target, fraction, a, b = target, noisy, [-f for f in fraction], b, a
        if any(fraction):
            target = _move(target, fraction)
            _clear_edges(weights, fraction)
        return noisy, self._as_bright(target, b, a), weights

    def _as_bright(self, pixels: Tensor, view: int, other: int) -> Tensor:
        """Return normalized pixels of a view with the brightness of another view."""
        source, target = self.pairs.views[view], self.pairs.views[other]
        if not source.gains:
            return pixels
        low, width = self.statistics.low, self.statistics.high - self.statistics.low
        gain = np.divide(source.gains, target.gains)
        offset = np.subtract(source.offsets, target.offsets) / target.gains
        shape = (-1, *[1] * (pixels.ndim - 1))
        added = ((gain * low + offset - low) / width).astype(np.float32).reshape(shape)
        factor = gain.astype(np.float32).reshape(shape)
        return pixels * torch.from_numpy(factor).to(pixels) + torch.from_numpy(added).to(pixels)

    def _integer(self, below: int) -> int:
        return int(torch.randint(0, below, (1,), generator=self.generator))

    def _filled_pool(self) -> list[PairPixels]:
        """Read everything, or as many windows at random places as memory allows."""
        if self.is_held_whole:
            return [self._read_pair(part) for part in self._trained]
        n_windows = self._memory_limit // self._bytes_of_window(self._window_side)
        return [self._read_random() for _ in range(max(8, min(256, n_windows)))]

    @cached_property
    def _window_side(self) -> int:
        """Return the side of a window of the pool, in patches: as large as memory allows."""
        for side in range(SIDE, 1, -1):
            if 8 * self._bytes_of_window(side) <= self._memory_limit:
                return side
        return 1

    def _bytes_of_window(self, side: int) -> int:
        """Return the bytes of both pictures in a window of the pool."""
        return 8 * math.prod(side * n for n in self.shape) * len(self.pairs.views[0].channels)

    def pool_state(self) -> PoolState | None:
        """Return what is needed to go on with the same pool; None if everything is in memory."""
        if self.is_held_whole:
            return None
        parts = [pixels.part for pixels in self.pool]
        windows = [[p.pair, [[int(s.start), int(s.stop)] for s in p.window]] for p in parts]
        return {"windows": windows, "side": self._window_side, "n_cut": self._n_cut}

    def _restored_pool(self, state: PoolState) -> list[PairPixels]:
        """Read the windows of an earlier pool, even if all pairs fit into memory by now."""
        self.is_held_whole, self._window_side, self._n_cut = False, state["side"], state["n_cut"]
        parts = [PairWindow(pair, tuple(slice(*s) for s in w)) for pair, w in state["windows"]]
        return [self._read_pair(part) for part in parts]

    def _renew_pool(self) -> None:
        """Replace one window of the pool after every few patches."""
        self._n_cut += 1
        if not self.is_held_whole and self._n_cut % PATCHES_PER_READ == 0:
            self.pool[self._integer(len(self.pool))] = self._read_random()

    def _read_random(self) -> PairPixels:
        """Read a window at a random place of a random pair, for the pool."""
        part = self._trained[self._integer(len(self._trained))]
        lengths = shape_of(part.window)
        sides = [min(self._window_side * n, m) for n, m in zip(self.shape, lengths, strict=True)]
        rooms = [m - side for side, m in zip(sides, lengths, strict=True)]
        start = [s.start + self._integer(r + 1) for s, r in zip(part.window, rooms, strict=True)]
        return self._read_pair(PairWindow(part.pair, shift(whole(sides), start)))

    def _read_pair(self, part: PairWindow) -> PairPixels:
        """Read both pictures of a window, aligned to a pixel, and the weights of their pixels."""
        a, b = self.pairs.pairs[part.pair]
        first = self._normalized(a, part.window)
        weights = _weights_inside(part.window, first)
        if a == b:
            return PairPixels(part, first, first, weights)
        steps = [round(d) for d in self.pairs.drift(part.pair)]
        second = self._normalized(b, shift(part.window, steps))
        if self.pairs.leaves_out_motion:
            fraction = self.pairs.fraction(part.pair)
            aligned = self._as_bright(_move(second, fraction) if any(fraction) else second, b, a)
            is_still = torch.from_numpy(~find_motion(first.cpu().numpy(), aligned.cpu().numpy()))
            is_still = is_still[None].to(self.device, torch.uint8)
            weights = is_still if weights is None else weights * is_still
        return PairPixels(part, first, second, weights)

    def _normalized(self, view: int, window: Window) -> Tensor:
        """Return normalized pixels, mirrored at the end if they are fewer than a patch needs."""
        if not self.is_held_whole:
            return self._read(view, window)
        if view not in self._views:
            self._views[view] = self._read(view, whole(self.pairs.shape(view)))
        pixels = self._views[view][(slice(None), *window)]
        is_small = any(n < m for n, m in zip(pixels.shape[1:], self.shape, strict=True))
        return self._padded(pixels.cpu().numpy()) if is_small else pixels

    def _read(self, view: int, window: Window) -> Tensor:
        return self._padded(self.statistics.apply(self.pairs.views[view].read(window)))

    def _padded(self, pixels: npt.NDArray[np.float32]) -> Tensor:
        """Mirror pixels at their end up to the size of a patch, and move them to the device."""
        missing = [max(0, m - n) for n, m in zip(pixels.shape[1:], self.shape, strict=True)]
        if any(missing):
            pixels = np.pad(pixels, [(0, 0), *((0, n) for n in missing)], mode="reflect")
        return torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)

    def _validation(self, held_out: Sequence[PairWindow]) -> list[Batch]:
        """Cut fixed patches from the held-out windows."""
        patches = []
        for part in held_out:
            starts = [
                range(s.start, max(s.start, s.stop - m) + 1, m)
                for s, m in zip(part.window, self.shape, strict=True)
            ]
            for start in itertools.product(*starts):
                window = intersect(shift(whole(self.shape), start), part.window)
                patches.append(PairWindow(part.pair, window))
        chosen = np.linspace(0, len(patches) - 1, min(len(patches), VALIDATION_PATCHES)).astype(int)
        origin = [0] * len(self.shape)
        parts = [self._cut(self._read_pair(patches[i]), origin, swapped=False) for i in chosen]
        parts = [part for part in parts if part[-1].any()]
        n = self.recipe.training.batch
        return [
            self._batch(parts[i : i + n], torch.Generator().manual_seed(0))
            for i in range(0, len(parts), n)
        ]


def pool_limit() -> int:
    """Return how many bytes of pixels each process may hold in memory."""
    return min(POOL, free_bytes("cpu") // (4 * n_processes_here()))


def _patch_and_margin(
    pairs: Pairs, patch: int, geometry: Sequence[Geometry]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of a patch, and what the network loses on either side of each axis."""
    if not pairs.is_single:
        return patch_shape(patch, geometry)
    halves, margin = patch_shape(patch // 2, geometry)
    return (*halves[:-2], 2 * halves[-2], 2 * halves[-1]), margin


def _move(pixels: Tensor, fraction: Sequence[float]) -> Tensor:
    """Interpolate pixels ``(C, *spatial)`` at places a fraction of a pixel further, with Lanczos.

    The kernel is short, so few pixels at the edges are spoilt. Fourier phases, as in
    `registration.move`, would need far more pixels around each patch.
    """
    for axis, f in enumerate(fraction, start=1):
        if f:
            offsets = torch.arange(-REACH, REACH + 1, dtype=torch.float64) - f
            kernel = torch.sinc(offsets) * torch.sinc(offsets / REACH) * (offsets.abs() < REACH)
            weights = (kernel / kernel.sum()).tolist()
            taps = [w * pixels.roll(-k, axis) for k, w in enumerate(weights, start=-REACH)]
            pixels = torch.stack(taps).sum(0)
    return pixels


def _clear_edges(weights: Tensor, fraction: Sequence[float]) -> None:
    """Set weights to 0 where `_move` had to take pixels from the other end."""
    for axis, f in enumerate(fraction, start=1):
        if f:
            reach = min(REACH, weights.shape[axis])
            weights.narrow(axis, 0, reach).zero_()
            weights.narrow(axis, weights.shape[axis] - reach, reach).zero_()


def _weights_inside(window: Window, pixels: Tensor) -> Tensor | None:
    """Return weights that leave out pixels mirrored to fill a patch; None if there are none."""
    sides = shape_of(window)
    if tuple(pixels.shape[1:]) == sides:
        return None
    weights = torch.zeros_like(pixels[:1], dtype=torch.uint8)
    weights[(slice(None), *whole(sides))] = 1
    return weights


def _n_bytes(pairs: Pairs) -> int:
    """Return the bytes of all views, in float32, and of the motion masks of all pairs."""
    used = {i for pair in pairs.pairs for i in pair}
    n_views = sum(4 * len(pairs.views[i].channels) * math.prod(pairs.shape(i)) for i in used)
    n_masks = sum(math.prod(pairs.shape(a)) for a, _ in pairs.pairs)
    return n_views + pairs.leaves_out_motion * n_masks
