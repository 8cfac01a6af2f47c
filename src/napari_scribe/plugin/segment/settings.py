"""What the Segment dock keeps folded away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, ComboBox

from ..settings import recall, remember
from ..widgets.basics import Fold, button, named
from ..widgets.device_picker import DevicePicker
from ..widgets.inputs import RESULT_FILES, PathEdit
from ..widgets.training_settings import WIDTH

TILES = [("automatic", 0), *((str(n), n) for n in (64, 128, 256, 512, 1024, 2048, 4096))]
BORDERS = [("exact", "exact"), ("quick", "quick")]


class SegmentSettings(Fold):
    """Tiles, device, what is saved, and the test for seams.

    Parameters
    ----------
    test_for_seams
        Called when that button is pressed.
    """

    def __init__(self, test_for_seams: Callable[[], Any]) -> None:
        super().__init__("More settings")
        self.tile = ComboBox(choices=TILES, value=0, nullable=False)
        self.tile.tooltip = (
            "Side of the tiles that the image is cut into. The result does not depend on it; "
            "smaller ones take less memory, larger ones less time"
        )
        self.borders = ComboBox(choices=BORDERS, value="exact", nullable=False)
        self.borders.tooltip = (
            "exact: tiles overlap so far that nobody can tell where they met. quick: they overlap "
            "less, which is faster; probabilities may differ by 0.02 near their borders, as "
            "measured on this image"
        )
        self.device = DevicePicker()
        self.save_to = PathEdit(
            "w",
            "Save the labels to",
            "A .zarr or .tif that the labels are written to. A run to a .zarr that was stopped "
            "goes on when it is started again",
            "only shown; on disk if large",
            RESULT_FILES,
        )
        self.probability = CheckBox(value=False, text="Show the probability too")
        self.probability.tooltip = (
            "How sure the network is of each pixel: one more image layer; of a folder, or where "
            "labels are saved, one more file beside them"
        )
        self.seams = button(
            "Test for seams",
            "Run the model twice over places of the image, with tiles that lie elsewhere, and see "
            "by how much the answers differ",
            test_for_seams,
        )
        for line in (
            named("Tile (px)", self.tile.native, WIDTH),
            named("Tile borders", self.borders.native, WIDTH),
            named("Device", self.device, WIDTH),
            named("Save to", self.save_to, WIDTH),
            self.probability.native,
            self.seams,
        ):
            self.addWidget(line)

    def values(self) -> dict[str, Any]:
        """As `SegmentInput` takes them."""
        return {
            "tile": int(self.tile.value) or None,
            "halo": str(self.borders.value),
            "device": self.device.value or None,
            "with_probability": bool(self.probability.value),
        }

    def remember(self) -> None:
        """Keep the values for the next time."""
        remember("segment", {name: getattr(self, name).value for name in _REMEMBERED})

    def recall(self) -> None:
        """Take on the values that were used last."""
        known = recall("segment")
        for name in _REMEMBERED:
            try:
                getattr(self, name).value = known.get(name, getattr(self, name).value)
            except (TypeError, ValueError):
                continue


_REMEMBERED = "tile", "borders", "device", "probability"
