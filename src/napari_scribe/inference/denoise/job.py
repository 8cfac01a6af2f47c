"""Denoise an image of any size: the public job `denoise`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...arguments import checked
from ...errors import InputError
from ...image import Image
from ...io import ImageLike, as_image
from ...model import Model, as_model
from ...targets import task_of
from ...targets.denoised import check_intensities
from ..begin import begin, check_settings
from ..plan import Settings
from ..run import InferenceJob
from ..source import Source, source_of

FAR = 4.0
"""The user is warned if an image's mean is farther than this from that of the training images, in
their standard deviations."""


@checked
def denoise(
    model: Model | str | Path,
    image: ImageLike,
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
    """Remove the noise from an image.

    Parameters
    ----------
    model
        A denoiser from `train_denoiser`, its file, or the name of one in the model folder.
    image
        An `Image`, an array, or the path of one.
    out
        Path of a ``.tif`` or ``.zarr`` to write the result to. When None, it is only returned.
    channels
        Channels of the image to denoise, as many as the model sees; the channels that it was
        trained on when None.
    dtype
        ``float32``, or ``source`` for the type of the image. For ``source`` pixels are rounded, and
        clipped to the limits of the type.
    region, tile, batch, device, overwrite, part, workers, scheduler
        As for `segment`.

    Returns
    -------
    job
        The job. Its result is the denoised image, in the units of the image, with its axes in the
        order ``TCZYX`` (without C for a single channel). As for `segment`, an output appears once
        it is whole, and the same call resumes work that was broken off.

    Raises
    ------
    InputError
        As for `segment`; and if the model is no denoiser.
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
    check_settings(settings, image)
    check_intensities(image)
    pixel_type = image.dtype if dtype == "source" else np.dtype(np.float32)
    source = source_of(model, image, channels, region, pixel_type)
    return begin(source, settings, _note_on(source))


def check_denoiser(model: Model) -> None:
    """Check that a model is a denoiser.

    Raises
    ------
    InputError
        If it is not.
    """
    if not task_of(model.recipe).is_image:
        raise InputError(
            f"{model.name} finds {model.recipe.task} and takes no noise off: choose a denoiser, or "
            "segment with it."
        )


def _note_on(source: Source) -> str:
    """Return a sentence for the user if the image is unlike those that the model was trained on."""
    # A denoiser's statistics are those of its training images: the mean, and the mean plus the
    # standard deviation.
    mean, deviation = source.statistics.low, source.statistics.high - source.statistics.low
    distance = np.abs(_mean(source.image, source.channels) - mean) / deviation
    if distance.max() <= FAR:
        return ""
    return (
        f"{source.image.name} is much brighter or darker than the images that this denoiser was "
        f"trained on ({distance.max():.0f} standard deviations): do not trust the result. Train on "
        "images like this one."
    )


def _mean(image: Image, channels: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the mean of each channel in the middle of the first frame."""
    window = [slice(n // 4, n // 4 + max(1, min(n // 2, 512))) for n in image.frame_shape(2)]
    pixels = image.read(next(iter(image.frames(2))), window, channels)
    means: npt.NDArray[np.float64] = pixels.reshape(len(pixels), -1).mean(axis=1, dtype=np.float64)
    return means
