"""Let a training learn from all painted images, not only from the one that is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from ...errors import InputError
from ...image import Image
from ..layers.annotations import annotations_of, settings_of
from ..layers.complete_regions import complete_boxes
from ..layers.conversion import image_of, paint_of
from ..layers.purpose import is_image
from ..widgets.basics import Fold, NameBox, empty
from .job import PaintedImage, TrainRequest

Read = Callable[[], PaintedImage]
"""Reads image and paint when a training starts. Raises InputError."""


class Offered(NamedTuple):
    """Hold an image that may be learnt from.

    Parameters
    ----------
    key
        Names it for as long as the dock is open.
    title
        Its name.
    tooltip
        Where its paint is.
    read
        Reads image and paint.
    obstacle
        Why it cannot be learnt from with the image that is shown; empty where it can.
    """

    key: str
    title: str
    tooltip: str
    read: Read
    obstacle: str = ""


class OtherImages(Fold):
    """Offer a box to tick for each other image that has annotations; all are ticked at first.

    It is hidden where there is none.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__("Also learn from")
        self._viewer = viewer
        self._offered: list[Offered] = []
        self._unticked: set[str] = set()
        self.boxes: list[QCheckBox] = []
        self.in_files: Callable[[Image | None, str], Iterator[Offered]] = _none
        """Offers images of a project that are not open; given the image shown and the task."""
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(3)
        self.addWidget(content)
        self.hide()

    def look(
        self, image: ImageLayer | None, paint: LabelsLayer | None, task: str, dimensions: int
    ) -> None:
        """Offer what is painted besides an image and its annotations, for the same task."""
        shown = _described(image)
        offered = [
            *self._in_viewer(image, paint, shown, task, dimensions),
            *self.in_files(shown, task),
        ]
        if [o[:3] + o[4:] for o in offered] != [o[:3] + o[4:] for o in self._offered]:
            self._show(offered)
        self._offered = offered

    def added_to(self, request: TrainRequest) -> TrainRequest:
        """Return a request that learns from the ticked images, too.

        Raises
        ------
        InputError
            If one of them cannot be read, or does not go with the image of the request.
        """
        ticked = [o for o in self._offered if not o.obstacle and o.key not in self._unticked]
        painted = [offered.read() for offered in ticked]
        for other in painted:  # what is in a file is known only now
            if reason := obstacle(other.image, request.image, request.dimensions):
                raise InputError(
                    f"{other.image.name} {reason}: they cannot be learnt from together. Untick "
                    f"{other.image.name} under Also learn from."
                )
        used = tuple(other for other in painted if other.complete or other.paint.any())
        return request.changed(others=used)

    def _in_viewer(
        self,
        image: ImageLayer | None,
        paint: LabelsLayer | None,
        shown: Image | None,
        task: str,
        dimensions: int,
    ) -> Iterator[Offered]:
        for other in self._viewer.layers:
            if other is image or not is_image(other) or (found := _described(other)) is None:
                continue
            layer = self._annotations_of(other, paint)
            if layer is not None and settings_of(layer)["task"] == task:
                yield Offered(
                    str(layer.unique_id),
                    other.name,
                    f"Train on {layer.name}, too",
                    _reader(self._viewer, found, other, layer),
                    obstacle(found, shown, dimensions),
                )

    def _annotations_of(self, image: ImageLayer, chosen: LabelsLayer | None) -> LabelsLayer | None:
        """Return the newest annotations of an image, unless they are chosen for another one."""
        layers = annotations_of(image, self._viewer.layers)
        return layers[-1] if layers and layers[-1] is not chosen else None

    def _show(self, offered: list[Offered]) -> None:
        empty(self._column)
        self.boxes = []
        for each in offered:
            box = NameBox(each.title)
            box.setEnabled(not each.obstacle)
            box.setChecked(not each.obstacle and each.key not in self._unticked)
            about = f" {each.obstacle}" if each.obstacle else f"\n{each.tooltip}"
            box.setToolTip(f"{each.title}{about}")
            box.toggled.connect(lambda is_on, key=each.key: self._tick(key, is_on))
            self._column.addWidget(box)
            self.boxes.append(box)
        self.setVisible(bool(offered))
        self._count()

    def _tick(self, key: str, is_on: bool) -> None:
        (self._unticked.discard if is_on else self._unticked.add)(key)
        self._count()

    def _count(self) -> None:
        n_ticked, n = sum(box.isChecked() for box in self.boxes), len(self.boxes)
        ticked = str(n) if n_ticked == n else f"{n_ticked} of {n}"
        self.setText(f"Also learn from {ticked} other {'image' if n == 1 else 'images'}")


def obstacle(image: Image, shown: Image | None, dimensions: int) -> str:
    """Return why an image cannot be learnt from beside another one; empty where it can."""
    if shown is not None and image.n_channels != shown.n_channels:
        return f"has {_channels(image)}, {shown.name} has {_channels(shown)}"
    if dimensions == 3 and shown is not None and "Z" in shown.axes and image.length("Z") == 1:
        return f"has no depth, {shown.name} has"
    return ""


def _channels(image: Image) -> str:
    return "1 channel" if image.n_channels == 1 else f"{image.n_channels} channels"


def _described(layer: ImageLayer | None) -> Image | None:
    try:
        return None if layer is None else image_of(layer)
    except InputError:  # its axes are not clear
        return None


def _reader(
    viewer: Viewer, image: Image, image_layer: ImageLayer, paint_layer: LabelsLayer
) -> Read:
    def read() -> PaintedImage:
        paint = paint_of(paint_layer, image_layer, image)
        complete = complete_boxes(viewer, image_layer, image)
        return PaintedImage(image, paint, image_layer, paint_layer, complete)

    return read


def _none(_image: Image | None, _task: str) -> Iterator[Offered]:
    """Offer nothing: there is no project."""
    yield from ()
