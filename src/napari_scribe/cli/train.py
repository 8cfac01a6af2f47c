"""Define the command `train`, and what `train-denoiser` shares with it."""

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
from ..terminal import exit_status, is_ended_by_system, say_unseen_gpu, train_with_bar, with_flags
from ..training import CHECKPOINT_EVERY
from .options import (
    DEFAULT_SECONDS,
    PIECES,
    Axes,
    Channels,
    CheckpointEvery,
    Device,
    Images,
    KeepWorse,
    ObjectSize,
    Patience,
    Pieces,
    PresetName,
    RecipeFile,
    Seconds,
    Seed,
    Series,
    Steps,
    Values,
    all_images,
    channel_numbers,
    open_image,
    print_notes,
    recipe_changes,
    training_changes,
)

if TYPE_CHECKING:
    from ..image import Image
    from ..model import Model
    from ..recipe import Recipe
    from ..targets import Paint
    from ..training.job import TrainingJob
    from ..training.spill import Spill


def train(
    images: Images,
    labels: Annotated[
        list[Path],
        typer.Option(
            help="Paint: a folder with the names of the images, or a file an image, each after a "
            "--labels of its own."
        ),
    ],
    model: Annotated[Path, typer.Option(help="File to save the model in (.zip).")],
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
    start: Annotated[
        str | None,
        typer.Option(
            help="A model to fine-tune: its file or its name, such as nuclei, which ships.",
            metavar="M0",
        ),
    ] = None,
    steps: Steps = None,
    seconds: Seconds = None,
    seed: Seed = None,
    keep_worse: KeepWorse = False,
    object_size: ObjectSize = None,
    patience: Patience = None,
    checkpoint_every: CheckpointEvery = CHECKPOINT_EVERY,
    device: Device = None,
    axes: Axes = "",
    series: Series = 0,
    channels: Channels = "",
    preset: PresetName = None,
    recipe: RecipeFile = None,
    set_: Values = None,
) -> None:
    """Train a model on painted images, or fine-tune one. Ctrl-C stops and keeps the best.

    After a crash, the same command goes on from the last checkpoint.
    """
    from ..describe import describe_inputs, understood
    from ..io import check_writable, first_few, match_labels, unmatched_labels
    from ..model import load_model
    from ..targets import task_of
    from ..training.spill import spill_of_files
    from ..training.train import train as start_training

    parent = load_model(start) if start else None
    checkpoint = checkpoint_beside(model, checkpoint_every)
    stamp_before = check_new_model(model, start, checkpoint)
    chosen = _recipe(recipe, preset, set_, task, seed, patience, parent)
    numbers = channel_numbers(channels)
    if (ones or pieces is not None) and not task_of(chosen).separates_objects:
        option = "--ones-are-objects" if ones else PIECES
        raise InputError(f"{option} is for the task objects, not for classes.")
    paths = all_images(images)
    spill = spill_of_files(len(paths))
    opened = [spill.image(open_image(path, axes, series=series)) for path in paths]
    try:
        matched = match_labels(paths, labels)
    except InputError as error:
        if any(path.is_dir() for path in labels):
            raise
        raise InputError(f"{error} Each file of labels needs a --labels of its own.") from None
    paints = [
        spill.paint(_open_paint(path, image, complete, ones, pieces))
        for path, image in zip(matched, opened, strict=True)
    ]
    inputs = [understood(path.name, image) for path, image in zip(paths, opened, strict=True)]
    typer.echo(describe_inputs(inputs))
    print_notes(inputs)
    if left_out := [path.name for path in unmatched_labels(labels, matched)]:
        typer.echo(f"Left out, as labels of no image here ({len(left_out)}): {first_few(left_out)}")
    if task_of(chosen).separates_objects:
        dimensions = chosen.network.dimensions
        names = [path.name for path in matched]
        paints = _ask_about_mistakes(paints, names, complete or ones, dimensions, spill)
        _ask_about_sizes(opened, paints, dimensions)
    else:
        _say_if_like_objects(paints, matched)
    if steps is None and seconds is None:
        seconds = DEFAULT_SECONDS
    say_unseen_gpu()
    job = start_training(
        opened,
        paints,
        chosen,
        channels=numbers,
        start=parent,
        steps=steps,
        seconds=seconds,
        device=device,
        keep_worse=keep_worse,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        object_size=object_size,
    )
    say_unused_losses(chosen)
    if words := job.grids.in_words():
        typer.echo(words)
    check_writable(model, _n_bytes(chosen, len(numbers or range(opened[0].n_channels))))
    train_and_save(
        job,
        model,
        start,
        stamp_before,
        checkpoint,
        "Fine-tuning did not help on held-out paint without harm to what was known, so the model "
        "it started from is kept. Paint more, or force it with --keep-worse.",
    )


def say_unused_losses(recipe: Recipe) -> None:
    """Print which losses were chosen that the network does not learn with."""
    from ..targets import encoding_of
    from ..training.losses import unused_losses

    if text := unused_losses(recipe, encoding_of(recipe).heads):
        typer.echo(text, err=True)


def checkpoint_beside(model: Path, every: float) -> Path | None:
    """Return the file for the checkpoints of a model; None if there are to be none."""
    return model.with_suffix(".checkpoint") if every else None


def train_and_save(
    job: TrainingJob,
    path: Path,
    start: str | None,
    stamp_before: str,
    checkpoint: Path | None,
    unhelpful: str,
) -> None:
    """Train, save the best model however the training ends, and set the exit status.

    Its checkpoint is deleted then, unless the training broke off or the system ended it: it can go
    on. Then the model that it started from is not replaced yet, because going on needs it. Of
    several processes that train together, the first one saves the model.

    Parameters
    ----------
    start
        The model that is fine-tuned, if any.
    stamp_before
        Result of `check_new_model`: only that file is replaced.
    checkpoint
        Result of `checkpoint_beside`.
    unhelpful
        Text to print if a fine-tuning did not help.

    Raises
    ------
    RuntimeError
        If the training failed midway.
    typer.Exit
        If the user stopped it.
    """
    from ..training.processes import is_first_process

    is_in_place = _is_in_place(path, start)

    def keep(trained: Model) -> None:
        if not is_first_process():
            return
        is_unfinished = bool(job.problem) or is_ended_by_system()
        goes_on = is_unfinished and checkpoint is not None and checkpoint.exists()
        if goes_on and is_in_place:
            save(trained, _free_name(path), "")
        else:
            save(trained, path, stamp_before)
        if goes_on:
            typer.echo(f"The same command goes on from {checkpoint}.")
        elif checkpoint is not None:
            checkpoint.unlink(missing_ok=True)

    train_with_bar(job, keep)
    if job.kept_parent:
        typer.echo(unhelpful)
    tuning = job.fine_tuning
    # With --keep-worse, the losses of what would have been refused are not those of the result.
    if tuning is not None and (tuning.share or job.kept_parent) and (words := tuning.in_words()):
        typer.echo(words)
    if job.problem:
        raise RuntimeError(f"{job.problem} The best model until then is kept.")
    if job.stop_requested:
        raise typer.Exit(exit_status())


def check_new_model(model: Path, start: str | None, checkpoint: Path | None = None) -> str:
    """Check that a new model replaces no file, or only the model that it is fine-tuned from.

    It may also replace the model of a training that was ended from outside and left a checkpoint.

    Returns
    -------
    stamp_before
        Result of `stamp` for the file that is replaced, by which a later change is noticed. Empty
        if there is no such file.

    Raises
    ------
    InputError
        If the model would replace another file, or cannot be written.
    """
    from ..io import check_writable, stamp
    from ..io.model_folder import check_not_shipped

    check_not_shipped(model)
    check_writable(model)
    if model.suffix.lower() != ".zip":
        raise InputError(f"A model file ends in .zip: use --model {model.with_suffix('.zip')}.")
    if not model.exists():
        return ""
    if not (_is_in_place(model, start) or (checkpoint and checkpoint.exists())):
        raise InputError(
            f"{model} exists already. Choose another name, or fine-tune it with --start {model}."
        )
    return stamp(model, None)


def _is_in_place(model: Path, start: str | None) -> bool:
    """Return whether a new model replaces the one that it is fine-tuned from."""
    from ..io.model_folder import find_model

    return start is not None and model.exists() and model.samefile(find_model(start))


def _n_bytes(recipe: Recipe, n_channels: int) -> int:
    """Return the number of bytes of a model's weights, before the model is made."""
    from ..model import outline_network

    tensors = outline_network(recipe, n_channels).state_dict().values()
    return sum(t.numel() * t.element_size() for t in tensors)


def save(trained: Model, path: Path, stamp_before: str) -> None:
    """Save a model. If it cannot be written there, save it elsewhere, so that it is not lost.

    Parameters
    ----------
    stamp_before
        Result of `check_new_model`: only that file is replaced.

    Raises
    ------
    RuntimeError
        If it could not be saved at the path.
    """
    import tempfile

    from ..describe import too_little_learnt
    from ..io import stamp
    from ..io.held_out import HeldOut
    from ..io.model_folder import model_folder, new_model_path

    is_unchanged = bool(stamp_before) and path.exists() and stamp(path, None) == stamp_before
    try:
        typer.echo(f"Model: {trained.save(path, overwrite=is_unchanged)}")
        if words := HeldOut.model_validate(trained.provenance.get("held_out", {})).in_words():
            typer.echo(f"It {words}.")
        if remark := too_little_learnt(trained):
            typer.echo(
                f"{remark}: train for longer (--seconds), or go on from it (--start {path})."
            )
        return
    except TakenError:
        problem = f"{path} was written by another program meanwhile, and is not replaced."
        names = [_free_name(path)]
    except InputError as error:
        problem, names = str(error), []
    name = new_model_path(path.stem).name
    names += [model_folder() / name, Path(tempfile.gettempdir(), name)]
    for elsewhere in names:
        with contextlib.suppress(InputError, OSError):
            problem += f" The model is kept in {trained.save(elsewhere, overwrite=False)} instead."
            break
    raise RuntimeError(problem)


def _free_name(path: Path) -> Path:
    """Return the first of ``NAME-2.zip``, ``NAME-3.zip`` ... that does not exist."""
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in itertools.count(2))
    return next(name for name in names if not name.exists())


def _open_paint(path: Path, image: Image, complete: bool, ones: bool, pieces: bool | None) -> Paint:
    """Open the paint of an image, read as the options say."""
    from ..describe import understood
    from ..io import read_label_image
    from ..targets import Paint
    from ..targets.paint import fitted, objects_from_ones

    labels = read_label_image(path)
    print_notes([understood(path.name, labels)])
    if ones:
        labels = labels.selected(data=objects_from_ones(labels.data))
    paint = Paint.from_mask(labels, pieces=pieces) if complete else Paint(labels, pieces=pieces)
    return fitted(paint, image)


def _recipe(
    path: Path | None,
    preset: str | None,
    values: list[str] | None,
    task: str | None,
    seed: int | None,
    patience: int | None,
    parent: Model | None,
) -> Recipe:
    """Return the recipe of the file, preset, parent or default, with single values changed."""
    from ..recipe import Recipe, read_recipe

    if preset is not None and (path is not None or parent):
        option, reason = ("--recipe", "both say") if path else ("--start", "the parent's says")
        raise InputError(f"--preset goes without {option}: {reason} what the network is.")
    recipe = parent.recipe if parent else Recipe()
    if preset is not None:
        recipe = Recipe.preset(preset)
    if path is not None:
        recipe = read_recipe(path)
    if task is not None and task != recipe.task:
        recipe = Recipe(
            **{**recipe.model_dump(exclude={"target"}, exclude_unset=True), "task": task}
        )
    return recipe.changed({**training_changes(seed, patience), **recipe_changes(values)})


def _ask_about_mistakes(
    paints: list[Paint],
    names: Sequence[str],
    is_explained: bool,
    dimensions: int,
    spill: Spill,
) -> list[Paint]:
    """Point out paint that looks like a common mistake. In a terminal, ask and mend it.

    If an option explains what 0 or 1 means (`is_explained`), only one number for many pieces is
    still looked for.
    """
    import numpy as np

    from ..targets import Paint
    from ..targets.paint import objects_from_ones, question

    paints = _ask_about_pieces(paints, names, dimensions, spill)
    if is_explained:
        return paints
    slips = (question(np.asarray(paint.array), "objects", dimensions) for paint in paints)
    suspects = ((n, s) for n, s in zip(names, slips, strict=True) if s and s.kind != "pieces")
    name, slip = next(suspects, ("", None))
    if slip is None:
        return paints
    option = "--ones-are-objects" if slip.kind == "ones" else "--complete"
    text = f"{name}: {slip.text} If so, use {option}"
    if not sys.stdin.isatty():
        if all(np.asarray(paint.array).max(initial=0) <= 1 for paint in paints):
            raise InputError(f"{text}; if not, paint objects with numbers from 2 up.")
        typer.echo(f"{text}; if not, go on.", err=True)
        return paints
    typer.echo(f"{text}; if not, go on.", err=True)
    if slip.kind == "mask":
        if typer.confirm("Go on with the labels as they are?"):
            return paints
        raise InputError("Nothing was trained. Use --complete for ordinary masks.")
    if not typer.confirm("Take each piece as an object, wherever all paint has label 1?"):
        return paints
    return [
        spill.paint(Paint(objects_from_ones(paint.array)))
        if np.asarray(paint.array).max() == 1
        else paint
        for paint in paints
    ]


def _say_if_like_objects(paints: list[Paint], paths: Sequence[Path]) -> None:
    """Print for the first paint of classes that looks like objects that it does."""
    import numpy as np

    from ..targets.paint import like_objects

    doubts = (like_objects(np.asarray(paint.array)) for paint in paints)
    name, doubt = next(((p.name, d) for p, d in zip(paths, doubts, strict=True) if d), ("", ""))
    if doubt:
        typer.echo(f"{name}: {doubt} If so, use --task objects; if not, go on.", err=True)


def _ask_about_sizes(images: Sequence[Image], paints: Sequence[Paint], dimensions: int) -> None:
    """Point out painted objects that differ much in size. In a terminal, ask whether to go on."""
    import numpy as np

    from ..targets.object_size import diameters_in, doubt_about_sizes

    pairs = zip(images, paints, strict=True)
    diameters = np.concatenate([diameters_in(i, p, dimensions) for i, p in pairs])
    if doubt := doubt_about_sizes(diameters):
        typer.echo(doubt, err=True)
        if sys.stdin.isatty() and not typer.confirm("Go on with the labels as they are?"):
            raise InputError("Nothing was trained.")


def _ask_about_pieces(
    paints: list[Paint], names: Sequence[str], dimensions: int, spill: Spill
) -> list[Paint]:
    """Separate the pieces of a number that covers many, if wanted. In a terminal, ask for that."""
    from ..targets.paint import separated

    def all_separated() -> list[Paint]:
        pairs = zip(paints, names, strict=True)
        return [spill.paint(separated(paint, dimensions, name)) for paint, name in pairs]

    try:
        return all_separated()
    except ManyPiecesError as error:
        if not sys.stdin.isatty():
            raise
        typer.echo(with_flags(error), err=True)
    pieces = typer.confirm("Take each piece as an object?")
    paints = [replace(paint, pieces=pieces) for paint in paints]
    return all_separated()
