"""Segment an image once more: the new result is seen, and what was corrected stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_scribe.plugin.correct.layers import editable_copy
from napari_scribe.plugin.layers.purpose import MARK


def test_a_new_result_is_seen_where_an_older_one_was_corrected(
    dock: Any, idle: Callable[[], None], painted: Any
) -> None:
    dock.segment()
    idle()
    image, result = painted.layers["nuclei"], painted.layers["nuclei labels"]
    corrected = editable_copy(painted, result, image)
    corrected.data[:9, :9] = 77
    mine = corrected.data.copy()
    painted.layers.selection.active = corrected
    corrected.mode = "paint"
    other = painted.add_image(image.data, name="other")
    elsewhere = editable_copy(painted, result, other)
    elsewhere.metadata[MARK] |= {"source": "other", "source_id": str(other.unique_id)}
    dock.form.image.layer.value = image
    dock.segment()
    idle()
    layers = painted.layers
    assert layers["nuclei labels"].visible
    assert layers["nuclei annotations"].visible and elsewhere.visible
    assert layers.index(corrected) > layers.index("nuclei labels")
    assert not corrected.visible  # it would cover the new one
    assert corrected.mode == "pan_zoom"  # nobody paints on what is not seen
    assert np.array_equal(corrected.data, mine)
