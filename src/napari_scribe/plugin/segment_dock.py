"""The Segment dock: image, model, Segment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, SpinBox

from ..errors import InputError
from .dock import Dock
from .jobs import Ended
from .kept import channels_of
from .parts import Fold, button, hint, named, row, stack, step
from .pickers import ImagePicker, ModelPicker
from .segment_run import Segmented, SegmentInput, SegmentRun
from .settings import recall, remember
from .train_form import DEVICES

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ..inference.run import SegmentStep


class SegmentDock(Dock):
    """Segment images with a model that was trained before.

    Parameters
    ----------
    napari_viewer
        Given by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.segmenting = SegmentRun(self.viewer, self.runner)
        self.image = ImagePicker(self.viewer)
        self.model = ModelPicker()
        self.needs = hint()
        self.tile = SpinBox(value=512, min=16, max=16384, step=64)
        self.tile.tooltip = "Side of a tile, in pixels. The answer does not depend on it"
        self.probability = CheckBox(value=False, text="Show the probability too")
        self.device = ComboBox(choices=DEVICES, value="")
        self.device.tooltip = "Where the arithmetic happens"
        self.more = Fold("More settings")
        self.segment_button = button("Segment", "Segment the whole image", self.segment)
        self.stop_button = button("Stop", "Stop, and keep what is done", self.stop)
        self._arrange()
        self._recall()
        self.image.changed.connect(self._show_state)
        self.model.changed.connect(self._show_state)
        self.segmenting.stepped.connect(self._on_tile)
        self.segmenting.ended.connect(self._on_ended)
        self._show_state()

    def _arrange(self) -> None:
        self.segment_button.setProperty("scribe", "main")
        buttons = row(self.segment_button, self.stop_button)
        for i in (0, 1):
            buttons.layout().setStretch(i, 1)
        for line in (
            named("Tile (px)", self.tile.native),
            named("Device", self.device.native),
            self.probability.native,
        ):
            self.more.addWidget(line)
        self.lay_out(
            step("1", "Image", stack(self.image, self.needs)),
            step("2", "Model", self.model),
            step("3", "Segment", buttons),
            self.progress,
            self.message,
            self.more,
        )

    def reset_choices(self, event: Any = None) -> None:
        """Follow the viewer's layers; called by napari."""
        self.image.reset_choices(event)
        self.model.refresh()
        self._show_state()

    def showEvent(self, event: Any) -> None:
        """Look for new models whenever the dock comes up."""
        self.model.refresh()
        super().showEvent(event)

    def enterEvent(self, event: Any) -> None:
        """The same where it is always up, beside the Train dock."""
        self.model.refresh()
        super().enterEvent(event)

    def segment(self) -> None:
        """Segment the chosen image with the chosen model."""
        path = self.model.value()
        try:
            if path is None:
                raise InputError("There is no model yet: train one, or choose a file.")
            self.segmenting.start(
                SegmentInput(
                    image_layer=self.image.layer.value,
                    image=self.image.image(),
                    model=path,
                    channels=self.image.channels.value() if self.needs.text() else None,
                    tile=int(self.tile.value),
                    device=str(self.device.value) or None,
                    with_probability=bool(self.probability.value),
                )
            )
        except InputError as error:
            self.message.error(str(error))
        else:
            remember("segment", self._settings())
            self.message.clear()
            self.progress.busy("Preparing")
            self._show_state()

    def stop(self) -> None:
        """Stop what runs; what is done is kept."""
        self.runner.stop()
        self.stop_button.setEnabled(False)
        self.progress.busy("Stopping")

    def close_down(self) -> None:
        """End what runs, keep what it has, and let go of the viewer."""
        self.segmenting.close()
        super().close_down()

    def _on_tile(self, record: SegmentStep) -> None:
        text = f"part {record.done} of {record.total}"
        self.progress.advance(record.done / max(record.total, 1), record.elapsed, text)

    def _on_ended(self, ended: Ended) -> None:
        self.progress.rest()
        if ended.error:
            self.message.error(ended.error)
        elif isinstance(ended.value, Segmented):
            self.message.info(ended.value.in_words())
        self._show_state()

    def _show_state(self) -> None:
        """Which buttons make sense now, and which channels have to be chosen."""
        running = self.runner.is_running
        path = self.model.value()
        layer = self.image.layer.value
        self.segment_button.setEnabled(layer is not None and path is not None and not running)
        self.stop_button.setEnabled(running)
        text = self._channels_needed(path) if path is not None and layer is not None else ""
        self.needs.setText(text)
        self.image.channels.setVisible(bool(text))

    def _channels_needed(self, path: Path) -> str:
        """What to say where the model needs other channels than the image has; else nothing."""
        try:
            needed, trained = channels_of(path)
            n_image = self.image.image().n_channels
        except InputError:
            return ""
        if n_image in (needed, trained) or n_image < needed:
            return ""
        return f"The model needs {needed} of these {n_image} channels: tick which."

    def _settings(self) -> dict[str, Any]:
        return {
            "tile": self.tile.value,
            "device": self.device.value,
            "probability": self.probability.value,
        }

    def _recall(self) -> None:
        known = recall("segment")
        for name in self._settings():
            try:
                getattr(self, name).value = known.get(name, getattr(self, name).value)
            except (TypeError, ValueError):
                continue
