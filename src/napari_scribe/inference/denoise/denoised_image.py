"""An image seen through a denoiser, block by block as it is read: there is no copy of the whole."""

from __future__ import annotations

import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ...device import pick_device, precision
from ...image import Frame, Image
from ...model import Model
from ..engine import Predictor, Write, into
from ..frame import tile_key
from ..ladder import Ladder
from ..source import Source, source_of
from ..tiles import Tile, plan_tiles

CACHE = 2**27
"""Bytes of denoised tiles that are kept for the windows that follow."""
SMALL = 4
"""Of an image of which more tiles would be needed than are kept, a window of less than this part
of a tile is denoised by itself."""


def denoised_image(
    model: Model, image: Image, channels: Sequence[int] | None = None, device: str | None = None
) -> Image:
    """An image whose pixels are denoised as they are read.

    Parameters
    ----------
    model
        A denoiser.
    image, channels
        What it is given.
    device
        As for `denoise`.

    Returns
    -------
    denoised
        float32, with the axes of what `denoise` gives; its channels are those that were chosen.

    Raises
    ------
    InputError
        If the model does not fit the image.
    """
    source = source_of(model, image, channels, None)
    names = image.channel_names
    return image.selected(
        data=DenoisedPixels(source, device),
        axes=source.axes,
        channel_names=tuple(names[c] for c in source.channels) if names else (),
    )


class DenoisedPixels:
    """Looks like an array to `Image`. May be read from several threads, and sent to workers.

    Parameters
    ----------
    source
        What is denoised.
    device
        As for `denoise`.

    Attributes
    ----------
    words
        Where it is told what was done when memory ran out.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, source: Source, device: str | None) -> None:
        self.source, self.device = source, device
        self.shape = source.shape
        self.ndim = len(self.shape)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Frame, str], npt.NDArray[np.float32]] = OrderedDict()
        self.words: list[str] = []

    def __reduce__(self) -> Any:
        return DenoisedPixels, (self.source, self.device)

    def __getitem__(self, index: tuple[int | slice, ...]) -> npt.NDArray[np.float32]:
        """Denoised pixels; an index as `Image.read` makes it: numbers, and slices without steps."""
        spans = [_span(i, n) for i, n in zip(index, self.shape, strict=True)]
        at = dict(zip(self.source.axes, spans, strict=True))
        out = np.empty([s.stop - s.start for s in spans], np.float32)
        spatial = self.source.spatial
        iterated = [a for a in self.source.axes if a not in spatial + "C"]
        window = tuple(at[a] for a in spatial)
        with self._lock:  # the network has one user at a time
            places = itertools.product(*(range(at[a].start, at[a].stop) for a in iterated))
            for place in places:
                frame = tuple(zip(iterated, place, strict=True))
                to: list[int | slice] = [
                    dict(frame)[a] - at[a].start if a in iterated else slice(None)
                    for a in self.source.axes
                ]
                out[tuple(to)] = self._window(frame, window)[self._channels(at)]
        return out[tuple(slice(None) if isinstance(i, slice) else 0 for i in index)]

    def _channels(self, at: dict[str, slice]) -> int | slice:
        return at.get("C", 0)

    def _window(self, frame: Frame, window: tuple[slice, ...]) -> npt.NDArray[np.float32]:
        """``(C, *window)``."""
        n_pixels = math.prod(s.stop - s.start for s in window)
        tiles = self._tiles()
        is_large = 4 * math.prod(self.shape) > CACHE
        if is_large and SMALL * n_pixels < math.prod(tiles[0].kept_shape):
            return self._alone(frame, window)
        needed = [t for t in tiles if all(map(_overlap, t.keep, window))]
        return self._from_tiles(frame, window, needed)

    def _alone(self, frame: Frame, window: tuple[slice, ...]) -> npt.NDArray[np.float32]:
        """A small window, begun on a multiple of the stride as tiles are."""
        geometry = self.source.model.network.geometry
        first = [s.start // g.stride * g.stride for s, g in zip(window, geometry, strict=True)]
        whole = tuple(slice(a, s.stop) for a, s in zip(first, window, strict=True))
        shape = [s.stop - s.start for s in whole]
        answer = np.empty((len(self.source.channels), *shape), np.float32)
        tiles = [tile.shifted(first) for tile in plan_tiles(shape, max(shape), geometry)]
        self._predict(tiles, frame, into(answer, whole))
        return self._finished(answer[(slice(None), *_within(window, whole))])

    def _from_tiles(
        self, frame: Frame, window: tuple[slice, ...], tiles: Sequence[Tile]
    ) -> npt.NDArray[np.float32]:
        shape = [s.stop - s.start for s in window]
        out = np.empty((len(self.source.channels), *shape), np.float32)

        def put(tile: Tile, pixels: npt.NDArray[np.float32]) -> None:
            inside = [
                slice(max(k.start, w.start), min(k.stop, w.stop))
                for k, w in zip(tile.keep, window, strict=True)
            ]
            out[(slice(None), *_within(inside, window))] = pixels[
                (slice(None), *_within(inside, tile.keep))
            ]

        def keep(tile: Tile, answer: npt.NDArray[np.float32]) -> None:
            finished = self._finished(answer)
            self._kept[frame, tile_key(tile)] = finished
            put(tile, finished)

        missing = []
        for tile in tiles:
            if (known := self._kept.get((frame, tile_key(tile)))) is None:
                missing.append(tile)
                continue
            self._kept.move_to_end((frame, tile_key(tile)))
            put(tile, known)
        if missing:
            self._predict(missing, frame, keep)
        size = sum(kept.nbytes for kept in self._kept.values())
        while size > CACHE and len(self._kept) > len(tiles):
            size -= self._kept.popitem(last=False)[1].nbytes
        return out

    def _finished(self, answer: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """``(C, *spatial)`` in the units of the image."""
        model = self.source.model
        decoded = model.coder.decode({"denoised": answer}, model.parameters)
        return self.source.statistics.undo(decoded)

    def _tiles(self) -> list[Tile]:
        model = self.source.model
        return plan_tiles(self.source.frame_shape, model.recipe.tile, model.network.geometry)

    def _predict(self, tiles: Sequence[Tile], frame: Frame, write: Write) -> None:
        for _ in self._ladder.predict(tiles, self.source.reader(frame), write):
            pass

    @cached_property
    def _ladder(self) -> Ladder:
        device, model = pick_device(self.device), self.source.model
        dtype = precision(device)

        def predictors(kind: str) -> list[Predictor]:
            at = device if kind == device.type else torch.device(kind)
            return [Predictor(model.network, model.coder.heads, at, dtype)]

        def told(_descended: int, word: str) -> None:
            self.words.append(f"Denoising: {word}")

        return Ladder(1, device.type, predictors, model.network.geometry, told=told)


def _span(index: int | slice, n: int) -> slice:
    if isinstance(index, slice):
        start, stop, _ = index.indices(n)
        return slice(start, stop)
    return slice(index, index + 1)


def _within(part: Sequence[slice], whole: Sequence[slice]) -> list[slice]:
    """A part of a window, counted from where the window begins."""
    return [slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True)]


def _overlap(one: slice, other: slice) -> bool:
    return bool(one.start < other.stop and other.start < one.stop)
