"""What a denoiser took away: the noise, if all is well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import as_dask
from ...evaluation.removed import Removed
from ...evaluation.residual import check_removed
from ...image import AXES, Image
from ...io import is_zarr_name, write_tiff
from ..begin import check_apart, check_not_taken
from ..store.results import map_path, write_zarr


def noisy_part(image: Image, channels: Sequence[int]) -> Image:
    """Some channels of an image, lazily, with the axes of what `denoise` gives for them."""
    pixels = _lazy(image.data)
    if "C" in image.axes:
        at = image.axes.index("C")
        pixels = pixels.take(list(channels) if len(channels) > 1 else channels[0], axis=at)
    left = image.axes if len(channels) > 1 else image.axes.replace("C", "")
    order = "".join(a for a in AXES if a in left)
    names = image.channel_names
    return image.selected(
        data=pixels.transpose([left.index(a) for a in order]),
        axes=order,
        channel_names=tuple(names[c] for c in channels) if names else (),
    )


def removed_noise(image: Image, denoised: Any, channels: Sequence[int]) -> Image:
    """The image less what `denoise` made of its channels: float32, lazy where those are."""
    noisy = noisy_part(image, channels)
    return noisy.selected(data=noisy.data.astype(np.float32) - _lazy(denoised))


def check_removed_from(image: Image, denoised: Any, channels: Sequence[int]) -> Removed:
    """See `check_removed`: whether only noise was taken from channels of an image."""
    noisy = noisy_part(image, channels)
    return check_removed(noisy, noisy.selected(data=denoised))


def check_removed_path(out: Path, image: Image, overwrite: bool) -> None:
    """Make sure that what is removed can be written beside a result, before any work.

    Raises
    ------
    InputError
        If it would replace the image.
    TakenError
        If something is there already.
    """
    path = map_path(out, "removed")
    if image.source is not None:
        check_apart(path, image.source)
    check_not_taken(path, overwrite)


def write_removed(
    out: Path, image: Image, denoised: Any, channels: Sequence[int], overwrite: bool = True
) -> Path:
    """Write what was removed beside the result, and of its kind, as ``NAME.removed.tif``.

    Raises
    ------
    TakenError
        If something is there by then that may not be replaced.
    """
    path, noise = map_path(out, "removed"), removed_noise(image, denoised, channels)
    if is_zarr_name(path):
        write_zarr(path, noise, overwrite)
    else:
        write_tiff(path, noise.data, noise.axes, noise.scale, noise.units, overwrite=overwrite)
    return path


def _lazy(array: Any) -> Any:
    return array if isinstance(array, np.ndarray) else as_dask(array)
