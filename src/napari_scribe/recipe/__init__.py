"""Every knob, once: small models that drive the forms, the command line and the model file."""

from .models import (
    Augmentation,
    ClassesTarget,
    ObjectsTarget,
    Recipe,
    Target,
    Tiling,
    Training,
    UNet,
    parse_recipe,
    read_recipe,
)

__all__ = [
    "Augmentation",
    "ClassesTarget",
    "ObjectsTarget",
    "Recipe",
    "Target",
    "Tiling",
    "Training",
    "UNet",
    "parse_recipe",
    "read_recipe",
]
