"""The image without its noise: one more answer, of images instead of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..image import Image
from .base import Head, Parameters, Prediction


@dataclass(frozen=True)
class DenoisedCoder:
    """What a network takes off its input is the noise; what is left is the answer.

    Parameters
    ----------
    n_channels
        Channels that go in and come out.
    """

    n_channels: int

    @property
    def heads(self) -> tuple[Head, ...]:
        """One channel for each that goes in."""
        return (Head("denoised", self.n_channels, "image"),)

    @property
    def is_pixelwise(self) -> bool:
        """Each pixel is answered by itself."""
        return True

    def decode(self, prediction: Prediction, parameters: Parameters) -> npt.NDArray[Any]:
        """The image ``(C, *spatial)``, still normalized.

        Each channel is shifted by the parameter ``shift C``, so that the mean is kept.
        """
        shift = [parameters.get(f"shift {c}", 0.0) for c in range(self.n_channels)]
        answer = np.asarray(prediction["denoised"], dtype=np.float32)
        return answer + np.reshape(shift, (-1, *[1] * (answer.ndim - 1))).astype(np.float32)


def check_intensities(image: Image) -> None:
    """Make sure that an image holds intensities, which have noise.

    Raises
    ------
    InputError
        If it is a mask.
    """
    if image.dtype.kind == "b":
        raise InputError(f"{image.name} holds true and false only, which no noise is taken off.")


def check_colours(image: Image, channels: Sequence[int]) -> None:
    """Make sure that noise of the channels is their own.

    Raises
    ------
    InputError
        If they are colours of one picture.
    """
    if image.is_rgb and len(channels) > 1:
        raise InputError(
            f"{image.name} is a colour picture (RGB): its colours were mixed after they were "
            "recorded, and their noise with them. Split its channels and choose one.",
            channels="1",
        )
