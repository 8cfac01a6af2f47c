"""Ask for what the Denoise dock works on: image, pairs, model, what of the image; the settings."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox
from napari import Viewer
from qtpy.QtCore import QObject, Signal

from ...errors import InputError
from ...recipe.targets import DenoisedTarget
from ...targets.denoised import check_colours
from ..model_library import dimensions_of, names_of_channels
from ..widgets.basics import named
from ..widgets.inputs import result_file, tile_choice
from ..widgets.layer_pickers import ImagePicker
from ..widgets.model_picker import DENOISING, ModelPicker
from ..widgets.recipe_form import DENOISER_SECTIONS, RecipeForm
from ..widgets.scope_picker import FRAME, VISIBLE, ScopePicker, has_frames
from ..widgets.scope_picker import LAYER as WHOLE
from ..widgets.settings_fold import WIDTH
from ..widgets.training_settings import TrainingSettings
from .job import Checked, DenoiseRequest, DenoiserRequest
from .pairs import LAYER, PairSource
from .pairs_picker import PairsPicker

if TYPE_CHECKING:
    from ...model import Model

LOSSES = [
    ("as a camera adds it (L2)", "l2"),
    ("with far outliers (L1)", "l1"),
    ("with some outliers (smooth L1)", "smooth_l1"),
    ("pixels were replaced (L0)", "l0"),
]
PREVIEWS = [("the right half", "half"), ("all that is visible", "all"), ("nothing", "")]
TYPES = [("float32", "float32"), ("that of the image", "source")]
CHOICES = {WHOLE: "Whole layer", FRAME: "This frame", VISIBLE: "What is visible"}


class DenoiseForm(QObject):
    """Ask for image, pairs, model, what of the image; folded away, for everything else.

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
        self.scope = ScopePicker(CHOICES, "What is denoised")
        self.removed = CheckBox(value=False, text="Show what was removed")
        self.removed.tooltip = (
            "One more layer, hidden at first: the image less the result. It should look like "
            "noise; what can be recognized there is missing in the result"
        )
        self.more = DenoiseSettings()
        self.more.fields["removed"] = (self.removed, False)
        self.more.recall()
        self.image.changed.connect(self._on_image)
        self.more.dimensions.changed.connect(self._on_image)
        self.more.start.changed.connect(self._on_image)
        for part in (self.pairs, self.model, self.scope):
            part.changed.connect(self._show)
        self._on_image()

    @property
    def dimensions(self) -> int:
        """Return the dimensions of the network: those of the model to start from, if any."""
        start = self.more.start.value()
        if start is not None:
            return dimensions_of(start)
        return int(self.more.recipe.default.network.dimensions)

    def source(self) -> PairSource:
        """Return where pairs come from.

        Raises
        ------
        InputError
            If something is missing or does not fit.
        """
        image = self.image.image()
        return self.pairs.source(image, self.image.channels.value(), self.dimensions)

    def for_training(self, checked: Checked, remedies: frozenset[str]) -> DenoiserRequest:
        """Return what is trained, on pairs that were checked.

        Raises
        ------
        InputError
            If values do not go together.
        """
        more = self.more
        recipe = more.recipe.value("denoised").changed({"target.loss": str(more.loss.value)})
        return DenoiserRequest(
            image_layer=self.image.layer.value,
            image=checked.source.image,
            other_layer=self.pairs.other.value if checked.source.way == LAYER else None,
            checked=checked,
            remedies=remedies,
            recipe=recipe,
            seconds=60 * more.minutes.value or None,
            steps=int(more.steps.value) or None,
            device=more.device.value or None,
            start=more.start.value(),
            has_previews=bool(more.preview.value),
            half=more.preview.value == "half",
        )

    def fill_in(self, request: DenoiserRequest) -> None:
        """Show what a training was, where that stays as long as it goes on."""
        source = request.checked.source
        self.image.layer.value = request.image_layer
        self.image.axes.setText(source.image.axes)
        self.image.axes.editingFinished.emit()
        self.image.channels.set_value(source.channels)
        self.more.start.set_value(request.start)
        self.more.dimensions.value = request.dimensions
        target = request.recipe.target
        assert isinstance(target, DenoisedTarget)
        self.more.loss.value = target.loss
        self.more.recipe.set_value(request.recipe)
        self.pairs.set_value(source, request.other_layer)

    def for_denoising(self, unsaved: Model | None = None) -> DenoiseRequest:
        """Return what is denoised; with a model that could not be saved, where there is one.

        Raises
        ------
        InputError
            If something is missing, or nothing of the image is in view.
        """
        image, layer = self.image.image(), self.image.layer.value
        if layer.rgb:
            check_colours(image, range(image.n_channels))
        model = unsaved or self.model.value()
        if model is None:
            raise InputError("There is no denoiser yet: train one, or choose a file.")
        channels = self.image.channels.value()
        region, part = self.scope.region(self.viewer, layer, image, model)
        names = names_of_channels(image)
        seen = f"channel {', '.join(names[c] for c in channels)}" if channels else ""
        return DenoiseRequest(
            layer,
            image,
            model,
            channels=channels,
            region=region,
            part=", ".join(word for word in (seen, part) if word),
            tile=int(self.more.tile.value) or None,
            device=self.more.device.value or None,
            out=self.more.save_to.value,
            dtype=self.more.dtype.value,
            with_removed=bool(self.removed.value),
        )

    def reset_choices(self, event: object = None) -> None:
        """Offer the viewer's layers, and the models in their folder."""
        self.image.reset_choices(event)
        self.model.reset_choices()
        self._on_image()

    def _on_image(self, _value: object = None) -> None:
        """Offer the pairs and parts that the image has."""
        layer, image = self.image.layer.value, None
        try:
            image = self.image.image()
            self.more.show_depth("Z" in image.axes)
            self.pairs.offer(layer, image, self.dimensions)
        except InputError:  # its picker says why
            self.pairs.offer(layer, image)
        self._show()

    def _show(self) -> None:
        has_slices = False
        with suppress(InputError):  # the pickers say what is wrong
            image, path = self.image.image(), self.model.value()
            has_slices = has_frames(image, dimensions_of(path) if path else self.dimensions)
        self.scope.offer_slices(has_slices)
        self.changed.emit()


class DenoiseSettings(TrainingSettings):
    """Ask what noise there is, how long to train, what is previewed, and where results go."""

    section = "denoise"

    def __init__(self) -> None:
        super().__init__(RecipeForm("denoised", DENOISER_SECTIONS), DENOISING)
        self.loss = ComboBox(choices=LOSSES, value="l2", nullable=False)
        self.loss.tooltip = (
            "What the noise is like. As a camera adds it: finds the mean, and is right for nearly "
            "all images. With far outliers: finds the median. With some outliers: between the two. "
            "Pixels were replaced by others, as by salt and pepper: finds the most frequent value"
        )
        self.steps = FloatSpinBox(value=0, min=0, max=10_000_000, step=100)
        self.steps.native.setDecimals(0)
        self.steps.tooltip = "Training ends after so many steps, if not before"
        self.steps.native.setSpecialValueText("as time allows")
        self.preview = ComboBox(choices=PREVIEWS, value="half", nullable=False)
        self.preview.tooltip = "What is shown denoised while the network learns"
        self.tile = tile_choice()
        self.dtype = ComboBox(choices=TYPES, value="float32", nullable=False)
        self.dtype.tooltip = (
            "Type of the pixels of the result. float32 keeps fractions; that of the image: "
            "rounded, and cut off at its limits"
        )
        self.save_to = result_file()
        self.remembers("loss", "steps", "preview", "tile", "dtype")
        self.lay_out(
            named("Noise", self.loss.native, WIDTH),
            named("Steps", self.steps.native, WIDTH),
            named("Preview", self.preview.native, WIDTH),
            named("Result type", self.dtype.native, WIDTH),
            named("Save to", self.save_to, WIDTH),
            named("Tile (px)", self.tile.native, WIDTH),
        )
