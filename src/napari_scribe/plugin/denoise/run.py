"""A denoiser's training and its use, and the layers they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..jobs.inference import Begun
from ..jobs.runner import JobRun
from ..jobs.training import TrainingRun
from ..layers.results import show_image, show_image_window
from ..segment.run import SegmentRun
from ..train.job import finish
from .job import (
    DenoiseInput,
    DenoiserInput,
    begin_denoising,
    begin_training,
    check,
    finish_denoising,
)
from .pairs import PairSource

if TYPE_CHECKING:
    from ...training.trainer import DenoisedPreview

SPREAD = 3.5
"""Removed noise is shown up to so many standard deviations, grey where nothing was removed."""


class CheckRun(JobRun):
    """Looks at noisy pairs; its `ended` comes with `Checked`."""

    def start(self, source: PairSource) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        self.begin(
            f"Checking the pairs of {source.image.name}",
            lambda: check(source),
            lambda job: job.result,
        )


class DenoiserRun(TrainingRun):
    """Drives one training of a denoiser at a time for a viewer; its `ended` has `Trained`."""

    @staticmethod
    def make(given: DenoiserInput, field: Any) -> Any:
        """Make the job; in its thread."""
        return begin_training(given, field)

    @staticmethod
    def take(job: Any, given: DenoiserInput) -> Any:
        """Keep the model; in its thread."""
        return finish(job, given, given.extended)

    def field(self, given: DenoiserInput) -> Any:
        """What is visible, or the right half of it, so that both can be compared."""
        frame, window = super().field(given)
        across = window[-1]
        if given.half:
            across = slice((across.start + across.stop) // 2, across.stop)
        return frame, (*window[:-1], across)

    def show(self, given: DenoiserInput, preview: DenoisedPreview) -> None:
        """Show it denoised, as far as the network can by now."""
        show_image_window(
            self.viewer,
            given.image_layer,
            given.image,
            preview.frame,
            preview.window,
            preview.denoised,
            "preview",
        )


class ApplyRun(SegmentRun):
    """Drives one denoising at a time for a viewer; its `ended` comes with `Denoised`."""

    doing, button, show = "Denoising", "Apply", staticmethod(show_image)

    @staticmethod
    def make(given: DenoiseInput, begun: Begun) -> Any:
        """Make the job; in its thread."""
        return begin_denoising(given, begun)

    @staticmethod
    def take(job: Any, given: DenoiseInput, begun: Begun) -> Any:
        """What it gave; in its thread."""
        return finish_denoising(job, given, begun)

    @staticmethod
    def look(given: DenoiseInput, task: str) -> dict[str, Any]:
        """As the image looks."""
        return {}

    @staticmethod
    def show_beside(where: tuple[Any, Any, Any], done: Any, purpose: str) -> None:
        """Nothing beneath it."""

    def _show(self, given: Any, done: Any, grown: Any) -> None:
        super()._show(given, done, grown)
        if done.removed is None:
            return
        high = SPREAD * float(np.std(done.removed)) or 1.0
        show_image(
            self.viewer,
            given.image_layer,
            given.image,
            done.removed,
            given.purpose.replace("denoised", "removed noise"),
            region=done.region,
            contrast_limits=(-high, high),
            colormap="gray",
            gamma=1.0,
            visible=False,
        )
