"""What the Denoise dock keeps folded away."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import ComboBox, FloatSpinBox

from ..segment.settings import TILES
from ..widgets.basics import named
from ..widgets.inputs import RESULT_FILES, PathEdit
from ..widgets.model_picker import DENOISING
from ..widgets.recipe_form import DENOISER_SECTIONS, RecipeForm
from ..widgets.training_settings import WIDTH, TrainingSettings

LOSSES = [
    ("as a camera adds it (L2)", "l2"),
    ("with far outliers (L1)", "l1"),
    ("pixels were replaced (L0)", "l0"),
]
PREVIEWS = [("the right half", "half"), ("all that is visible", "all"), ("nothing", "")]
TYPES = [("float32", "float32"), ("that of the image", "source")]


class DenoiseSettings(TrainingSettings):
    """What noise there is, how long to train, what is previewed, and where results go."""

    def __init__(self) -> None:
        super().__init__(RecipeForm("denoised", DENOISER_SECTIONS), DENOISING)
        self.loss = ComboBox(choices=LOSSES, value="l2", nullable=False)
        self.loss.tooltip = (
            "What the noise is like. As a camera adds it: finds the mean, and is right for nearly "
            "all images. With far outliers: finds the median. Pixels were replaced by others, as "
            "by salt and pepper: finds the most frequent value"
        )
        self.steps = FloatSpinBox(value=0, min=0, max=10_000_000, step=100)
        self.steps.native.setDecimals(0)
        self.steps.tooltip = "Training ends after so many steps, if not before"
        self.steps.native.setSpecialValueText("as time allows")
        self.preview = ComboBox(choices=PREVIEWS, value="half", nullable=False)
        self.preview.tooltip = "What is shown denoised while the network learns"
        self.tile = ComboBox(choices=TILES, value=0, nullable=False)
        self.tile.tooltip = (
            "Side of the tiles that the image is cut into. The result does not depend on it; "
            "smaller ones take less memory, larger ones less time"
        )
        self.dtype = ComboBox(choices=TYPES, value="float32", nullable=False)
        self.dtype.tooltip = (
            "Type of the pixels of the result. float32 keeps fractions; that of the image: "
            "rounded, and cut off at its limits"
        )
        self.save_to = PathEdit(
            "w",
            "Save the result to",
            "A .zarr or .tif that the result is written to. A run to a .zarr that was stopped "
            "goes on when it is started again",
            "only shown; on disk if large",
            RESULT_FILES,
        )
        self.fields |= {
            "loss": (self.loss, "l2"),
            "steps": (self.steps, 0),
            "preview": (self.preview, "half"),
            "tile": (self.tile, 0),
            "dtype": (self.dtype, "float32"),
        }
        self.lay_out(
            named("Noise", self.loss.native, WIDTH),
            named("Steps", self.steps.native, WIDTH),
            named("Preview", self.preview.native, WIDTH),
            named("Result type", self.dtype.native, WIDTH),
            named("Save to", self.save_to, WIDTH),
            named("Tile (px)", self.tile.native, WIDTH),
        )

    def for_training(self) -> dict[str, Any]:
        """As `DenoiserInput` takes them."""
        recipe = self.recipe.value("denoised").changed({"target.loss": str(self.loss.value)})
        return {
            "recipe": recipe,
            "seconds": 60 * self.minutes.value or None,
            "steps": int(self.steps.value) or None,
            "device": self.device.value or None,
            "start": self.start.value(),
            "has_previews": bool(self.preview.value),
            "half": self.preview.value == "half",
        }

    def for_denoising(self) -> dict[str, Any]:
        """As `DenoiseInput` takes them."""
        return {
            "tile": int(self.tile.value) or None,
            "device": self.device.value or None,
            "dtype": str(self.dtype.value),
            "out": self.save_to.value,
        }
