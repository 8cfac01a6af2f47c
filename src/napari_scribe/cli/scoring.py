"""Score files against true files: what the command `evaluate` shares among kinds of scores."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from ..errors import InputError, ManyPiecesError
from ..terminal import with_flags
from .options import print_notes

if TYPE_CHECKING:
    from ..image import Image

Scores = Any
"""`Scores`, `ClassScores`, `ImageScores` or `ProbabilityScores`."""


class Scored(NamedTuple):
    """Hold a file that is scored, the true one, and the mask of what is scored."""

    predicted: Path
    truth: Path
    mask: Path | None = None


Scoring = Callable[[Scored], Scores]
Pooling = Callable[[list[Any]], Scores]
"""Pool scores of one kind."""


def matched(predicted: Path, truth: Path, mask: Path | None, is_of_maps: bool) -> list[Scored]:
    """Return each predicted file with its true file and its mask.

    One mask may serve all files.
    """
    from ..io import first_few, list_images, list_maps, match_labels, unmatched_labels

    paths = list_maps(predicted, "probability") if is_of_maps else list_images(predicted, True)
    true_paths = match_labels(paths, truth)
    if paths != [predicted] and (missing := unmatched_labels(truth, true_paths)):
        raise InputError(
            f"Nothing was predicted for {first_few([p.name for p in missing])} in {truth}."
        )
    if mask is None:
        return [Scored(*pair) for pair in zip(paths, true_paths, strict=True)]
    masks = list_images(mask, labels=True)
    if masks == [mask] and len(paths) > 1:
        typer.echo(f"{mask.name} is the mask of all {len(paths)} images.", err=True)
    masks = masks * len(paths) if masks == [mask] else match_labels(paths, mask)
    return [Scored(*files) for files in zip(paths, true_paths, masks, strict=True)]


def score_each(files: Sequence[Scored], score: Scoring) -> dict[str, Scores]:
    """Return name -> scores of each file; an error names the files."""
    scores = {}
    for each in files:
        try:
            scores[each.predicted.name] = score(each)
        except InputError as error:
            names = dict.fromkeys((each.predicted.name, each.truth.name))
            raise InputError(f"{' against '.join(names)}: {error}", **error.options) from None
    return scores


def are_images(files: Scored, axes: str, series: int) -> bool:
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

    pair = read_image(files.predicted, axes), read_image(files.truth, axes, series=series)
    fractions = [holds_fractions(image) for image in pair]
    if any(fractions) and not all(fractions):
        raise InputError(
            f"{(files.predicted if fractions[0] else files.truth).name} holds fractions: it is no "
            "image of labels, which are whole numbers. Images are scored with --images, maps of "
            "probabilities with --roc."
        )
    return all(fractions)


def label_scoring(
    task: str, slices: bool, axes: str, series: int, pieces: bool | None, thin: bool
) -> tuple[Scoring, Pooling]:
    """Return how a file of labels is scored, and how scores are pooled."""
    from ..arrays import as_dask
    from ..evaluation import metrics
    from ..io import read_label_image
    from ..targets import TASKS

    def read_pair(files: Scored) -> tuple[Image, Image]:
        pair = read_label_image(files.predicted, axes), read_label_image(files.truth, axes, series)
        _print_notes(files, pair)
        return pair

    def score_classes(files: Scored) -> Scores:
        labels, truth = read_pair(files)
        if files.mask is None:
            return metrics.evaluate_classes(labels, truth)
        mask = read_label_image(files.mask, axes)
        outside = mask.selected(data=as_dask(mask.data) == 0)
        return metrics.evaluate_classes(labels, truth, outside)

    def score_objects(files: Scored) -> Scores:
        nonlocal pieces  # the user answers once for all files
        pair = read_pair(files)
        try:
            return metrics.evaluate(*pair, slices=slices, pieces=pieces, thin=thin)
        except ManyPiecesError as error:
            if not sys.stdin.isatty():
                raise
            typer.echo(f"{files.predicted.name}: {with_flags(error)}", err=True)
            pieces = typer.confirm("Take each piece as an object?")
            return score_objects(files)

    if not TASKS[task].separates_objects:
        return score_classes, metrics.pool_classes
    return score_objects, metrics.pool


def image_scoring(
    peak: float | None, slices: bool, axes: str, series: int
) -> tuple[Scoring, Pooling]:
    """Return how an image is scored, and how scores are pooled."""
    from ..evaluation.images import evaluate_images, pool_images
    from ..io import read_image

    def score_image(files: Scored) -> Scores:
        pair = read_image(files.predicted, axes), read_image(files.truth, axes, series=series)
        _print_notes(files, pair)
        return evaluate_images(*pair, peak=peak, slices=slices)

    return score_image, pool_images


def map_scoring(
    channel: int | None, positive: int | None, threshold: float | None, axes: str, series: int
) -> tuple[Scoring, Pooling]:
    """Return how a map of probabilities is scored, and how scores are pooled."""
    from ..evaluation.curves import check_both, pool_probabilities
    from ..evaluation.roc import count_probabilities
    from ..io import read_image, read_label_image

    said: set[str] = set()

    def score_map(files: Scored) -> Scores:
        pair = read_image(files.predicted, axes), read_label_image(files.truth, axes, series)
        mask = None if files.mask is None else read_label_image(files.mask, axes)
        _print_notes(files, pair)
        scores = count_probabilities(*pair, mask, channel, positive, threshold)
        for note in set(scores.notes) - said:
            typer.echo(note, err=True)
        said.update(scores.notes)
        return scores

    def pool(scores: list[Any]) -> Scores:
        pooled = pool_probabilities(scores)
        check_both(pooled)
        return pooled

    return score_map, pool


def _print_notes(files: Scored, images: tuple[Image, Image]) -> None:
    """Print the notes on a predicted and a true image."""
    from ..describe import understood

    paths = files.predicted, files.truth
    print_notes([understood(str(p), image) for p, image in zip(paths, images, strict=True)])


def write_json(path: Path, scores: Mapping[str, Scores], pooled: Scores) -> None:
    """Write scores as JSON, with null for infinity and for what is not defined.

    A score is infinite if an image equals its reference. The ROC curve of an image is not defined
    if all its pixels are true, or none.
    """

    def finite(score: Scores) -> dict[str, float | None]:
        numbers: dict[str, float] = score.as_dict()
        return {key: value if math.isfinite(value) else None for key, value in numbers.items()}

    images = {name: finite(score) for name, score in scores.items()}
    text = json.dumps({"images": images, "pooled": finite(pooled)}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
