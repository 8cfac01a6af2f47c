"""Paint a few strokes, get a U-Net: training, tiled inference and evaluation without a viewer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import InputError as InputError
    from .evaluation.metrics import evaluate as evaluate
    from .image import Image as Image
    from .inference.segment import segment as segment
    from .io import read_image as read_image
    from .model import Model as Model
    from .model import load_model as load_model
    from .progress import Job as Job
    from .progress import run as run
    from .recipe import Recipe as Recipe
    from .targets.paint import Paint as Paint
    from .training.train import train as train

# Public names load on first use, so that importing the package does not import torch.
_HOME = {
    "InputError": "errors",
    "Image": "image",
    "Job": "progress",
    "Model": "model",
    "Paint": "targets.paint",
    "Recipe": "recipe",
    "evaluate": "evaluation.metrics",
    "load_model": "model",
    "read_image": "io",
    "run": "progress",
    "segment": "inference.segment",
    "train": "training.train",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
