"""Define what every network offers to training, tiling and the model file."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .geometry import Geometry

CONVOLUTIONS = nn.Conv2d, nn.Conv3d
NORMALIZATIONS = nn.BatchNorm2d, nn.BatchNorm3d


class Network(nn.Module):
    """Turn images into logits; a network is a subclass that sets these attributes.

    Its constructor takes its part of the recipe and the channels of the image and of the answer.

    Attributes
    ----------
    dimensions
        2 or 3 axes of space.
    geometry
        One per axis of space: `Geometry.of_steps`, or `measure_geometry` where nobody wrote the
        steps down.
    """

    dimensions: int
    geometry: tuple[Geometry, ...]

    def forward(self, x: Tensor, margin: Sequence[int] | None = None) -> Tensor:
        """Return logits ``(N, channels_out, *spatial)`` of images ``(N, channels_in, *spatial)``.

        Parameters
        ----------
        margin
            Pixels per axis that are cropped off either side of the answer. A network that can
            saves the work on them, others crop in the end.
        """
        raise NotImplementedError

    def answer_zero(self) -> None:
        """Let the network answer 0 to everything until it is trained.

        A denoiser answers what is to be added to the image: it begins by changing nothing.
        """
        raise NotImplementedError

    def folded(self) -> Self:
        """Return a copy for inference, without the layers that it can do without.

        Batch normalizations are folded into the convolutions right before them in a sequence.
        """
        network = copy.deepcopy(self).eval()
        for block in network.modules():
            layers = list(block) if isinstance(block, nn.Sequential) else []
            for i, (layer, following) in enumerate(pairwise(layers)):
                if isinstance(layer, CONVOLUTIONS) and isinstance(following, NORMALIZATIONS):
                    assert isinstance(block, nn.Sequential)
                    block[i], block[i + 1] = fuse_conv_bn_eval(layer, following), nn.Identity()
        return network
