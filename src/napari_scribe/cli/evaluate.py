"""Define the commands `evaluate`, `info` and `demo`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from ..terminal import print_scores
from .options import PIECES, Axes, Device, Level, Pieces, Series, open_image
from .scoring import (
    Scores,
    are_images,
    image_scoring,
    label_scoring,
    map_scoring,
    matched,
    score_each,
    write_json,
)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("scribe-demo"),
    headless: Annotated[bool, typer.Option(help="Do not open napari.")] = False,
    seconds: Annotated[float, typer.Option(help="Seconds to train.")] = 30.0,
    device: Device = None,
) -> None:
    """Paint, train and segment on the built-in sample: in napari, or headless without a display."""
    if not headless:
        from ..plugin.display import display_problem

        problem = display_problem()
        if problem is None:
            from ..plugin.demo import run as run_in_viewer

            typer.echo("Opening napari: the demo trains and segments by itself.")
            run_in_viewer(out, seconds, device)
            return
        typer.echo(f"No window ({problem}): running headless.")
    from ..demo import run_headless

    run_headless(out, seconds, device)
    typer.echo(
        "Next: napari, Plugins > Scribe > Workspace, with an image of yours; or without a window "
        "napari-scribe segment IMAGE --model nuclei --out labels.tif"
    )


def evaluate(
    predicted: Annotated[
        Path, typer.Argument(help="Labels, images or maps of probabilities to score, or a folder.")
    ],
    truth: Annotated[
        Path,
        typer.Argument(help="True labels, masks or clean images, or a folder with the same names."),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the scores to this file.")
    ] = None,
    task: Annotated[
        Literal["objects", "classes"] | None,
        typer.Option(help="What the labels are. Default: objects."),
    ] = None,
    images: Annotated[
        bool,
        typer.Option("--images", help="Score intensities. Default if both hold fractions."),
    ] = False,
    roc: Annotated[
        bool,
        typer.Option(
            "--roc", help="Score maps of probabilities (0 to 1) at every threshold: ROC curve."
        ),
    ] = False,
    peak: Annotated[
        float | None,
        typer.Option(help="Range of intensities for PSNR and SSIM. Default: that of each frame."),
    ] = None,
    slices: Annotated[
        bool, typer.Option("--slices", help="Score each slice along Z by itself.")
    ] = False,
    thin: Annotated[
        bool,
        typer.Option(
            "--thin",
            help="For Rand and VI of objects: shrink predicted borders to lines, as ISBI 2012.",
        ),
    ] = False,
    pieces: Pieces = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="With --roc or classes: score only where this mask (or folder of them) is not 0.",
            metavar="FIELD",
        ),
    ] = None,
    channel: Annotated[
        int | None,
        typer.Option(help="With --roc: channel of the maps, from 0. Default: the last of two."),
    ] = None,
    positive: Annotated[
        int | None,
        typer.Option(
            help="With --roc: number in the truth that the map is about. Default: all but 0."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="With --roc: score this threshold, fitted on other images, as well."),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="With --roc: file for the curves (.png, .svg, .pdf). Default: named as --json, or "
            "roc.png; with -2 if that exists, and so on."
        ),
    ] = None,
    axes: Annotated[
        str,
        typer.Option(
            help="A letter of TCZYX per axis of the files. Default: from the files, or guessed."
        ),
    ] = "",
    series: Annotated[
        int,
        typer.Option(help="Number of the image in true files that hold several, from 0.", min=0),
    ] = 0,
) -> None:
    """Score labels against the truth, denoised images against clean ones, or maps (--roc).

    Scores of labels: precision, recall, F1, AP at IoU .5 to .95, mean IoU, panoptic quality, Rand
    scores and variation of information (of true objects' pixels); of classes: IoU, F1 (Dice),
    pixel error. Scores of images: PSNR, SSIM, and SI_PSNR, which is PSNR after the gain and offset
    that fit best. Scores of maps of probabilities: area under the ROC curve, average precision,
    and F1, precision and recall at the best threshold and at .5; the curves go to a figure. The
    time points of a movie are scored one by one.
    """
    from ..io import check_writable

    of_others: dict[str, object] = {
        "--task": task,
        "--images": images or None,
        "--peak": peak,
        "--slices": slices or None,
    }
    of_roc: dict[str, object] = {
        "--channel": channel,
        "--positive": positive,
        "--threshold": threshold,
        "--figure": figure,
    }
    images = images or peak is not None
    _check_kind(task, images, roc, pieces, thin, mask)
    _check_roc(roc, of_others, of_roc)
    curves = _figure(figure, json_file) if roc else None
    for path in (json_file, curves):
        if path is not None:
            check_writable(path)
    files = matched(predicted, truth, mask, is_of_maps=roc)
    if roc:
        score, pool = map_scoring(channel, positive, threshold, axes, series)
    elif images or (task is None and are_images(files[0], axes, series)):
        score, pool = image_scoring(peak, slices, axes, series)
    else:
        score, pool = label_scoring(task or "objects", slices, axes, series, pieces, thin)
    scores = score_each(files, score)
    _report(scores, pool(list(scores.values())), json_file, curves)


def _check_kind(
    task: str | None,
    images: bool,
    roc: bool,
    pieces: bool | None,
    thin: bool,
    mask: Path | None,
) -> None:
    """Check that options are given that belong to what is scored."""
    from ..targets import TASKS

    if images and task is not None:
        raise InputError(f"--task {task} is for labels: leave it out to score images.")
    is_of_classes = task is not None and not TASKS[task].separates_objects
    for option, is_given in ((PIECES, pieces is not None), ("--thin", thin)):
        if is_given and (images or roc or is_of_classes):
            raise InputError(f"{option} is for labels of objects: leave it out.")
    if mask is not None and not (roc or is_of_classes):
        raise InputError("--mask goes with --roc or --task classes: leave it out.")


def _check_roc(roc: bool, others: dict[str, object], only: dict[str, object]) -> None:
    """Check that options are given that belong to --roc or to the rest, not both."""
    wrong = [flag for flag, value in (others if roc else only).items() if value is not None]
    if wrong and roc:
        raise InputError(f"{wrong[0]} does not go with --roc: leave one of them out.")
    if wrong:
        raise InputError(f"{wrong[0]} goes with --roc only: add it, or leave {wrong[0]} out.")


def _report(
    scores: dict[str, Scores], pooled: Scores, json_file: Path | None, curves: Path | None
) -> None:
    """Print scores, and write them and their curves where that is wanted."""
    print_scores({**scores, "all, pooled": pooled} if len(scores) > 1 else scores)
    if json_file is not None:
        write_json(json_file, scores, pooled)
    if curves is not None:
        from ..evaluation.plots import save_curves

        save_curves(curves, pooled, scores)
        typer.echo(f"Curves: {curves}")


def _figure(figure: Path | None, json_file: Path | None) -> Path:
    """Return where the curves are drawn: a file that was named, or one that does not exist yet."""
    from ..evaluation.plots import FIGURE_SUFFIXES

    if figure is None:
        stem = "roc" if json_file is None else json_file.with_suffix("")
        names = itertools.chain([f"{stem}.png"], (f"{stem}-{n}.png" for n in itertools.count(2)))
        return next(path for path in map(Path, names) if not path.exists())
    if figure.suffix.lower() not in FIGURE_SUFFIXES:
        raise InputError(f"--figure {figure}: give a file ending in {', '.join(FIGURE_SUFFIXES)}.")
    return figure


def info(
    path: Annotated[str, typer.Argument(help="A model, or an image.")],
    axes: Axes = "",
    level: Level = 0,
    series: Series = 0,
) -> None:
    """Describe a model or an image in words."""
    from ..describe import describe_image, describe_model
    from ..io import SUFFIXES
    from ..model import load_model

    suffix = Path(path).suffix.lower()
    is_model = suffix == ".zip" or not (suffix in SUFFIXES or Path(path).exists())
    typer.echo(
        describe_model(load_model(path))
        if is_model
        else describe_image(open_image(path, axes, level, series))
    )
