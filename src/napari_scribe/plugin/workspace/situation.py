"""Say what there is of an image, and what the pages do: what is next follows from that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

from ...evaluation.table import DIAMETER
from ...session.next_step import Situation
from ..denoise.dock import DenoiseDock
from ..dock import Dock
from ..jobs.training import Trained
from ..layers.purpose import (
    DENOISED,
    image_meant,
    is_annotations,
    is_corrected,
    is_image,
    layers_of,
    note,
    purpose_of,
    results_of,
)
from ..train.dock import TrainDock
from ..train.live_paint import LivePaint


def situation(viewer: Viewer, pages: Mapping[str, Dock], page: Any, lost: str) -> Situation:
    """Return what there is of the image that is worked on, and what happens now.

    Parameters
    ----------
    pages
        The docks that were shown, by the name of their step.
    page
        The step that is shown.
    lost
        Which paint can be restored, in a sentence.
    """
    image = _worked_on(viewer, pages.get(page))
    train = pages.get("Train")
    assert train is None or isinstance(train, TrainDock)
    happening = {**what_runs(pages), "lost": lost, "page": page}
    if image is None:
        return Situation(**happening)
    last = _trained_on(image, train)
    trained = None if last is None or last.is_parent else last
    results = results_of(image, viewer.layers)
    own = [layer for layer in results if trained is not None and _is_made_by(trained, layer)]
    result = next(reversed(own or results), None)
    mine = layers_of(image, viewer.layers)
    corrected = [layer for layer in mine if is_corrected(layer) and _is_of(result, layer)]
    shown = corrected if result is None else [result, *corrected]
    annotations = list(filter(is_annotations, mine))
    return Situation(
        **happening,
        has_annotations=bool(annotations),
        is_enough=None if train is None else _is_enough(train, annotations),
        is_trained=trained is not None and not own,
        has_learnt_little=trained is not None and _has_learnt_little(trained),
        is_refused=last is not None and last.is_refused,
        can_continue=_can_continue(train, last, result),
        has_result=result is not None,
        has_own_result=bool(own),
        is_corrected=bool(corrected),
        is_taught=any(note(layer).get("taught") for layer in corrected),
        is_measured=any(map(_has_measurements, shown)),
        has_denoiser=_has_denoiser(pages.get("Denoise")),
        is_denoised=any(purpose_of(layer).startswith(DENOISED) for layer in mine),
    )


def what_runs(pages: Mapping[str, Dock]) -> dict[str, Any]:
    """Return what runs, in words, and where: parts of a `Situation`."""
    for name, dock in pages.items():
        if dock.runner.is_running:
            title, state = dock.runner.title, dock.progress.format()
            is_news = bool(state) and not title.startswith(state)
            text = f"{title}: {state[0].lower()}{state[1:]}" if is_news else title
            is_training = isinstance(dock.view, LivePaint) and not dock.is_stopping
            return {"running": text, "runs_on": name, "is_training": is_training}
    return {}


def _worked_on(viewer: Viewer, shown: Dock | None) -> ImageLayer | None:
    """Return the image of the page that is shown; else the one selected, or the topmost one."""
    layer = None if shown is None else shown.form.image.layer.value
    if layer in viewer.layers and is_image(layer):
        return layer
    meant = image_meant(viewer, viewer.layers.selection.active)
    return meant or next(filter(is_image, reversed(viewer.layers)), None)


def _trained_on(image: ImageLayer, train: TrainDock | None) -> Trained[Any] | None:
    """Return what the last training has given, where it was on this image."""
    trained = None if train is None else train.trained
    return trained if trained is not None and trained.request.image_layer is image else None


def _has_learnt_little(trained: Trained[Any]) -> bool:
    from ...describe import too_little_learnt

    return bool(too_little_learnt(trained.model))


def _is_made_by(trained: Trained[Any], result: LabelsLayer) -> bool:
    """Return whether a model has made a result; one without a file has no name there."""
    return note(result).get("model", "") in ("", str(trained.path))


def _can_continue(
    train: TrainDock | None, last: Trained[Any] | None, result: LabelsLayer | None
) -> bool:
    """Return whether Continue goes on with the model of a result, or one fine-tuned from it."""
    if train is None or last is None or train.why_not_continue():
        return False
    if result is None or _is_made_by(last, result):
        return True
    return bool(note(result)["model"] == str(last.request.start))


def _is_of(result: LabelsLayer | None, corrected: Layer) -> bool:
    """Return whether a corrected layer is a copy of a result, and not of one before."""
    model = note(corrected).get("model", "")
    return result is None or not model or bool(model == note(result).get("model", ""))


def _is_enough(train: TrainDock, annotations: list[Layer]) -> bool | None:
    """Return whether enough is painted, where the page shows these annotations."""
    return train.form.painting.is_enough if train.form.paint.value in annotations else None


def _has_denoiser(page: Dock | None) -> bool:
    """Return whether a denoiser is chosen, which could be applied."""
    return isinstance(page, DenoiseDock) and page.form.model.value() is not None


def _has_measurements(layer: Layer) -> bool:
    return isinstance(layer, LabelsLayer) and any(
        str(name).startswith(DIAMETER) for name in layer.features.columns
    )
