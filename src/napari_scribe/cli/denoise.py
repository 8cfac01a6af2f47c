"""Define the commands `train-denoiser` and `denoise`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import InputError
from ..terminal import say_unseen_gpu
from ..training import CHECKPOINT_EVERY
from .options import (
    DEFAULT_SECONDS,
    Axes,
    Channels,
    CheckpointEvery,
    Device,
    Images,
    KeepWorse,
    Level,
    Overwrite,
    Patience,
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
from .segment import (
    ModelFile,
    Out,
    Part,
    Scheduler,
    Tile,
    Workers,
    print_end,
    read_part,
    result_paths,
    run_each,
)
from .train import check_new_model, checkpoint_beside, say_unused_losses, train_and_save

if TYPE_CHECKING:
    from ..describe import Understood
    from ..image import Image
    from ..inference.run import InferenceJob
    from ..model import Model
    from ..recipe import Recipe
    from ..training.pairs.sources import Pairs, Way

PAIRS: dict[str, Way] = {
    "frames": "consecutive",
    "even-odd": "even-odd",
    "near": "near",
    "repeats": "all",
}
"""Value of ``--pairs`` -> way to pair the frames of one image."""


def train_denoiser(
    images: Images,
    model: Annotated[Path, typer.Option(help="File to save the denoiser in (.zip).")],
    pairs: Annotated[
        Literal["frames", "even-odd", "near", "repeats", "slices", "files", "channels", "single"],
        typer.Option(
            help="What makes a pair. frames: each frame and the next. even-odd: the first and "
            "second frame, the third and fourth. near: frames up to three apart. repeats: any two "
            "frames, if all show the same. slices: neighbours along Z. files: the first and second "
            "file, the third and fourth. channels: the two of an image, or those of --channels. "
            "single: neighbouring pixels of one image."
        ),
    ] = "frames",
    remedies: Annotated[
        str,
        typer.Option(
            help="Remedies for what the check of the pairs finds, as a,b: register, match, "
            "leave_out_motion, drop. Or all: every remedy that the check offers."
        ),
    ] = "",
    loss: Annotated[
        Literal["l2", "l1", "smooth_l1", "l0"] | None,
        typer.Option(
            help="l2: for camera noise. l1: for some far outliers. smooth_l1: between the two. "
            "l0: for replaced pixels."
        ),
    ] = None,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Take Z as depth: train a 3D network.")
    ] = False,
    start: Annotated[
        str | None, typer.Option(help="A denoiser to fine-tune.", metavar="M0")
    ] = None,
    steps: Steps = None,
    seconds: Seconds = None,
    seed: Seed = None,
    keep_worse: KeepWorse = False,
    patience: Patience = None,
    checkpoint_every: CheckpointEvery = CHECKPOINT_EVERY,
    device: Device = None,
    axes: Axes = "",
    series: Series = 0,
    channels: Channels = "",
    recipe: RecipeFile = None,
    set_: Values = None,
) -> None:
    """Train a denoiser on noisy images alone (Noise2Noise). Ctrl-C stops and keeps the best.

    After a crash, the same command goes on from the last checkpoint.
    """
    from ..describe import describe_inputs, understood
    from ..inference.denoise.job import check_denoiser
    from ..model import load_model
    from ..training.pairs.fitness import check_remedies
    from ..training.train_denoiser import check_plan
    from ..training.train_denoiser import train_denoiser as start_training

    parent = load_model(start) if start else None
    if parent is not None:
        check_denoiser(parent)
    checkpoint = checkpoint_beside(model, checkpoint_every)
    stamp_before = check_new_model(model, start, checkpoint)
    chosen = _recipe(recipe, set_, loss, seed, patience, parent, volumes)
    check_plan(chosen, steps, seconds, device)
    requested = {word.strip() for word in remedies.split(",") if word.strip()}
    check_remedies(requested - {"all"})
    numbers = channel_numbers(channels)
    paths = all_images(images)
    opened = [open_image(path, axes, series=series) for path in paths]
    inputs = [understood(path.name, image) for path, image in zip(paths, opened, strict=True)]
    typer.echo(describe_inputs(inputs))
    print_notes(inputs)
    noisy = _checked(_pairs(opened, pairs, numbers, chosen.network.dimensions), requested)
    if steps is None and seconds is None:
        seconds = DEFAULT_SECONDS
    say_unseen_gpu()
    job = start_training(
        noisy,
        chosen,
        start=parent,
        steps=steps,
        seconds=seconds,
        device=device,
        keep_worse=keep_worse,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    say_unused_losses(chosen)
    train_and_save(
        job,
        model,
        start,
        stamp_before,
        checkpoint,
        "Fine-tuning did not lower the loss on held-out pairs, so the denoiser it started from "
        "is kept. Force it with --keep-worse.",
    )


def denoise(
    images: Images,
    model: ModelFile,
    out: Out,
    type_: Annotated[
        Literal["float32", "source"],
        typer.Option(
            "--type", help="Type of the pixels. source: that of the image, rounded and clipped."
        ),
    ] = "float32",
    removed: Annotated[
        bool,
        typer.Option("--removed", help="Also write what was removed: NAME.removed.tif."),
    ] = False,
    overwrite: Overwrite = False,
    tile: Tile = None,
    device: Device = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    part: Part = "",
    axes: Axes = "",
    level: Level = 0,
    series: Series = 0,
    channels: Channels = "",
) -> None:
    """Take the noise off images of any size. Ctrl-C stops; the same command goes on from there."""
    from ..describe import understood
    from ..inference.denoise.job import denoise as start_denoising
    from ..inference.denoise.removed import check_removed_from, check_removed_path, write_removed
    from ..model import load_model

    loaded = load_model(model)
    paths = all_images(images)
    targets = result_paths(paths, out)
    opened: dict[Path, Image] = {}
    inputs: list[Understood] = []

    def job_for(path: Path, target: Path) -> InferenceJob:
        opened.clear()  # only one image is open at a time
        opened[target] = image = open_image(path, axes, level, series)
        inputs.append(understood(path.name, image, loaded))
        if removed:
            check_removed_path(target, image, overwrite)
        return start_denoising(
            loaded,
            image,
            target,
            channels=channel_numbers(channels),
            dtype=type_,
            tile=tile,
            device=device,
            overwrite=overwrite,
            part=read_part(part),
            workers=workers,
            scheduler=scheduler,
        )

    for target, job in run_each(paths, targets, job_for, inputs):
        if part:
            continue
        image = opened[target]
        used = channel_numbers(channels) or list(loaded.channels_for(image))
        try:
            typer.echo(check_removed_from(image, job.result, used).in_words())
        except InputError as error:  # too small or too flat to tell, or nothing was removed
            typer.echo(f"What was removed was not judged. {error}")
        if removed:
            typer.echo(f"Removed: {write_removed(target, image, job.result, used, overwrite)}")
    print_end("Denoised", out, part)


def _recipe(
    path: Path | None,
    values: list[str] | None,
    loss: str | None,
    seed: int | None,
    patience: int | None,
    parent: Model | None,
    volumes: bool,
) -> Recipe:
    """Return the recipe of the file, the parent or the default, with single values changed."""
    from ..recipe import parse_recipe, read_recipe

    network = {"dimensions": 3} if volumes else {}
    recipe = parent.recipe if parent else parse_recipe({"task": "denoised", "network": network})
    if path is not None:
        recipe = read_recipe(path)
    losses = {} if loss is None else {"target.loss": loss}
    return recipe.changed({**training_changes(seed, patience), **losses, **recipe_changes(values)})


def _pairs(images: Sequence[Image], how: str, channels: list[int] | None, dimensions: int) -> Pairs:
    """Return the pairs of images; `how` is the value of ``--pairs``."""
    from ..training.pairs import sources as pairs

    if how == "files":
        return pairs.file_pairs(images, channels=channels, dimensions=dimensions)
    if how == "single":
        return pairs.single_pairs(list(images), channels=channels, dimensions=dimensions)
    if how == "channels":
        two_channels = _two_channels(images, channels)
        parts = [pairs.channel_pairs(i, *two_channels, dimensions=dimensions) for i in images]
        return pairs.joined(parts)
    _check_frames(images, how, dimensions)
    if how == "slices":
        parts = [pairs.slice_pairs(image, channels=channels) for image in images]
    else:
        parts = [
            pairs.frame_pairs(image, PAIRS[how], channels=channels, dimensions=dimensions)
            for image in images
        ]
    return pairs.joined(parts)


def _two_channels(images: Sequence[Image], channels: list[int] | None) -> list[int]:
    """Return the two channels that make pairs; by default 0 and 1, if no image has more."""
    if channels is None and all(image.n_channels < 3 for image in images):
        return [0, 1]
    if channels is None or len(channels) != 2:
        raise InputError("--pairs channels needs two of them: --channels 0,1.")
    return channels


def _check_frames(images: Sequence[Image], how: str, dimensions: int) -> None:
    """Check that the images fit the option ``--pairs``; errors name the options."""
    if how == "slices" and dimensions == 3:
        raise InputError("--pairs slices takes slices one by one: leave out --volumes.")
    n_frames = [math.prod(i.length(a) for a in i.iterated_axes(dimensions)) for i in images]
    if len(images) > 1 and max(n_frames) == 1:
        raise InputError(
            f"These {len(images)} images have one frame each: take the first with the second, the "
            "third with the fourth (--pairs files), train on single images (--pairs single), or "
            "save them as one movie (in ImageJ: File > Import > Image Sequence)."
        )


def _checked(pairs: Pairs, requested: set[str]) -> Pairs:
    """Check pairs, and return them with the requested remedies applied."""
    from ..training.pairs.fitness import apply_remedies, check_pairs

    fitness = check_pairs(pairs)
    if fitness.hopeless:
        raise InputError(fitness.hopeless)
    typer.echo(fitness.in_words())
    offered = set(fitness.remedies)
    chosen = (requested | offered if "all" in requested else requested) - {"all"}
    if unused := [remedy for remedy in fitness.remedies if remedy not in chosen]:
        typer.echo(f"This can be mended: --remedies {','.join([*sorted(requested), *unused])}")
    pairs = apply_remedies(pairs, fitness, chosen)
    if mended := sorted(chosen & offered):
        typer.echo(f"Mended before training: {', '.join(mended)}.")
    if needless := sorted(chosen - offered):
        typer.echo(f"Asked for, though the check found no need of it: {', '.join(needless)}.")
    return pairs
