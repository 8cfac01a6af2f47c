"""Describe layers of paint and the images that were painted, as they are kept on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer, Shapes

from ...session.autosave import KeptPaint
from .alignment import is_aligned
from .complete_regions import boxes_in, regions_of
from .managed import TRANSFORMS
from .purpose import is_annotations, is_corrected, is_from_user, note, source_of

if TYPE_CHECKING:
    from ...targets.paint import Box

NOTED = ("purpose", "task", "dimensions", "corrected", "model")
"""What notes on annotations and corrected results hold that is worth keeping."""


def can_be_kept(layer: Layer) -> bool:
    """Return whether a layer holds labels in memory that are the user's own, and no result."""
    if not isinstance(layer, LabelsLayer) or layer.multiscale or not 2 <= layer.ndim <= 5:
        return False
    is_users = is_from_user(layer) or is_corrected(layer)
    return is_users and isinstance(layer.data, np.ndarray) and not isinstance(layer.data, np.memmap)


def key_of(layer: Layer) -> str:
    """Return a name for a layer that no other has."""
    return str(layer.unique_id)


def described(
    layer: LabelsLayer, layers: Iterable[Layer], before: KeptPaint | None = None
) -> KeptPaint:
    """Describe the paint of a layer, and the image that was painted.

    Parameters
    ----------
    layers
        Those of the viewer.
    before
        What it was like, which tells of an image that is not among the layers any more.
    """
    entries, image = note(layer), source_of(layer, layers)
    kept = before or KeptPaint(key="", name="", image=str(entries.get("source", "")))
    if isinstance(image, ImageLayer):
        kept = replace(
            kept,
            image=image.name,
            image_path=file_of(image),
            reader=str(image.source.reader_plugin or ""),
            complete=_complete(layer, regions_of(image, layers)),
        )
    return replace(
        kept,
        key=key_of(layer),
        name=layer.name,
        shape=tuple(int(n) for n in layer.data.shape),
        layer=transforms_of(layer),
        noted={name: entries[name] for name in NOTED if name in entries},
    )


def _complete(layer: LabelsLayer, regions: Shapes | None) -> tuple[Box, ...]:
    """Return the rectangles that lie on annotations."""
    if not is_annotations(layer) or regions is None:
        return ()
    if regions.ndim != layer.ndim or not is_aligned(regions, layer):
        return ()
    return boxes_in(regions, layer.data.shape)


def file_of(layer: Layer) -> str:
    """Return the file that a layer was read from; empty where there is none."""
    path = layer.source.path or ""
    return os.path.abspath(path) if os.path.exists(path) else path


def transforms_of(layer: Layer) -> dict[str, Any]:
    """Return where a layer lies, as JSON can hold it and napari takes it."""
    arrays = {name: getattr(layer, name) for name in TRANSFORMS}
    arrays["affine"] = layer.affine.affine_matrix
    return {
        **{name: np.asarray(value).tolist() for name, value in arrays.items()},
        "units": [str(unit) for unit in layer.units],
        "axis_labels": list(layer.axis_labels),
    }


def place_in(layer: LabelsLayer) -> dict[str, dict[str, Any]]:
    """Return size and unit of a pixel by axis letter, for a file."""
    axes = "TCZYX"[-layer.ndim :]
    return {
        "scale": dict(zip(axes, map(float, layer.scale), strict=True)),
        "units": dict(zip(axes, map(str, layer.units), strict=True)),
    }
