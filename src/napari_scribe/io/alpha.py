"""Samples of a pixel that are no measurement: how opaque it is."""

from __future__ import annotations

import tifffile

_ALPHA = 1, 2
"""Extra samples of a TIFF that tell how opaque a pixel is."""


def measured(page: tifffile.TiffPage, n_samples: int) -> list[int]:
    """Return which samples of a page's pixels are colours or channels; all where all are alpha."""
    extra = [int(kind) for kind in page.extrasamples]
    first = n_samples - len(extra)
    alpha = {first + i for i, kind in enumerate(extra) if kind in _ALPHA}
    return [i for i in range(n_samples) if i not in alpha] or list(range(n_samples))
