"""Define every setting once, for the forms, the command line and the model file."""

from .networks import FCN, NETWORK_KINDS, FusionNet, NetworkPart, ResidualSymmetric, UNet
from .part import LARGEST
from .presets import PRESETS, Preset
from .recipe import Recipe, as_recipe, parse_recipe, read_recipe, saved_recipe
from .targets import MAPS, ClassesTarget, DenoisedTarget, ObjectsTarget, Target
from .training import Augmentation, Losses, Tiling, Training

__all__ = [
    "FCN",
    "LARGEST",
    "MAPS",
    "NETWORK_KINDS",
    "PRESETS",
    "Augmentation",
    "ClassesTarget",
    "DenoisedTarget",
    "FusionNet",
    "Losses",
    "NetworkPart",
    "ObjectsTarget",
    "Preset",
    "Recipe",
    "ResidualSymmetric",
    "Target",
    "Tiling",
    "Training",
    "UNet",
    "as_recipe",
    "parse_recipe",
    "read_recipe",
    "saved_recipe",
]
