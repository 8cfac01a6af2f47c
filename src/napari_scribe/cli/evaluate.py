"""The commands that look and score: `evaluate`, `info`; and the `demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import InputError
from ..terminal import print_scores
from .options import Axes, Device, Level, open_image


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("scribe-demo"),
    headless: Annotated[bool, typer.Option(help="Do not open napari.")] = False,
    seconds: Annotated[float, typer.Option(help="How long to train.")] = 30.0,
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
    from ..evaluation import metrics
    from ..evaluation.frames import frame_pairs
    from ..io import check_writable, left_over, list_images, match_labels, read_label_image, some

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


def info(
    path: Annotated[str, typer.Argument(help="A model, or an image.")],
    axes: Axes = "",
    level: Level = 0,
) -> None:
    """Say in words what a model or an image is."""
    from ..describe import describe_image, describe_model
    from ..model import load_model

    is_model = path.endswith(".zip") or not Path(path).exists()
    typer.echo(
        describe_model(load_model(path))
        if is_model
        else describe_image(open_image(path, axes, level))
    )
