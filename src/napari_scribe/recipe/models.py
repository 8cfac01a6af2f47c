"""The recipe: pydantic models, told apart by ``kind``."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..errors import InputError

LARGEST = 2**31 - 1
"""Bound of whole numbers that have no other: random generators and spin boxes take no larger."""
LONGEST = 2**20
"""Bytes of a file with a recipe."""


class _Part(BaseModel):
    """Frozen, finite, and strict about names: a misspelt key is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _pixels(default: float, title: str, description: str, **bounds: Any) -> Any:
    return Field(
        default, title=title, description=description, json_schema_extra={"unit": "px"}, **bounds
    )


class UNet(_Part):
    """U-Net, Ronneberger et al. 2015 (https://arxiv.org/abs/1505.04597)."""

    kind: Literal["unet"] = "unet"
    dimensions: int = Field(
        2, ge=2, le=3, title="Dimensions", description="2: slice by slice; 3: Z is depth."
    )
    depth: int = Field(3, ge=1, le=5, title="Depth", description="How often the image is halved.")
    width: int = Field(
        16, ge=2, le=128, title="Width", description="Features at full resolution; doubled below."
    )
    padding: Literal["same", "valid"] = Field(
        "same",
        title="Padding",
        description="same: convolutions keep the size; valid: they shrink it, as in the paper.",
    )
    normalization: Literal["batch", "none"] = Field(
        "batch",
        title="Normalization",
        description="Of the features after each convolution. none: faster, and exact about "
        "intensities, as denoising needs.",
    )
    flat_levels: int = Field(
        0,
        ge=0,
        le=5,
        title="Flat levels",
        description="For thick slices in 3D: how often the image is halved within its slices only, "
        "before it is in Z, too. 1 where slices are about 2 pixels apart, 2 for 4; in 2D unused.",
    )

    @field_validator("flat_levels")
    @classmethod
    def _levels_there_are(cls, flat_levels: int, others: ValidationInfo) -> int:
        if others.data.get("dimensions") == 2:
            return 0  # so that the same networks have the same recipe
        if flat_levels > (depth := others.data.get("depth", flat_levels)):
            raise ValueError(f"at most the depth, which is {depth}")
        return flat_levels


class ObjectsTarget(_Part):
    """Every object apart: foreground and the distance to each object's own border."""

    kind: Literal["objects"] = "objects"
    ring: int = _pixels(
        4,
        "Ring of background",
        "How far around a painted object counts as background, where nothing else is painted.",
        ge=0,
        le=50,
    )
    unpainted: float = Field(
        0.01,
        ge=0,
        le=1,
        title="Weight of unpainted",
        description="Where objects are painted and no background at all, what is not painted "
        "counts as background with this small weight.",
    )
    border_weight: float = Field(
        1.0,
        ge=0,
        le=100,
        title="Border weight",
        description="Extra weight of background between two painted objects (w0 of the paper).",
    )
    border_sigma: float = _pixels(
        3.0, "Border width", "How far that weight reaches (sigma of the paper).", gt=0, le=50
    )


class ClassesTarget(_Part):
    """One class a pixel."""

    kind: Literal["classes"] = "classes"


class DenoisedTarget(_Part):
    """The image without its noise, Noise2Noise (https://arxiv.org/abs/1803.04189)."""

    kind: Literal["denoised"] = "denoised"
    loss: Literal["l2", "l1", "l0"] = Field(
        "l2",
        title="Loss",
        description="l2 finds the mean of noise: for what a camera adds. l1 finds its median: for "
        "some far outliers. l0 finds its mode: where pixels are replaced by others (impulses).",
    )
    annealing: int = Field(
        2000,
        ge=1,
        le=LARGEST,
        title="Annealing",
        description="Steps in which the exponent of l0 falls from 2; unused by the others.",
    )
    consistency: float = Field(
        0.5,  # on real nuclei and phase contrast more of it was worse, by 0.1 to 4 dB
        ge=0,
        le=100,
        title="Consistency",
        description="Weight of the term that keeps single images from being smoothed, gamma of "
        "Neighbor2Neighbor; unused with pairs.",
    )


Target = Annotated[ObjectsTarget | ClassesTarget | DenoisedTarget, Field(discriminator="kind")]
Task = Literal["objects", "classes", "denoised"]


class Augmentation(_Part):
    """Random changes of every training patch."""

    flip: bool = Field(True, title="Flip", description="Mirror at random.")
    rotation: float = Field(
        180.0,
        ge=0,
        le=180,
        title="Rotation",
        description="Largest turn, either way.",
        json_schema_extra={"unit": "degrees"},
    )
    scaling: float = Field(
        2.0, ge=1, le=4, title="Scaling", description="Largest factor of growing or shrinking."
    )
    elastic: float = _pixels(
        3.0, "Elastic deformation", "Standard deviation of random displacements.", ge=0, le=30
    )
    elastic_grid: int = _pixels(
        32, "Elastic grid", "Distance between the random displacements.", ge=4, le=256
    )
    brightness: float = Field(
        0.2, ge=0, le=2, title="Brightness", description="Largest shift, in units of the contrast."
    )
    contrast: float = Field(
        1.5, ge=1, le=10, title="Contrast", description="Largest factor of the contrast."
    )
    gamma: float = Field(1.5, ge=1, le=5, title="Gamma", description="Largest exponent.")
    noise: float = Field(
        0.1, ge=0, le=1, title="Noise", description="Largest standard deviation of added noise."
    )
    blur: float = _pixels(1.0, "Blur", "Largest standard deviation of a blur.", ge=0, le=10)


class Training(_Part):
    """How a network learns."""

    patch: int = _pixels(128, "Patch", "Side of a training patch.", ge=16, le=1024)
    batch: int = Field(4, ge=1, le=256, title="Batch", description="Patches per step.")
    learning_rate: float = Field(
        2e-3, gt=0, le=1, title="Learning rate", description="Step size of AdamW, constant."
    )
    weight_decay: float = Field(
        1e-2, ge=0, le=1, title="Weight decay", description="Pull of the weights to zero (AdamW)."
    )
    averaging: float = Field(
        8.0,
        ge=0,
        le=1000,
        title="Averaging",
        description="The weights are averaged over the last 1/averaging of the run, or so.",
    )
    balance: float = Field(
        10.0,
        ge=1,
        le=1000,
        title="Balance",
        description="How much more a rare class may weigh than a frequent one.",
    )
    validate_every: int = Field(
        50,
        ge=1,
        le=LARGEST,
        title="Validate every",
        description="Steps between looks at what was held out.",
    )
    seed: int = Field(
        0, ge=0, le=LARGEST, title="Seed", description="Same seed and steps, same model."
    )


class Tiling(_Part):
    """How a model is run over an image."""

    tile: int = _pixels(
        0,
        "Tile",
        "Side of what a tile keeps; the halo comes on top. 0: chosen for the machine.",
        ge=0,
        le=LARGEST,
    )
    batch: int = Field(
        0,
        ge=0,
        le=256,
        title="Batch",
        description="Tiles per forward pass. 0: chosen for the machine.",
    )


VOLUME_DEFAULTS: dict[str, dict[str, Any]] = {
    "network": {"depth": 2},
    "training": {"patch": 48, "batch": 1},
}
"""What differs in 3D, where nothing else is asked for; sides shrink in Z with flat levels."""
DENOISER_DEFAULTS: dict[str, dict[str, Any]] = {
    "network": {"normalization": "none"},
}
"""What differs for denoisers, where nothing else is asked for."""


class Recipe(_Part):
    """Everything that decides what is trained and how.

    ``Recipe(task="objects")`` is short for ``Recipe(target=ObjectsTarget())``.
    """

    target: Target = ObjectsTarget()
    network: UNet = UNet()
    training: Training = Training()
    augmentation: Augmentation = Augmentation()
    tiling: Tiling = Tiling()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()
            )
            raise InputError(f"The recipe does not fit: {reasons}.") from None

    @model_validator(mode="before")
    @classmethod
    def _defaults_follow_what_is_asked(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if _plain(values.get("target")).get("kind") == "denoised":
            values = _filled_up(values, DENOISER_DEFAULTS)
        if str(_plain(values.get("network")).get("dimensions")) == "3":
            values = _filled_up(values, VOLUME_DEFAULTS)
        return values

    @model_validator(mode="before")
    @classmethod
    def _task_names_the_target(cls, values: Any) -> Any:
        if isinstance(values, dict) and "task" in values:
            values = dict(values)
            task = values.pop("task")
            target = values.get("target", {})
            if isinstance(target, dict):
                values["target"] = {**target, "kind": task}
        return values

    @property
    def tile(self) -> int:
        """Side of what a tile keeps, in pixels, where nothing is known of the machine."""
        return self.tiling.tile or (512 if self.network.dimensions == 2 else 96)

    @property
    def task(self) -> Task:
        """What is answered: ``objects``, ``classes`` or ``denoised``."""
        return self.target.kind

    def changed(self, values: dict[str, Any]) -> Recipe:
        """A recipe with some values replaced.

        Parameters
        ----------
        values
            Dotted names, such as ``{"network.width": 32}``; texts are converted.

        Raises
        ------
        InputError
            If a name is unknown or a value out of bounds.
        """
        known = _names(self.model_dump())
        chosen = self.model_dump(exclude_unset=True)
        chosen.setdefault("target", {})["kind"] = self.task
        for name, value in values.items():
            if name not in known:
                near = get_close_matches(name, known, n=4, cutoff=0.5)
                nearest = f" Nearest: {', '.join(near)}." if near else ""
                raise InputError(
                    f"There is no recipe value '{name}'.{nearest} To see all: python -c "
                    f"\"import napari_scribe; print(napari_scribe.Recipe(task='{self.task}'))\""
                )
            part, key = name.split(".")
            chosen.setdefault(part, {})[key] = value
        return parse_recipe(chosen)


def as_recipe(recipe: Any) -> Recipe | None:
    """Return a recipe as it is, and that of plain values or of a JSON file; None stays.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if recipe is None or isinstance(recipe, Recipe):
        return recipe
    return read_recipe(recipe) if isinstance(recipe, str | Path) else parse_recipe(recipe)


def parse_recipe(values: Any) -> Recipe:
    """Build a recipe from plain values.

    Raises
    ------
    InputError
        If it does not know them, or some are out of bounds.
    """
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise InputError(
            f"The recipe does not fit: it is of type {type(values).__name__}. Give its values by "
            "name, such as {'task': 'objects', 'network': {'width': 32}}."
        )
    return Recipe(**values)


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe from a JSON file.

    Raises
    ------
    InputError
        If the file cannot be read or does not hold a recipe.
    """
    import json

    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(
            f"Cannot read the recipe {path}: it is no ordinary file. Give a JSON file."
        )
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
        if len(text) > LONGEST:
            raise ValueError("it is much too long")
        values = json.loads(text)
    except RecursionError:
        raise InputError(f"Cannot read the recipe {path}: it is no recipe.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"Cannot read the recipe {path}: {reason}. Give a JSON file.") from None
    try:
        return parse_recipe(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _plain(part: Any) -> dict[str, Any]:
    """A part of a recipe as a dictionary, of what was asked for."""
    return part if isinstance(part, dict) else dict(getattr(part, "__dict__", {}))


def _filled_up(values: dict[str, Any], defaults: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Defaults beneath what is asked for; parts that are models already are left alone."""
    parts = {p: d for p, d in defaults.items() if isinstance(values.get(p, {}), dict)}
    return {**values, **{p: {**d, **values.get(p, {})} for p, d in parts.items()}}


def _names(plain: dict[str, Any]) -> list[str]:
    return [f"{part}.{key}" for part, values in plain.items() for key in values]
