"""Show paint from disk again, on the image that it was painted on."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...arrays import Pixels
from ...errors import InputError
from ...io import open_levels, stem
from ...io.ngff_labels import image_group
from ...session.painted import PaintedLayer
from .colors import OUTLINE, objects_colormap, paint_colormap
from .complete_regions import show_regions
from .conversion import add_annotations, image_of, labels_shape, pixels
from .painted import file_of
from .purpose import ANNOTATIONS, MARK, made_of

log = logging.getLogger("napari_scribe")


def find_image(
    painted: PaintedLayer, layers: Iterable[Layer], *, is_renamed: bool = False
) -> ImageLayer | None:
    """Return the image among some layers that was painted: of the same name and size, and file.

    Parameters
    ----------
    is_renamed
        Whether another image of the same file will do as well.
    """
    fitting = [i for i in layers if isinstance(i, ImageLayer) and _fits(i, painted)]
    named = (image for image in fitting if image.name == painted.image)
    same_file = (i for i in fitting if is_renamed and file_of(i) == painted.image_path != "")
    return next(named, None) or next(same_file, None)


def open_file(viewer: Viewer, path: str | Path, reader: str) -> list[Layer]:
    """Open a file with the reader that has opened it before.

    napari's own reader does not open an OME-Zarr that has got labels since; that is opened here.
    """
    try:
        opened: list[Layer] = viewer.open(str(path), plugin=reader or "napari")
    except Exception:
        if (group := image_group(path)) is None:
            raise
        levels = open_levels(group)
        is_pyramid = len(levels) > 1
        data = levels if is_pyramid else levels[0]
        image = viewer.add_image(data, multiscale=is_pyramid, name=stem(group), rgb=False)
        return [image]
    return opened


def open_image(
    viewer: Viewer, painted: PaintedLayer, path: str | Path, name_in_file: str = ""
) -> ImageLayer:
    """Open the file of an image that was painted, and show it as it was then.

    Raises
    ------
    InputError
        If it cannot be opened, or holds no image.
    """
    try:
        made = open_file(viewer, path, painted.reader)
    except Exception as error:  # every reader has its own
        log.warning("%s was not opened", path, exc_info=error)
        raise InputError(f"{path} could not be opened: {error}") from error
    images = [layer for layer in made if isinstance(layer, ImageLayer)]
    if not images:
        raise InputError(f"{path} was opened, but holds no image.")
    named = [layer for layer in images if layer.name == (name_in_file or painted.image)]
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
    of_image = {"source": painted.image} if image is None else made_of(image)
    noted = {"purpose": ANNOTATIONS, **of_image, **painted.noted}
    is_paint = noted["purpose"] == ANNOTATIONS
    layer = _on_image(viewer, image, painted) if image is not None and is_paint else None
    if layer is None:
        layer = viewer.add_labels(
            paint,
            **painted.layer,
            opacity=0.6 if is_paint else 0.7,
            colormap=paint_colormap() if is_paint else objects_colormap(),
            metadata={MARK: noted},
        )
        layer.contour = 0 if is_paint else OUTLINE
    elif int(paint.max(initial=0)) > np.iinfo(layer.data.dtype).max:
        layer.data = paint
    else:
        layer.data[...] = paint  # channels may share its memory
        layer.refresh()
    if image is not None and painted.complete:
        show_regions(viewer, layer, image, painted.complete)
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


def _fits(image: ImageLayer, painted: PaintedLayer) -> bool:
    """Return whether an image may be of the file that was painted, and has as many pixels."""
    shape = pixels(image).shape[:-1] if image.rgb else pixels(image).shape
    is_same_file = not painted.image_path or file_of(image) in ("", painted.image_path)
    return is_same_file and set(shape[-2:]) <= set(painted.shape)


def _on_image(viewer: Viewer, image: ImageLayer, painted: PaintedLayer) -> LabelsLayer | None:
    """Add annotations to an image; None where they would have another shape than the paint."""
    try:
        fits = labels_shape(image, image_of(image)) == painted.shape
    except InputError:  # its axes are not clear
        return None
    if not fits:
        return None
    return add_annotations(viewer, image, **painted.noted)
