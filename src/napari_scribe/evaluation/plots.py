"""Draw results as matplotlib figures, without pyplot and its windows and global state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Pixels
from .curves import HALF, ProbabilityScores
from .overlap import Ratios

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
"""Suffixes of the files that figures are written to."""
_POINTS = 2000
"""Most points of a curve that is drawn: more cannot be told apart."""


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


def save_curves(
    path: str | Path, pooled: ProbabilityScores, images: Mapping[str, ProbabilityScores]
) -> None:
    """Save the ROC and the precision-recall curve side by side.

    Parameters
    ----------
    path
        The file to write, with one of `FIGURE_SUFFIXES`.
    pooled
        Scores of all images as one, whose curves are drawn in the foreground.
    images
        Name -> scores of an image. Several are drawn as thin lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    roc, precision_recall = figure.subplots(1, 2)
    thin = {"color": "0.75", "linewidth": 0.8}
    for scores in images.values():
        if len(images) > 1 and scores.n_positive and scores.n_negative:
            roc.plot(*_thinned(*_roc(scores)), **thin)
            precision_recall.plot(*_thinned(scores.recall, scores.precision), **thin)
    roc.plot(*_thinned(*_roc(pooled)), label=f"area under the curve {pooled.roc_auc:.4f}")
    roc.plot([0, 1], [0, 1], ":", color="0.5", label="by chance")
    roc.set(xlabel="false positive rate", ylabel="true positive rate (recall)", title="ROC")
    share = pooled.n_positive / (pooled.n_positive + pooled.n_negative)
    label = f"average precision {pooled.average_precision:.4f}"
    precision_recall.plot(*_thinned(pooled.recall, pooled.precision), label=label)
    precision_recall.axhline(share, linestyle=":", color="0.5", label="by chance")
    precision_recall.set(xlabel="recall", ylabel="precision", title="Precision and recall")
    thresholds = pooled.best_threshold, HALF, pooled.threshold
    names = "best threshold", "threshold", "given threshold"
    for name, threshold, marker in zip(names, thresholds, "o^s", strict=True):
        if threshold is not None:
            at = pooled.at(threshold)
            label = f"{name} {threshold:.3g}: F1 {at.f1:.3f}"
            rate = at.fp / (at.fp + at.tn)
            roc.plot([rate], [at.recall], marker, color="C1", label=label)
            precision_recall.plot([at.recall], [at.precision], marker, color="C1", label=label)
    for axes in (roc, precision_recall):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.legend(loc="lower right" if axes is roc else "lower left")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _roc(scores: ProbabilityScores) -> tuple[Ratios, Ratios]:
    """Return the ROC curve from (1, 1) to (0, 0)."""
    return np.append(scores.false_positive_rate, 0), np.append(scores.recall, 0)


def _thinned(x: Ratios, y: Ratios) -> tuple[Any, Any]:
    """Return at most `_POINTS` points of a curve, evenly spaced along it, with both ends."""
    if len(x) <= _POINTS:
        return x, y
    way = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    at = np.searchsorted(way, np.linspace(0, way[-1], _POINTS)).clip(max=len(x) - 1)
    at = np.unique(np.concatenate([at, [0, len(x) - 1]]))
    return x[at], y[at]


def _coloured(grey: Pixels, labels: Pixels, background: int = 0) -> Pixels:
    """Draw labels over grey, each in its own colour, and the painted background in blue."""
    from skimage.color import label2rgb

    objects = np.where(labels > background, labels, 0)
    over = np.asarray(label2rgb(objects, grey, bg_label=0, alpha=0.5))
    if background:
        over[labels == background] = (0.2, 0.5, 1.0)
    return over
