"""Name recipes that are known to serve, each with one line that says when to take it.

To add a preset, enter it in `PRESETS`. The command line, the dock and Python offer it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import InputError


@dataclass(frozen=True)
class Preset:
    """Hold the values in which a recipe differs from the default one.

    Parameters
    ----------
    title
        Name in words.
    when
        One line that says when to take it.
    values
        Dotted names of recipe values, as `Recipe.changed` takes them.
    """

    title: str
    when: str
    values: Mapping[str, object] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    "unet": Preset(
        "U-Net",
        "Nuclei and cells in 2D: start here.",
    ),
    "fast": Preset(
        "Small U-Net",
        "A computer without a GPU, or a very large image: about a quarter of the work.",
        {"network.width": 8},
    ),
    "large": Preset(
        "Large U-Net",
        "Objects wider than 60 px, or told by their texture: sees twice as far; wants a GPU.",
        {"network.depth": 4, "network.width": 32},
    ),
    "volume": Preset(
        "U-Net in 3D",
        "Volumes in which objects reach over many slices, with Z as depth.",
        {"network.dimensions": 3},
    ),
    "unet3d2016": Preset(
        "3D U-Net, 2016",
        "A volume of which only some slices are painted: the slices between are found, too.",
        {"network.dimensions": 3, "network.depth": 3},
    ),
    "fcn8": Preset(
        "FCN-8s, 2015",
        "Large even areas in 2D, such as tissues: outlines are coarse, but it sees very far.",
        {"network.kind": "fcn", "training.patch": 256},
    ),
    "fusionnet": Preset(
        "FusionNet, 2016",
        "Membranes in 2D electron microscopy: deeper than the U-Net, and slower; wants a GPU.",
        {"network.kind": "fusionnet"},
    ),
    "snemi2017": Preset(
        "Residual symmetric U-Net, 2017",
        "Neurites in stacks of thick slices: tells apart what touches along its whole length; "
        "wants a GPU.",
        {
            "network.kind": "residual_symmetric",
            "network.dimensions": 3,
            "network.depth": 4,
            "network.width": 28,
            "network.flat_levels": 4,
            "target.encoding": "affinities",
            "training.patch": 160,
        },
    ),
    "residual": Preset(
        "Residual U-Net",
        "Where the default looks too little around: deeper, and still easy to train, because each "
        "level adds to what it gets.",
        {"network.block": "residual", "network.depth": 4},
    ),
    "shared": Preset(
        "U-Net with shared weights",
        "Few painted images, such as vessels of a handful of retinas: residual blocks that use "
        "each convolution twice have half the parameters (LadderNet).",
        {
            "network.block": "shared",
            "network.upsampling": "bilinear",
            "network.dropout": 0.25,
        },
    ),
    "unet2015": Preset(
        "U-Net of 2015",
        "To work as the U-Net paper did: 31 million parameters, learns from patches of 572 px "
        "for answers of 388. Wants a GPU.",
        {
            "network.depth": 4,
            "network.width": 64,
            "network.padding": "valid",
            "network.normalization": "none",
            "network.dropout": 0.5,
            "target.encoding": "border",
            "target.border_weight": 10.0,
            "target.border_sigma": 5.0,
            "training.patch": 388,
            "training.batch": 1,
            "training.optimizer": "sgd",
            "training.momentum": 0.99,
            "training.learning_rate": 1e-3,
            "training.weight_decay": 0.0,
            # Three displacements along each side of the 572 px of a patch.
            "augmentation.elastic": 10.0,
            "augmentation.elastic_grid": 256,
            "augmentation.scaling": 1.0,
            "augmentation.blur": 0.0,
            "augmentation.noise": 0.0,
            "tiling.tile": 384,  # the largest multiple of the stride for which 572 px are read
        },
    ),
}
"""The presets by name."""


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in PRESETS:
        raise InputError(f"There is no preset '{name}': choose from {', '.join(PRESETS)}.")
    return PRESETS[name]
