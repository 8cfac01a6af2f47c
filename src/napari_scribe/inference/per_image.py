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

from ..image import Frame, Image
from ..networks import Geometry, Network, depends_on_image, sides, with_statistics_of
from ..normalization import Statistics
from ..windows import Window
from .reading import read_mirrored

SAMPLE = {2: 2**19, 3: 2**20}
"""Number of pixels that are sampled, for 2D and 3D networks. Smaller images are read whole."""
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
    shape, pieces = image.frame_shape(network.dimensions), []
    for frame, window in _windows(image, network.geometry):
        raw = read_mirrored(image, frame, window, shape, channels)
        pieces.append(statistics.apply_checked(raw, image.name, ""))
    device = next(network.parameters()).device
    return with_statistics_of(network, torch.from_numpy(np.stack(pieces)).to(device))


def _windows(image: Image, geometry: Sequence[Geometry]) -> Iterator[tuple[Frame, Window]]:
    """Yield windows of one size that the network takes: all frames, or pieces at random places."""
    dimensions = len(geometry)
    frames, shape = list(image.frames(dimensions)), image.frame_shape(dimensions)
    if len(frames) * math.prod(_read_shape(shape, geometry)) <= SAMPLE[dimensions]:
        for frame in frames:
            yield frame, _read([0] * dimensions, shape, geometry)
        return
    side = sides(SIDE[dimensions], geometry)
    piece = tuple(min(n, s) for n, s in zip(shape, side, strict=True))
    rng = np.random.default_rng(0)
    for _ in range(max(1, SAMPLE[dimensions] // math.prod(_read_shape(piece, geometry)))):
        frame = frames[int(rng.integers(len(frames)))]
        start = [int(rng.integers(n - p + 1)) for n, p in zip(shape, piece, strict=True)]
        yield frame, _read(start, piece, geometry)


def _read_shape(shape: Sequence[int], geometry: Sequence[Geometry]) -> list[int]:
    """Return the shape of the input for an answer of at least this shape."""
    return [g.input_size(n, g.shrinkage) for n, g in zip(shape, geometry, strict=True)]


def _read(start: Sequence[int], shape: Sequence[int], geometry: Sequence[Geometry]) -> Window:
    """Return the window of the input for an answer of at least this shape."""
    sizes = zip(start, _read_shape(shape, geometry), geometry, strict=True)
    return tuple(slice(a - g.shrinkage, a - g.shrinkage + n) for a, n, g in sizes)
