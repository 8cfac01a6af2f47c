"""A ring round a place to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Points

from napari_scribe.plugin.layers.ring import Ring


def test_there_is_one_place_to_look_at(painted: Any) -> None:
    """A ring takes away that of another dock, which may show its own again."""
    layer, mine = painted.layers["nuclei"], painted.add_points([[1, 1]])
    painted.layers.selection.active = layer
    rings = Ring(painted), Ring(painted)
    for ring, pixel in [(rings[0], 10), (rings[1], 20), (rings[0], 30)]:
        ring.show(layer, [pixel, pixel], 8.0)
        shown = [one for one in painted.layers if isinstance(one, Points) and one is not mine]
        assert [one.data.tolist() for one in shown] == [[[pixel, pixel]]]
    assert painted.layers.selection.active is layer
    rings[0].remove()
    assert np.array_equal(mine.data, [[1, 1]]) and mine in painted.layers
