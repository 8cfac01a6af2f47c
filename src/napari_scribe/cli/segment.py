"""Define the commands `segment` and `seam-test`, and what `denoise` shares with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..terminal import exit_status, seams_with_bar, segment_with_bar
from .options import (
    Axes,
    Channels,
    Device,
    Images,
    Level,
    Series,
    all_images,
    channel_numbers,
    open_image,
    print_notes,
    recipe_changes,
)

OTHER_KINDS = (
    ".png", ".jpg", ".jpeg", ".jp2", ".jxl", ".gif", ".bmp", ".webp", ".npy", ".npz", ".h5",
    ".hdf5", ".ims", ".nd2", ".czi", ".lif", ".lsm", ".mrc", ".nii", ".dcm", ".svs", ".vsi", ".btf",
    ".mat", ".csv", ".zip", ".gz", ".avi", ".mp4",
)  # fmt: skip
"""Suffixes of files that no results are written to. A name with any other suffix is a folder."""

if TYPE_CHECKING:
    from ..describe import Understood
    from ..inference.run import InferenceJob

ModelFile = Annotated[
    str, typer.Option("--model", help="A model file, or the name of one in the model folder.")
]
Tile = Annotated[
    int | None,
    typer.Option(
        help="Side of what a tile keeps, in pixels. Default: the fastest.", min=1, max=2**31 - 1
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes on this machine that share the work.", min=1, max=1024)
]
Scheduler = Annotated[
    str | None, typer.Option(help="A dask scheduler to give it to.", metavar="TCP://HOST:PORT")
]
Part = Annotated[
    str, typer.Option(help="Do a share only, as 3/16; in the end run without.", metavar="I/N")
]
Out = Annotated[
    str,
    typer.Option(help=".tif, .zarr, or a folder (one .tif an image).", metavar="PATH"),
]
"""A text and no path, as a slash at the end, which paths lose, marks a folder."""
Halo = Annotated[
    Literal["exact", "quick"],
    typer.Option(help="Around tiles. quick: the smallest that changes next to nothing; says what."),
]


def segment(
    images: Images,
    model: ModelFile,
    out: Out,
    save: Annotated[
        str, typer.Option(help="labels, or also probability, distance: a,b.")
    ] = "labels",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    tile: Tile = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Tiles per forward pass. Default: what fits.", min=1, max=65_536),
    ] = None,
    halo: Halo = "exact",
    device: Device = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    part: Part = "",
    axes: Axes = "",
    level: Level = 0,
    series: Series = 0,
    channels: Channels = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A value such as tiling.batch=4.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Segment images of any size. Ctrl-C stops; the same command goes on from there."""
    from ..describe import understood
    from ..inference.begin import check_apart
    from ..inference.segment import segment as start_segmenting
    from ..model import load_model

    loaded = load_model(model)
    if changed := recipe_changes(set_):
        if other := next((key for key in changed if not key.startswith("tiling.")), None):
            raise InputError(f"--set {other}: a trained model takes new values of tiling only.")
        loaded = loaded.changed(recipe=loaded.recipe.changed(changed))
    paths = all_images(images)
    targets = result_paths(paths, out)
    inputs: list[Understood] = []

    def job_for(path: Path, target: Path) -> InferenceJob:
        check_apart(target, path)
        image = open_image(path, axes, level, series)
        inputs.append(understood(path.name, image))
        return start_segmenting(
            loaded,
            image,
            target,
            channels=channel_numbers(channels),
            tile=tile,
            batch=batch,
            halo=halo,
            device=device,
            save=tuple(word.strip() for word in save.split(",")),
            overwrite=overwrite,
            part=read_part(part),
            workers=workers,
            scheduler=scheduler,
        )

    for _ in run_each(paths, targets, job_for, inputs):
        pass
    print_end("Labels", out, part)


def seam_test(
    image: Annotated[str, typer.Argument(help="An image.")],
    model: ModelFile,
    tile: Tile = None,
    halo: Halo = "exact",
    device: Device = None,
    axes: Axes = "",
    level: Level = 0,
    series: Series = 0,
    channels: Channels = "",
) -> None:
    """Move the tiles, and say by how much the answer changes: by nothing, if it has no seams."""
    from ..describe import understood
    from ..inference.seams import seam_test as start_seam_test

    opened = open_image(image, axes, level, series)
    print_notes([understood(opened.name, opened)])
    job = start_seam_test(
        model,
        opened,
        channels=channel_numbers(channels),
        tile=tile,
        halo=halo,
        device=device,
    )
    typer.echo(seams_with_bar(job).in_words())


def run_each(
    paths: Sequence[Path],
    targets: Sequence[Path],
    job_for: Callable[[Path, Path], InferenceJob],
    inputs: Sequence[Understood],
) -> Iterator[tuple[Path, InferenceJob]]:
    """Run a job for each image, with a progress bar; yield its target and the job when it is done.

    Parameters
    ----------
    paths, targets
        Images, and where their results go.
    job_for
        Opens an image, adds its description to `inputs`, and returns the job for it.
    inputs
        Descriptions of the images; printed before any work.

    Raises
    ------
    typer.Exit
        If it is stopped.
    """
    from ..describe import describe_inputs
    from ..io import resolve_links

    # All jobs are made before any work, as making one checks its input. Each is made again when its
    # turn comes: hours later, another program may be at work on the image, or have made its labels.
    # So only one image is open at a time.
    job = [job_for(path, target) for path, target in zip(paths, targets, strict=True)][-1]
    typer.echo(describe_inputs(inputs))
    print_notes(inputs)
    printed: set[str] = set()
    for path, target in zip(paths, targets, strict=True):
        resolve_links(target.parent).mkdir(parents=True, exist_ok=True)
        job = job if len(paths) == 1 else job_for(path, target)
        segment_with_bar(job, path.name, printed)
        if job.stop_requested and not job.is_complete:
            typer.echo(f"Stopped before {target} was whole. The same command goes on from here.")
            raise typer.Exit(exit_status())
        yield target, job
        if job.stop_requested and target != targets[-1]:
            typer.echo("Stopped. The same command goes on with the other images.")
            raise typer.Exit(exit_status())


def print_end(what: str, out: str, part: str) -> None:
    """Print where the results are, or what to do after this part of the work."""
    if part:
        typer.echo(f"Part {part} is done. After all parts, run the same command without --part.")
    else:
        typer.echo(f"{what}: {out}")


def read_part(text: str) -> tuple[int, int] | None:
    """Read a part of the work, such as 3/16; None for an empty text."""
    if not text:
        return None
    try:
        i, n = map(int, text.split("/"))
    except ValueError:
        raise InputError(f"--part {text}: write it as 3/16, the third of sixteen.") from None
    return i, n


def result_paths(paths: Sequence[Path], out: str) -> list[Path]:
    """Return the path of each result: in a folder, or for one image a file or a zarr."""
    from ..io import result_names

    path = Path(out)
    if is_folder(out):
        return [path / name for name in result_names(paths)]
    if len(paths) > 1:
        raise InputError(
            f"{len(paths)} images cannot go into one file: give a folder, such as "
            f"--out {path.with_suffix('')}."
        )
    return [path]


def is_folder(out: str) -> bool:
    """Return whether results go into a folder; else they go into a TIFF file or a zarr.

    A folder is one that exists, a name with a slash at the end, or a name without a suffix of
    images.

    Raises
    ------
    InputError
        If the name is that of another kind of file.
    """
    from ..io import RESULT_SUFFIXES

    path = Path(out)
    suffix, is_there = path.suffix.lower(), os.path.isdir(path)
    is_marked = out.endswith(("/", os.sep))
    if suffix == ".zarr":  # the shell adds a slash to the name of one that exists
        return is_marked and not is_there
    if is_there or is_marked:
        return True
    if suffix in OTHER_KINDS:
        raise InputError(
            f"Results go to .tif, .tiff, .zarr or a folder, not to {path.suffix}. (A folder whose "
            f"name ends so is written with a slash: {out}/)"
        )
    if os.path.isfile(path) and suffix not in RESULT_SUFFIXES:
        raise InputError(f"{out} is a file: give a folder, .tif or .zarr.")
    return suffix not in RESULT_SUFFIXES
