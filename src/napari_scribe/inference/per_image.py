"""Sample an image for networks that normalize their features by the image (instance, group).

The statistics of features are measured once for an image, as those of its intensities are, and are
the same for all tiles of all its frames. They depend on the model and the image alone: every
process that takes part in a run, or resumes it, measures the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ..contrast import missing_in
from ..image import Frame, Image
from ..networks import Geometry, Network, depends_on_image, sides, with_statistics_of
from ..normalization import Statistics
from ..windows import Window
from .reading import read_mirrored

SAMPLE = {2: 2**19, 3: 2**20}
"""Number of pixels that are sampled, for 2D and 3D networks. Smaller images are read whole."""
DRAWN = 4
"""Times as many pieces of a larger image are read as are kept."""
CONTRAST = 0.5
"""Share of the highest contrast of a piece from which pieces count.

Networks learn from patches of which half are centred on an object. In an image that is mostly empty
hardly any piece at a random place is like these.
"""
MISSING = 0.1
"""Share of pixels without data up to which a piece counts."""
SIDE = {2: 128, 3: 48}
"""Side of each piece of a larger image, in pixels: that of the patches that networks learn from."""
AnyNetwork = TypeVar("AnyNetwork", bound=Network)


def network_for(
    network: AnyNetwork, image: Image, channels: Sequence[int], statistics: Statistics
) -> AnyNetwork:
    """Return a network as it is applied to an image: see `with_statistics_of`.

    Parameters
    ----------
    network
        It is not changed. A network that does not depend on the image is returned as it is.
    channels, statistics
        Channels of the image that the network sees, and their statistics.

    Raises
    ------
    InputError
        If pixels of the sample are NaN or infinite.
    """
    if not depends_on_image(network):
        return network
    return with_statistics_of(network, sample_of(network.geometry, image, channels, statistics))


def sample_of(
    geometry: Sequence[Geometry], image: Image, channels: Sequence[int], statistics: Statistics
) -> Tensor:
    """Return the normalized pixels ``(n, C, *spatial)`` on which features are measured.

    They are whole frames, or pieces at random places, without those that are empty or hold no data,
    unless all are such.

    Raises
    ------
    InputError
        If pixels of the sample are NaN or infinite.
    """
    shape = image.frame_shape(len(geometry))
    n, windows = _windows(image, geometry)
    pieces, contrasts = [], []
    for frame, window in windows:
        raw = read_mirrored(image, frame, window, shape, channels)
        pixels = statistics.apply_checked(raw, image.name, "")
        nodata = statistics.nodata or (None,) * len(raw)
        has_data = ~missing_in(raw, nodata).any(axis=0)
        is_empty = has_data.mean() < 1 - MISSING
        # Clipped, so that a speck that outshines all else counts no more than other objects; in
        # double precision, so that all machines choose the same.
        seen = np.clip(pixels[:, has_data], 0, 1)
        contrasts.append(0.0 if is_empty else float(seen.std(dtype=np.float64)))
        pieces.append(pixels)
    limit = CONTRAST * max(contrasts)
    chosen = [p for p, contrast in zip(pieces, contrasts, strict=True) if contrast >= limit]
    return torch.from_numpy(np.stack(chosen[:n]))


def _windows(
    image: Image, geometry: Sequence[Geometry]
) -> tuple[int, Iterator[tuple[Frame, Window]]]:
    """Return how many pieces are sampled, and more windows of one size that the network takes.

    The windows are all frames, or lie at random places.
    """
    dimensions = len(geometry)
    frames, shape = list(image.frames(dimensions)), image.frame_shape(dimensions)
    if len(frames) * math.prod(_read_shape(shape, geometry)) <= SAMPLE[dimensions]:
        whole = _read([0] * dimensions, shape, geometry)
        return len(frames), ((frame, whole) for frame in frames)
    side = sides(SIDE[dimensions], geometry)
    piece = tuple(min(n, s) for n, s in zip(shape, side, strict=True))
    n = max(1, SAMPLE[dimensions] // math.prod(_read_shape(piece, geometry)))
    return n, _random_windows(DRAWN * n, frames, shape, piece, geometry)


def _random_windows(
    n: int,
    frames: Sequence[Frame],
    shape: Sequence[int],
    piece: Sequence[int],
    geometry: Sequence[Geometry],
) -> Iterator[tuple[Frame, Window]]:
    """Yield the frames and inputs of pieces at random places, the same ones each time."""
    rng = np.random.default_rng(0)
    for _ in range(n):
        frame = frames[int(rng.integers(len(frames)))]
        start = [int(rng.integers(m - p + 1)) for m, p in zip(shape, piece, strict=True)]
        yield frame, _read(start, piece, geometry)


def _read_shape(shape: Sequence[int], geometry: Sequence[Geometry]) -> list[int]:
    """Return the shape of the input for an answer of at least this shape."""
    return [g.input_size(n, g.shrinkage) for n, g in zip(shape, geometry, strict=True)]


def _read(start: Sequence[int], shape: Sequence[int], geometry: Sequence[Geometry]) -> Window:
    """Return the window of the input for an answer of at least this shape."""
    sizes = zip(start, _read_shape(shape, geometry), geometry, strict=True)
    return tuple(slice(a - g.shrinkage, a - g.shrinkage + n) for a, n, g in sizes)
