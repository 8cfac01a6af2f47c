"""The commands that run a model: `segment`, and `seam-test`."""

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
    changes,
    expand,
    numbers,
    open_image,
    say_notes,
)

OTHER_KINDS = (
    ".png", ".jpg", ".jpeg", ".jp2", ".jxl", ".gif", ".bmp", ".webp", ".npy", ".npz", ".h5",
    ".hdf5", ".ims", ".nd2", ".czi", ".lif", ".lsm", ".mrc", ".nii", ".dcm", ".svs", ".vsi", ".btf",
    ".mat", ".csv", ".zip", ".gz", ".avi", ".mp4",
)  # fmt: skip
"""Ends of the names of other kinds of files; what ends in none of them is a folder."""

if TYPE_CHECKING:
    from ..describe import Understood
    from ..inference.run import SegmentJob

ModelFile = Annotated[str, typer.Option("--model", help="A model file, or a kept one's name.")]
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
"""As it was written: a slash at the end says that it is a folder."""
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
    if changed := changes(set_):
        if other := next((key for key in changed if not key.startswith("tiling.")), None):
            raise InputError(f"--set {other}: a trained model takes new values of tiling only.")
        loaded = loaded.changed(recipe=loaded.recipe.changed(changed))
    paths = expand(images)
    targets = targets_of(paths, out)
    found: list[Understood] = []

    def job_for(path: Path, target: Path) -> SegmentJob:
        check_apart(target, path)
        image = open_image(path, axes, level, series)
        found.append(understood(path.name, image))
        return start_segmenting(
            loaded,
            image,
            target,
            channels=numbers(channels),
            tile=tile,
            batch=batch,
            halo=halo,
            device=device,
            save=tuple(word.strip() for word in save.split(",")),
            overwrite=overwrite,
            part=part_of(part),
            workers=workers,
            scheduler=scheduler,
        )

    for _ in each_done(paths, targets, job_for, found):
        pass
    say_end("Labels", out, part)


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
    say_notes([understood(opened.name, opened)])
    job = start_seam_test(
        model,
        opened,
        channels=numbers(channels),
        tile=tile,
        halo=halo,
        device=device,
    )
    typer.echo(seams_with_bar(job).in_words())


def each_done(
    paths: Sequence[Path],
    targets: Sequence[Path],
    job_for: Callable[[Path, Path], SegmentJob],
    found: Sequence[Understood],
) -> Iterator[tuple[Path, SegmentJob]]:
    """Run a job for each image, with a bar; yields where it went, and the job.

    Parameters
    ----------
    found
        How each image was understood, as `job_for` notes it; printed before any work.

    Raises
    ------
    typer.Exit
        If it is stopped.
    """
    from ..describe import describe_inputs
    from ..io import resolve_links

    # All are checked before any is begun. When its turn comes each is checked again: hours later,
    # another program may be at work on it, or have made its labels. So one is open at a time.
    job = [job_for(path, target) for path, target in zip(paths, targets, strict=True)][-1]
    typer.echo(describe_inputs(found))
    say_notes(found)
    said: set[str] = set()
    for path, target in zip(paths, targets, strict=True):
        resolve_links(target.parent).mkdir(parents=True, exist_ok=True)
        job = job if len(paths) == 1 else job_for(path, target)
        segment_with_bar(job, path.name, said)
        if job.stop_requested and not job.is_complete:
            typer.echo(f"Stopped before {target} was whole. The same command goes on from here.")
            raise typer.Exit(exit_status())
        yield target, job
        if job.stop_requested and target != targets[-1]:
            typer.echo("Stopped. The same command goes on with the other images.")
            raise typer.Exit(exit_status())


def say_end(what: str, out: str, part: str) -> None:
    """Where the results are, or what is to be done with this part of them."""
    if part:
        typer.echo(f"Part {part} is done. After all parts, run the same command without --part.")
    else:
        typer.echo(f"{what}: {out}")


def part_of(text: str) -> tuple[int, int] | None:
    """A share of the work as written, 3/16."""
    if not text:
        return None
    try:
        i, n = map(int, text.split("/"))
    except ValueError:
        raise InputError(f"--part {text}: write it as 3/16, the third of sixteen.") from None
    return i, n


def targets_of(paths: Sequence[Path], out: str) -> list[Path]:
    """Where each image's labels go.

    A folder is what exists as one, what ends in a slash, and any name that is not of an image.
    """
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
    """Whether an output is a folder, to which files are written; else it is a file or a zarr.

    Raises
    ------
    InputError
        If it is neither.
    """
    from ..io import RESULT_SUFFIXES

    path = Path(out)
    suffix, is_there = path.suffix.lower(), os.path.isdir(path)
    is_marked = out.endswith(("/", os.sep))
    if suffix == ".zarr":  # the shell adds a slash to one that is there
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
