"""Segment an image of any size: the public job `segment`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from ..arguments import checked
from ..describe import too_little_learnt
from ..errors import InputError, nearest
from ..io import ImageLike, as_image
from ..model import Model, as_model
from ..recipe import MAPS
from ..targets import savable_maps, task_of
from .begin import begin, check_settings, checked_size
from .denoise.denoised_image import denoised_source_of
from .plan import Settings
from .room import check_grid
from .run import InferenceJob
from .source import Source


@checked
def segment(
    model: Model | str | Path,
    image: ImageLike,
    out: str | Path | None = None,
    *,
    channels: Sequence[int] | None = None,
    region: Mapping[str, slice] | None = None,
    tile: int | None = None,
    batch: int | None = None,
    halo: Literal["exact", "quick"] = "exact",
    device: str | None = None,
    save: Sequence[str] = ("labels",),
    decoding: Mapping[str, float] | None = None,
    overwrite: bool = False,
    part: tuple[int, int] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    object_size: float | None = None,
) -> InferenceJob:
    """Segment an image.

    Parameters
    ----------
    model
        A trained model, its file, or the name of one in the model folder.
    image
        An `Image`, an array, or the path of one.
    out
        Path of a ``.tif`` or ``.zarr`` to write the labels to, or ``IMAGE.zarr/labels/NAME``
        for the labels NAME of an OME-Zarr image. When None, they are only returned.
    channels
        Channels of the image that the model sees, in the model's order and number. The channels
        that it was trained on when None.
    region
        Region to segment: pixels per axis letter, as ``{"T": slice(3, 4)}``. The whole image when
        None. The answer is that of a run over the whole image. For this, the network also sees the
        pixels around the region, and the region's start is moved back to a multiple of the
        network's stride (see the job's ``region``).
    tile
        Side of the output of a tile, in pixels; chosen for this machine when None. The answer
        does not depend on it.
    batch
        Tiles per forward pass; chosen when None.
    halo
        ``exact``, or ``quick``: the smallest halo that changes probabilities at some places of this
        image by at most `halo_search.BOUND`. The job's ``note`` says by how much.
    device
        ``cuda`` (all cards), ``cuda:0``, ``mps`` or ``cpu``; the fastest one when None.
    save
        ``labels``, and maps: ``probability`` and, for objects, ``distance``, or ``affinities`` and
        ``long_range``, as the model's encoding has them. Maps are in the job's ``maps``, and are
        written beside `out`, as ``NAME.probability.tif`` (or ``.zarr``).
    decoding
        Decoding parameters that differ from the model's, by name, such as ``{"merge": 0.6}``.
        `decode` tries others on saved maps without running the network.
    overwrite
        Whether `out` is replaced if it exists, or was begun with another model, image or setting.
    part
        Share of the work that this process does, such as ``(3, 16)`` for the third of 16. Other
        processes, on this or other machines, do the other shares. After all of them, a run without
        `part` finishes the work.
    workers, scheduler
        Number of processes on this machine that share the work. Or the address of a dask scheduler,
        such as ``tcp://host:8786``, whose workers see the same files. Both need
        ``napari-scribe[cluster]`` and an `out`.
    object_size
        Diameter of the objects in the image, in pixels; estimated when None (see the job's
        ``object_size``). If it is far from that of the objects that the model was trained on, the
        network sees the image shrunk or grown, and the labels are brought back to the image's own
        pixels.

    Returns
    -------
    job
        The job. Its result is the labels: a numpy array, or a lazy array if the labels in `out` are
        large. `out` appears once it is whole. Until then it is written in a hidden folder beside
        it. After a stop, an error or a crash, the same call resumes the work. If the same call has
        made `out` before, there is nothing to do. (Images are compared by shape, type and a sample
        of the pixels; images on disk also by size and time of change of their files.) Parts that
        other programs delete meanwhile are done again.

    Raises
    ------
    InputError
        Before any work, if the model does not fit the image, a sample of the image has NaN or
        infinite pixels, `out` cannot be written, or another process is at work on it. Midway, if
        there are such pixels outside the sample.
    TakenError
        Before any work, if something else is at `out`, or an unfinished result of another model,
        image or setting. In the end, if something has appeared there meanwhile: then the result is
        written beside it, under another name.
    InUseError
        At the first step, if another job is at work on `out`.
    """
    model = as_model(model)
    image = as_image(image)
    if halo not in ("exact", "quick"):
        raise InputError(f"A halo is exact or quick, not {halo!r}.")
    known = ("labels", *MAPS)
    if unknown := next((name for name in save if name not in known), None):
        raise InputError(
            f"Cannot save '{unknown}': choose from {', '.join(known)}.{nearest(unknown, known)}"
        )
    if task_of(model.recipe).is_image:
        raise InputError(f"{model.name} is a denoiser: use denoise, or choose a model of labels.")
    model = model.with_decoding(decoding or {})
    savable = ("labels", *savable_maps(model.encoding.heads))
    if missing := [name for name in save if name not in savable]:
        raise InputError(
            f"A model of {model.recipe.task} has no {missing[0]} to save: choose "
            f"{', '.join(savable)}."
        )
    settings = Settings(
        out=None if out is None else Path(out),
        maps=tuple(name for name in MAPS if name in save),
        tile=tile,
        batch=batch,
        is_quick=halo == "quick",
        device=device,
        overwrite=overwrite,
        part=part,
        workers=workers,
        scheduler=scheduler,
        object_size=None if object_size is None else checked_size(model, object_size),
    )
    check_settings(settings, image)
    source = denoised_source_of(model, image, channels, region, device)
    check_grid(source, settings)
    advice = f"{words}: train it for some minutes." if (words := too_little_learnt(model)) else ""
    return begin(source, settings, _note_on(source), advice)


def _note_on(source: Source) -> str:
    """Return a sentence for the user if nothing stands out in the image; else an empty text."""
    if not source.is_empty:
        return ""
    contrast = float((source.statistics.high - source.statistics.low).max())
    return (
        f"{source.image.name} was taken for empty: nothing in it stands out from even ground or "
        f"noise (contrast {contrast:.3g})."
    )
