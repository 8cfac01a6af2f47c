"""Denoise an image block by block as it is read, without a copy of the whole."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch

from ...arrays import Pixels
from ...device import pick_device, precision
from ...image import Frame, Image
from ...model import Model
from ...windows import Window, overlap, relative_to, shape_of
from ..engine import Predictor, Write, into
from ..retry import RetryingPredictor
from ..source import Source, choose_channels, source_of
from ..tiles import Tile, plan_tiles

CACHE = 2**27
"""Largest size of the cache of denoised tiles, in bytes."""
SMALL = 4
"""A window that is smaller than a tile by this factor is denoised alone, without a whole tile.

This is done only if the image is larger than the cache. Then the tile would be dropped from the
cache before it is used again.
"""


def denoised_image(
    model: Model, image: Image, channels: Sequence[int] | None = None, device: str | None = None
) -> Image:
    """Return an image whose pixels are denoised as they are read.

    Parameters
    ----------
    model
        A denoiser.
    image, channels
        The noisy image, and which of its channels are denoised.
    device
        As for `denoise`.

    Returns
    -------
    denoised
        A float32 image with the axes of the result of `denoise`, and the chosen channels.

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


def denoised_source_of(
    model: Model,
    image: Image,
    channels: Sequence[int] | None,
    region: Mapping[str, slice] | None,
    device: str | None,
) -> Source:
    """Return what a model is run over: the image, which is denoised if the model has a denoiser.

    Parameters
    ----------
    channels, region, device
        As for `segment`.

    Raises
    ------
    InputError
        If the model does not fit the image, or there is no such channel or region.
    """
    if model.denoiser is None:
        return source_of(model, image, channels, region)
    image.spatial_axes(model.dimensions)  # raises before any work
    chosen = choose_channels(model, image, channels)
    denoised = denoised_image(model.denoiser, image, chosen, device)
    return source_of(model, denoised, range(denoised.n_channels), region)


def noisy_source(source: Source) -> Source:
    """Return the source of the noisy image; the source itself if the image is not denoised."""
    pixels = source.image.data
    return pixels.source if isinstance(pixels, DenoisedPixels) else source


class DenoisedPixels:
    """Denoise pixels when they are indexed like an array, from any thread or process.

    Parameters
    ----------
    source
        The noisy image, and the denoiser.
    device
        As for `denoise`.

    Attributes
    ----------
    notes
        Sentences for the user on what was done when memory ran out.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, source: Source, device: str | None) -> None:
        self.source, self.device = source, device
        self.shape = source.shape
        self.ndim = len(self.shape)
        self.notes: list[str] = []
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[Frame, str], Pixels] = OrderedDict()

    def __reduce__(self) -> tuple[type[DenoisedPixels], tuple[Source, str | None]]:
        return DenoisedPixels, (self.source, self.device)

    def __getitem__(self, index: tuple[int | slice, ...]) -> Pixels:
        """Denoise the pixels at an index of numbers and slices without steps."""
        lengths = zip(self.source.axes, index, self.shape, strict=True)
        spans = {axis: _span(i, n) for axis, i, n in lengths}
        spatial = self.source.spatial
        iterated = [a for a in spans if a not in spatial + "C"]
        window = tuple(spans[a] for a in spatial)
        channels = spans.get("C", 0)
        out = np.empty(shape_of([*spans.values()]), np.float32)
        with self._lock:  # the network serves one thread at a time
            for place in np.ndindex(*shape_of([spans[a] for a in iterated])):
                target = dict(zip(iterated, place, strict=True))
                frame = tuple((a, spans[a].start + i) for a, i in target.items())
                pixels = self._read(frame, window)[channels]
                out[tuple(target.get(a, slice(None)) for a in spans)] = pixels
        return out[tuple(slice(None) if isinstance(i, slice) else 0 for i in index)]

    def _read(self, frame: Frame, window: Window) -> Pixels:
        """Denoise a window of a frame: ``(C, *window)``."""
        tiles = self._tiles
        is_large = self.dtype.itemsize * math.prod(self.shape) > CACHE
        is_small_window = SMALL * math.prod(shape_of(window)) < math.prod(tiles[0].kept_shape)
        if is_large and is_small_window:
            return self._read_alone(frame, window)
        return self._read_tiles(frame, window, [t for t in tiles if overlap(t.keep, window)])

    def _read_alone(self, frame: Frame, window: Window) -> Pixels:
        """Denoise a small window by itself, from the multiple of the stride before it on."""
        geometry = self.source.model.network.geometry
        start = [s.start // g.stride * g.stride for s, g in zip(window, geometry, strict=True)]
        aligned = tuple(slice(a, s.stop) for a, s in zip(start, window, strict=True))
        shape = shape_of(aligned)
        answer = np.empty((len(self.source.channels), *shape), np.float32)
        tiles = [tile.shifted(start) for tile in plan_tiles(shape, max(shape), geometry)]
        self._predict(tiles, frame, into(answer, aligned))
        return self._decode(answer[(slice(None), *relative_to(window, aligned))])

    def _read_tiles(self, frame: Frame, window: Window, tiles: Sequence[Tile]) -> Pixels:
        """Denoise a window from whole tiles, which are cached."""
        out = np.empty((len(self.source.channels), *shape_of(window)), np.float32)
        put = into(out, window)

        def cache_and_put(tile: Tile, answer: Pixels) -> None:
            self._cache[frame, tile.key] = pixels = self._decode(answer)
            put(tile, pixels)

        missing = []
        for tile in tiles:
            if (cached := self._cache.get((frame, tile.key))) is None:
                missing.append(tile)
                continue
            self._cache.move_to_end((frame, tile.key))
            put(tile, cached)
        if missing:
            self._predict(missing, frame, cache_and_put)
        size = sum(pixels.nbytes for pixels in self._cache.values())
        while size > CACHE and len(self._cache) > len(tiles):
            size -= self._cache.popitem(last=False)[1].nbytes
        return out

    def _decode(self, answer: Pixels) -> Pixels:
        """Convert an answer ``(C, *spatial)`` to the units of the image."""
        model = self.source.model
        decoded = model.encoding.decode({"denoised": answer}, model.parameters)
        return self.source.statistics.undo(decoded)

    @cached_property
    def _tiles(self) -> list[Tile]:
        model = self.source.model
        return plan_tiles(self.source.frame_shape, model.recipe.tile, model.network.geometry)

    def _predict(self, tiles: Sequence[Tile], frame: Frame, write: Write) -> None:
        for _ in self._predictor.predict(tiles, self.source.reader(frame), write):
            pass

    @cached_property
    def _predictor(self) -> RetryingPredictor:
        device, model = pick_device(self.device), self.source.model
        dtype = precision(device)

        def make(device_type: str) -> list[Predictor]:
            target = device if device_type == device.type else torch.device(device_type)
            return [Predictor(model.network, model.encoding.heads, target, dtype)]

        def report(_reductions: int, words: str) -> None:
            self.notes.append(f"Denoising: {words}")

        return RetryingPredictor(1, device.type, make, model.network.geometry, report=report)


def _span(index: int | slice, n: int) -> slice:
    if isinstance(index, slice):
        start, stop, _ = index.indices(n)
        return slice(start, stop)
    return slice(index, index + 1)
