"""Define the commands `segment` and `seam-test`, and what `denoise` shares with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..recipe import MAPS
from ..terminal import exit_status, seams_with_bar, segment_with_bar
from .options import (
    Axes,
    Channels,
    Device,
    Images,
    Level,
    ObjectSize,
    Series,
    all_images,
    channel_numbers,
    open_image,
    print_notes,
    recipe_changes,
    values_of,
)

OTHER_KINDS = (
    ".png", ".jpg", ".jpeg", ".jp2", ".jxl", ".gif", ".bmp", ".webp", ".npy", ".npz", ".h5",
    ".hdf5", ".ims", ".nd2", ".czi", ".lif", ".lsm", ".mrc", ".nii", ".dcm", ".svs", ".vsi", ".btf",
    ".mat", ".csv", ".zip", ".gz", ".avi", ".mp4",
)  # fmt: skip
"""Suffixes of files that results cannot be written to. Others, except `RESULT_SUFFIXES`, are taken
as a part of the name of a folder.
"""

if TYPE_CHECKING:
    from ..describe import Understood
    from ..inference.run import InferenceJob

ModelFile = Annotated[
    str,
    typer.Option("--model", help="A model: its file, or the name of one that was kept, or ships."),
]
Tile = Annotated[
    int | None,
    typer.Option(
        help="Side of the output of a tile, in pixels. Default: the fastest.", min=1, max=2**31 - 1
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes on this machine that share the work.", min=1, max=1024)
]
Scheduler = Annotated[
    str | None, typer.Option(help="A dask scheduler that gets the work.", metavar="TCP://HOST:PORT")
]
Part = Annotated[
    str,
    typer.Option(
        help="Do one share of the work, as 3/16. After all shares, run without.", metavar="I/N"
    ),
]
Out = Annotated[
    str,
    typer.Option(help=".tif, .zarr, or a folder (one .tif an image).", metavar="PATH"),
]
"""Text of a path. A slash at its end marks a folder, and `Path` would drop it."""
Halo = Annotated[
    Literal["exact", "quick"],
    typer.Option(help="Halo of tiles. quick: the smallest that changes little; prints how much."),
]


def segment(
    images: Images,
    model: ModelFile,
    out: Out = "",
    into_image: Annotated[
        str,
        typer.Option(
            help="Instead of --out: write them into each image, an OME-Zarr, as its labels NAME.",
            metavar="NAME",
        ),
    ] = "",
    save: Annotated[
        str,
        typer.Option(help=f"Maps to save beside the labels, as a,b: {', '.join(MAPS)}."),
    ] = "labels",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing results.")
    ] = False,
    tile: Tile = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Tiles per forward pass. Default: what fits.", min=1, max=65_536),
    ] = None,
    halo: Halo = "exact",
    object_size: ObjectSize = None,
    device: Device = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    part: Part = "",
    axes: Axes = "",
    level: Level = 0,
    series: Series = 0,
    channels: Channels = "",
    decoding: Annotated[
        list[str] | None,
        typer.Option(
            help="A decoding parameter, such as merge=0.6; info shows those of a model.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A value such as tiling.batch=4.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Segment images of any size. Ctrl-C stops; the same command goes on from there."""
    from ..describe import understood
    from ..inference.begin import check_apart
    from ..inference.segment import segment as start_segmenting
    from ..inference.store.results import map_path
    from ..io import labels_path
    from ..model import load_model

    loaded = load_model(model)
    saved = tuple(word.strip() for word in save.split(","))
    if changed := recipe_changes(set_):
        if wrong_key := next((key for key in changed if not key.startswith("tiling.")), None):
            raise InputError(f"--set {wrong_key}: a trained model takes new values of tiling only.")
        loaded = loaded.changed(recipe=loaded.recipe.changed(changed))
    loaded = loaded.with_decoding(values_of("--decoding", decoding))
    paths = all_images(images)
    if bool(out) == bool(into_image):
        raise InputError("Say where the labels go: --out PATH, or --into-image NAME.")
    if into_image:
        targets = [labels_path(path, into_image, series) for path in paths]
    else:
        targets = result_paths(paths, out)
    inputs: list[Understood] = []

    def job_for(path: Path, target: Path) -> InferenceJob:
        check_apart(target, path)
        image = open_image(path, axes, level, series)
        inputs.append(understood(path.name, image, loaded))
        return start_segmenting(
            loaded,
            image,
            target,
            channels=channel_numbers(channels),
            tile=tile,
            batch=batch,
            halo=halo,
            device=device,
            save=saved,
            overwrite=overwrite,
            part=read_part(part),
            workers=workers,
            scheduler=scheduler,
            object_size=object_size,
        )

    for _ in run_each(paths, targets, job_for, inputs):
        pass
    print_end("Labels", out or ", ".join(map(str, targets)), part)
    if out and not part:
        labels = targets[0] if len(targets) == 1 else Path(out) / "*.tif"
        for name in saved:
            if name != "labels":
                typer.echo(f"{name.capitalize()}: {map_path(labels, name)}")


def seam_test(
    image: Annotated[str, typer.Argument(help="An image.")],
    model: ModelFile,
    tile: Tile = None,
    halo: Halo = "exact",
    object_size: ObjectSize = None,
    device: Device = None,
    axes: Axes = "",
    level: Level = 0,
    series: Series = 0,
    channels: Channels = "",
) -> None:
    """Move the tiles, and print by how much the answer changes. Without seams it does not."""
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
        object_size=object_size,
    )
    typer.echo(seams_with_bar(job).in_words())


def run_each(
    paths: Sequence[Path],
    targets: Sequence[Path],
    job_for: Callable[[Path, Path], InferenceJob],
    inputs: Sequence[Understood],
) -> Iterator[tuple[Path, InferenceJob]]:
    """Run a job for each image, with a progress bar; yield its target and the job that is done.

    Parameters
    ----------
    paths, targets
        Images, and where their results go.
    job_for
        Open an image, add its description to `inputs`, and return the job for it.
    inputs
        Descriptions of the images, which are printed before any work.

    Raises
    ------
    typer.Exit
        If the user stops a job.
    """
    from ..describe import describe_inputs
    from ..io import resolve_links

    # Making a job checks its input, so all jobs are made before any work. They are not kept, so
    # that two images are open at a time at most. Each job is made again when its turn comes. This
    # checks its input again: another program may be at work on the image by then, or have made its
    # labels.
    for path, target in zip(paths, targets, strict=True):
        job = job_for(path, target)
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
    """Print where the results are; after a part of the work, print what to do next."""
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
    """Return the path of each result: in a folder; or for a single image, a file or a zarr."""
    from ..io import result_names
    from ..io.files import is_in_image

    path = Path(out)
    if is_folder(out) and not is_in_image(path):
        return [path / name for name in result_names(paths)]
    if len(paths) > 1:
        raise InputError(
            f"{len(paths)} images cannot go into one file: give a folder, such as "
            f"--out {path.with_suffix('')}."
        )
    return [path]


def is_folder(out: str) -> bool:
    """Return whether results go into a folder. If not, they go into a TIFF file or a zarr.

    `out` is a folder if it exists as one, has a slash at the end, or has no suffix of images.

    Raises
    ------
    InputError
        If `out` is a file of another kind, or its name says so.
    """
    from ..io import RESULT_SUFFIXES

    path = Path(out)
    suffix, is_existing_folder = path.suffix.lower(), os.path.isdir(path)
    is_marked = out.endswith(("/", os.sep))
    if suffix == ".zarr":  # the shell adds a slash to the name of one that exists
        return is_marked and not is_existing_folder
    if is_existing_folder or is_marked:
        return True
    if suffix in OTHER_KINDS:
        raise InputError(
            f"Results go to .tif, .tiff, .zarr or a folder, not to {path.suffix}. (A folder whose "
            f"name ends so is written with a slash: {out}/)"
        )
    if os.path.isfile(path) and suffix not in RESULT_SUFFIXES:
        raise InputError(f"{out} is a file: give a folder, .tif or .zarr.")
    return suffix not in RESULT_SUFFIXES
