"""Check, before any work, that a run's grid makes sense, and that there is room for its results."""

from __future__ import annotations

import math

from ..io import check_writable
from ..memory import free_bytes
from ..targets import count_channels
from ..targets.object_size import check_room, on_grid
from .plan import Settings, choose_factor
from .source import Source


def check_grid(source: Source, settings: Settings) -> None:
    """Check that the grid on which objects have the model's size makes sense.

    Raises
    ------
    InputError
        If hardly a pixel would be left, or there is no room in memory.
    """
    factor, wanted = choose_factor(source, settings.object_size), source.model.object_size
    along_z = source.along_z_for(factor)
    on_grid(source.image, factor, wanted, along_z)
    if settings.out is None:
        n_bytes = 4 + 2 * count_channels(source.model.encoding.heads)
        check_room(source.image, factor, wanted, n_bytes, free_bytes("cpu"), "memory", along_z)


def check_disk(source: Source, settings: Settings) -> None:
    """Check that the disk has room for the results and the work for them.

    Raises
    ------
    InputError
        If it has not.
    """
    if settings.out is not None:
        check_writable(settings.out, bytes_needed(source, settings))


def bytes_needed(source: Source, settings: Settings) -> int:
    """Estimate how many bytes the results and the work for them take at most on disk."""
    n_pixels, model = math.prod(source.shape), source.model
    n_labels = math.prod(source.label_shape)
    if source.is_image:
        return 2 * n_pixels * source.dtype.itemsize
    factor = choose_factor(source, settings.object_size)
    area = factor**2 * source.along_z_for(factor)  # pixels of the working grid, of each
    heads = {head.name: head.channels for head in model.encoding.heads}
    first = next(iter(heads.values()))
    n_channels = [first if name == "probability" else heads[name] for name in settings.maps]
    # A map takes 2 bytes a value during the run, and 4 in a TIFF.
    n_bytes = int(
        (4 + 4 * area) * n_pixels + sum((4 + 2 * area) * n * n_labels for n in n_channels)
    )
    if model.encoding.is_pixelwise:
        return n_bytes
    # Provisional labels take 4 bytes a pixel, and predictions 2 bytes a value. A single process
    # stores the predictions of one frame at a time.
    n_frames = len(source.frames()) if settings.part or settings.is_on_cluster else 1
    prediction = 2 * sum(heads.values()) * math.prod(source.frame_shape)
    return n_bytes + int(area * (4 * n_pixels + n_frames * prediction))
