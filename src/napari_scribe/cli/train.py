"""The command `train`."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError, ManyPiecesError, TakenError
from ..terminal import exit_status, say_unseen_gpu, train_with_bar
from .options import (
    PIECES,
    Axes,
    Channels,
    Device,
    Images,
    Pieces,
    RecipeFile,
    Series,
    Values,
    changes,
    expand,
    numbers,
    open_image,
    say_notes,
)

if TYPE_CHECKING:
    from ..image import Image
    from ..model import Model
    from ..recipe import Recipe
    from ..targets import Paint
    from ..training.trainer import TrainingJob

DEFAULT_SECONDS = 300.0


def train(
    images: Images,
    labels: Annotated[
        list[Path], typer.Option(help="Paint: one file an image, or a folder with the same names.")
    ],
    model: Annotated[Path, typer.Option(help="Where the model goes (.zip).")],
    task: Annotated[
        Literal["objects", "classes"] | None, typer.Option(help="What is painted.")
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="The labels are ordinary masks: 0 is background.")
    ] = False,
    ones: Annotated[
        bool, typer.Option("--ones-are-objects", help="Each piece of label 1 is an object.")
    ] = False,
    pieces: Pieces = None,
    start: Annotated[str | None, typer.Option(help="A model to fine-tune.", metavar="M0")] = None,
    steps: Annotated[int | None, typer.Option(help="When to end, in steps.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help=f"When to end. Default: {DEFAULT_SECONDS:.0f} s.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed and steps, same model.")] = None,
    keep_worse: Annotated[
        bool, typer.Option("--keep-worse", help="Keep a fine-tuned model even if it is worse.")
    ] = False,
    device: Device = None,
    axes: Axes = "",
    series: Series = 0,
    channels: Channels = "",
    recipe: RecipeFile = None,
    set_: Values = None,
) -> None:
    """Train a model on painted images, or fine-tune one. Ctrl-C stops and keeps the best."""
    from ..describe import describe_inputs, understood
    from ..io import check_writable, first_few, match_labels, unmatched_labels
    from ..model import load_model
    from ..training.train import train as start_training

    parent = load_model(start) if start else None
    seen_model = check_new_model(model, start)
    chosen, seen = _recipe(recipe, set_, task, seed, parent), numbers(channels)
    if (ones or pieces is not None) and chosen.task != "objects":
        option = "--ones-are-objects" if ones else PIECES
        raise InputError(f"{option} is for the task objects, not for classes.")
    paths = expand(images)
    opened = [open_image(path, axes, series=series) for path in paths]
    matched = match_labels(paths, labels)
    paints = [
        _open_paint(path, image, complete, ones, pieces)
        for path, image in zip(matched, opened, strict=True)
    ]
    found = [understood(path.name, image) for path, image in zip(paths, opened, strict=True)]
    typer.echo(describe_inputs(found))
    say_notes(found)
    if left := [path.name for path in unmatched_labels(labels, matched)]:
        typer.echo(f"Left out, as labels of no image here ({len(left)}): {first_few(left)}")
    if chosen.task == "objects":
        dimensions = chosen.network.dimensions
        paints = _asked_about(paints, [path.name for path in matched], complete or ones, dimensions)
    if steps is None and seconds is None:
        seconds = DEFAULT_SECONDS
    say_unseen_gpu()
    job = start_training(
        opened,
        paints,
        chosen,
        channels=seen,
        start=parent,
        steps=steps,
        seconds=seconds,
        device=device,
        keep_worse=keep_worse,
    )
    check_writable(model, _n_bytes(chosen, len(seen or range(opened[0].n_channels))))
    train_and_save(
        job,
        model,
        seen_model,
        "Fine-tuning did not lower the loss on held-out paint, so the model it started from "
        "is kept. Paint more, or force it with --keep-worse.",
    )


def train_and_save(job: TrainingJob, path: Path, seen: str, unchanged: str) -> None:
    """Train, save the best model however the training ends, and end with the status that tells.

    Parameters
    ----------
    seen
        What `check_new_model` saw at the path: only that is replaced.
    unchanged
        What is said where a fine-tuning did not help.

    Raises
    ------
    RuntimeError
        If the training broke off.
    typer.Exit
        If it was stopped.
    """
    train_with_bar(job, lambda trained: save(trained, path, seen))
    if job.kept_parent:
        typer.echo(unchanged)
    if job.problem:
        raise RuntimeError(f"{job.problem} The best model until then is kept.")
    if job.stop_requested:
        raise typer.Exit(exit_status())


def check_new_model(model: Path, start: str | None) -> str:
    """A new model replaces none but the one that it was fine-tuned from.

    Returns
    -------
    seen
        Tells whether that is changed meanwhile; empty where there is none.
    """
    from ..io import check_writable, stamp
    from ..io.model_folder import find_model

    check_writable(model)
    if model.suffix.lower() != ".zip":
        raise InputError(f"A model file ends in .zip: use --model {model.with_suffix('.zip')}.")
    if not model.exists():
        return ""
    if start is None or not model.samefile(find_model(start)):
        raise InputError(
            f"{model} exists already. Choose another name, or fine-tune it with --start {model}."
        )
    return stamp(model, None)


def _n_bytes(recipe: Recipe, n_channels: int) -> int:
    """How much room the weights of a model will need."""
    import torch

    from ..model import build_network
    from ..targets import coder_of

    with torch.device("meta"):  # shapes without numbers
        network = build_network(recipe, n_channels, coder_of(recipe, painted=(1, 2)))
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def save(trained: Model, path: Path, seen: str) -> None:
    """Save a model; where it cannot be written, keep it elsewhere rather than lose it.

    Parameters
    ----------
    seen
        What `check_new_model` saw there: only that is replaced.
    """
    import tempfile

    from ..describe import too_little_learnt
    from ..io import stamp
    from ..io.model_folder import model_folder, new_model_path

    is_as_seen = bool(seen) and path.exists() and stamp(path, None) == seen
    try:
        typer.echo(f"Model: {trained.save(path, overwrite=is_as_seen)}")
        if word := too_little_learnt(trained):
            typer.echo(f"{word}: train for longer (--seconds), or go on from it (--start {path}).")
        return
    except TakenError:
        problem = f"{path} was written by another program meanwhile, and is not replaced."
        names = [_free_name(path)]
    except InputError as error:
        problem, names = str(error), []
    name = new_model_path(path.stem).name
    names += [model_folder() / name, Path(tempfile.gettempdir(), name)]
    for other in names:
        with contextlib.suppress(InputError, OSError):
            problem += f" The model is kept in {trained.save(other, overwrite=False)} instead."
            break
    raise RuntimeError(problem)


def _free_name(path: Path) -> Path:
    """The first of ``NAME-2.zip``, ``NAME-3.zip`` ... that is not there."""
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(2))
    return next(name for name in names if not name.exists())


def _open_paint(path: Path, image: Image, complete: bool, ones: bool, pieces: bool | None) -> Paint:
    from ..describe import understood
    from ..io import read_label_image
    from ..targets import Paint
    from ..targets.paint import fitted, objects_from_ones

    labels = read_label_image(path)
    say_notes([understood(path.name, labels)])
    if ones:
        labels = labels.selected(data=objects_from_ones(labels.data))
    paint = Paint.from_mask(labels, pieces=pieces) if complete else Paint(labels, pieces=pieces)
    return fitted(paint, image)


def _recipe(
    path: Path | None,
    values: list[str] | None,
    task: str | None,
    seed: int | None,
    parent: Model | None,
) -> Recipe:
    """The parent's recipe or the default, then the file, then single values."""
    from ..recipe import Recipe, read_recipe

    recipe = parent.recipe if parent else Recipe()
    if path is not None:
        recipe = read_recipe(path)
    if task is not None and task != recipe.task:
        recipe = Recipe(
            **{**recipe.model_dump(exclude={"target"}, exclude_unset=True), "task": task}
        )
    seeded = {} if seed is None else {"training.seed": seed}
    return recipe.changed({**seeded, **changes(values)})


def _asked_about(
    paints: list[Paint], names: Sequence[str], is_said: bool, dimensions: int
) -> list[Paint]:
    """Point out paint that looks like a common slip; where somebody can answer, ask and mend it.

    Where it is said what 0 or 1 means, only one number for many pieces is left to be asked about.
    """
    import numpy as np

    from ..targets import Paint
    from ..targets.paint import objects_from_ones, question

    paints = _asked_about_pieces(paints, names, dimensions)
    if is_said:
        return paints
    slips = (question(np.asarray(paint.array), "objects", dimensions) for paint in paints)
    asked = ((n, s) for n, s in zip(names, slips, strict=True) if s and s.kind != "pieces")
    name, slip = next(asked, ("", None))
    if slip is None:
        return paints
    option = "--ones-are-objects" if slip.kind == "ones" else "--complete"
    said = f"{name}: {slip.text} If so, use {option}"
    if not sys.stdin.isatty():
        if all(np.asarray(paint.array).max(initial=0) <= 1 for paint in paints):
            raise InputError(f"{said}; if not, paint objects with numbers from 2 up.")
        typer.echo(f"{said}; if not, go on.", err=True)
        return paints
    typer.echo(f"{said}; if not, go on.", err=True)
    if slip.kind == "mask":
        if typer.confirm("Go on with the labels as they are?"):
            return paints
        raise InputError("Nothing was trained. Use --complete for ordinary masks.")
    if not typer.confirm("Take each piece as an object, wherever all paint has label 1?"):
        return paints
    return [
        Paint(objects_from_ones(paint.array)) if np.asarray(paint.array).max() == 1 else paint
        for paint in paints
    ]


def _asked_about_pieces(paints: list[Paint], names: Sequence[str], dimensions: int) -> list[Paint]:
    """Ask what many pieces of one number are, if somebody can answer."""
    from ..targets.paint import separated

    try:
        return [separated(p, dimensions, name) for p, name in zip(paints, names, strict=True)]
    except ManyPiecesError as error:
        if not sys.stdin.isatty():
            raise
        typer.echo(str(error), err=True)
    pieces = typer.confirm("Take each piece as an object?")
    paints = [replace(paint, pieces=pieces) for paint in paints]
    return [separated(p, dimensions, name) for p, name in zip(paints, names, strict=True)]
