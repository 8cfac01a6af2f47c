"""Give sample data to napari's File > Open Sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..samples import PIXEL, noisy_movie, nuclei
from .layers.colors import paint_colormap
from .layers.conversion import ANNOTATION_DTYPE
from .layers.purpose import ANNOTATIONS, MARK, TRUTH

LayerData = tuple[Any, dict[str, Any], str]
SECONDS = 10.0
"""Seconds from frame to frame."""
DRIFT, BLEACHING = 2.0, 0.3
"""Of the movie: pixels from frame to frame, and share of the light that is lost in all."""


def nuclei_512() -> list[LayerData]:
    """Return fluorescent nuclei, 512 x 512, some of them painted already."""
    return nuclei_layers(512)


def nuclei_2048() -> list[LayerData]:
    """Return fluorescent nuclei, 2048 x 2048, some of them painted already."""
    return nuclei_layers(2048)


def nuclei_layers(side: int) -> list[LayerData]:
    """Return image and paint as napari takes them."""
    sample = nuclei((side, side))
    name = "nuclei" if side == 512 else f"nuclei {side}"
    place = {"scale": (PIXEL, PIXEL), "units": ("um", "um"), "axis_labels": ("y", "x")}
    high = float(np.percentile(sample.image, 99.8))
    image = {"name": name, **place, "contrast_limits": (float(sample.image.min()), high)}
    paint = {
        "name": f"{name} annotations",
        **place,
        "colormap": paint_colormap(),
        "opacity": 0.6,
        "metadata": {MARK: {"purpose": ANNOTATIONS, "source": name}},
    }
    return [
        (sample.image, image, "image"),
        (sample.paint.astype(ANNOTATION_DTYPE), paint, "labels"),
    ]


def movie() -> list[LayerData]:
    """Return fluorescent nuclei in little light, which drift and bleach; the truth is hidden."""
    made = noisy_movie(drift=DRIFT, bleaching=BLEACHING)
    place = {
        "scale": (SECONDS, PIXEL, PIXEL),
        "units": ("s", "um", "um"),
        "axis_labels": ("t", "y", "x"),
        "contrast_limits": (float(made.clean.min()), float(made.clean.max())),
    }
    name = "noisy movie"
    mark = {MARK: {"purpose": TRUTH, "source": name}}
    truth = {"name": f"{name} truth", **place, "visible": False, "metadata": mark}
    return [(made.clean, truth, "image"), (made.noisy, {"name": name, **place}, "image")]
