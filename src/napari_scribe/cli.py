"""The commands: as thin as a dock. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .errors import InputError
from .terminal import print_scores, say_unseen_gpu, segment_with_bar, train_with_bar

if TYPE_CHECKING:
    from .image import Image
    from .inference.run import SegmentJob
    from .model import Model
    from .recipe import Recipe
    from .targets import Paint

app = typer.Typer(
    name="napari-scribe",
    help="Paint a few strokes, get a U-Net: train, segment and evaluate without a viewer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

INTERRUPTED = 130
DEFAULT_SECONDS = 300.0

Images = Annotated[list[Path], typer.Argument(help="Images (TIFF, zarr, PNG, NPY) or a folder.")]
Device = Annotated[
    str | None, typer.Option(help="cuda, mps or cpu. Default: the best there is.", metavar="NAME")
]
Axes = Annotated[
    str, typer.Option(help="A letter of TCZYX per axis of the images. Default: as found.")
]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe as JSON.")]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", help="A recipe value, such as network.width=32.", metavar="KEY=VALUE"),
]
Channels = Annotated[
    str, typer.Option(help="Channels to use, as 0,2. Default: all, or the model's.", metavar="LIST")
]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("scribe-demo"),
    headless: Annotated[bool, typer.Option(help="Do not open napari.")] = False,
    seconds: Annotated[float, typer.Option(help="How long to train.")] = 30.0,
    device: Device = None,
) -> None:
    """Paint, train and segment on the built-in sample: in napari, or headless without a display."""
    if not headless:
        from .plugin.display import display_problem

        problem = display_problem()
        if problem is None:
            from .plugin.demo import run as run_in_viewer

            typer.echo("Opening napari: the demo trains and segments by itself.")
            run_in_viewer(out, seconds, device)
            return
        typer.echo(f"No window ({problem}): running headless.")
    from .demo import run_headless

    run_headless(out, seconds, device)


@app.command()
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
    from .describe import axes_of, describe_inputs
    from .io import check_writable, left_over, match_labels, some
    from .model import load_model
    from .training.train import train as start_training

    parent = load_model(start) if start else None
    _check_new_model(model, start)
    chosen, seen = _recipe(recipe, set_, task, seed, parent), _numbers(channels)
    if ones and chosen.task != "objects":
        raise InputError("--ones-are-objects is for the task objects, not for classes.")
    paths = _expand(images)
    opened = [_open(path, axes) for path in paths]
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
    _save(trained, model)
    if job.problem:
        raise RuntimeError(f"{job.problem} The best model until then is kept.")
    if job.stop_requested:
        raise typer.Exit(INTERRUPTED)


@app.command()
def segment(
    images: Images,
    model: Annotated[str, typer.Option(help="A model file, or the name of a kept one.")],
    out: Annotated[Path, typer.Option(help=".tif, .zarr, or a folder (one .tif an image).")],
    tile: Annotated[
        int | None, typer.Option(help="Side of what a tile keeps, in pixels.", min=1)
    ] = None,
    save: Annotated[str, typer.Option(help="labels, or labels,probability.")] = "labels",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    device: Device = None,
    axes: Axes = "",
    channels: Channels = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A value such as tiling.batch=4.", metavar="KEY=VALUE"),
    ] = None,
) -> None:
    """Segment images of any size. Ctrl-C stops; the same command goes on from there."""
    from .describe import axes_of, describe_inputs
    from .inference.segment import check_apart
    from .inference.segment import segment as start_segmenting
    from .model import load_model

    loaded = load_model(model)
    if changes := _changes(set_):
        if other := next((key for key in changes if not key.startswith("tiling.")), None):
            raise InputError(f"--set {other}: a trained model takes new values of tiling only.")
        loaded = loaded.changed(recipe=loaded.recipe.changed(changes))
    paths = _expand(images)
    targets = _targets(paths, out)
    wanted = tuple(part.strip() for part in save.split(","))

    found: list[tuple[str, str]] = []

    def job_for(path: Path, target: Path) -> SegmentJob:
        check_apart(target, path)
        image = _open(path, axes)
        found.append((path.name, axes_of(image)))
        return start_segmenting(
            loaded,
            image,
            target,
            channels=_numbers(channels),
            tile=tile,
            device=device,
            save=wanted,
            overwrite=overwrite,
        )

    for path, target in zip(paths, targets, strict=True):
        job_for(path, target)  # all are checked before any is begun; one is open at a time
    typer.echo(describe_inputs(found))
    (out.parent if out.suffix else out).mkdir(parents=True, exist_ok=True)
    for path, target in zip(paths, targets, strict=True):
        job = job_for(path, target)
        segment_with_bar(job, path.name)
        if job.stop_requested:
            typer.echo(f"Stopped before {target} was whole. The same command goes on from here.")
            raise typer.Exit(INTERRUPTED)
    typer.echo(f"Labels: {out}")


@app.command()
def evaluate(
    predicted: Annotated[Path, typer.Argument(help="Labels that were found, or a folder.")],
    truth: Annotated[Path, typer.Argument(help="True labels, or a folder with the same names.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the scores there, too.")
    ] = None,
    task: Annotated[
        Literal["objects", "classes"], typer.Option(help="What the labels are.")
    ] = "objects",
    slices: Annotated[
        bool, typer.Option("--slices", help="Z is a list of slices: score each by itself.")
    ] = False,
    axes: Annotated[
        str, typer.Option(help="A letter of TZYX per axis of the labels. Default: as found.")
    ] = "",
) -> None:
    """Score labels against the truth: precision, recall, F1, AP at IoU .5 to .95, mean IoU.

    The times of a movie are scored one by one, so that each may number its objects anew.
    """
    from .evaluation import metrics
    from .evaluation.frames import frame_pairs
    from .io import check_writable, left_over, list_images, match_labels, read_label_image, some

    if json_file is not None:
        check_writable(json_file)
    found = list_images(predicted)
    matched = match_labels(found, truth)
    if found != [predicted] and (left := left_over(truth, matched)):
        raise InputError(f"Nothing was predicted for {some([p.name for p in left])} in {truth}.")
    score: Any = metrics.evaluate if task == "objects" else metrics.evaluate_classes
    pool: Any = metrics.pool if task == "objects" else metrics.pool_classes
    scores: dict[str, Any] = {}
    for path, true_path in zip(found, matched, strict=True):
        try:
            pair = read_label_image(path, axes), read_label_image(true_path, axes)
            scores[path.name] = pool([score(p, t) for p, t in frame_pairs(*pair, slices)])
        except InputError as error:
            raise InputError(f"{path.name}: {error}") from None
    pooled = pool(list(scores.values()))
    print_scores({**scores, "all, pooled": pooled} if len(scores) > 1 else scores)
    if json_file is not None:
        images = {name: value.as_dict() for name, value in scores.items()}
        text = json.dumps({"images": images, "pooled": pooled.as_dict()}, indent=1)
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text + "\n")


@app.command()
def info(
    path: Annotated[str, typer.Argument(help="A model, or an image.")], axes: Axes = ""
) -> None:
    """Say in words what a model or an image is."""
    from .describe import describe_image, describe_model
    from .model import load_model

    is_model = path.endswith(".zip") or not Path(path).exists()
    typer.echo(describe_model(load_model(path)) if is_model else describe_image(_open(path, axes)))


def _check_new_model(model: Path, start: str | None) -> None:
    """A new model replaces none but the one that it was fine-tuned from."""
    from .io import check_writable
    from .model import find_model

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

    from .model import build_network
    from .targets import coder_of

    with torch.device("meta"):  # shapes without numbers
        network = build_network(recipe, n_channels, coder_of(recipe, painted=(1, 2)))
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def _save(trained: Model, path: Path) -> None:
    """Save a model; where it cannot be written, keep it elsewhere rather than lose it."""
    import tempfile

    from .model import model_folder, new_model_path

    try:
        typer.echo(f"Model: {trained.save(path)}")
        return
    except InputError as error:
        problem = str(error)
    name = new_model_path(path.stem).name
    for folder in (model_folder, tempfile.gettempdir):
        with contextlib.suppress(InputError, OSError):
            problem += f" The model is kept in {trained.save(Path(folder(), name))} instead."
            break
    raise RuntimeError(problem)


def _numbers(channels: str) -> list[int] | None:
    """Channels as written, 0,2; None where nothing is."""
    try:
        return [int(part) for part in channels.split(",")] if channels else None
    except ValueError:
        raise InputError(f"--channels {channels}: write numbers from 0, such as 0,2.") from None


def _expand(paths: Sequence[Path]) -> list[Path]:
    from .io import list_images

    return [image for path in paths for image in list_images(path)]


def _open(path: str | Path, axes: str) -> Image:
    from .io import read_image

    return read_image(path, axes)


def _open_paint(path: Path, complete: bool, ones: bool) -> Paint:
    from .io import read_labels
    from .targets import Paint
    from .targets.paint import objects_from_ones

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
    from .recipe import Recipe, read_recipe

    recipe = parent.recipe if parent else Recipe()
    if path is not None:
        recipe = read_recipe(path)
    if task is not None and task != recipe.task:
        recipe = Recipe(
            **{**recipe.model_dump(exclude={"target"}, exclude_unset=True), "task": task}
        )
    seeded = {} if seed is None else {"training.seed": seed}
    return recipe.changed({**seeded, **_changes(values)})


def _changes(values: list[str] | None) -> dict[str, Any]:
    """What --set says, by key."""
    changes = {}
    for pair in values or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair}: write it as KEY=VALUE, such as network.width=32.")
        changes[key.strip()] = value.strip()
    return changes


def _asked_about(paints: list[Paint], names: Sequence[str], task: str) -> list[Paint]:
    """Point out paint that looks like a common slip; where somebody can answer, ask and mend it."""
    import numpy as np

    from .targets import Paint
    from .targets.paint import objects_from_ones, question

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


def _targets(paths: Sequence[Path], out: Path) -> list[Path]:
    """Where each image's labels go."""
    from .io import stem

    if out.suffix in (".tif", ".tiff", ".zarr"):
        if len(paths) > 1:
            raise InputError(
                f"{len(paths)} images cannot go into one file: give a folder, such as "
                f"--out {out.with_suffix('')}."
            )
        return [out]
    if out.suffix:
        raise InputError(f"Labels go to .tif, .zarr or a folder, not to {out.suffix}.")
    names = [f"{stem(path)}.tif" for path in paths]
    if double := {name for name in names if names.count(name) > 1}:
        raise InputError(f"More than one image would become {double.pop()}: use other folders.")
    if out.is_file():
        raise InputError(f"{out} is a file: give a folder, .tif or .zarr.")
    return [out / name for name in names]


def main() -> None:
    """Run a command; bad input ends with one line and status 2, a failure midway with 1."""
    try:
        app(standalone_mode=True)
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise SystemExit(INTERRUPTED) from None
    except (OSError, MemoryError, RuntimeError) as error:
        typer.echo(f"Failed midway: {error}", err=True)
        raise SystemExit(1) from None
