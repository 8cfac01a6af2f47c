"""What Continue goes on with, and what it cannot change; what a model was trained on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...image import Image
from ...recipe import Recipe
from ..denoise.fitness_view import REMEDIES
from ..denoise.pairs import CHANNELS, LAYER, WAYS
from ..model_library import trained_on
from ..widgets.layer_pickers import names_of_channels

if TYPE_CHECKING:
    from napari import Viewer

    from ..denoise.job import DenoiserInput
    from ..train.job import Trained, TrainInput
    from ..widgets.basics import Hint
    from ..widgets.curves import Curves
    from ..widgets.feedback import Message

NOTHING_YET = "There is no training yet that could go on"
REMOVED = (
    "{} was removed, on which this was trained. To go on with its model on another image, choose "
    "it under More settings, Start from, and press Train"
)
ELSEWHERE = (
    "This denoiser was trained on {}: where noise is not the same, train one on this image. Look "
    "at what was removed."
)

Change = tuple[str, str]
"""What a training was, and what is chosen now, in words."""


def why_not(trained: Trained | None, viewer: Viewer) -> str:
    """Return why there is nothing that Continue could go on with; empty where there is."""
    if trained is None or trained.checkpoint is None:
        return NOTHING_YET
    if trained.given.image_layer not in viewer.layers:
        return REMOVED.format(trained.given.image.name)
    return ""


def show_curve(curves: Curves, status: Hint, belongs: bool) -> None:
    """Show a curve and its last value while they belong to something that is there."""
    curves.setVisible(belongs and bool(curves.steps))
    status.setVisible(belongs and bool(status.text()))


def ask_to_go_on(
    message: Message,
    changes: Sequence[Change],
    go_on: Callable[[], None],
    train: Callable[[], None],
) -> None:
    """Ask whether a training goes on as it was, or another one begins with what is chosen now."""
    was, now = (", ".join(words) for words in zip(*changes, strict=True))
    text = f"Go on with {was}, as it was trained, or train anew with {now}?"
    message.ask(text, {"Go on as it was": go_on, "Train anew": train})


def changes_of_paint(was: TrainInput, now: TrainInput) -> Iterator[Change]:
    """Yield what differs between two trainings on paint that one network cannot both be."""
    if was.recipe.task != now.recipe.task:
        yield was.recipe.task.capitalize(), now.recipe.task.capitalize()
    yield from changes_of_start(was.start, now.start)
    if was.start is None and now.start is None:
        yield from changes_of_recipe(was.recipe, now.recipe, ("network", "target"))
    yield from changes_of_channels((was.image, was.channels), (now.image, now.channels))
    if was.denoiser != now.denoiser:
        yield _named(was.denoiser, "denoiser"), _named(now.denoiser, "denoiser")


def changes_of_pairs(was: DenoiserInput, now: DenoiserInput) -> Iterator[Change]:
    """Yield what differs between two trainings of a denoiser but for how long they take."""
    before, after = was.checked.source, now.checked.source
    if was.image_layer is not now.image_layer:
        yield was.image_layer.name, now.image_layer.name
    elif before.image.data is not after.image.data:
        yield f"{before.image.name} as it was", f"{after.image.name} as it is now"
    if before.image.axes != after.image.axes:
        yield f"axes {before.image.axes}", f"axes {after.image.axes}"
    if _pairs(was) != _pairs(now):
        yield _pairs(was), _pairs(now)
    yield from changes_of_channels((before.image, before.channels), (after.image, after.channels))
    if was.remedies != now.remedies:
        yield _ticked(was.remedies), _ticked(now.remedies)
    yield from changes_of_start(was.start, now.start)
    parts = ("target",) if was.start or now.start else ("network", "target")
    yield from changes_of_recipe(was.recipe, now.recipe, parts)


def changes_of_start(was: Path | None, now: Path | None) -> Iterator[Change]:
    """Yield the model to start from, where it is another one."""
    if was != now:
        yield _named(was, "model to start from"), _named(now, "model to start from")


def changes_of_recipe(was: Recipe, now: Recipe, parts: Collection[str]) -> Iterator[Change]:
    """Yield the values of these parts that differ; of a network of another kind, its kind."""
    for part in parts:
        before, after = getattr(was, part), getattr(now, part)
        if type(before) is not type(after):
            if part == "network":
                yield f"network {before.kind}", f"network {after.kind}"
            continue
        for name, field in type(before).model_fields.items():
            one, other = getattr(before, name), getattr(after, name)
            if one != other:
                title = (field.title or name).lower()
                yield f"{title} {one}", f"{title} {other}"


def changes_of_channels(
    was: tuple[Image, list[int] | None], now: tuple[Image, list[int] | None]
) -> Iterator[Change]:
    """Yield the channels, where others are chosen."""
    before, after = _channels(*was), _channels(*now)
    if before != after:
        yield f"channels {', '.join(before)}", f"channels {', '.join(after)}"


def trained_elsewhere(trained: Trained | None, path: Path | None, layer: Any) -> str:
    """Return a caution where a denoiser was trained on something else than a layer; else nothing.

    Parameters
    ----------
    trained
        What gave the denoiser, if that was this dock.
    path
        Its file.
    """
    if layer is None or (trained is None and path is None):
        return ""
    if trained is not None and not trained.is_parent:
        if trained.given.image_layer is layer:
            return ""
        names = [trained.given.image.name]
    else:
        try:
            names = trained_on(path) if path is not None else []
        except InputError:
            names = []
    if not names or (trained is None and layer.name in names):
        return ""
    if layer.name in names:
        return ELSEWHERE.format(f"another {layer.name}")
    on = names[0] if len(names) == 1 else f"{len(names)} others"
    return ELSEWHERE.format(f"{on}, not on {layer.name}")


def _channels(image: Image, chosen: list[int] | None) -> list[str]:
    names = names_of_channels(image)
    return names if chosen is None else [names[c] for c in chosen]


def _pairs(given: DenoiserInput) -> str:
    """Where pairs come from."""
    source = given.checked.source
    words = WAYS[source.way][0].lower()
    if source.way == LAYER:
        words += f" ({given.other_layer.name})"
    elif source.way == CHANNELS:
        names = names_of_channels(source.image)
        words += f" ({' and '.join(names[c] for c in source.two)})"
    return words


def _ticked(remedies: Collection[str]) -> str:
    return " and ".join(REMEDIES[name][0].lower() for name in sorted(remedies)) or "no remedy"


def _named(model: Path | None, what: str) -> str:
    return f"no {what}" if model is None else f"{what} {model.stem}"
