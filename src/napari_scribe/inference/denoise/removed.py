"""Check that a denoiser removed only noise, and write what it removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...arrays import Array, numpy_or_dask
from ...evaluation.residual import Removed, check_removed
from ...image import AXES, Image
from ...io import check_not_taken, is_zarr_name, write_tiff
from ..begin import check_apart
from ..store.results import map_path, write_zarr


def noisy_part(image: Image, channels: Sequence[int]) -> Image:
    """Return some channels of an image with the axes of the result of `denoise`.

    Lazy pixels stay lazy.
    """
    pixels = numpy_or_dask(image.data)
    if "C" in image.axes:
        axis = image.axes.index("C")
        pixels = pixels.take(list(channels) if len(channels) > 1 else channels[0], axis=axis)
    axes = image.axes if len(channels) > 1 else image.axes.replace("C", "")
    order = "".join(a for a in AXES if a in axes)
    names = image.channel_names
    return image.selected(
        data=pixels.transpose([axes.index(a) for a in order]),
        axes=order,
        channel_names=tuple(names[c] for c in channels) if names else (),
    )


def removed_noise(image: Image, denoised: Array, channels: Sequence[int]) -> Image:
    """Return the image minus the denoised image, as float32; lazy if one of them is."""
    noisy = noisy_part(image, channels)
    return noisy.selected(data=noisy.data.astype(np.float32) - numpy_or_dask(denoised))


def check_removed_from(image: Image, denoised: Array, channels: Sequence[int]) -> Removed:
    """Check that only noise was removed from channels of an image; see `check_removed`."""
    noisy = noisy_part(image, channels)
    return check_removed(noisy, noisy.selected(data=denoised))


def check_removed_path(out: Path, image: Image, overwrite: bool) -> None:
    """Check, before any work, that what is removed can be written beside a result.

    Raises
    ------
    InputError
        If the file would replace the image.
    TakenError
        If something is there already.
    """
    path = map_path(out, "removed")
    if image.source is not None:
        check_apart(path, image.source)
    check_not_taken(path, overwrite)


def write_removed(
    out: Path, image: Image, denoised: Array, channels: Sequence[int], overwrite: bool = True
) -> Path:
    """Write what a denoiser removed beside the result, as ``NAME.removed.tif`` (or ``.zarr``).

    Raises
    ------
    TakenError
        If something has appeared there that may not be replaced.
    """
    path, noise = map_path(out, "removed"), removed_noise(image, denoised, channels)
    if is_zarr_name(path):
        write_zarr(path, noise, overwrite)
    else:
        write_tiff(path, noise.data, noise.axes, noise.scale, noise.units, overwrite=overwrite)
    return path
