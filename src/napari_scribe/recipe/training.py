"""Define the parts of a recipe that say how a network learns and is applied."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .part import LARGEST, Part, pixels_field


class Augmentation(Part):
    """Describe the random changes that are made to each training patch."""

    flip: bool = Field(True, title="Flip", description="Mirror at random.")
    rotation: float = Field(
        180.0,
        ge=0,
        le=180,
        title="Rotation",
        description="Largest angle, in either direction.",
        json_schema_extra={"unit": "degrees"},
    )
    scaling: float = Field(
        2.0, ge=1, le=4, title="Scaling", description="Largest factor of growing or shrinking."
    )
    elastic: float = pixels_field(
        3.0, "Elastic deformation", "Standard deviation of random displacements.", ge=0, le=30
    )
    elastic_grid: int = pixels_field(
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
    blur: float = pixels_field(1.0, "Blur", "Largest standard deviation of a blur.", ge=0, le=10)


class Training(Part):
    """Describe how a network learns."""

    patch: int = pixels_field(128, "Patch", "Side of a training patch.", ge=16, le=1024)
    batch: int = Field(4, ge=1, le=256, title="Batch", description="Patches per step.")
    optimizer: Literal["adamw", "sgd"] = Field(
        "adamw",
        title="Optimizer",
        description="adamw: each weight has a step size of its own; sgd: all have one, with "
        "momentum, as in the U-Net paper: slower, and the learning rate has to be found.",
    )
    momentum: float = Field(
        0.9,
        ge=0,
        lt=1,
        title="Momentum",
        description="Share of the step before that is added to each step of sgd; unused with "
        "adamw.",
    )
    learning_rate: float = Field(
        2e-3, gt=0, le=1, title="Learning rate", description="Step size, constant."
    )
    weight_decay: float = Field(
        1e-2, ge=0, le=1, title="Weight decay", description="Pull of the weights to zero."
    )
    averaging: float = Field(
        8.0,
        ge=0,
        le=1000,
        title="Averaging",
        description="The weights are averaged over about the last 1/averaging of the training.",
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
        description="Steps from one validation on held-out data to the next.",
    )
    seed: int = Field(
        0, ge=0, le=LARGEST, title="Seed", description="Same seed and steps, same model."
    )


class Losses(Part):
    """Name the loss of each kind of head of a network that learns from paint.

    The loss of image heads is the ``loss`` of the target ``denoised``.
    """

    binary: str = Field(
        "cross_entropy", title="Binary", description="Loss of yes-or-no maps, such as foreground."
    )
    categorical: str = Field(
        "cross_entropy", title="Categorical", description="Loss of maps of exclusive classes."
    )
    distance: str = Field(
        "l1", title="Distance", description="Loss of maps of distances from 0 to 1."
    )


class Tiling(Part):
    """Describe how a model is run over an image."""

    tile: int = pixels_field(
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
