"""Make a model from trained weights: decoding parameters, provenance, thumbnail."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from ..device import precision
from ..image import Frame, Image
from ..inference.engine import Predictor, predict_window
from ..inference.tiles import Tile
from ..io.model_file import MOST_IMAGES, ImageObjects, Provenance
from ..io.units import pixel_size
from ..model import Model
from ..networks import Network, depends_on_image
from ..normalization import Statistics, sample_pixels
from ..targets import PaintEncoding, Parameters, Prediction
from ..targets.fitting import drawn_to_defaults
from ..targets.paint import Labels
from ..windows import Window, grow, intersect, shape_of, shift, whole
from .checkpoint import TrainState
from .checkpoint_file import hash_of_array
from .job import History
from .regions import Region
from .setup import Setup

FIT_PIXELS = 3_000_000
"""How many pixels the decoding parameters are fitted on at most."""
PREDICTING = 0.25
"""Share of the remaining time for predictions; the rest is for trying parameters on them."""
ENOUGH_OBJECTS = 5
"""From this many held-out objects on, the decoding is fitted on them alone."""
THUMBNAIL = 128
"""Side of the picture of the first image that a model keeps, in pixels."""
UNREADABLE = (OSError, RuntimeError, ValueError)
"""Errors of an image that cannot be read any more, for example because its file is gone."""


@dataclass(frozen=True)
class Example:
    """Hold a prediction and the paint of the same place.

    Parameters
    ----------
    prediction
        Head name -> ``(channels, *window)``.
    paint, held
        ``(*window)``: the paint to fit to, and what of it is held out; 0 is unknown.
    frame
        Which image, and which frame of it.
    is_whole
        Whether all of it was predicted before the time ran out.
    """

    prediction: Prediction
    paint: Labels
    held: Labels
    frame: tuple[int, Frame]
    is_whole: bool


def predict_paint(
    setup: Setup,
    network: Network,
    regions: Sequence[Region],
    dtype: torch.dtype,
    seconds_left: Callable[[], float] = lambda: math.inf,
    *,
    only_held: bool = False,
) -> list[Example]:
    """Predict where objects are held out; where all objects are, if few are held out.

    Parameters
    ----------
    only_held
        Whether held-out objects are enough, however few.
    """
    reserved = (1 - PREDICTING) * seconds_left()

    def is_time_up() -> bool:
        return seconds_left() < reserved

    n_held = sum(int((np.unique(r.painted(held_only=True)) > 1).sum()) for r in regions)
    only_held = only_held or n_held >= ENOUGH_OBJECTS
    is_per_image = depends_on_image(network)

    @lru_cache(maxsize=1)
    def predictor_for(index: int) -> Predictor:
        heads = setup.encoding.heads
        return Predictor(setup.network_for(network, index), heads, setup.device, dtype)

    examples: list[Example] = []
    n_pixels = 0
    for region in regions:
        held = region.painted(held_only=True)
        paint = held if only_held else region.painted()
        if not (paint > 1).any():
            continue
        window = _around(paint > 1)
        if np.prod(shape_of(window)) > FIT_PIXELS:  # they lie far apart: use one of them
            window = _around(paint == paint[paint > 1][0])
        paint, held = paint[window], held[window]
        if examples and n_pixels + paint.size > FIT_PIXELS:
            continue
        if examples and is_time_up():
            break
        predictor = predictor_for(region.key[0] if is_per_image else 0)
        prediction = _predict(setup, predictor, region, window, paint, is_time_up)
        examples.append(Example(prediction, paint, held, region.key[:2], not is_time_up()))
        n_pixels += paint.size
    return examples


def fit_parameters(
    encoding: PaintEncoding,
    examples: Sequence[Example],
    seconds_left: Callable[[], float] = lambda: math.inf,
) -> Parameters:
    """Fit the decoding parameters on painted objects.

    If the time runs out before all values are tried, the best so far are returned.
    """
    pairs = [(example.prediction, example.paint) for example in examples]
    n_images = len({example.frame[0] for example in examples})
    return drawn_to_defaults(encoding.knobs, encoding.fit(pairs, seconds_left), n_images)


def _around(mask: npt.NDArray[np.bool_], margin: int = 32) -> Window:
    """Return the window around a mask, with a margin."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    return intersect(grow(box, margin), whole(mask.shape))


def _predict(
    setup: Setup,
    predictor: Predictor,
    region: Region,
    window_in_region: Window,
    paint: Labels,
    is_time_up: Callable[[], bool],
) -> Prediction:
    """Predict a window of a region, the tiles with most painted objects first.

    Tiles that are not reached in time stay 0, where no parameter finds an object.
    """
    index, frame, origin = region.key
    window = shift(window_in_region, origin)
    read = setup.reader(index, frame)

    def n_painted(tile: Tile) -> int:
        return int(np.count_nonzero(paint[tile.keep] > 1))

    side = setup.recipe.tile
    return predict_window(predictor, read, window, side, n_painted, is_time_up)


def assemble(
    setup: Setup,
    network: Network,
    parameters: Parameters,
    state: TrainState,
    history: History,
    seconds: float,
    *,
    start: Model | None = None,
    is_final: bool = True,
) -> Model:
    """Build the model; before the end without what takes long: hashes of its images.

    Parameters
    ----------
    start
        The model that it was fine-tuned from.
    """
    return Model(
        network=network,
        recipe=setup.recipe,
        channels=setup.channels,
        image_channels=setup.images[0].n_channels,
        normalization=setup.normalization,
        painted=setup.painted,
        offset=setup.offset,
        parameters=parameters,
        provenance={
            **_provenance(setup, state, history, seconds, is_final=is_final),
            "objects_in_images": _objects_in(setup, start if state.is_known_kind else None),
        },
        thumbnail=thumbnail_of(setup.images[0], setup.channels, setup.statistics[0]),
        denoiser=setup.denoiser,
        object_size=setup.grids.object_size,
        thickness=setup.thickness,
    )


def _provenance(
    setup: Setup, state: TrainState, history: History, seconds: float, *, is_final: bool
) -> dict[str, Any]:
    pairs = zip(setup.own_images, setup.paints, strict=True)
    images = [
        {**origin(image, setup.channels), "paint": hash_of_array(paint.array)}
        if is_final
        else {"name": image.name}
        for image, paint in islice(pairs, MOST_IMAGES)
    ]
    return {
        "images": images,
        "n_images": len(setup.images),
        **learnt(state, history, setup.device, seconds),
    }


def _objects_in(setup: Setup, start: Model | None) -> dict[str, float | None] | None:
    """Return how large the objects in the images are; None if it is not known, or differs much.

    Parameters
    ----------
    start
        A model whose images this one still knows, so that their objects count, too.
    """
    diameter = setup.grids.size_in_images
    if diameter is None:
        return None
    sizes = {pixel_size(image) for image in setup.own_images}
    here = ImageObjects(diameter=diameter, pixel_size=sizes.pop() if len(sizes) == 1 else None)
    if start is not None:
        before = Provenance.model_validate(start.provenance).objects_in_images
        if before is None or not before.is_about(here):
            return None
    return here.model_dump()


def origin(image: Image, channels: Sequence[int]) -> dict[str, Any]:
    """Return what a model file records about an image that the model was trained on."""
    return {
        "name": image.name,
        "shape": list(image.shape),
        "axes": image.axes,
        "sample": _sample_hash(image, channels),
    }


def learnt(
    state: TrainState, history: History, device: torch.device, seconds: float
) -> dict[str, Any]:
    """Return the record of a training: how long, on which device, and how well it went."""
    from .. import __version__

    return {
        "steps": state.index,
        "steps_before": state.steps_before,
        "first_loss": state.first_loss,
        "ended_early": state.ended_early,
        "seconds": round(seconds, 1),
        "validation": [list(pair) for pair in history[-200:]],
        "best_validation": state.best_loss,
        "best_step": state.best_index,
        "device": device.type,
        "precision": str(precision(device)).removeprefix("torch."),
        "versions": {
            "napari-scribe": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def _sample_hash(image: Image, channels: Sequence[int]) -> str | None:
    """Return a hash of the image's sample; None if the image cannot be read any more."""
    try:
        return hash_of_array(sample_pixels(image, channels))
    except UNREADABLE:
        return None


def thumbnail_of(
    image: Image, channels: Sequence[int], statistics: Statistics
) -> npt.NDArray[np.uint8] | None:
    """Return the middle of the first frame ``(h, w, 3)``, its channels as grey or colour.

    The result is None if the image cannot be read any more.
    """
    window = tuple(
        slice(start := max(0, (n - THUMBNAIL) // 2), start + min(n, THUMBNAIL))
        for n in image.frame_shape(2)
    )
    try:
        raw = image.read(next(iter(image.frames(2))), window, channels)
    except UNREADABLE:
        return None
    pixels = statistics.apply(raw)
    colours = pixels if len(pixels) == 3 else np.repeat(pixels[:1], 3, axis=0)
    return (np.clip(colours, 0, 1).transpose(1, 2, 0) * 255).astype(np.uint8)
