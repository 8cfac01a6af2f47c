"""Show paint from disk again, on the image that it was painted on."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer

from ...arrays import Pixels
from ...errors import InputError
from ...session.painted import PaintedLayer
from .autosave import file_of
from .colors import paint_colormap
from .conversion import add_annotations, image_of, labels_shape, pixels
from .purpose import ANNOTATIONS, MARK

log = logging.getLogger("napari_scribe")


def find_image(viewer: Viewer, painted: PaintedLayer) -> ImageLayer | None:
    """Return the image in the viewer that was painted: of the same name and size, and file."""
    for layer in viewer.layers:
        if not isinstance(layer, ImageLayer) or layer.name != painted.image:
            continue
        shape = pixels(layer).shape[:-1] if layer.rgb else pixels(layer).shape
        is_same_file = not painted.image_path or file_of(layer) in ("", painted.image_path)
        if is_same_file and set(shape[-2:]) <= set(painted.shape):
            return layer
    return None


def open_image(viewer: Viewer, painted: PaintedLayer, path: str | Path) -> ImageLayer:
    """Open the file of an image that was painted, and show it as it was then.

    Raises
    ------
    InputError
        If it cannot be opened, or holds no image.
    """
    try:
        made = viewer.open(str(path), plugin=painted.reader or "napari")
    except Exception as error:  # every reader has its own
        log.warning("%s was not opened", path, exc_info=error)
        raise InputError(f"{path} could not be opened: {error}") from error
    images = [layer for layer in made if isinstance(layer, ImageLayer)]
    if not images:
        raise InputError(f"{path} was opened, but holds no image.")
    named = [layer for layer in images if layer.name == painted.image]
    image = (named or images)[0]
    image.name = painted.image
    lay_as_saved(image, painted)
    return image


def show_paint(
    viewer: Viewer, image: ImageLayer | None, painted: PaintedLayer, paint: Pixels
) -> LabelsLayer:
    """Show paint as annotations of an image; where it does not fit there, where it lay before.

    What was a result that somebody corrects is one again.
    """
    noted = {"purpose": ANNOTATIONS, "source": painted.image, **painted.noted}
    is_paint = noted["purpose"] == ANNOTATIONS
    layer = _on_image(viewer, image, painted) if image is not None and is_paint else None
    if layer is None:
        layer = viewer.add_labels(
            paint,
            **painted.layer,
            opacity=0.6,
            **({"colormap": paint_colormap()} if is_paint else {}),
            metadata={MARK: noted},
        )
    elif int(paint.max(initial=0)) > np.iinfo(layer.data.dtype).max:
        layer.data = paint
    else:
        layer.data[...] = paint  # channels may share its memory
        layer.refresh()
    layer.name = painted.name
    layer.selected_label = max(2, int(paint.max(initial=0)) + 1)
    return layer


def lay_as_saved(image: ImageLayer, painted: PaintedLayer) -> None:
    """Give an image the pixel size and the axes that it had when it was painted.

    Readers do not know what a user has set.
    """
    if len(painted.layer.get("scale", ())) == image.ndim:
        for name, value in painted.layer.items():
            setattr(image, name, value)


def _on_image(viewer: Viewer, image: ImageLayer, painted: PaintedLayer) -> LabelsLayer | None:
    """Add annotations to an image; None where they would have another shape than the paint."""
    try:
        fits = labels_shape(image, image_of(image)) == painted.shape
    except InputError:  # its axes are not clear
        return None
    if not fits:
        return None
    return add_annotations(viewer, image, **painted.noted)
