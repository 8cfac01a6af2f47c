"""Build networks, and compute what tiling needs to know about them.

To add a network, write a file with a subclass of `Network`, describe its fields by a `NetworkPart`
in ``recipe/networks.py``, and enter the two under one name in `NETWORKS` and `NETWORK_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable

from .base import Network
from .fcn import FCN
from .fusionnet import FusionNet
from .geometry import Geometry, round_up, sides
from .measure import measure_geometry
from .per_image import depends_on_image, with_statistics_of
from .residual_symmetric import ResidualSymmetric
from .unet import UNet, geometry_of

NETWORKS: dict[str, Callable[..., Network]] = {
    "unet": UNet,
    "fcn": FCN,
    "fusionnet": FusionNet,
    "residual_symmetric": ResidualSymmetric,
}
"""The builder of each kind of network; it takes a part of a recipe, channels in, channels out."""


__all__ = [
    "FCN",
    "NETWORKS",
    "FusionNet",
    "Geometry",
    "Network",
    "ResidualSymmetric",
    "UNet",
    "depends_on_image",
    "geometry_of",
    "measure_geometry",
    "round_up",
    "sides",
    "with_statistics_of",
]
