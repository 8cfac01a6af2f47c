"""Define the commands `sample`, which writes data to try things on, `presets` and `settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..recipe.presets import PRESETS
from .options import PresetName

FILES = {
    "image": "nuclei as a camera records them",
    "paint": "up to ten painted nuclei: 0 is not painted, 1 background, 2 and up one nucleus each",
    "truth": "all nuclei, each with a number of its own; 0 is background",
    "mask": "1 where there is a nucleus; 0 is background",
}
"""Files of a sample, and what they hold."""


def sample(
    folder: Annotated[Path, typer.Argument(help="Folder for the files; created.")],
    side: Annotated[
        int, typer.Option(help="Side of the image, in pixels.", min=64, max=8192)
    ] = 512,
    slices: Annotated[
        int | None,
        typer.Option(help="Slices of a volume. Default: an image of 2D.", min=8, max=512),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives another image.", min=0)] = 0,
) -> None:
    """Write the built-in sample to files: synthetic nuclei, some paint, and the truth."""
    from ..io import check_writable, write_tiff
    from ..samples import PIXEL, nuclei

    paths = {name: folder / f"{name}.tif" for name in FILES}
    for path in paths.values():
        check_writable(path)
        if path.exists():
            raise InputError(f"{path} exists already. Choose another folder.")
    made = nuclei((side, side) if slices is None else (slices, side, side), seed)
    axes = "YX" if slices is None else "ZYX"
    scale, units = dict.fromkeys(axes, PIXEL), dict.fromkeys(axes, "micrometer")
    for name, path in paths.items():
        array = (made.truth > 0).astype("uint8") if name == "mask" else getattr(made, name)
        write_tiff(path, array, axes, scale, units, overwrite=False)
        typer.echo(f"{path}: {FILES[name]}")


def presets() -> None:
    """List the presets of `train`: when to take each, and what its network costs."""
    from ..inference.cost import cost_of
    from ..recipe import Recipe

    for name, preset in PRESETS.items():
        typer.echo(f"{name}: {preset.title}")
        typer.echo(f"    {preset.when}")
        typer.echo(f"    {cost_of(Recipe.preset(name)).in_words()}")


def settings(preset: PresetName = None) -> None:
    """List every value that --set takes, with its default and meaning."""
    from ..recipe import Recipe

    typer.echo(str(Recipe.preset(preset) if preset else Recipe()))
