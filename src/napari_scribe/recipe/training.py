"""Define the parts of a recipe that say how a network learns and is applied."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .part import LARGEST, Part, pixels_field


def degrees_field(default: float, title: str, description: str, le: float) -> Any:
    """Declare an angle in degrees."""
    return Field(
        default,
        ge=0,
        le=le,
        title=title,
        description=description,
        json_schema_extra={"unit": "degrees"},
    )


def share_field(title: str, which: str) -> Any:
    """Declare a share of the patches, 0 by default."""
    return Field(0.0, ge=0, le=1, title=title, description=f"Share of the patches {which}.")


class Augmentation(Part):
    """Describe the random changes that are made to each training patch.

    The first ones move pixels, and with them everything that is known of them. The others change
    pixels alone.
    """

    flip: bool = Field(True, title="Flip", description="Mirror at random.")
    rotation: float = degrees_field(
        180.0, "Rotation", "Largest angle, in either direction.", le=180
    )
    scaling: float = Field(
        2.0, ge=1, le=4, title="Scaling", description="Largest factor of growing or shrinking."
    )
    shear: float = degrees_field(
        0.0, "Shear", "Largest angle by which a square is slanted, in either direction.", le=60
    )
    elastic: float = pixels_field(
        3.0, "Elastic deformation", "Standard deviation of random displacements.", ge=0, le=30
    )
    elastic_grid: int = pixels_field(
        32, "Elastic grid", "Distance between the random displacements.", ge=4, le=1024
    )
    misalignment: float = pixels_field(
        0.0,
        "Misalignment",
        "In volumes: largest shift of one slice, or of all from one on. Labels move, too.",
        ge=0,
        le=100,
    )
    invert: float = share_field("Inversion", "that show bright as dark and dark as bright")
    brightness: float = Field(
        0.2, ge=0, le=2, title="Brightness", description="Largest shift, in units of the contrast."
    )
    contrast: float = Field(
        1.5, ge=1, le=10, title="Contrast", description="Largest factor of the contrast."
    )
    gamma: float = Field(1.5, ge=1, le=5, title="Gamma", description="Largest exponent.")
    background: float = Field(
        0.0,
        ge=0,
        le=10,
        title="Uneven background",
        description="Largest slope of an uneven background: what it adds from one side of the "
        "patch to the other, in units of the contrast.",
    )
    noise: float = Field(
        0.1, ge=0, le=1, title="Noise", description="Largest standard deviation of added noise."
    )
    blur: float = pixels_field(1.0, "Blur", "Largest standard deviation of a blur.", ge=0, le=10)
    blurred_section: float = pixels_field(
        0.0,
        "Blurred slice",
        "In volumes: largest standard deviation of the blur of one slice.",
        ge=0,
        le=20,
    )
    missing_section: float = share_field(
        "Missing slice", "in which one slice is blank (in volumes)"
    )
    cutout: float = pixels_field(
        0.0, "Cutout", "Largest side of a box that is blanked in each patch.", ge=0, le=512
    )


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
    fine_tuning: float = Field(
        0.25,
        gt=0,
        le=1,
        title="Fine-tuning",
        description="Share of the learning rate with which a model is trained on, on images "
        "like those that it knows; on others it learns with all of it.",
    )
    replay: float = Field(
        0.3,
        ge=0,
        le=0.9,
        title="Replay",
        description="Fine-tuning: share of the patches that come from what the model learnt "
        "before, if a sample of it is in the model; at most 0.1 on images that it does not know.",
    )
    keep_replay: bool = Field(
        True,
        title="Keep replay",
        description="Keep a sample of the images and their paint in the model (at most 1 MB), for "
        "fine-tuning. Whoever gets the model can see it.",
    )
    corrections: float = Field(
        3.0,
        ge=1,
        le=100,
        title="Corrections",
        description="How much more objects weigh that were corrected in a prediction than those "
        "that were painted, with the background close around them.",
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
    patience: int = Field(
        0,
        ge=0,
        le=LARGEST,
        title="Patience",
        description="Validations in a row without a better one that end the training. 0: none do.",
    )
    seed: int = Field(
        0, ge=0, le=LARGEST, title="Seed", description="Same seed and steps, same model."
    )


OVERLAP = ["cross_entropy", "dice", "generalised_dice", "dice_cross_entropy", "focal", "tversky"]
DIFFERENCE = ["l1", "l2", "smooth_l1"]


def loss_field(default: str, title: str, what: str, names: list[str]) -> Any:
    """Declare the name of a loss; forms offer the names, and any other registered loss will do."""
    return Field(
        default,
        title=title,
        description=f"Loss of {what}: {', '.join(names)}.",
        examples=names,
    )


class Losses(Part):
    """Name the loss of each kind of head of a network that learns from paint, and its numbers.

    The loss of image heads is the ``loss`` of the target ``denoised``.
    """

    binary: str = loss_field(
        "cross_entropy", "Yes-or-no maps", "yes-or-no maps, such as foreground", OVERLAP
    )
    categorical: str = loss_field(
        "cross_entropy", "Classes", "maps of classes that exclude one another", OVERLAP
    )
    distance: str = loss_field("l1", "Distances", "maps of distances from 0 to 1", DIFFERENCE)
    focal_gamma: float = Field(
        2.0,
        ge=0,
        le=10,
        title="Focal: gamma",
        description="How much less pixels count in focal that are answered rightly already. "
        "0: as in cross_entropy.",
    )
    tversky_alpha: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Tversky: alpha",
        description="Weight in tversky of what is found where nothing is.",
    )
    tversky_beta: float = Field(
        0.7,
        ge=0,
        le=1,
        title="Tversky: beta",
        description="Weight in tversky of what is missed. Larger than alpha: fewer gaps, more "
        "false finds.",
    )
    smooth_l1_beta: float = Field(
        0.1,
        gt=0,
        le=10,
        title="Smooth l1: beta",
        description="Errors below it are squared in smooth_l1, as in l2; above, it is like l1.",
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
