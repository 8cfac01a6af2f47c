"""Say what a person does next, from what there is already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Step = Literal["Train", "Segment", "Correct", "Measure"]


@dataclass(frozen=True)
class Situation:
    """Hold what there is of the image that is worked on.

    Parameters
    ----------
    has_annotations
        Whether there is a layer to paint on.
    is_trained
        Whether a model was trained on it.
    has_result
        Whether the image is segmented.
    is_corrected
        Whether a result was made editable.
    is_measured
        Whether objects were measured.
    """

    has_annotations: bool = False
    is_trained: bool = False
    has_result: bool = False
    is_corrected: bool = False
    is_measured: bool = False


def next_step(now: Situation) -> tuple[str, Step]:
    """Return what is next, in a sentence, and the step that it belongs to."""
    if now.is_measured:
        return "Save the table, or go on with the next image.", "Measure"
    if now.is_corrected:
        return "Correct, teach the corrections and train again; or measure the objects.", "Correct"
    if now.has_result:
        return "Look at the result: correct what is wrong, or measure it.", "Correct"
    if now.is_trained:
        return "The network has learnt from your paint: segment the image.", "Segment"
    if now.has_annotations:
        return "Paint a few objects and some background, then press Train.", "Train"
    return "Segment with a model that is there, or paint a few objects and train one.", "Segment"
