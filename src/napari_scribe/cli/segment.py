"""The commands that run a model: `segment`, and `seam-test`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..terminal import seams_with_bar, segment_with_bar
from .options import (
    INTERRUPTED,
    Axes,
    Channels,
    Device,
    Images,
    Level,
    changes,
    expand,
    numbers,
    open_image,
)

if TYPE_CHECKING:
    from ..inference.run import SegmentJob

ModelFile = Annotated[str, typer.Option("--model", help="A model file, or a kept one's name.")]
Tile = Annotated[
    int | None,
    typer.Option(help="Side of what a tile keeps, in pixels. Default: the fastest.", min=1),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes on this machine that share the work.", min=1)
]
Scheduler = Annotated[
    str | None, typer.Option(help="A dask scheduler to give it to.", metavar="TCP://HOST:PORT")
]
Part = Annotated[
    str, typer.Option(help="Do a share only, as 3/16; in the end run without.", metavar="I/N")
]
Halo = Annotated[
    Literal["exact", "quick"],
    typer.Option(help="Around tiles. quick: the smallest that changes next to nothing; says what."),
]


def segment(
    images: Images,
    model: ModelFile,
    out: Annotated[Path, typer.Option(help=".tif, .zarr, or a folder (one .tif an image).")],
    save: Annotated[
        str, typer.Option(help="labels, or also probability, distance: a,b.")
    ] = "labels",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    tile: Tile = None,
    batch: Annotated[
        int | None, typer.Option(help="Tiles per forward pass. Default: what fits.", min=1)
    ] = None,
    halo: Halo = "exact",
    device: Device = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    part: Part = "",
    axes: Axes = "",
    level: Level = 0,
    channels: Channels = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A value such as tiling.batch=4.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Segment images of any size. Ctrl-C stops; the same command goes on from there."""
    from ..describe import axes_of
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
    found: list[tuple[str, str]] = []

    def job_for(path: Path, target: Path) -> SegmentJob:
        check_apart(target, path)
        image = open_image(path, axes, level)
        found.append((path.name, axes_of(image)))
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
    channels: Channels = "",
) -> None:
    """Move the tiles, and say by how much the answer changes: by nothing, if it has no seams."""
    from ..inference.seams import seam_test as start_seam_test

    job = start_seam_test(
        model,
        open_image(image, axes, level),
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
    found: Sequence[tuple[str, str]],
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

    # All are checked before any is begun. When its turn comes each is checked again: hours later,
    # another program may be at work on it, or have made its labels. So one is open at a time.
    job = [job_for(path, target) for path, target in zip(paths, targets, strict=True)][-1]
    typer.echo(describe_inputs(found))
    said: set[str] = set()
    for path, target in zip(paths, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        job = job if len(paths) == 1 else job_for(path, target)
        segment_with_bar(job, path.name, said)
        if job.stop_requested and not job.is_complete:
            typer.echo(f"Stopped before {target} was whole. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED)
        yield target, job


def say_end(what: str, out: Path, part: str) -> None:
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


def targets_of(paths: Sequence[Path], out: Path) -> list[Path]:
    """Where each image's labels go."""
    from ..io import stem

    if out.suffix in (".tif", ".tiff", ".zarr"):
        if len(paths) > 1:
            raise InputError(
                f"{len(paths)} images cannot go into one file: give a folder, such as "
                f"--out {out.with_suffix('')}."
            )
        return [out]
    if out.suffix:
        raise InputError(f"Results go to .tif, .zarr or a folder, not to {out.suffix}.")
    names = [f"{stem(path)}.tif" for path in paths]
    if double := {name for name in names if names.count(name) > 1}:
        raise InputError(f"More than one image would become {double.pop()}: use other folders.")
    if out.is_file():
        raise InputError(f"{out} is a file: give a folder, .tif or .zarr.")
    return [out / name for name in names]
