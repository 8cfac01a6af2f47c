"""Encode the task "denoised": the network answers with what removes the noise when added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..image import Image
from .encoding import Encoding, EncodingOptions, Head, Parameters, Prediction


@dataclass(frozen=True)
class DenoisedEncoding(Encoding):
    """Let the network answer with the negative of the noise, which is added to its input.

    Parameters
    ----------
    n_channels
        Number of channels of the input and of the answer.
    """

    n_channels: int
    task = "denoised"

    @classmethod
    def from_options(cls, options: EncodingOptions) -> DenoisedEncoding:
        """Build the encoding for the channels that the network sees."""
        return cls(options.n_channels)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return one head with as many channels as the input."""
        return (Head("denoised", self.n_channels, "image"),)

    @property
    def is_pixelwise(self) -> bool:
        """Return True: a pixel is decoded without its neighbours."""
        return True

    def decode(self, prediction: Prediction, parameters: Parameters) -> npt.NDArray[np.float32]:
        """Return the image ``(C, *spatial)``, still normalized.

        The parameter ``shift C`` is added to channel C, so that its mean stays.
        """
        shift = [parameters.get(f"shift {c}", 0.0) for c in range(self.n_channels)]
        answer = np.asarray(prediction["denoised"], dtype=np.float32)
        return answer + np.reshape(shift, (-1, *[1] * (answer.ndim - 1))).astype(np.float32)


def check_intensities(image: Image) -> None:
    """Check that an image holds intensities, which have noise.

    Raises
    ------
    InputError
        If it is a mask.
    """
    if image.dtype.kind == "b":
        raise InputError(f"{image.name} holds true and false only: there is no noise to remove.")


def check_colours(image: Image, channels: Sequence[int]) -> None:
    """Check that the noise of each channel is independent of the others.

    Raises
    ------
    InputError
        If the channels are colours of one picture.
    """
    if image.is_rgb and len(channels) > 1:
        raise InputError(
            f"{image.name} is a colour picture (RGB): its colours were mixed after they were "
            "recorded, and their noise with them. Split its channels and choose one.",
            channels="1",
        )
