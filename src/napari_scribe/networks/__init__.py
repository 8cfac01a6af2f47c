"""Build networks by the kind that a recipe names; to add one, see `Network` and `NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import InputError
from ..recipe import NetworkPart
from .base import Network
from .geometry import Geometry, sides
from .measure import measure_geometry
from .unet import UNet, geometry_of

NETWORKS: dict[str, Callable[..., Network]] = {"unet": UNet}
"""Builds the network of each kind of recipe, of its part, channels of the image and the answer."""


def new_network(recipe: NetworkPart, channels_in: int, channels_out: int) -> Network:
    """Build the network that a recipe describes, with fresh weights.

    Raises
    ------
    InputError
        If nothing builds networks of that kind.
    """
    if recipe.kind not in NETWORKS:
        raise InputError(f"There is no network of the kind {recipe.kind!r} here.")
    return NETWORKS[recipe.kind](recipe, channels_in, channels_out)


__all__ = [
    "NETWORKS",
    "Geometry",
    "Network",
    "UNet",
    "geometry_of",
    "measure_geometry",
    "new_network",
    "sides",
]
