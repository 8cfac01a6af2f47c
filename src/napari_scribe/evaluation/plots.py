"""Draw results as matplotlib figures, without pyplot and its windows and global state."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..arrays import Pixels


def save_triptych(
    path: str | Path,
    image: Pixels,
    paint: Pixels,
    labels: Pixels,
) -> None:
    """Save an image, its paint and its segmentation side by side.

    Parameters
    ----------
    path
        The PNG file to write.
    image, paint, labels
        ``(Y, X)`` each.
    """
    from matplotlib.figure import Figure

    low, high = np.percentile(image, [1, 99.8])
    grey = np.clip((image - low) / max(float(high - low), 1e-9), 0, 1)
    figure = Figure(figsize=(15, 5.3), layout="constrained")
    panels = {
        "image": np.repeat(grey[..., None], 3, axis=-1),
        "paint (blue: background)": _coloured(grey, paint, background=1),
        "segmentation": _coloured(grey, labels),
    }
    for axes, (title, pixels) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        axes.imshow(pixels)
        axes.set_title(title)
        axes.set_axis_off()
    figure.savefig(path, dpi=100)


def _coloured(grey: Pixels, labels: Pixels, background: int = 0) -> Pixels:
    """Draw labels over grey, each in its own colour, and the painted background in blue."""
    from skimage.color import label2rgb

    objects = np.where(labels > background, labels, 0)
    over = np.asarray(label2rgb(objects, grey, bg_label=0, alpha=0.5))
    if background:
        over[labels == background] = (0.2, 0.5, 1.0)
    return over
