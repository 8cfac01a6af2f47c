"""Define the commands `evaluate`, `info` and `demo`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import InputError, ManyPiecesError
from ..terminal import print_scores, with_flags
from .options import PIECES, Axes, Device, Level, Pieces, Series, open_image, print_notes

if TYPE_CHECKING:
    from ..evaluation.images import ImageScores
    from ..evaluation.metrics import ClassScores, Scores
    from ..image import Image

    AnyScores = Scores | ClassScores | ImageScores
    Scoring = Callable[[Path, Path], AnyScores]
    """Score a predicted file against the true one."""
    Pooling = Callable[[list[Any]], AnyScores]
    """Pool scores of one kind."""


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


def evaluate(
    predicted: Annotated[Path, typer.Argument(help="Labels or images to score, or a folder.")],
    truth: Annotated[
        Path, typer.Argument(help="True labels or clean images, or a folder with the same names.")
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
    peak: Annotated[
        float | None,
        typer.Option(help="Range of intensities for PSNR and SSIM. Default: that of each frame."),
    ] = None,
    slices: Annotated[
        bool, typer.Option("--slices", help="Score each slice along Z by itself.")
    ] = False,
    pieces: Pieces = None,
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
    """Score labels against the truth, or denoised images against clean ones.

    Scores of labels: precision, recall, F1, AP at IoU .5 to .95, mean IoU. Scores of images: PSNR,
    SSIM, and SI_PSNR, which is PSNR after the gain and offset that fit best. The time points of a
    movie are scored one by one.
    """
    from ..io import check_writable
    from ..targets import TASKS

    images = images or peak is not None
    if images and task is not None:
        raise InputError(f"--task {task} is for labels: leave it out to score images.")
    is_of_classes = task is not None and not TASKS[task].separates_objects
    if pieces is not None and (images or is_of_classes):
        raise InputError(f"{PIECES} is for labels of objects: leave it out.")
    if json_file is not None:
        check_writable(json_file)
    pairs = _matched(predicted, truth)
    if images or (task is None and _are_images(*pairs[0], axes, series)):
        score, pool = _image_scoring(peak, slices, axes, series)
    else:
        score, pool = _label_scoring(task or "objects", slices, axes, series, pieces)
    scores: dict[str, AnyScores] = {}
    for path, true_path in pairs:
        try:
            scores[path.name] = score(path, true_path)
        except InputError as error:
            raise InputError(f"{path.name}: {error}", **error.options) from None
    pooled = pool(list(scores.values()))
    print_scores({**scores, "all, pooled": pooled} if len(scores) > 1 else scores)
    if json_file is not None:
        _write_json(json_file, scores, pooled)


def _matched(predicted: Path, truth: Path) -> list[tuple[Path, Path]]:
    """Return each predicted file with its true file."""
    from ..io import first_few, list_images, match_labels, unmatched_labels

    paths = list_images(predicted, labels=True)
    matched = match_labels(paths, truth)
    if paths != [predicted] and (missing := unmatched_labels(truth, matched)):
        raise InputError(
            f"Nothing was predicted for {first_few([p.name for p in missing])} in {truth}."
        )
    return list(zip(paths, matched, strict=True))


def _are_images(path: Path, true_path: Path, axes: str, series: int) -> bool:
    """Return whether two files are images: both hold fractions, and labels are whole numbers.

    Raises
    ------
    InputError
        If one of them holds fractions and the other does not.
    """
    from ..io import read_image
    from ..normalization import sample_pixels

    def holds_fractions(image: Image) -> bool:
        sample = sample_pixels(image)
        return sample.dtype.kind == "f" and bool((sample != sample.round()).any())

    pair = read_image(path, axes), read_image(true_path, axes, series=series)
    fractions = [holds_fractions(image) for image in pair]
    if any(fractions) and not all(fractions):
        raise InputError(
            f"{(path if fractions[0] else true_path).name} holds fractions: it is no image of "
            "labels, which are whole numbers. Images are scored with --images."
        )
    return all(fractions)


def _label_scoring(
    task: str, slices: bool, axes: str, series: int, pieces: bool | None
) -> tuple[Scoring, Pooling]:
    """Return how two files of labels are scored, and how scores are pooled."""
    from ..evaluation import metrics
    from ..evaluation.frames import frame_pairs
    from ..io import read_label_image
    from ..targets import TASKS

    def read_pair(path: Path, true_path: Path) -> tuple[Image, Image]:
        pair = read_label_image(path, axes), read_label_image(true_path, axes, series)
        _print_notes((path, true_path), pair)
        return pair

    def score_classes(path: Path, true_path: Path) -> ClassScores:
        frames = frame_pairs(*read_pair(path, true_path), slices)
        return metrics.pool_classes([metrics.evaluate_classes(p, t) for p, t in frames])

    def score_objects(path: Path, true_path: Path) -> Scores:
        nonlocal pieces  # the user answers once for all files
        pair = read_pair(path, true_path)
        try:
            frames = frame_pairs(*pair, slices)
            return metrics.pool([metrics.evaluate(p, t, pieces=pieces) for p, t in frames])
        except ManyPiecesError as error:
            if not sys.stdin.isatty():
                raise
            typer.echo(f"{path.name}: {with_flags(error)}", err=True)
            pieces = typer.confirm("Take each piece as an object?")
            return score_objects(path, true_path)

    if not TASKS[task].separates_objects:
        return score_classes, metrics.pool_classes
    return score_objects, metrics.pool


def _image_scoring(
    peak: float | None, slices: bool, axes: str, series: int
) -> tuple[Scoring, Pooling]:
    """Return how two images are scored, and how scores are pooled."""
    from ..evaluation.images import evaluate_images, pool_images
    from ..io import read_image

    def score_files(path: Path, true_path: Path) -> ImageScores:
        pair = read_image(path, axes), read_image(true_path, axes, series=series)
        _print_notes((path, true_path), pair)
        return evaluate_images(*pair, peak=peak, slices=slices)

    return score_files, pool_images


def _print_notes(paths: Sequence[Path], images: Sequence[Image]) -> None:
    from ..describe import understood

    print_notes([understood(str(p), image) for p, image in zip(paths, images, strict=True)])


def _write_json(path: Path, scores: dict[str, AnyScores], pooled: AnyScores) -> None:
    """Write scores as JSON, with null for infinity.

    A score is infinite if an image equals its reference.
    """

    def finite(score: AnyScores) -> dict[str, float | None]:
        numbers: dict[str, float] = score.as_dict()
        return {key: value if math.isfinite(value) else None for key, value in numbers.items()}

    images = {name: finite(score) for name, score in scores.items()}
    text = json.dumps({"images": images, "pooled": finite(pooled)}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


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
