"""Resample images and labels to another grid, read by window.

Pixel i of a grid that is finer by a factor f lies at ``(i + 0.5) / f - 0.5`` of the original, so
that both grids cover the same area. A factor below 1 makes a coarser grid. What a window holds
never depends on how it is read: it is the same part of the whole, to the last bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from .arrays import Pixels
from .contrast import missing_in
from .image import Image
from .windows import Window

MOST = 2**24
"""Pixels of the original that are read at once."""
_STRIP = 2**22
"""Painted pixels that are counted at once."""
Index = int | slice
Picks = Sequence[range]
"""Which pixels are read along each axis."""


def resampled(image: Image, factors: Mapping[str, float]) -> Image:
    """Return an image on a finer or coarser grid, which is computed as it is read.

    Finer grids are interpolated linearly. On coarser ones, each pixel is a mean over the area that
    it covers, with weights that fall linearly to 0 at the centres of its neighbours. Pixels without
    data have no weight; a pixel of the new grid has none where less than half of its weight falls
    on data.

    Parameters
    ----------
    factors
        How many pixels of the new grid are as long as one of the image, per axis letter of
        ``ZYX``; 1 where left out.

    Returns
    -------
    image
        A lazy image of float32, or float64 if the type of `image` is not exact in float32. Its
        scale and translation follow. `image` itself, if all factors are 1.
    """
    along = {a: f for a, f in factors.items() if a in image.axes and f != 1}
    if not along:
        return image
    moved = {
        a: image.translate.get(a, 0.0) + (0.5 / f - 0.5) * image.scale.get(a, 1.0)
        for a, f in along.items()
    }
    per_axis = tuple(along.get(a, 1.0) for a in image.axes)
    shape = tuple(map(resampled_length, image.shape, per_axis))
    return image.selected(
        data=ResampledPixels(image.data, per_axis, shape, nodata=image.nodata),
        scale={**image.scale, **{a: image.scale.get(a, 1.0) / f for a, f in along.items()}},
        translate={**image.translate, **moved},
    )


def window_on(window: Sequence[slice], factors: Sequence[float], shape: Sequence[int]) -> Window:
    """Return the window of a new grid that decides what a window of the original shows.

    Parameters
    ----------
    window
        Pixels of the original, per axis.
    factors, shape
        How much finer the new grid is along each axis, and its shape.
    """
    out = []
    for s, f, n in zip(window, factors, shape, strict=True):
        if f == 1:
            out.append(slice(s.start, s.stop))
            continue
        reach = math.ceil(max(2.0, f)) + 1
        first, last = (s.start + 0.5) * f - 0.5, (s.stop - 0.5) * f - 0.5
        start = min(max(0, math.floor(first) - reach), n - 1)
        out.append(slice(start, max(start + 1, min(n, math.ceil(last) + reach + 1))))
    return tuple(out)


def resampled_length(n: int, factor: float) -> int:
    """Return the length of an axis of `n` pixels on a finer or coarser grid."""
    return max(1, round(n * factor))


@dataclass(frozen=True)
class Resampled:
    """Compute an array on another grid as it is indexed with numbers and slices.

    Parameters
    ----------
    source
        An array of any library.
    factors
        How many pixels of the new grid are as long as one of `source`, along each axis.
    shape
        Length of each axis of what is shown of the new grid. The whole of it covers as much as
        `source` does, to within a pixel.
    start
        First pixel of the new grid that is shown, along each axis; 0 if empty.
    """

    source: Any
    factors: tuple[float, ...]
    shape: tuple[int, ...]
    start: tuple[int, ...] = ()

    @property
    def ndim(self) -> int:
        """Return the number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the pixels."""
        dtype: np.dtype[Any] = np.dtype(self.source.dtype)
        return dtype

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Pixels:
        given = index if isinstance(index, tuple) else (index,)
        full = [*given, *(slice(None) for _ in range(self.ndim - len(given)))]
        starts = self.start or (0,) * self.ndim
        picks = [_pick(i, n, a) for i, n, a in zip(full, self.shape, starts, strict=True)]
        out = np.empty([len(pick) for pick in picks], self.dtype)
        if out.size:
            self._fill(out, picks)
        return out[tuple(slice(None) if isinstance(i, slice) else 0 for i in full)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Pixels:
        pixels = self[(slice(None),) * self.ndim]
        return pixels if dtype is None else pixels.astype(dtype)

    def _fill(self, out: Pixels, picks: Picks) -> None:
        """Write what is picked to `out`, in parts that read a bounded number of pixels."""
        lengths = [len(p) / min(1.0, f) for p, f in zip(picks, self.factors, strict=True)]
        longest = int(
            np.argmax([n if len(p) > 1 else 0 for n, p in zip(lengths, picks, strict=True)])
        )
        half = len(picks[longest]) // 2
        if math.prod(lengths) <= MOST or half == 0:
            out[...] = self._read(picks)
            return
        for part in (slice(0, half), slice(half, None)):
            index = (slice(None),) * longest + (part,)
            self._fill(out[index], [*picks[:longest], picks[longest][part], *picks[longest + 1 :]])

    def _read(self, picks: Picks) -> Pixels:
        """Compute what is picked."""
        raise NotImplementedError

    def _centres(self, axis: int, pick: range) -> npt.NDArray[np.float64]:
        """Return where pixels of the new grid lie along an axis of `source`."""
        return (np.array(pick) + 0.5) / self.factors[axis] - 0.5


def _pick(index: Index, n: int, start: int) -> range:
    """Return the pixels that an index means along an axis of which `n` are shown from `start`."""
    shown = range(start, start + n)
    if isinstance(index, slice):
        return shown[index]
    number = shown[int(index)]
    return range(number, number + 1)


def _around(indices: npt.NDArray[np.intp]) -> slice:
    """Return the slice that holds some indices."""
    return slice(int(indices.min()), int(indices.max()) + 1)


@dataclass(frozen=True)
class Placed:
    """Stand for a large array of which only one window is there and may be read.

    Parameters
    ----------
    array
        What the window holds, of any library.
    start
        First pixel of the window.
    shape
        Shape of the large array.
    """

    array: Any
    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the type of the pixels."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def __getitem__(self, index: tuple[slice, ...]) -> Pixels:
        placed = zip(index, self.start, strict=True)
        pixels: Pixels = self.array[
            tuple(slice(s.start - a, s.stop - a, s.step) for s, a in placed)
        ]
        return pixels


# ---- pixels --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ResampledPixels(Resampled):
    """Interpolate pixels, or average them over the area that each pixel of the new grid covers.

    Parameters
    ----------
    source, factors, shape, start
        As for `Resampled`.
    nodata
        The value of pixels without data, if there are such.
    """

    nodata: float | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return a type of floats that holds all values of the source."""
        is_wide = self.source.dtype.itemsize > 2 and self.source.dtype != np.float32
        return np.dtype(np.float64 if is_wide else np.float32)

    def _read(self, picks: Picks) -> Pixels:
        index: list[slice] = []
        matrices: list[tuple[int, csr_array]] = []
        for axis, (pick, factor) in enumerate(zip(picks, self.factors, strict=True)):
            if factor == 1:
                index.append(slice(pick.start, pick[-1] + 1, pick.step))
                continue
            matrix, window = self._weights(axis, pick)
            matrices.append((axis, matrix))
            index.append(window)
        pixels = np.asarray(self.source[tuple(index)])
        if self.nodata is None:
            return _weighted(pixels.astype(self.dtype, copy=False), matrices)
        missing = missing_in(pixels[np.newaxis], (self.nodata,))[0]
        mean = _weighted(np.where(missing, 0, pixels).astype(self.dtype, copy=False), matrices)
        if missing.any():
            share = _weighted(missing.astype(self.dtype), matrices)
            touched = share > 0
            mean[touched] /= np.maximum(1 - share[touched], 0.5)
            mean[share > 0.5] = self.nodata
        return mean

    def _weights(self, axis: int, pick: range) -> tuple[csr_array, slice]:
        """Return the weights of the pixels in a window of `source`, and that window."""
        n, reach = int(self.source.shape[axis]), max(1.0, 1 / self.factors[axis])
        centres = self._centres(axis, pick)
        n_taps = math.ceil(2 * reach)
        taps = np.floor(centres - reach).astype(np.intp)[:, np.newaxis] + np.arange(1, n_taps + 1)
        weights = np.maximum(0, 1 - np.abs(taps - centres[:, np.newaxis]) / reach)
        weights[(taps < 0) | (taps >= n)] = 0
        weights /= weights.sum(axis=1, keepdims=True)
        taps = taps.clip(0, n - 1)
        window = _around(taps)
        parts = weights.ravel().astype(self.dtype), taps.ravel() - window.start
        starts = np.arange(0, taps.size + 1, n_taps)
        return csr_array((*parts, starts), (len(pick), window.stop - window.start)), window


def _weighted(pixels: Pixels, matrices: Sequence[tuple[int, csr_array]]) -> Pixels:
    """Multiply pixels by a matrix of weights along some axes, one after the other."""
    for axis, matrix in matrices:
        moved = np.moveaxis(pixels, axis, 0)
        product = matrix @ moved.reshape(len(moved), -1)
        pixels = np.moveaxis(product.reshape(len(product), *moved.shape[1:]), 0, axis)
    return pixels


# ---- labels --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NearestLabels(Resampled):
    """Give each pixel of the new grid the label at its centre: quick, but outlines have corners.

    Parameters
    ----------
    source, factors, shape, start
        As for `Resampled`.
    """

    def _read(self, picks: Picks) -> Pixels:
        nearest = [
            np.rint(self._centres(axis, pick)).astype(np.intp).clip(0, n - 1)
            for axis, (pick, n) in enumerate(zip(picks, self.source.shape, strict=True))
        ]
        window = tuple(map(_around, nearest))
        labels = np.asarray(self.source[window])
        for axis, (pixels, within) in enumerate(zip(nearest, window, strict=True)):
            labels = labels.take(pixels - within.start, axis)
        return labels


@dataclass(frozen=True)
class ResampledLabels(Resampled):
    """Give each pixel of the new grid the label that the pixels around its centre vote for.

    Parameters
    ----------
    source, factors, shape, start
        As for `Resampled`.
    is_smooth
        Whether pixels vote with the weights of a cubic B-spline, which reach two pixels far and
        round off the corners that outlines have on a coarse grid. Lines one pixel wide need not
        survive that. Otherwise they vote with the weights of linear interpolation.
    """

    is_smooth: bool = False

    def _read(self, picks: Picks) -> Pixels:
        index: list[slice] = []
        voters: list[_Voters] = []
        for axis, (pick, factor) in enumerate(zip(picks, self.factors, strict=True)):
            if factor == 1:
                index.append(slice(pick.start, pick[-1] + 1, pick.step))
                continue
            voters.append(self._voters(axis, pick))
            index.append(_around(voters[-1].pixels))
            voters[-1].pixels[...] -= index[-1].start
        labels = np.asarray(self.source[tuple(index)])
        out, is_mixed = labels, _is_mixed(labels, [v.axis for v in voters])
        for v in voters:
            before = v.pixels[:, v.middle]
            out, is_mixed = out.take(before, v.axis), is_mixed.take(before, v.axis)
        at = np.nonzero(is_mixed)
        if len(at[0]):
            out[at] = _voted(labels, voters, at)
        return out

    def _voters(self, axis: int, pick: range) -> _Voters:
        """Return who votes for each pixel of the new grid, along an axis."""
        centres = self._centres(axis, pick)
        first = np.floor(centres)
        t = (centres - first)[:, np.newaxis]
        if self.is_smooth:
            near = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
            weights, offsets = np.hstack(near) / 6, np.arange(-1, 3)
        else:
            weights, offsets = np.hstack((1 - t, t)), np.arange(2)
        pixels = (first[:, np.newaxis] + offsets).astype(np.intp)
        last = int(self.source.shape[axis]) - 1
        return _Voters(axis, pixels.clip(0, last), weights.astype(np.float32))


@dataclass(frozen=True)
class _Voters:
    """Hold who votes for each pixel of a new grid along an axis of labels.

    Parameters
    ----------
    axis
        The axis.
    pixels, weights
        ``(n, voters)``: pixels of the original grid, in order, and what their votes weigh.
    """

    axis: int
    pixels: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float32]

    @property
    def middle(self) -> int:
        """Return the number of the last voter that does not lie behind the pixel."""
        return int(self.pixels.shape[1]) // 2 - 1


def _is_mixed(labels: Pixels, axes: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return where a pixel and the next ones along some axes do not all have the same label."""
    lowest, highest = labels, labels
    for axis in axes:
        following = np.minimum(np.arange(labels.shape[axis]) + 1, labels.shape[axis] - 1)
        lowest = np.minimum(lowest, lowest.take(following, axis))
        highest = np.maximum(highest, highest.take(following, axis))
    return np.asarray(lowest != highest)


def _voted(
    labels: Pixels, voters: Sequence[_Voters], at: tuple[npt.NDArray[np.intp], ...]
) -> Pixels:
    """Return the label with most votes at some pixels of the new grid, by their indices.

    The candidates are the labels of the nearest pixels on either side along each axis.
    """
    votes = []
    candidates = []
    for numbers in itertools.product(*(range(v.pixels.shape[1]) for v in voters)):
        index, weight = list(at), np.ones(len(at[0]), np.float32)
        for number, v in zip(numbers, voters, strict=True):
            index[v.axis] = v.pixels[at[v.axis], number]
            weight *= v.weights[at[v.axis], number]
        votes.append((labels[tuple(index)], weight))
        if all(n - v.middle in (0, 1) for n, v in zip(numbers, voters, strict=True)):
            candidates.append(votes[-1][0])
    best, most = candidates[0], np.full(len(at[0]), -1.0, np.float32)
    for candidate in candidates:
        n_votes = np.zeros(len(most), np.float32)
        for label, weight in votes:
            n_votes += weight * (label == candidate)
        best = np.where(n_votes > most, candidate, best)
        most = np.maximum(most, n_votes)
    return best


def resampled_paint(
    paint: npt.NDArray[np.int32], factors: Sequence[float]
) -> npt.NDArray[np.int32]:
    """Return the paint of a frame on another grid; 0 is unknown.

    On a coarser grid, a pixel gets the label that most of the painted pixels in its area have. It
    stays unknown if less than half of its area is painted and a pixel beside it shows the same
    label: strokes that are thinner than a pixel survive, and outlines of objects do not grow. On a
    finer grid the pixels around it vote.

    Parameters
    ----------
    paint
        ``(*spatial)``.
    factors
        How many pixels of the new grid are as long as one of `paint`, along each axis.
    """
    coarser = [min(1.0, f) for f in factors]
    finer = tuple(max(1.0, f) for f in factors)
    if min(coarser) < 1:
        paint = _majority(paint, coarser)
    if max(finer) > 1:
        shape = tuple(map(resampled_length, paint.shape, finer))
        paint = np.asarray(ResampledLabels(paint, finer, shape))
    return paint


def _majority(paint: npt.NDArray[np.int32], factors: Sequence[float]) -> npt.NDArray[np.int32]:
    """Return paint on a coarser grid, as `resampled_paint` says."""
    shape = tuple(map(resampled_length, paint.shape, factors))
    to = [
        np.minimum((np.arange(n) + 0.5) * f, m - 0.5).astype(np.intp)
        for n, f, m in zip(paint.shape, factors, shape, strict=True)
    ]
    out, n_painted = np.zeros(shape, np.int32), np.zeros(shape, np.intp)
    for strip in _strips(paint.shape, to[0]):
        part = paint[strip]
        where = np.nonzero(part)
        if not len(where[0]):
            continue
        along = (to[0][strip][where[0]], *(t[i] for t, i in zip(to[1:], where[1:], strict=True)))
        cells, labels, counts = _counted(np.ravel_multi_index(along, shape), part[where])
        np.add.at(n_painted.reshape(-1), cells, counts)
        order = np.lexsort((labels, counts, cells))  # the last of each cell has most pixels
        is_last = np.append(np.diff(cells[order]) > 0, True)
        out.reshape(-1)[cells[order][is_last]] = labels[order][is_last]
    n_pixels = [np.bincount(t, minlength=m) for t, m in zip(to, shape, strict=True)]
    area = math.prod(np.ix_(*n_pixels), start=np.ones((), np.intp))
    return _without_rims(out, 2 * n_painted >= area)


def _strips(shape: Sequence[int], to: npt.NDArray[np.intp]) -> Iterator[slice]:
    """Yield slices of the first axis, none of which ends within a pixel `to` of the new grid."""
    ends = np.append(np.flatnonzero(np.diff(to)) + 1, len(to))
    rows = max(1, _STRIP // math.prod(shape[1:]))
    start = 0
    while start < len(to):
        fitting = ends[(ends > start) & (ends <= start + rows)]
        stop = int(fitting[-1]) if len(fitting) else int(ends[ends > start][0])
        yield slice(start, stop)
        start = stop


def _counted(
    cells: npt.NDArray[np.intp], labels: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return each pair of a cell and a label in it, and how many pixels it has."""
    base = int(labels.max()) + 1
    pairs, counts = np.unique(cells * base + labels, return_counts=True)
    return pairs // base, pairs % base, counts


def _without_rims(
    paint: npt.NDArray[np.int32], is_mostly_painted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int32]:
    """Erase pixels that are hardly painted where one beside them has their label, and is."""
    at = np.nonzero((paint > 0) & ~is_mostly_painted)
    whole = np.pad(np.where(is_mostly_painted, paint, 0), 1)
    has_more = np.zeros(len(at[0]), bool)
    for offset in itertools.product((0, 1, 2), repeat=paint.ndim):
        has_more |= whole[tuple(i + o for i, o in zip(at, offset, strict=True))] == paint[at]
    paint[tuple(i[has_more] for i in at)] = 0
    return paint
