"""What the Denoise dock asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox
from qtpy.QtCore import QObject, Signal

from ...errors import InputError
from ...targets.denoised import check_colours
from ..model_library import dimensions_of
from ..segment.form import PARTS
from ..settings import recall, remember
from ..widgets.layer_pickers import ImagePicker, names_of_channels
from ..widgets.model_picker import DENOISING, ModelPicker
from ..widgets.scope_picker import LAYER as WHOLE
from ..widgets.scope_picker import SLICE, VISIBLE, ScopePicker
from .job import Checked, DenoiseInput, DenoiserInput
from .pairs import LAYER, PairSource, PairsPicker
from .settings import DenoiseSettings

if TYPE_CHECKING:
    from napari import Viewer

    from ...image import Image

CHOICES = {WHOLE: "Whole layer", SLICE: "This frame", VISIBLE: "What is visible"}


class DenoiseForm(QObject):
    """Image, pairs, model, what of the image; folded away, everything else.

    Signals
    -------
    changed
        Another image, other pairs, another model or part.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.image = ImagePicker(viewer, sample="Noisy movie")
        self.pairs = PairsPicker(viewer)
        self.model = ModelPicker(tasks=DENOISING)
        self.where = ScopePicker(CHOICES, "What is denoised")
        self.removed = CheckBox(value=False, text="Show what was removed")
        self.removed.tooltip = (
            "One more layer, hidden at first: the image less the result. It should look like "
            "noise; what can be recognized there is missing in the result"
        )
        self.more = DenoiseSettings()
        self.fill(recall("denoise"))
        self.image.changed.connect(self._follow_image)
        self.more.dimensions.changed.connect(self._follow_image)
        self.more.start.changed.connect(self._follow_image)
        for part in (self.pairs, self.model, self.where):
            part.changed.connect(self._show)
        self._follow_image()

    @property
    def dimensions(self) -> int:
        """Of the network: that of the model to start from, if there is one."""
        start = self.more.start.value()
        if start is not None:
            return dimensions_of(start)
        return int(self.more.recipe.default.network.dimensions)

    def source(self) -> PairSource:
        """Where pairs come from.

        Raises
        ------
        InputError
            If something is missing or does not fit.
        """
        image = self.image.image()
        return self.pairs.source(image, self.image.channels.value(), self.dimensions)

    def for_training(self, checked: Checked, remedies: frozenset[str]) -> DenoiserInput:
        """What is trained, on pairs that were checked.

        Raises
        ------
        InputError
            If values do not go together.
        """
        other = self.pairs.other.value if checked.source.way == LAYER else None
        settings = self.more.for_training()
        return DenoiserInput(self.image.layer.value, other, checked, remedies, **settings)

    def fill_in(self, given: DenoiserInput) -> None:
        """Show what a training was, where that stays as long as it goes on."""
        source = given.checked.source
        self.image.layer.value = given.image_layer
        self.image.axes.setText(source.image.axes)
        self.image.axes.editingFinished.emit()
        self.image.channels.set_value(source.channels)
        self.more.start.set_value(given.start)
        self.more.dimensions.value = given.dimensions
        self.more.loss.value = given.recipe.target.loss
        self.more.recipe.set_value(given.recipe)
        self.pairs.set_value(source, given.other_layer)

    def for_denoising(self, model: Any = None) -> DenoiseInput:
        """What is denoised; with a model that could not be kept, where that is given.

        Raises
        ------
        InputError
            If something is missing, or nothing of the image is in view.
        """
        image, layer = self.image.image(), self.image.layer.value
        if layer.rgb:
            check_colours(image, range(image.n_channels))
        model = model or self.model.value()
        if model is None:
            raise InputError("There is no denoiser yet: train one, or choose a file.")
        channels = self.image.channels.value()
        region, part = self._region(layer, image, model)
        named = names_of_channels(image)
        parts = [f"channel {', '.join(named[c] for c in channels)}"] if channels else []
        return DenoiseInput(
            layer,
            image,
            model,
            channels=channels,
            region=region,
            part=", ".join([*parts, *([part] if part else [])]),
            with_removed=bool(self.removed.value),
            **self.more.for_denoising(),
        )

    def reset_choices(self, event: Any = None) -> None:
        """Follow the viewer's layers, and the folder of models."""
        self.image.reset_choices(event)
        self.model.reset_choices()
        self._follow_image()

    def remember(self) -> None:
        """Keep what is filled in for the next time."""
        remember("denoise", {"removed": bool(self.removed.value), **self.more.values()})

    def fill(self, values: dict[str, Any]) -> None:
        """Fill in values; the default for what is missing or does not fit."""
        self.removed.value = values.get("removed") is True
        self.more.set_values(values)

    def reset(self) -> None:
        """Back to the defaults, and keep those."""
        self.fill({})
        self.remember()

    def _region(self, layer: Any, image: Image, model: Any) -> tuple[dict[str, slice] | None, str]:
        """Which part of an image, and what it is called."""
        where = self.where.value()
        if where not in PARTS:
            return None, ""
        find, name = PARTS[where]
        dimensions = getattr(model, "dimensions", None) or dimensions_of(model)
        region = find(self.viewer, layer, image, dimensions)
        name = "frame" if where == SLICE else name
        return region, f"{name} {', '.join(f'{a} {s.start}' for a, s in region.items())}"

    def _follow_image(self, _value: Any = None) -> None:
        """Offer the pairs and parts that the image has."""
        layer, image = self.image.layer.value, None
        try:
            image = self.image.image()
            self.more.show_depth("Z" in image.axes)
            self.pairs.follow(layer, image, self.dimensions)
        except InputError:  # its picker says why
            self.pairs.follow(layer, image)
        self._show()

    def _show(self) -> None:
        try:
            image, path = self.image.image(), self.model.value()
            dimensions = dimensions_of(path) if path is not None else self.dimensions
            frames = image.iterated_axes(dimensions)
            self.where.offer_slices(any(image.length(a) > 1 for a in frames))
        except InputError:
            self.where.offer_slices(False)
        self.changed.emit()
