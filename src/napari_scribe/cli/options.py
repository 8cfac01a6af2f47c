"""Define the options that several commands share, and read their values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from ..recipe.presets import PRESETS

if TYPE_CHECKING:
    from ..describe import Understood
    from ..image import Image

DEFAULT_SECONDS = 300.0
"""Length of a training, in seconds, if the user sets neither steps nor seconds."""

Images = Annotated[list[Path], typer.Argument(help="Images (TIFF, zarr, PNG, NPY) or a folder.")]
Device = Annotated[
    str | None, typer.Option(help="cuda, mps or cpu. Default: the fastest one.", metavar="NAME")
]
Axes = Annotated[
    str,
    typer.Option(
        help="A letter of TCZYX per axis of the images. Default: from the files, or guessed."
    ),
]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe as JSON.")]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", help=f"A recipe by name: {', '.join(PRESETS)}.", metavar="NAME"),
]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", help="A recipe value, such as network.width=32.", metavar="KEY=VALUE"),
]
Level = Annotated[int, typer.Option(help="Level of a pyramid: 0 is the full resolution.", min=0)]
Series = Annotated[
    int,
    typer.Option(
        help="Number of the image in files that hold several, from 0.", min=0, metavar="N"
    ),
]
PIECES = "--pieces-are-objects/--numbers-are-objects"
Pieces = Annotated[
    bool | None,
    typer.Option(
        PIECES,
        help="If one number covers many separate pieces: take each as an object, or all as one.",
    ),
]
Channels = Annotated[
    str, typer.Option(help="Channels to use, as 0,2. Default: all, or the model's.", metavar="LIST")
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        help="Seconds between checkpoints, from which the same command goes on after a crash. "
        "0: none.",
        min=0,
        metavar="SECONDS",
    ),
]
ObjectSize = Annotated[
    float | None,
    typer.Option(
        help="Diameter of the objects, in the image's pixels. Default: from the paint, or the "
        "image.",
        metavar="PX",
    ),
]
Steps = Annotated[int | None, typer.Option(help="Number of steps to train.")]
Seconds = Annotated[
    float | None, typer.Option(help=f"Seconds to train. Default: {DEFAULT_SECONDS:.0f}.")
]
Seed = Annotated[int | None, typer.Option(help="The same seed and steps give the same model.")]
KeepWorse = Annotated[
    bool, typer.Option("--keep-worse", help="Keep a fine-tuned model even if it is worse.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Patience = Annotated[
    int | None,
    typer.Option(
        help="End after N validations in a row without a better one. 0: never.", metavar="N"
    ),
]


def channel_numbers(channels: str) -> list[int] | None:
    """Read the numbers of channels, such as 0,2; None for an empty text."""
    try:
        return [int(part) for part in channels.split(",")] if channels else None
    except ValueError:
        raise InputError(f"--channels {channels}: write numbers from 0, such as 0,2.") from None


def all_images(paths: Sequence[Path]) -> list[Path]:
    """Return images, and those in folders; print which files in folders are left out as labels."""
    from ..io import beside_images, first_few, list_images

    images = [image for path in paths for image in list_images(path)]
    if left_out := [beside.name for path in paths for beside in beside_images(path)]:
        typer.echo(
            f"Left out, as labels or maps of images here ({len(left_out)}): {first_few(left_out)}",
            err=True,
        )
    return images


def open_image(path: str | Path, axes: str, level: int = 0, series: int = 0) -> Image:
    """Open an image with the axes that the user named, if any."""
    from ..io import read_image

    return read_image(path, axes, level, series)


def print_notes(images: Sequence[Understood]) -> None:
    """Print the notes on images. A note that several images have is printed once."""
    from ..describe import describe_notes

    if notes := describe_notes(images):
        typer.echo(notes, err=True)


def recipe_changes(values: list[str] | None) -> dict[str, Any]:
    """Return the values of ``--set``: key -> text."""
    return values_of("--set", values, "network.width=32")


def values_of(option: str, values: list[str] | None, example: str = "merge=0.6") -> dict[str, Any]:
    """Return the values of an option that is given as KEY=VALUE: key -> text."""
    changes = {}
    for pair in values or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{option} {pair}: write it as KEY=VALUE, such as {example}.")
        changes[key.strip()] = value.strip()
    return changes


def training_changes(seed: int | None, patience: int | None) -> dict[str, Any]:
    """Return the recipe values of ``--seed`` and ``--patience``, of those that are given."""
    values = {"training.seed": seed, "training.patience": patience}
    return {name: value for name, value in values.items() if value is not None}
