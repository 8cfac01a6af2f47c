"""Print the table of networks in docs/networks/README.md: `python docs/make_networks.py`.

When to take which, and what each costs, is what the command `napari-scribe presets` says.
"""

from __future__ import annotations

from napari_scribe.describe import per_axis
from napari_scribe.inference.cost import cost_of
from napari_scribe.recipe import PRESETS, Recipe

UNET = "[Ronneberger 2015](https://arxiv.org/abs/1505.04597)"
UNET_3D = "[Çiçek 2016](https://arxiv.org/abs/1606.06650)"
WHAT = {
    "unet": ("encoder, decoder, and skip connections between them", UNET),
    "fast": ("the same with half the features", UNET),
    "large": ("one level more, twice the features", UNET),
    "volume": ("the same for volumes, two levels", UNET_3D),
    "residual": ("levels that add to what they get", "[He 2015](https://arxiv.org/abs/1512.03385)"),
    "shared": (
        "residual levels that use each convolution twice",
        "[LadderNet 2018](https://arxiv.org/abs/1810.07810)",
    ),
    "unet2015": ("the U-Net as published", UNET),
    "unet3d2016": ("the 3D U-Net, for sparse paint", UNET_3D),
    "fcn8": (
        "scores at 1/32, 1/16 and 1/8 of the size, upsampled and added",
        "[Long 2015](https://arxiv.org/abs/1411.4038)",
    ),
    "fusionnet": (
        "residual levels, skip connections by addition",
        "[Quan 2016](https://arxiv.org/abs/1612.05360)",
    ),
    "snemi2017": (
        "the same for thick slices, with affinities of pixels near and far",
        "[Lee 2017](https://arxiv.org/abs/1706.00120)",
    ),
}
"""What each preset is, and its paper."""
HEAD = "| preset | what | paper | take it for | parameters | halo | work |\n" + 7 * "|---" + "|"


def main() -> None:
    print(HEAD)
    for name in PRESETS:
        print(row(name))


def row(name: str) -> str:
    """Return the row of a preset."""
    what, paper = WHAT[name]
    cost, when = cost_of(Recipe.preset(name)), PRESETS[name].when.removesuffix(".")
    halo = per_axis(cost.halo)
    return (
        f"| `{name}` | {what} | {paper} | {when} | {cost.parameters_in_words} | {halo} | "
        f"{cost.times_default} |"
    )


if __name__ == "__main__":
    main()
