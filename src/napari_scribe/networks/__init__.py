"""Networks, and the geometry that inference needs of them."""

from .geometry import Geometry, geometry_of, sides
from .unet import UNet

__all__ = ["Geometry", "UNet", "geometry_of", "sides"]
