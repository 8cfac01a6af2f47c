"""The public job `denoise`: a denoiser over an image of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...arguments import checked
from ...errors import InputError
from ...image import Image
from ...io import as_image
from ...model import Model, as_model
from ...targets.denoised import check_intensities
from ..begin import begin
from ..plan import Settings
from ..run import InferenceJob
from ..source import Source, source_of

FAR = 4.0
"""How far an image's mean may lie from the training images', in their standard deviations."""


@checked
def denoise(
    model: Model | str | Path,
    image: Any,
    out: str | Path | None = None,
    *,
    channels: Sequence[int] | None = None,
    region: Mapping[str, slice] | None = None,
    dtype: Literal["float32", "source"] = "float32",
    tile: int | None = None,
    batch: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    part: tuple[int, int] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> InferenceJob:
    """Take the noise off an image.

    Parameters
    ----------
    model
        A denoiser, as `train_denoiser` gives it, its file, or the name of one that is kept.
    image
        An `Image`, an array, or the path of one.
    out
        ``.tif`` or ``.zarr`` to write the result to. None: it is given back only.
    channels
        Which channels of the image are denoised, one for each that the model sees. Those that it
        was trained on when None.
    dtype
        ``float32``, or the type of the ``source``: rounded, and clipped to its limits.
    region, tile, batch, device, overwrite, part, workers, scheduler
        As for `segment`.

    Returns
    -------
    job
        Its result is the image without its noise, in the units of the image, with the axes
        ``TCZYX`` that the image has (without C for a single channel). As for `segment`, an output
        appears once it is whole, and the same call goes on where it was broken off.

    Raises
    ------
    InputError
        As for `segment`; and if the model is none for denoising.
    """
    model = as_model(model)
    image = as_image(image)
    check_denoiser(model)
    if dtype not in ("float32", "source"):
        raise InputError(f"A type is float32 or source, not {dtype!r}.")
    settings = Settings(
        out=None if out is None else Path(out),
        tile=tile,
        batch=batch,
        device=device,
        overwrite=overwrite,
        part=part,
        workers=workers,
        scheduler=scheduler,
    )
    settings.check(image)
    check_intensities(image)
    typed = image.dtype if dtype == "source" else np.dtype(np.float32)
    source = source_of(model, image, channels, region, typed)
    return begin(source, settings, _note_on(source))


def check_denoiser(model: Model) -> None:
    """Make sure that a model answers with images.

    Raises
    ------
    InputError
        If it does not.
    """
    if model.recipe.task != "denoised":
        raise InputError(
            f"{model.name} finds {model.recipe.task} and takes no noise off: choose a denoiser, or "
            "use segment."
        )


def _note_on(source: Source) -> str:
    """A word where an image is much unlike those that the denoiser was trained on."""
    numbers = source.statistics
    width = numbers.high - numbers.low
    away = np.abs(_mean(source.image, source.channels) - numbers.low) / width
    if away.max() <= FAR:
        return ""
    return (
        f"{source.image.name} is much brighter or darker than the images that this denoiser was "
        f"trained on ({away.max():.0f} standard deviations): do not trust the result. Train on "
        "images like this one."
    )


def _mean(image: Image, channels: Sequence[int]) -> Any:
    """Of the middle of the first frame, per channel."""
    window = [slice(n // 4, n // 4 + max(1, min(n // 2, 512))) for n in image.frame_shape(2)]
    pixels = image.read(next(iter(image.frames(2))), window, channels)
    return pixels.reshape(len(pixels), -1).mean(axis=1, dtype=np.float64)
