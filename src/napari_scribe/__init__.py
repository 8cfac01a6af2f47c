"""Train a U-Net from a few painted strokes, apply it tile by tile, and evaluate the result.

Nothing here needs a viewer.
"""

import lazy_loader

__version__ = "0.1.0"

# Public names load on first use, so that importing the package does not import torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
