"""Keep a sample of what a model learnt from: small patches of pixels and paint, packed in bytes.

Fine-tuning mixes them with new paint, so that what was known is not forgotten, and is checked.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

MOST_BYTES = 1_000_000
"""Most bytes of a packed replay."""
MOST_UNPACKED = 2**24
"""Most bytes of an unpacked replay: a few kilobytes that become gigabytes are an attack."""
MOST_PATCHES = 96
"""Most patches that are packed: small ones would take long to learn from."""
LARGEST_VALUE = np.iinfo(np.uint16).max
"""The largest value of paint that is kept."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Hold patches of images as a network sees them, with their paint.

    Parameters
    ----------
    pixels
        ``(N, C, *spatial)`` uint8: normalized pixels, from the lowest to the highest of each patch.
    low, high
        ``(N, C)`` float32: what 0 and 255 stand for.
    paint
        ``(N, *spatial)`` uint16: 0 is unknown, as in `Paint`; objects are numbered anew from 2.

    Raises
    ------
    ValueError
        If their types or shapes do not fit together.
    """

    pixels: npt.NDArray[np.uint8]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    paint: npt.NDArray[np.uint16]

    def __post_init__(self) -> None:
        pixels, paint = self.pixels, self.paint
        types = [part.dtype for part in (pixels, self.low, self.high, paint)]
        n_channels = pixels.shape[1] if pixels.ndim in (4, 5) else 0
        fits = (
            types == [np.uint8, np.float32, np.float32, np.uint16]
            and 0 not in pixels.shape
            and paint.shape == (len(pixels), *pixels.shape[2:])
            and self.low.shape == self.high.shape == (len(pixels), n_channels)
            and bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())
        )
        if not fits:
            raise ValueError("no patches")

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def quantized(cls, pixels: npt.NDArray[np.float32], paint: npt.NDArray[np.integer]) -> Patches:
        """Quantize normalized pixels ``(N, C, *spatial)``."""
        space = tuple(range(2, pixels.ndim))
        low, high = pixels.min(axis=space), pixels.max(axis=space)
        step = np.maximum((high - low) / 255, np.finfo(np.float32).tiny)
        shape = (*low.shape, *[1] * len(space))
        levels = np.rint((pixels - low.reshape(shape)) / step.reshape(shape))
        return cls(levels.astype(np.uint8), low, high, paint.astype(np.uint16))

    def normalized(self) -> npt.NDArray[np.float32]:
        """Return the normalized pixels ``(N, C, *spatial)``."""
        shape = (*self.low.shape, *[1] * (self.pixels.ndim - 2))
        low, step = self.low.reshape(shape), (self.high - self.low).reshape(shape) / 255
        return np.asarray(low + step * self.pixels, dtype=np.float32)

    def selected(self, at: slice | list[int]) -> Patches:
        """Return some of the patches."""
        return Patches(self.pixels[at], self.low[at], self.high[at], self.paint[at])

    @classmethod
    def joined(cls, parts: list[Patches]) -> Patches:
        """Return the patches of several samples, which have one shape."""
        names = "pixels", "low", "high", "paint"
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Replay:
    """Hold packed patches: arrays alone, no code. They are unpacked when they are needed.

    Parameters
    ----------
    data
        Compressed safetensors, as `packed` makes them.
    """

    data: bytes

    @classmethod
    def packed(cls, patches: Patches) -> Replay:
        """Pack as many of the patches as fit into `MOST_BYTES`, the first ones first."""
        n = min(len(patches), MOST_PATCHES)
        while True:
            chosen = patches.selected(slice(n))
            data = zlib.compress(save(vars(chosen)))
            if n == 1 or len(data) <= MOST_BYTES:
                return cls(data)
            n = max(1, min(n - 1, math.floor(n * MOST_BYTES / len(data))))

    def patches(self, n_channels: int, dimensions: int) -> Patches:
        """Unpack the patches.

        Raises
        ------
        ValueError
            If they are damaged, too large, or of images with other channels or dimensions.
        """
        try:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(self.data, MOST_UNPACKED)
            if not unpacker.eof:
                raise ValueError("too large, or incomplete")
            patches = Patches(**load(unpacked))
        except (zlib.error, SafetensorError, TypeError, KeyError) as error:
            raise ValueError("damaged") from error
        if patches.pixels.shape[1] != n_channels or patches.paint.ndim != 1 + dimensions:
            raise ValueError("of other images")
        return patches
