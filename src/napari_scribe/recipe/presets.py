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
