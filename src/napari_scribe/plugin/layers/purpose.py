"""Note on a layer what it is for, and of which image; ask layers for it.

The note lies in the metadata of the layer, which may be saved: what these words are stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Labels as LabelsLayer
from napari.layers import Layer

MARK = "napari-scribe"
"""Key in a layer's metadata under which the plugin notes what it made, and for which layer."""

ANNOTATIONS = "annotations"
LABELS = "labels"
"""Of objects or classes that a model has found."""
CORRECTED = "corrected"
"""A person corrects these labels; no result is ever written to them."""
PREVIEW = "preview"
PROBABILITY = "probability"
UNCERTAINTY = "uncertainty"
DENOISED = "denoised"
REMOVED_NOISE = "removed noise"
TRUTH = "truth"
COMPARED, EXAMPLES, CLASSES = "compared", "class examples", "classes"
SAID_OF_OBJECTS = COMPARED, EXAMPLES, CLASSES
"""These say something about objects in another layer."""
COMPLETE_REGIONS = "complete regions"
OBJECT_SIZE = "object size"
PLACE_TO_LOOK = "place"
_SO_FAR = " so far"


def note(layer: Layer) -> dict[str, Any]:
    """Return what the plugin noted on a layer; nothing for layers that it did not make."""
    entries = layer.metadata.get(MARK)
    return entries if isinstance(entries, dict) else {}


def add_note(layer: Layer, **entries: object) -> None:
    """Add entries to the note on a layer, or replace them."""
    layer.metadata[MARK] = {**note(layer), **entries}


def purpose_of(layer: Layer) -> str:
    """Return what a layer is for; empty where the plugin did not make it."""
    return str(note(layer).get("purpose", ""))


def so_far(purpose: str) -> str:
    """Return the purpose of a layer with a result that is not complete."""
    return f"{purpose}{_SO_FAR}"


def is_unfinished(layer: Layer) -> bool:
    """Return whether a layer holds a result that is not complete."""
    return purpose_of(layer).endswith(_SO_FAR)


def is_annotations(layer: Layer) -> bool:
    """Return whether a layer is noted as annotations, of whatever image."""
    return purpose_of(layer) == ANNOTATIONS


def is_preview(layer: Layer) -> bool:
    """Return whether a layer shows what a training has learnt by now."""
    return purpose_of(layer) == PREVIEW


def is_found(layer: Layer) -> bool:
    """Return whether a layer holds labels that a model has found: of a part of an image, too."""
    return isinstance(layer, LabelsLayer) and purpose_of(layer).startswith(LABELS)


def is_corrected(layer: Layer | None) -> bool:
    """Return whether a layer was made to be corrected."""
    return layer is not None and purpose_of(layer) == CORRECTED


def is_image(layer: Layer) -> bool:
    """Return whether a layer is an image that the user has, or a denoised one of the plugin's."""
    is_one = purpose_of(layer) == "" or purpose_of(layer).startswith(DENOISED)
    return isinstance(layer, ImageLayer) and is_one and not is_unfinished(layer)


def is_paint(layer: Layer) -> bool:
    """Return whether a layer can hold paint, or objects: labels that say nothing of others."""
    is_one = purpose_of(layer) not in SAID_OF_OBJECTS and not is_preview(layer)
    return isinstance(layer, LabelsLayer) and is_one


def rank_of_paint(layer: Layer) -> int:
    """Return how likely labels are meant as paint; 0 where somebody has to say so."""
    return 2 if is_annotations(layer) else int(is_from_user(layer))


def rank_of_objects(layer: Layer) -> int:
    """Return how likely labels are meant as objects; 0 where somebody has to say so."""
    if is_corrected(layer):
        return 3
    if is_found(layer) and not is_unfinished(layer):
        return 2
    return int(purpose_of(layer) == "")


def kind_of(layer: Layer) -> str:
    """Return what a layer is, in a word or two; empty where the plugin did not make it."""
    return "result" if is_found(layer) else purpose_of(layer)


def is_from_user(layer: Layer | None) -> bool:
    """Return whether a layer is the user's: an image or annotations, but no result."""
    return layer is not None and purpose_of(layer) in ("", ANNOTATIONS)


def made_of(source: Layer) -> dict[str, str]:
    """Return the entries of a note that tell for which layer another one was made.

    The id stays where the layer is renamed; the name is that of a layer which is opened again.
    """
    return {"source": source.name, "source_id": str(source.unique_id)}


def source_of(layer: Layer, layers: Iterable[Layer]) -> Layer | None:
    """Return that one of some layers for which another was made; None where it is not there."""
    entries, layers = note(layer), list(layers)
    same = (other for other in layers if str(other.unique_id) == entries.get("source_id"))
    named = (other for other in layers if other.name == entries.get("source"))
    return next(same, None) or next(named, None)


def layers_of(source: Layer, layers: Iterable[Layer], purpose: str | None = None) -> list[Layer]:
    """Return those of some layers that were made for one of them, the topmost last.

    Parameters
    ----------
    purpose
        The one that is noted; any when None.
    """
    layers = list(layers)
    return [
        layer
        for layer in layers
        if purpose in (None, purpose_of(layer)) and source_of(layer, layers) is source
    ]


def results_of(source: Layer, layers: Iterable[Layer]) -> list[LabelsLayer]:
    """Return those of some layers that hold what was found in an image, and grow no more."""
    found = (layer for layer in layers_of(source, layers) if not is_unfinished(layer))
    return list(filter(is_found, found))


def image_meant(viewer: Viewer, selected: Layer | None) -> ImageLayer | None:
    """Return the image that is worked on where a layer is selected; None where that is unclear."""
    return image_behind(viewer, selected) if is_from_user(selected) else None


def image_behind(viewer: Viewer, layer: Layer | None) -> ImageLayer | None:
    """Return the image of the user that a layer is, or was made of; None where there is none."""
    if layer is None:
        return None
    if is_from_user(layer) and is_image(layer):
        return layer
    return source_of(layer, filter(is_image, viewer.layers))
