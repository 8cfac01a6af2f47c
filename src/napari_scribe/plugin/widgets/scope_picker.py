"""Ask what is worked on: a layer, a part of it, all layers, or a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari import Viewer
from napari.layers import Image as ImageLayer

from ...image import Image
from ..layers.visible import slice_region, visible_region
from ..model_library import dimensions_of
from .basics import Column, named, stack
from .inputs import Choice, PathEdit

if TYPE_CHECKING:
    from ...model import Model

LAYER, SLICE, FRAME, VISIBLE = "layer", "slice", "frame", "visible"
LAYERS, FOLDER = "layers", "folder"
PARTS = {SLICE: slice_region, FRAME: slice_region, VISIBLE: visible_region}
"""Parts of a layer, and what finds them."""
CHOICES = {
    LAYER: "Whole layer",
    SLICE: "This slice",
    VISIBLE: "What is visible",
    LAYERS: "All image layers",
    FOLDER: "A folder...",
}
RESULTS_TIP = (
    "Each result is a .tif with the name of its image. The same again goes on where it was stopped"
)


def has_frames(image: Image, dimensions: int) -> bool:
    """Return whether an image has more than one frame for a network of 2 or 3 dimensions."""
    return any(image.length(a) > 1 for a in image.iterated_axes(dimensions))


class ScopePicker(Column):
    """Ask what is worked on, and for a folder which one, and where its results go.

    Parameters
    ----------
    choices
        Some of `CHOICES`, and what they are called.
    """

    def __init__(
        self, choices: Mapping[str, str] = CHOICES, tooltip: str = "What is segmented"
    ) -> None:
        self._has_slices = False
        self._texts = choices
        self._proposed: Path | None = None
        self.combo = Choice(self._choices, tooltip)
        self.images = PathEdit("d", "Folder of images", "Each image that lies in it")
        self.out = PathEdit("d", "Folder for the results", RESULTS_TIP)
        self._folders = stack(
            named("Images", self.images, width=56), named("Results", self.out, width=56)
        )
        self._folders.hide()
        self.combo.changed.connect(self._show_folders)
        super().__init__(self.combo, self._folders, spacing=4)
        self.images.changed.connect(self._propose_out)
        for path in (self.images, self.out):
            path.changed.connect(lambda: self.changed.emit(self))
        self.combo.native.activated.connect(self._ask_for_folder)

    def value(self) -> str:
        """Return one of `CHOICES`."""
        return str(self.combo.value or LAYER)

    def region(
        self, viewer: Viewer, layer: ImageLayer, image: Image, model: Path | Model
    ) -> tuple[dict[str, slice] | None, str]:
        """Return the part that a model works on, per axis letter, and its name; None for all.

        Raises
        ------
        InputError
            If nothing of the image is in view.
        """
        scope = self.value()
        if scope not in PARTS:
            return None, ""
        region = PARTS[scope](viewer, layer, image, dimensions_of(model))
        # Named by where it is, so that another part does not take its place.
        return region, f"{scope} {', '.join(f'{a} {s.start}' for a, s in region.items())}"

    def offer_slices(self, has_slices: bool) -> None:
        """Offer a single slice, or not."""
        if has_slices != self._has_slices:
            self._has_slices = has_slices
            self.combo.reset_choices()

    def _choices(self) -> list[tuple[str, str]]:
        hidden = () if self._has_slices else (SLICE, FRAME)
        return [(text, key) for key, text in self._texts.items() if key not in hidden]

    def _show_folders(self) -> None:
        self._folders.setVisible(self.value() == FOLDER)

    def _ask_for_folder(self) -> None:
        """Open the dialog where a folder was chosen and none is named yet."""
        if self.value() == FOLDER and self.images.value is None:
            self.images.choose_btn.native.click()

    def _propose_out(self) -> None:
        """Put the results into the folder of the images, unless another one was chosen."""
        images, out = self.images.value, self.out.value
        if images is not None and (out is None or out == self._proposed):
            self.out.value = images / "labels"
            self._proposed = self.out.value
