"""The command `train`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..terminal import say_unseen_gpu, train_with_bar
from .options import (
    INTERRUPTED,
    Axes,
    Channels,
    Device,
    Images,
    RecipeFile,
    Values,
    changes,
    expand,
    numbers,
    open_image,
)

if TYPE_CHECKING:
    from ..model import Model
    from ..recipe import Recipe
    from ..targets import Paint

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
    channels: Channels = "",
    recipe: RecipeFile = None,
    set_: Values = None,
) -> None:
    """Train a model on painted images, or fine-tune one. Ctrl-C stops and keeps the best."""
    from ..describe import axes_of, describe_inputs
    from ..io import check_writable, left_over, match_labels, some
    from ..model import load_model
    from ..training.train import train as start_training

    parent = load_model(start) if start else None
    check_new_model(model, start)
    chosen, seen = _recipe(recipe, set_, task, seed, parent), numbers(channels)
    if ones and chosen.task != "objects":
        raise InputError("--ones-are-objects is for the task objects, not for classes.")
    paths = expand(images)
    opened = [open_image(path, axes) for path in paths]
    matched = match_labels(paths, labels)
    paints = [_open_paint(path, complete, ones) for path in matched]
    typer.echo(describe_inputs([(p.name, axes_of(i)) for p, i in zip(paths, opened, strict=True)]))
    if left := [path.name for path in left_over(labels, matched)]:
        typer.echo(f"Left out, as labels of no image here ({len(left)}): {some(left)}")
    if not (complete or ones):
        paints = _asked_about(paints, [path.name for path in matched], chosen.task)
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
    trained = train_with_bar(job)
    if job.kept_parent:
        typer.echo(
            "Fine-tuning did not lower the loss on held-out paint, so the model it started from "
            "is kept. Paint more, or force it with --keep-worse."
        )
    save(trained, model)
    if job.problem:
        raise RuntimeError(f"{job.problem} The best model until then is kept.")
    if job.stop_requested:
        raise typer.Exit(INTERRUPTED)


def check_new_model(model: Path, start: str | None) -> None:
    """A new model replaces none but the one that it was fine-tuned from."""
    from ..io import check_writable
    from ..model import find_model

    if model.suffix != ".zip":
        raise InputError(f"A model file ends in .zip: use --model {model.with_suffix('.zip')}.")
    if model.exists() and (start is None or not model.samefile(find_model(start))):
        raise InputError(
            f"{model} exists already. Choose another name, or fine-tune it with --start {model}."
        )
    check_writable(model)


def _n_bytes(recipe: Recipe, n_channels: int) -> int:
    """How much room the weights of a model will need."""
    import torch

    from ..model import build_network
    from ..targets import coder_of

    with torch.device("meta"):  # shapes without numbers
        network = build_network(recipe, n_channels, coder_of(recipe, painted=(1, 2)))
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def save(trained: Model, path: Path) -> None:
    """Save a model; where it cannot be written, keep it elsewhere rather than lose it."""
    import tempfile

    from ..describe import too_little_learnt
    from ..model import model_folder, new_model_path

    try:
        typer.echo(f"Model: {trained.save(path)}")
        if word := too_little_learnt(trained):
            typer.echo(f"{word}: train for longer (--seconds), or go on from it (--start {path}).")
        return
    except InputError as error:
        problem = str(error)
    name = new_model_path(path.stem).name
    for folder in (model_folder, tempfile.gettempdir):
        with contextlib.suppress(InputError, OSError):
            problem += f" The model is kept in {trained.save(Path(folder(), name))} instead."
            break
    raise RuntimeError(problem)


def _open_paint(path: Path, complete: bool, ones: bool) -> Paint:
    from ..io import read_labels
    from ..targets import Paint
    from ..targets.paint import objects_from_ones

    labels = read_labels(path)
    if ones:
        labels = objects_from_ones(labels)
    return Paint.from_mask(labels) if complete else Paint(labels)


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


def _asked_about(paints: list[Paint], names: Sequence[str], task: str) -> list[Paint]:
    """Point out paint that looks like a common slip; where somebody can answer, ask and mend it."""
    import numpy as np

    from ..targets import Paint
    from ..targets.paint import objects_from_ones, question

    asked = zip(names, (question(np.asarray(paint.array), task) for paint in paints), strict=True)
    name, slip = next(((name, slip) for name, slip in asked if slip), ("", None))
    if slip is None:
        return paints
    option = {"ones": "--ones-are-objects", "mask": "--complete"}[slip.kind]
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
