"""Every knob, once: small models that drive the forms, the command line and the model file."""

from .models import (
    LARGEST,
    Augmentation,
    ClassesTarget,
    DenoisedTarget,
    ObjectsTarget,
    Recipe,
    Target,
    Task,
    Tiling,
    Training,
    UNet,
    as_recipe,
    parse_recipe,
    read_recipe,
)

__all__ = [
    "LARGEST",
    "Augmentation",
    "ClassesTarget",
    "DenoisedTarget",
    "ObjectsTarget",
    "Recipe",
    "Target",
    "Task",
    "Tiling",
    "Training",
    "UNet",
    "as_recipe",
    "parse_recipe",
    "read_recipe",
]
