"""The test for seams, from the dock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..jobs.runner import JobRun
from .job import SegmentInput


class SeamRun(JobRun):
    """Drives one test for seams at a time; its `ended` comes with `Seams`."""

    def start(self, given: SegmentInput) -> None:
        """Begin.

        Raises
        ------
        InputError
            If another job runs.
        """
        self.begin(
            f"Testing {given.image.name} for seams",
            lambda: _begin(given),
            lambda job: job.result,
        )


def _begin(given: SegmentInput) -> Any:
    from ...inference.seams import seam_test
    from ...model import load_model

    model = load_model(given.model) if isinstance(given.model, Path) else given.model
    return seam_test(
        model,
        given.image,
        channels=given.channels,
        region=given.region,
        tile=given.tile,
        halo=given.halo,
        device=given.device,
    )
