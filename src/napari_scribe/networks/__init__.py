"""Build networks by the kind that a recipe names; to add one, see `Network` and `NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable

from .base import Network
from .geometry import Geometry, sides
from .measure import measure_geometry
from .unet import UNet, geometry_of

NETWORKS: dict[str, Callable[..., Network]] = {"unet": UNet}
"""Builds a network of each kind, of its part of a recipe, the channels in and the channels out."""


__all__ = [
    "NETWORKS",
    "Geometry",
    "Network",
    "UNet",
    "geometry_of",
    "measure_geometry",
    "sides",
]
