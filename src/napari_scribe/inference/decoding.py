"""Make objects of saved maps again, with other decoding parameters and without the network."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path

import numpy as np

from ..arguments import checked
from ..arrays import Array
from ..errors import InputError
from ..model import Model, as_model
from ..progress import Job, run
from ..targets import Head, Prediction, savable_maps, task_of
from ..targets.paint import Labels
from .own_pixels import MapsOnGrid
from .stitch import MARGIN, SIDE, Index, Zones, crop_to_core, merge, plan_blocks


def maps_to_decode(model: Model) -> tuple[str, ...]:
    """Return the names of the maps that `decode` needs, as `segment` takes them in `save`."""
    return tuple(_heads_by_map(model))


def _heads_by_map(model: Model) -> dict[str, Head]:
    """Return the heads that are decoded, by the names of their maps."""
    heads = model.encoding.heads
    named = zip(savable_maps(heads), heads, strict=True)
    return {name: head for name, head in named if head.is_decoded}


@checked
def decode(
    model: Model | str | Path,
    maps: Mapping[str, Array],
    decoding: Mapping[str, float] | None = None,
) -> Labels:
    """Make objects of the maps of a run, without running the network again.

    Parameters
    ----------
    model
        The model that made the maps, its file or its name.
    maps
        Name -> ``(channels, *label shape)``, as `segment` saves them: ``probability``, and
        ``distance`` or ``affinities`` where the encoding has them. The job's ``maps_to_decode`` are
        such; its ``maps``, and those in files, are too, but interpolated where the network has seen
        the image shrunk or grown.
    decoding
        Decoding parameters that differ from the model's, by name, such as ``{"merge": 0.6}``.

    Returns
    -------
    labels
        ``(*label shape)`` int32. Of ``maps_to_decode``, with the model's own parameters, they are
        those of the run.

    Raises
    ------
    InputError
        If the model does not find objects, a map is missing or has another shape, or a parameter
        is unknown or out of range.
    """
    return run(decoding_again(as_model(model), maps, decoding or {}))


def decoding_again(
    model: Model, maps: Mapping[str, Array], decoding: Mapping[str, float]
) -> Job[int, Labels]:
    """Return `decode` as a job; each block of a frame is a step."""
    if not task_of(model.recipe).separates_objects:
        raise InputError(f"{model.name} does not find objects: there is nothing to decode again.")
    model = model.with_decoding(decoding)
    heads = _heads_by_map(model)
    names = tuple(heads)
    if missing := [name for name in names if name not in maps]:
        raise InputError(
            f"The map {missing[0]} is missing: {model.name} decodes {', '.join(names)}. "
            f"Save them with the labels: save={('labels', *names)}."
        )
    shape = tuple(maps[names[0]].shape[1:])
    for name, head in heads.items():
        expected, given = (head.channels, *shape), tuple(maps[name].shape)
        if given != expected or len(shape) < model.dimensions:
            raise InputError(
                f"The map {name} has the shape {given}; all have one channel axis first, and then "
                f"the axes of one image: {expected} for this one."
            )
    return Job(lambda _job: _decode_frames(model, maps, shape))


def _decode_frames(
    model: Model, maps: Mapping[str, Array], shape: tuple[int, ...]
) -> Generator[int, None, Labels]:
    labels = np.zeros(shape, np.int32)
    n_before = 0
    for frame in np.ndindex(*shape[: len(shape) - model.dimensions]):
        prediction = {
            head.name: maps[name][(slice(None), *frame)]
            for name, head in _heads_by_map(model).items()
        }
        labels[frame], n_objects = yield from _decode_frame(model, prediction)
        labels[frame][labels[frame] > 0] += n_before
        n_before += n_objects
    return maps.own.whole_labels(labels) if isinstance(maps, MapsOnGrid) else labels


def _decode_frame(model: Model, prediction: Prediction) -> Generator[int, None, tuple[Labels, int]]:
    """Decode a frame block by block, as a run does; return also the number of objects."""
    shape = next(iter(prediction.values())).shape[1:]
    cores: dict[Index, Labels] = {}
    counts: dict[Index, int] = {}
    zones: dict[Index, Zones] = {}
    blocks = plan_blocks(shape, SIDE[model.dimensions], MARGIN[model.dimensions])
    for block in blocks:
        part = {
            name: np.asarray(values[(slice(None), *block.window)], np.float32)
            for name, values in prediction.items()
        }
        decoded, i = model.encoding.decode(part, model.parameters), block.index
        cores[i], counts[i], zones[i] = crop_to_core(decoded, block, shape)
        yield len(cores)
    tables, n_objects = merge(counts, lambda i, face: zones[i][face])
    labels = np.zeros(shape, np.int32)
    for block in blocks:
        labels[block.core] = tables[block.index][cores[block.index]]
    return labels, n_objects
