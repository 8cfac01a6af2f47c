"""Define what every network offers to training, tiling and the model file."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .blocks import Again
from .geometry import Geometry

CONVOLUTIONS = nn.Conv2d, nn.Conv3d
NORMALIZATIONS = nn.BatchNorm2d, nn.BatchNorm3d


class Network(nn.Module):
    """Turn images into logits; each network is a subclass that sets these attributes.

    Its constructor takes its part of the recipe, the number of channels of the image, and the
    number of channels of the answer.

    Attributes
    ----------
    dimensions
        Number of spatial axes, 2 or 3.
    geometry
        One per spatial axis, from `Geometry.of_steps`, or from `measure_geometry` if the steps
        are not known.
    """

    dimensions: int
    geometry: tuple[Geometry, ...]

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """Return logits ``(N, channels_out, *spatial)`` of images ``(N, channels_in, *spatial)``.

        Parameters
        ----------
        margin
            Pixels per axis that are cropped off either side of the answer. A network may skip the
            work on them, or just crop at the end.
        """
        raise NotImplementedError

    def check_size(self, x: Tensor) -> None:
        """Check that the network takes images ``(N, C, *spatial)`` of this size.

        Raises
        ------
        ValueError
            If it does not: see `Geometry.takes`.
        """
        if not all(g.takes(n) for g, n in zip(self.geometry, x.shape[2:], strict=True)):
            smallest = " x ".join(str(g.smallest) for g in self.geometry)
            steps = " x ".join(str(g.stride) for g in self.geometry)
            raise ValueError(
                f"This network takes no images of {tuple(x.shape[2:])} px: they have {smallest} px "
                f"or more, in steps of {steps}."
            )

    def answer_zero(self) -> None:
        """Set the weights so that the network answers 0 to everything until it is trained.

        The answer of a denoiser is added to the image, so a new denoiser changes nothing.
        """
        raise NotImplementedError

    def folded(self) -> Self:
        """Return a copy for inference, with fewer layers and the same answers.

        Batch normalizations are folded into the convolutions right before them in a sequence.
        """
        network = copy.deepcopy(self).eval()
        for block in network.modules():
            layers = list(block) if isinstance(block, nn.Sequential) else []
            for i, (layer, following) in enumerate(pairwise(layers)):
                layer = layer.convolution if isinstance(layer, Again) else layer
                if isinstance(layer, CONVOLUTIONS) and isinstance(following, NORMALIZATIONS):
                    assert isinstance(block, nn.Sequential)
                    block[i], block[i + 1] = fuse_conv_bn_eval(layer, following), nn.Identity()
        return network
