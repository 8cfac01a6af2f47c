"""Say what a person does next, from what there is already and what runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Step = Literal["", "Restore", "Train", "Segment", "Correct", "Measure", "Denoise"]
"""What a person goes to; empty for the first page, which has no step."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Hold what there is of the image that is worked on, and what happens now.

    Parameters
    ----------
    page
        The step that is shown.
    running
        What runs, in words, as in "Segmenting cells: tile 23 of 81"; empty while nothing does.
    runs_on
        The step that shows it.
    is_training
        Whether it is a training on paint.
    lost
        Which paint can be restored, in a sentence; empty where there is none.
    has_annotations
        Whether there is a layer to paint on.
    is_enough
        Whether enough is painted to train on; None while nobody has counted.
    is_trained
        Whether a model was trained on the image that has not segmented it yet.
    has_learnt_little
        Whether that model was trained for too short a time to be judged.
    is_refused
        Whether a fine-tuning on the image did not help, so that the model from before was kept.
    can_continue
        Whether Continue goes on with the last training, on the image and with the model of its
        result.
    has_result, has_own_result
        Whether the image is segmented, and whether the model trained on it has done that.
    is_corrected, is_taught
        Whether that result was made editable, and whether all corrections are taught.
    is_measured
        Whether its objects were measured.
    has_denoiser, is_denoised
        Whether a denoiser is there to apply, and whether the image was denoised.
    """

    page: Step = ""
    running: str = ""
    runs_on: Step = ""
    is_training: bool = False
    lost: str = ""
    has_annotations: bool = False
    is_enough: bool | None = None
    is_trained: bool = False
    has_learnt_little: bool = False
    is_refused: bool = False
    can_continue: bool = False
    has_result: bool = False
    has_own_result: bool = False
    is_corrected: bool = False
    is_taught: bool = False
    is_measured: bool = False
    has_denoiser: bool = False
    is_denoised: bool = False


def next_step(now: Situation) -> tuple[str, Step]:
    """Return what is next, in a sentence, and the step that it belongs to."""
    if now.running:
        if now.is_training and now.page == "Train":
            return "Watch for the preview, and paint on where it is wrong.", "Train"
        return f"{now.running}.", now.runs_on
    if now.lost and now.page != "Train":  # where it is asked about
        return now.lost, "Restore"
    if now.page == "Denoise":
        return _next_of_denoising(now), "Denoise"
    if now.is_trained and now.has_learnt_little:
        return "The network has learnt little: continue training.", "Train"
    if now.is_trained:
        return "The network has learnt from your paint: segment the image.", "Segment"
    button = "Continue" if now.can_continue else "Train"
    is_seen = now.is_measured and now.page == "Measure"
    if now.is_taught and not (now.is_refused or is_seen):
        return f"Train on with what you taught: press {button}.", "Train"
    is_painting = now.page == "Train" and now.has_annotations and not now.has_own_result
    if not is_painting:
        if now.is_measured:
            return "Save the table, or go on with the next image.", "Measure"
        if now.is_corrected:
            return (
                "Correct, teach the corrections and train again; or measure the objects.",
                "Correct",
            )
        if now.has_result:
            return "Look at the result: correct it, or measure it.", "Correct"
    if now.is_refused and now.has_annotations:
        return "The model did not improve: paint where it is wrong, or segment with it.", "Train"
    if now.can_continue and now.has_annotations:
        return "Paint on, and press Continue: it goes on where the training stopped.", "Train"
    if now.is_enough and now.has_annotations:
        return "Enough is painted to start: press Train.", "Train"
    if now.has_annotations:
        return "Paint a few objects and background, then press Train.", "Train"
    return "Segment with a model that is there, or paint a few objects and train one.", "Segment"


def _next_of_denoising(now: Situation) -> str:
    """Say what is next on the page of the denoiser."""
    if now.is_denoised:
        return "Compare the result with the image; where it is poor, train for longer."
    if now.has_denoiser:
        return "Apply the denoiser, or train one on this image."
    return "Choose which images show the same, and press Train."
